"""Desktop styles: a layer's looks as QGIS reads them (QML) and as every OGC program does (SLD 1.1 with SE 1.1).

Pure.  Both hatch with lines of their own in place of the pattern's picture: at its angles, in its ink.  Sources:
what QGIS 3.22 writes itself and reads again, OGC 05-078r4 and 05-077r4.
"""

from xml.etree import ElementTree as ET

from geo_service.maps import patterns
from geo_service.maps.styles import EDGE, Look, Style

QGIS_VERSION = "3.22"  # the oldest that these files were loaded with

_DOCTYPE = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
_SPACES = {
    "xmlns": "http://www.opengis.net/sld",
    "xmlns:se": "http://www.opengis.net/se",
    "xmlns:ogc": "http://www.opengis.net/ogc",
}
_HATCH_MM, _LINE_MM, _DOT_MM, _EDGE_MM, _POINT_MM = "2", "0.3", "0.5", "0.2", "2.6"
_HATCH_PX = 8
_HATCH_WIDTH = "0.6"  # QGIS takes it for mm, others for pixels: fine in both
_LINES = (
    "horline",
    "shape://horline",
)  # as QGIS and as GeoServer call a line; of several marks the first known is drawn
_VEIL = 0.18  # opacity of places that wear one colour [0-1]


def qml(style: Style, language: str) -> str:
    """Make a QGIS style: a category for each value of the field, or one symbol where there is none."""
    root = ET.Element("qgis", version=QGIS_VERSION, styleCategories="Symbology")
    kind = "categorizedSymbol" if style.field else "singleSymbol"
    renderer = ET.SubElement(root, "renderer-v2", type=kind, forceraster="0", symbollevels="0", enableorderby="0")
    if style.field:
        renderer.set("attr", style.field)
        categories = ET.SubElement(renderer, "categories")
        for at, look in enumerate(style.looks):
            value = "" if look.value is None else str(look.value)  # "" is QGIS's category of all other values
            label = look.label(language)
            ET.SubElement(categories, "category", render="true", symbol=str(at), value=value, label=label)
    symbols = ET.SubElement(renderer, "symbols")
    for at, look in enumerate(style.looks):
        _symbol(symbols, str(at), look, style)
    return _DOCTYPE + _written(root)


def _symbol(parent: ET.Element, name: str, look: Look, style: Style) -> None:
    if style.layer.style == "points":
        symbol = ET.SubElement(parent, "symbol", type="marker", name=name, alpha="1", clip_to_extent="1")
        colours = {"color": _rgba(look.colour), "outline_color": _rgba(EDGE)}
        _symbol_layer(symbol, "SimpleMarker", name="circle", size=_POINT_MM, outline_width=_EDGE_MM, **colours)
        return
    symbol = ET.SubElement(parent, "symbol", type="fill", name=name, alpha="1", clip_to_extent="1")
    edge = EDGE if style.field else look.colour
    _symbol_layer(
        symbol,
        "SimpleFill",
        color=_rgba(look.colour, 1.0 if style.field else _VEIL),
        style="solid",
        outline_color=_rgba(edge),
        outline_style="solid",
        outline_width=_EDGE_MM,
    )
    if look.pattern:
        _hatch(symbol, name, patterns.INKS[look.pattern])


def _hatch(symbol: ET.Element, name: str, ink: patterns.Ink) -> None:
    colour = _rgba(ink.colour, ink.opacity)
    for at, angle in enumerate(ink.angles, start=1):
        lines = _symbol_layer(symbol, "LinePatternFill", angle=str(angle), distance=_HATCH_MM, color=colour)
        line = ET.SubElement(lines, "symbol", type="line", name=f"@{name}@{at}", alpha="1", clip_to_extent="1")
        _symbol_layer(line, "SimpleLine", line_color=colour, line_width=_LINE_MM, line_style="solid")
    if not ink.angles:
        dots = _symbol_layer(symbol, "PointPatternFill", distance_x=_HATCH_MM, distance_y=_HATCH_MM)
        dot = ET.SubElement(dots, "symbol", type="marker", name=f"@{name}@1", alpha="1", clip_to_extent="1")
        _symbol_layer(dot, "SimpleMarker", name="circle", color=colour, size=_DOT_MM, outline_style="no")


def _symbol_layer(symbol: ET.Element, kind: str, **properties: str) -> ET.Element:
    layer = ET.SubElement(symbol, "layer", {"class": kind, "enabled": "1", "pass": "0", "locked": "0"})
    for key, value in properties.items():
        ET.SubElement(layer, "prop", k=key, v=value)  # what 3.22 writes and later ones read
    return layer


def _rgba(colour: str, opacity: float = 1.0) -> str:
    return ",".join(str(part) for part in (*patterns.rgb(colour), round(opacity * 255)))


def sld(style: Style, language: str) -> str:
    """Make a styled layer descriptor: a rule for each look, told by the field's value."""
    root = ET.Element("StyledLayerDescriptor", {"version": "1.1.0", **_SPACES})
    named = ET.SubElement(root, "NamedLayer")
    _said(named, "Name", style.layer.id)
    user = ET.SubElement(named, "UserStyle")
    _said(user, "Name", style.layer.id)
    _said(ET.SubElement(user, "se:Description"), "Title", style.layer.title[language])
    rules = ET.SubElement(user, "se:FeatureTypeStyle")
    for look in style.looks:
        rule = ET.SubElement(rules, "se:Rule")
        _said(rule, "Name", look.name)
        _said(ET.SubElement(rule, "se:Description"), "Title", look.label(language))
        if style.field:
            _condition(rule, style.field, look.value)
        _symbolizers(rule, look, style)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + _written(root)


def _condition(rule: ET.Element, field: str, value: int | str | None) -> None:
    told = ET.SubElement(rule, "ogc:Filter")
    kind = "PropertyIsNull" if value is None else "PropertyIsEqualTo"
    test = ET.SubElement(told, f"ogc:{kind}")
    ET.SubElement(test, "ogc:PropertyName").text = field
    if value is not None:
        ET.SubElement(test, "ogc:Literal").text = str(value)


def _symbolizers(rule: ET.Element, look: Look, style: Style) -> None:
    if style.layer.style == "points":
        graphic = ET.SubElement(ET.SubElement(rule, "se:PointSymbolizer"), "se:Graphic")
        mark = ET.SubElement(graphic, "se:Mark")
        _said(mark, "WellKnownName", "circle")
        _fill(mark, look.colour)
        _stroke(mark, EDGE)
        _said(graphic, "Size", "9")
        return
    polygon = ET.SubElement(rule, "se:PolygonSymbolizer")
    _fill(polygon, look.colour, 1.0 if style.field else _VEIL)
    ink = patterns.INKS.get(look.pattern)
    if (
        ink and not ink.angles
    ):  # a fill of dots becomes grey in QGIS and hides the colour; a dotted edge is drawn by all
        _stroke(polygon, ink.colour, **{"stroke-dasharray": "1 3"})
    else:
        _stroke(polygon, EDGE if style.field else look.colour)
    if ink:
        _hatches(rule, ink)


def _hatches(rule: ET.Element, ink: patterns.Ink) -> None:
    for angle in ink.angles:
        over = ET.SubElement(ET.SubElement(rule, "se:PolygonSymbolizer"), "se:Fill")
        graphic = ET.SubElement(ET.SubElement(over, "se:GraphicFill"), "se:Graphic")
        for name in _LINES:
            mark = ET.SubElement(graphic, "se:Mark")
            _said(mark, "WellKnownName", name)
            _stroke(mark, ink.colour, **{"stroke-opacity": f"{ink.opacity:g}", "stroke-width": _HATCH_WIDTH})
        _said(graphic, "Size", str(_HATCH_PX))
        ET.SubElement(ET.SubElement(graphic, "se:Rotation"), "ogc:Literal").text = str(angle)


def _fill(parent: ET.Element, colour: str, opacity: float = 1.0) -> None:
    fill = ET.SubElement(parent, "se:Fill")
    _parameters(fill, {"fill": colour, "fill-opacity": f"{opacity:g}"})


def _stroke(parent: ET.Element, colour: str, **said: str) -> None:
    _parameters(ET.SubElement(parent, "se:Stroke"), {"stroke": colour, "stroke-width": "0.8", **said})


def _parameters(parent: ET.Element, values: dict[str, str]) -> None:
    for name, value in values.items():
        ET.SubElement(parent, "se:SvgParameter", name=name).text = value


def _said(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, f"se:{name}").text = text


def _written(root: ET.Element) -> str:
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"
