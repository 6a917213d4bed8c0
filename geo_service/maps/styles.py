"""Styles: how a layer looks, said once from its colour scheme, and the MapLibre style made of it.

Pure.  A `Style` is what legends (legends.py) and desktop styles (desktop_styles.py) are made of too, so that all say
the same: for each value of one field a colour, a pattern, a text in both languages, the range of counts behind it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from geo_service.maps import patterns
from geo_service.maps.layers import LANGUAGES, Layer, LevelScheme, Marks, Texts

GROUND = "#f4f5f1"  # behind all layers, as on the map page
EDGE = "#ffffff"  # between places of any colour
PIXEL_RATIOS = (1, 2)  # screens that sprites are drawn for

_SPRITE_SIDE = 12  # of a pattern [css px]
_VEIL = 0.18  # opacity of places that wear one colour: what lies below stays to be seen [0-1]


@dataclass(frozen=True)
class Look:
    """How features with one value of the style's field look; `value` None: those that have none.

    `span` says which counts wear it, None where it is not a matter of counts.
    """

    name: str
    value: int | str | None
    colour: str
    pattern: str
    text: Texts
    span: Texts | None = None

    def label(self, language: str) -> str:
        """Say in a language what it stands for, with its counts.

        >>> text, span = {"zh": "红色", "en": "red"}, {"zh": "4–5 起", "en": "4–5"}
        >>> Look("red", 3, "#d7263d", "diagonal", text, span).label("en")
        'red (4–5)'
        """
        opening, closing = ("（", "）") if language == "zh" else (" (", ")")
        return f"{self.text[language]}{opening}{self.span[language]}{closing}" if self.span else self.text[language]


@dataclass(frozen=True)
class Style:
    """The looks of a layer by the value of `field`; without a field there is one look for all."""

    layer: Layer
    field: str
    looks: tuple[Look, ...]


@dataclass(frozen=True)
class Palette:
    """What styles are made of: the colours of levels, the thresholds of a month, marks, and the titles of kinds."""

    scheme: LevelScheme
    thresholds: Sequence[int]
    marks: Marks
    kinds: Mapping[str, Texts]


def of_layer(layer: Layer, palette: Palette) -> Style:
    """Give the style of a layer: by level, by kind of object, or one colour for all its places."""
    scheme, marks = palette.scheme, palette.marks
    if layer.style == "levels":
        spans = scheme.ranges(palette.thresholds)
        worn = [
            Look(level.name, level.code, level.colour, level.pattern, level.text, span)
            for level, span in zip(scheme.levels, spans, strict=True)
        ]
        unknown = scheme.unknown
        return Style(layer, "level", (*worn, Look(unknown.name, None, unknown.colour, unknown.pattern, unknown.text)))
    if layer.style == "points":
        named = [(kind, palette.kinds.get(kind) or dict.fromkeys(LANGUAGES, kind)) for kind in layer.objects]
        looks = [Look(kind, kind, marks.of_kind(kind), "", text) for kind, text in named]
        return Style(layer, "kind", (*looks, Look("other", None, marks.other, "", marks.other_text)))
    return Style(layer, "", (Look("plain", None, marks.plain, "", layer.title),))


def maplibre(styles: Sequence[Style], at: str, query: str = "", language: str = "en") -> dict[str, object]:
    """Make a MapLibre style (version 8) that draws layers, the first one lowest.

    Addresses are absolute: `at` is the server's, `query` goes with each tile ("?month=2024-05").  Each look is a layer
    of its own, named LAYER-LOOK, with a plain filter: every client can list, hide and read them, and the worst is drawn
    last.  Texts and ranges of both languages stand under `metadata`.
    """
    drawn: list[dict[str, object]] = [{"id": "ground", "type": "background", "paint": {"background-color": GROUND}}]
    for style in styles:
        drawn += _points(style) if style.layer.style == "points" else _places(style)
    return {
        "version": 8,
        "name": " · ".join(style.layer.title[language] for style in styles),
        "metadata": {f"{style.layer.id}:legend": legend(style) for style in styles},
        "sprite": f"{at}/sprites/patterns",
        "sources": {style.layer.id: _source(style.layer, at, query) for style in styles},
        "layers": drawn,
    }


def legend(style: Style) -> dict[str, object]:
    """Say a style as data: title, field, and each look with its texts and range in both languages."""
    return {
        "title": dict(style.layer.title),
        "field": style.field,
        "looks": [
            {
                "name": look.name,
                "value": look.value,
                "colour": look.colour,
                "pattern": look.pattern,
                "text": dict(look.text),
                "range": dict(look.span) if look.span else None,
            }
            for look in style.looks
        ],
    }


def sprite(pixel_ratio: int) -> tuple[dict[str, dict[str, int]], patterns.Pixels]:
    """Draw the sprite of every pattern, side by side, and its index, for screens of a pixel ratio.

    >>> index, drawn = sprite(2)
    >>> index["pattern-cross"], drawn.shape
    ({'x': 24, 'y': 0, 'width': 24, 'height': 24, 'pixelRatio': 2}, (24, 72, 4))
    """
    side = _SPRITE_SIDE * pixel_ratio
    index = {
        _sprite_name(pattern): {"x": at * side, "y": 0, "width": side, "height": side, "pixelRatio": pixel_ratio}
        for at, pattern in enumerate(patterns.INKS)
    }
    return index, patterns.side_by_side([patterns.tile(pattern, side) for pattern in patterns.INKS])


def _sprite_name(pattern: str) -> str:
    return f"pattern-{pattern}"


def _source(layer: Layer, at: str, query: str) -> dict[str, object]:
    address = f"{at}/tiles/{layer.id}/{{z}}/{{x}}/{{y}}.mvt{query}"
    return {"type": "vector", "tiles": [address], "minzoom": layer.minzoom, "maxzoom": layer.maxzoom}


def _places(style: Style) -> list[dict[str, object]]:
    """Draw the fill of each look, its pattern over it, then the edges of all."""
    name, drawn = style.layer.id, list[dict[str, object]]()
    unknown_first = sorted(style.looks, key=lambda look: look.value is not None)  # the worst is drawn last
    for look in unknown_first:
        of_look = {"source": name, "source-layer": name, **_filter(style.field, look)}
        paint = {"fill-color": look.colour, "fill-opacity": 1.0 if style.field else _VEIL}
        drawn.append({"id": f"{name}-{look.name}", "type": "fill", **of_look, "paint": paint})
        if look.pattern:
            over = {"fill-pattern": _sprite_name(look.pattern)}
            drawn.append({"id": f"{name}-{look.name}-{look.pattern}", "type": "fill", **of_look, "paint": over})
    edge = {"line-color": EDGE if style.field else style.looks[0].colour, "line-width": 0.8}
    drawn.append({"id": f"{name}-edge", "type": "line", "source": name, "source-layer": name, "paint": edge})
    return drawn


def _points(style: Style) -> list[dict[str, object]]:
    name = style.layer.id
    size = ["interpolate", ["linear"], ["zoom"], 10, 2, 14, 5, 18, 8]
    return [
        {
            "id": f"{name}-{look.name}",
            "type": "circle",
            "source": name,
            "source-layer": name,
            **_filter(style.field, look),
            "paint": {
                "circle-color": look.colour,
                "circle-radius": size,
                "circle-stroke-color": EDGE,
                "circle-stroke-width": 1,
            },
        }
        for look in style.looks
    ]


def _filter(field: str, look: Look) -> dict[str, object]:
    if not field:
        return {}
    return {"filter": ["!", ["has", field]] if look.value is None else ["==", ["get", field], look.value]}
