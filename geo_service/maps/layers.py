"""Layers: what map clients may ask for, who may see it, and the colours it wears.

Pure.  A layer is data only (layers/*.toml, read by files.py): which zones it draws, whether it wears the month's
levels, or which kinds of prevention objects it pins, and a sentence with a unit for each of its fields.  The colour
scheme is data too (layers/styles/levels.toml); thresholds are not in it, they are rules (rules/levels.toml), and the
legend's ranges are filled in from them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from geo_service.errors import BadRule

LANGUAGES = ("zh", "en")
ZONE_KINDS = ("communities", "units", "patrol_zones")
ZONE_FIELDS = ("id", "name", "class")
LEVEL_FIELDS = ("month", "count", "level", "level_name", "colour", "withheld")
OBJECT_FIELDS = ("id", "name", "kind", "grade", "valid_from", "regrade_on", "community_id", "unit_id")
PATTERNS = ("", "diagonal", "cross", "dots")
MAXZOOM = 24

_KEYS = {"id", "title", "description", "source", "fields", "minzoom", "maxzoom", "style"}
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_NAME = re.compile(r"[a-z][a-z0-9_]*")

Texts = Mapping[str, str]  # language -> text
Table = Mapping[str, object]


@dataclass(frozen=True)
class View:
    """What the asker may see.  Part of every question and every cache key; until roles exist there is one, EVERYTHING.

    `layers` names the layers a view shows; None shows all.

    >>> EVERYTHING.shows("warnings"), View("public", frozenset({"units"})).shows("warnings")
    (True, False)
    """

    name: str = "everything"
    layers: frozenset[str] | None = None

    def shows(self, layer: str) -> bool:
        """Say whether the layer exists for this asker."""
        return self.layers is None or layer in self.layers


EVERYTHING = View()


@dataclass(frozen=True)
class Level:
    """One colour of the scheme: its code on the wire (None: the month is not on record), name, look and text."""

    code: int | None
    name: str
    colour: str
    pattern: str
    text: Texts


@dataclass(frozen=True)
class LevelScheme:
    """The colours of the levels, in order of their codes 0, 1, 2 … up.

    `unknown` is the look of a place whose month is not on record.
    """

    id: str
    levels: tuple[Level, ...]
    unknown: Level
    range_texts: Mapping[str, Texts]

    def ranges(self, thresholds: Sequence[int]) -> list[dict[str, str]]:
        """Say in words which counts wear which colour.

        `thresholds` are the counts from which the levels after the first hold, as the rule of the month gives them
        [incidents a month].  One text per language for each level, in order.
        """
        return [self._range(low, high) for low, high in spans(thresholds)]

    def _range(self, low: int, high: int | None) -> dict[str, str]:
        form = "open" if high is None else "one" if high == low else "span"
        return {language: text.format(low=low, high=high) for language, text in self.range_texts[form].items()}


def spans(thresholds: Sequence[int]) -> list[tuple[int, int | None]]:
    """Give the lowest and highest count of each level; the last one is open.

    >>> spans([1, 2, 4, 6])
    [(0, 0), (1, 1), (2, 3), (4, 5), (6, None)]
    """
    highest: list[int | None] = [start - 1 for start in thresholds]
    return list(zip([0, *thresholds], [*highest, None], strict=True))


@dataclass(frozen=True)
class Layer:
    """One thing map clients may ask for.

    `zones` is the kind of the places it draws, `wears_levels` whether they carry the count and colour of a month; a
    layer of points has no zones but the kinds of `objects` it pins.  `fields` maps each property to a sentence with its
    unit, in the order they are served.
    """

    id: str
    title: Texts
    description: Texts
    zones: str
    wears_levels: bool
    fields: Mapping[str, str]
    minzoom: int = 0
    maxzoom: int = 14
    style: str = "plain"
    objects: tuple[str, ...] = ()

    @property
    def ground(self) -> str:
        """Name what lies under the layer: zones are shared by layers, points are a layer's own."""
        return self.zones or self.id

    def explain(self, language: str = "en") -> str:
        """Tell a reader what the layer holds, a line for each field.

        >>> text = {"zh": "…", "en": "Units"}
        >>> fields = {"id": "Identity [text]", "name": "Name [text]", "class": "Class [code]"}
        >>> Layer("units", text, {"zh": "…", "en": "Their boundaries"}, "units", False, fields).explain().splitlines()
        ['units: Units. Their boundaries (zoom 0 to 14)', '  id: Identity [text]', '  name: Name [text]', ...]
        """
        zooms = f"zoom {self.minzoom} to {self.maxzoom}"
        head = f"{self.id}: {self.title[language]}. {self.description[language]} ({zooms})"
        return "\n".join([head, *(f"  {name}: {sentence}" for name, sentence in self.fields.items())])


def parse(table: Table, where: str = "layer") -> Layer:
    """Check a layer file and make a Layer of it.

    `where` names the file in messages.  Raises BadRule when something is missing, unknown or of the wrong kind.

    >>> parse({"id": "units", "sql": "select 1"}, "units.toml")
    Traceback (most recent call last):
    geo_service.errors.BadRule: units.toml: unknown key sql; a layer holds description, fields, id, maxzoom, ...
    """
    _refuse_unknown(table, _KEYS, where, "a layer")
    zones, wears_levels, objects = _source(_table(table, "source", where), where)
    minzoom, maxzoom = _zoom(table, "minzoom", 0, where), _zoom(table, "maxzoom", 14, where)
    if minzoom > maxzoom:
        raise BadRule(f"{where}: minzoom {minzoom} lies above maxzoom {maxzoom}")
    wanted = OBJECT_FIELDS if objects else (*ZONE_FIELDS, *(LEVEL_FIELDS if wears_levels else ()))
    return Layer(
        id=_name(table, "id", where),
        title=_texts(table, "title", where),
        description=_texts(table, "description", where),
        zones=zones,
        wears_levels=wears_levels,
        fields=_fields(_table(table, "fields", where), wanted, where),
        minzoom=minzoom,
        maxzoom=maxzoom,
        style=_name(table, "style", where) if "style" in table else "plain",
        objects=objects,
    )


def _source(source: Table, where: str) -> tuple[str, bool, tuple[str, ...]]:
    """Read which zones a layer draws and whether they wear levels, or which kinds of objects it pins."""
    _refuse_unknown(source, {"zones", "levels", "objects"}, f"{where} source", "a source")
    if "objects" in source:
        kinds = source["objects"]
        if len(source) > 1 or not isinstance(kinds, list) or not kinds or not all(isinstance(k, str) for k in kinds):
            raise BadRule(f"{where}: source.objects must be a list of kinds and stand alone, came {dict(source)!r}")
        return "", False, tuple(cast(list[str], kinds))
    zones, wears_levels = source.get("zones"), source.get("levels", False)
    if zones not in ZONE_KINDS:
        raise BadRule(f"{where}: source.zones must be one of {', '.join(ZONE_KINDS)}, came {zones!r}")
    if not isinstance(wears_levels, bool):
        raise BadRule(f"{where}: source.levels must be true or false, came {wears_levels!r}")
    return cast(str, zones), wears_levels, ()


def parse_levels(table: Table, where: str = "levels") -> LevelScheme:
    """Check a colour scheme (layers/styles/levels.toml) and make a LevelScheme of it.

    Codes must count up from 0, names and colours be different.  Raises BadRule saying what to mend.
    """
    _refuse_unknown(table, {"id", "levels", "unknown", "range"}, where, "a colour scheme")
    entries = cast(Sequence[Table], table.get("levels", ()))
    levels = tuple(_level(entry, cast(int, entry.get("code")), _name(entry, "name", where), where) for entry in entries)
    if [level.code for level in levels] != list(range(len(levels))) or not levels:
        raise BadRule(f"{where}: the codes of [[levels]] must count up from 0, came {[level.code for level in levels]}")
    unknown = _level(_table(table, "unknown", where), None, "unknown", where)
    for part in ("name", "colour"):
        worn = [getattr(level, part) for level in (*levels, unknown)]
        if len(set(worn)) < len(worn):
            raise BadRule(f"{where}: every level needs its own {part}, came {', '.join(worn)}")
    ranges = _table(table, "range", where)
    return LevelScheme(
        id=_name(table, "id", where),
        levels=levels,
        unknown=unknown,
        range_texts={form: _texts(ranges, form, f"{where} [range]") for form in ("one", "span", "open")},
    )


def _level(entry: Table, code: int | None, name: str, where: str) -> Level:
    where = f"{where} level {name}"
    _refuse_unknown(entry, {"code", "name", "colour", "pattern", "text"}, where, "a level")
    colour, pattern = entry.get("colour"), entry.get("pattern", "")
    if not isinstance(colour, str) or not _COLOUR.fullmatch(colour):
        raise BadRule(f"{where}: colour must look like #d7263d, came {colour!r}")
    if not isinstance(pattern, str) or pattern not in PATTERNS:
        raise BadRule(f"{where}: pattern must be one of {PATTERNS}, came {pattern!r}")
    return Level(code, name, colour, pattern, _texts(entry, "text", where))


def _fields(table: Table, wanted: Sequence[str], where: str) -> dict[str, str]:
    if sorted(table) != sorted(wanted):
        raise BadRule(f"{where}: [fields] must describe exactly {', '.join(wanted)}; came {', '.join(table)}")
    for name, sentence in table.items():
        if not isinstance(sentence, str) or not re.search(r"\[[^\]]+\]$", sentence):
            raise BadRule(f"{where}: field {name} must be a sentence ending in its unit in brackets, came {sentence!r}")
    return {name: cast(str, table[name]) for name in wanted}


def _refuse_unknown(table: Table, known: set[str], where: str, what: str) -> None:
    unknown = sorted(set(table) - known)
    if unknown:
        raise BadRule(f"{where}: unknown key {', '.join(unknown)}; {what} holds {', '.join(sorted(known))}")


def _table(table: Table, key: str, where: str) -> Table:
    value = table.get(key)
    if not isinstance(value, Mapping):
        raise BadRule(f"{where}: the table {key} is missing")
    return cast(Table, value)


def _texts(table: Table, key: str, where: str) -> dict[str, str]:
    texts = _table(table, key, where)
    if sorted(texts) != sorted(LANGUAGES) or not all(isinstance(text, str) and text for text in texts.values()):
        raise BadRule(f"{where}: {key} needs a text in each of {', '.join(LANGUAGES)}, came {dict(texts)}")
    return {language: cast(str, texts[language]) for language in LANGUAGES}


def _name(table: Table, key: str, where: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise BadRule(f"{where}: {key} must be a name of small letters, digits and _, came {value!r}")
    return value


def _zoom(table: Table, key: str, default: int, where: str) -> int:
    value = table.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAXZOOM:
        raise BadRule(f"{where}: {key} must be a zoom from 0 to {MAXZOOM}, came {value!r}")
    return value
