# pyright: reportMissingImports=false, reportUnknownVariableType=false
"""What QGIS makes of a served city, run by Debian's own Python, which alone has QGIS: `python3 in_qgis.py` < wishes.

Wishes and what was found are JSON: the address and a box of the city [deg] in, counts and the drawn colours out; two
pictures are left as PNG.
"""

import json
import sys


def main(wishes: dict[str, object]) -> dict[str, object]:
    """Open a layer as features and as vector tiles, draw both, and tell what was seen."""
    from qgis.core import QgsApplication

    application = QgsApplication([], False)
    application.initQgis()
    found = {"features": features(wishes), "tiles": tiles(wishes)}
    application.exitQgis()
    return found


def features(wishes):
    """Open the layer by OGC API Features: what it holds, in the box, and how it is drawn."""
    from qgis.core import QgsFeatureRequest, QgsRectangle, QgsVectorLayer

    source = f"pagingEnabled='true' pageSize='1000' typename='warnings' url='{wishes['address']}'"
    layer = QgsVectorLayer(source, "warnings", "OAPIF")
    assert layer.isValid(), layer.error().summary()
    within = layer.getFeatures(QgsFeatureRequest().setFilterRect(QgsRectangle(*wishes["box"])))
    found = {
        "count": layer.featureCount(),
        "crs": layer.crs().authid(),
        "fields": {field.name(): field.typeName() for field in layer.fields()},
        "levels": {feature["id"]: feature["level_name"] for feature in within},
    }
    layer.renderer().symbol().symbolLayer(0).setDataDefinedProperty(*by_colour())
    return {**found, "colours": drawn(layer, wishes, wishes["features_png"])}


def tiles(wishes):
    """Open the layer as XYZ vector tiles, and draw it."""
    from qgis.core import (
        QgsFillSymbol,
        QgsVectorTileBasicRenderer,
        QgsVectorTileBasicRendererStyle,
        QgsVectorTileLayer,
        QgsWkbTypes,
    )

    address = wishes["address"] + "/tiles/warnings/{z}/{x}/{y}.mvt"
    layer = QgsVectorTileLayer(f"type=xyz&url={address}&zmin=0&zmax=14", "warnings")
    assert layer.isValid(), layer.error().summary()
    symbol = QgsFillSymbol.createSimple({"outline_style": "no"})
    symbol.symbolLayer(0).setDataDefinedProperty(*by_colour())
    style = QgsVectorTileBasicRendererStyle("places", "warnings", QgsWkbTypes.PolygonGeometry)
    style.setSymbol(symbol)
    renderer = QgsVectorTileBasicRenderer()
    renderer.setStyles([style])
    layer.setRenderer(renderer)
    return {"colours": drawn(layer, wishes, wishes["tiles_png"])}


def by_colour():
    """Give what fills a symbol by the baked colour of the feature."""
    from qgis.core import QgsProperty, QgsSymbolLayer

    return QgsSymbolLayer.PropertyFillColor, QgsProperty.fromField("colour")


def drawn(layer, wishes, path):
    """Draw the box, keep the picture and give the colour at each place asked for."""
    from qgis.core import (
        QgsCoordinateReferenceSystem,
        QgsCoordinateTransform,
        QgsMapRendererSequentialJob,
        QgsMapSettings,
        QgsPointXY,
        QgsProject,
        QgsRectangle,
    )
    from qgis.PyQt.QtCore import QSize

    mercator = QgsCoordinateReferenceSystem("EPSG:3857")
    to_mercator = QgsCoordinateTransform(QgsCoordinateReferenceSystem("OGC:CRS84"), mercator, QgsProject.instance())
    settings = QgsMapSettings()
    settings.setLayers([layer])
    settings.setDestinationCrs(mercator)
    settings.setOutputSize(QSize(1000, 1000))
    settings.setExtent(to_mercator.transformBoundingBox(QgsRectangle(*wishes["box"])))
    job = QgsMapRendererSequentialJob(settings)
    job.start()
    job.waitForFinished()
    picture = job.renderedImage()
    assert picture.save(path)
    pixels = {
        name: settings.mapToPixel().transform(to_mercator.transform(QgsPointXY(*place)))
        for name, place in wishes["places"].items()
    }
    return {name: picture.pixelColor(round(at.x()), round(at.y())).name() for name, at in pixels.items()}


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
