"""Queryables: which properties of a layer may be asked for, of what kind they are, and their JSON Schema.

Pure.  A layer says of each field what it is in a sentence that ends in its unit; the unit tells the kind.
"""

import re
from collections.abc import Mapping

from geo_service.maps.layers import Layer

GEOMETRY = "geometry"  # the name under which filters know where a place is

_UNIT = re.compile(r"\[([^\]]*)\]$")
_KINDS = {
    "text": "text",
    "code": "text",
    "hex": "text",
    "YYYY-MM": "text",
    "#rrggbb": "text",
    "YYYY-MM-DD": "date",
    "RFC 3339": "time",
}
_TYPES: Mapping[str, Mapping[str, object]] = {
    "text": {"type": "string"},
    "date": {"type": "string", "format": "date"},
    "time": {"type": "string", "format": "date-time"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
}
_WHOLE = {"incidents", "places"}  # units that are counted


def kinds(layer: Layer) -> dict[str, str]:
    """Give the kind of each field: text, date (its text), time, integer or number.

    >>> text = {"zh": "…", "en": "…"}
    >>> fields = {"id": "Identity [text]", "level": "Level [code]", "count": "Calls [incidents]", "red": "Chance [-]"}
    >>> kinds(Layer("units", text, text, "units", False, fields))
    {'id': 'text', 'level': 'integer', 'count': 'integer', 'red': 'number'}
    """
    return {name: _kind(name, sentence) for name, sentence in layer.fields.items()}


def _kind(name: str, sentence: str) -> str:
    unit = _UNIT.search(sentence)
    said = unit[1] if unit else "text"
    if name == "level" or said in _WHOLE:
        return "integer"
    return _KINDS.get(said, "number")


def schema(layer: Layer, address: str, language: str, *, returned: bool = False) -> dict[str, object]:
    """Give the JSON Schema of what may be asked for (queryables), or with `returned` of the features themselves."""
    shape = "geometry-polygon-or-multipolygon" if layer.zones else "geometry-point"
    role = {"x-ogc-role": "primary-geometry"} if returned else {}
    properties: dict[str, object] = {
        name: {
            "title": layer.fields[name],
            **_TYPES[kind],
            **({"x-ogc-role": "id"} if returned and name == "id" else {}),
        }
        for name, kind in kinds(layer).items()
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": address,
        "type": "object",
        "title": layer.title[language],
        "description": layer.description[language],
        "properties": {**properties, GEOMETRY: {"title": "Where it is", "format": shape, **role}},
        "additionalProperties": False,
    }
