"""Layers: what map clients may ask for, who may see it, and the colours it wears.

Pure.  A layer is data only (layers/*.toml, read by files.py): which zones it draws, whether it wears the month's
levels, or which kinds of prevention objects it pins, who may see it, and a sentence with a unit for each of its fields.
The colour scheme is data too (layers/styles/levels.toml), and so are the marks of what wears no level
(layers/styles/marks.toml); thresholds are not in them, they are rules (rules/levels.toml), and the legend's ranges are
filled in from them.  What is wrong with a file is told with its line (written.py).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from geo_service.errors import BadRule
from geo_service.maps.written import Written

LANGUAGES = ("zh", "en")
ZONE_KINDS = ("communities", "units", "patrol_zones")
CELLS = "cells"  # H3 cells that have had incidents, where zones could stand
ZONE_FIELDS = ("id", "name", "class")
CELL_FIELDS = ("id",)
LEVEL_FIELDS = ("month", "count", "level", "level_name", "colour", "withheld")
OBJECT_FIELDS = ("id", "name", "kind", "grade", "valid_from", "regrade_on", "community_id", "unit_id")
PATTERNS = ("", "diagonal", "cross", "dots")
EVERYBODY = "everybody"  # the role that all have
MAXZOOM = 24

_KEYS = {"id", "title", "description", "role", "source", "fields", "minzoom", "maxzoom", "style"}
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


def seen_by(role: str, layers: "Mapping[str, Layer]") -> View:
    """Give the view of who holds a role: the layers for everybody and those of the role itself.

    >>> seen_by("everybody", {}).shows("units"), seen_by("station", {}).name
    (False, 'station')
    """
    return View(role, frozenset(name for name, layer in layers.items() if layer.role in (EVERYBODY, role)))


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

    `zones` is the kind of the places it draws (one of ZONE_KINDS, or CELLS), `wears_levels` whether they carry the
    count and colour of a month; a layer of points has no zones but the kinds of `objects` it pins.  `fields` maps each
    property to a sentence with its unit, in the order they are served; `grouped` does so for what is said besides of
    features that stand for many places (low zooms).  `role` may see it: everybody, or one of rules/roles.toml.
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
    role: str = EVERYBODY
    grouped: Mapping[str, str] = field(default_factory=dict)

    @property
    def ground(self) -> str:
        """Name what lies under the layer: zones are shared by layers, points are a layer's own."""
        return self.zones or self.id

    @property
    def is_of_zones(self) -> bool:
        """Say whether its features are places with a name, boundaries and people who answer for them."""
        return self.zones in ZONE_KINDS

    @property
    def tile_fields(self) -> dict[str, str]:
        """Describe every property that a feature of its tiles may carry, grouped ones included."""
        return {**self.fields, **self.grouped}

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


@dataclass(frozen=True)
class Marks:
    """The looks of what wears no level: places drawn in one colour, and points by the kind of object.

    `kinds` maps a kind to its colour; `other` is that of kinds not named and of features that stand for several
    objects, and `other_text` says so.
    """

    plain: str
    other: str
    other_text: Texts
    kinds: Mapping[str, str]

    def of_kind(self, kind: str) -> str:
        """Give the colour of a kind of objects."""
        return self.kinds.get(kind, self.other)


def parse(table: Table, file: Written, grouped: Mapping[str, str] | None = None) -> Layer:
    """Check a layer file and make a Layer of it.

    `grouped` describes what features carry that stand for many places (parse_grouped).  Raises BadRule, with the line,
    when something is missing, unknown or of the wrong kind.

    >>> parse({"id": "units", "sql": "select 1"}, Written("units.toml"))
    Traceback (most recent call last):
    geo_service.errors.BadRule: units.toml: unknown key sql; a layer holds description, fields, id, maxzoom, ...
    """
    _refuse_unknown(table, _KEYS, file, "", "a layer")
    zones, wears_levels, objects = _source(_table(table, "source", file), file)
    minzoom, maxzoom = _zoom(table, "minzoom", 0, file), _zoom(table, "maxzoom", 14, file)
    if minzoom > maxzoom:
        raise BadRule(f"{file.at('minzoom')}: minzoom {minzoom} lies above maxzoom {maxzoom}")
    drawn = OBJECT_FIELDS if objects else CELL_FIELDS if zones == CELLS else ZONE_FIELDS
    wanted = (*drawn, *(LEVEL_FIELDS if wears_levels else ()))
    return Layer(
        id=_name(table, "id", file),
        title=_texts(table, "title", file),
        description=_texts(table, "description", file),
        zones=zones,
        wears_levels=wears_levels,
        fields=_fields(_table(table, "fields", file), wanted, file),
        minzoom=minzoom,
        maxzoom=maxzoom,
        style=_style(table, wears_levels=wears_levels, is_points=bool(objects), file=file),
        objects=objects,
        role=_name(table, "role", file) if "role" in table else EVERYBODY,
        grouped={name: said for name, said in (grouped or {}).items() if wears_levels or name == "places"},
    )


def parse_grouped(table: Table, file: Written, scheme: LevelScheme) -> dict[str, str]:
    """Check the sentences about grouped features (layers/fields/grouped.toml): places, and of_LEVEL for each level."""
    _refuse_unknown(table, {"fields"}, file, "", "the catalogue of grouped features")
    wanted = ("places", *(f"of_{level.name}" for level in scheme.levels))
    return _fields(_table(table, "fields", file), wanted, file)


def _source(source: Table, file: Written) -> tuple[str, bool, tuple[str, ...]]:
    """Read which zones a layer draws and whether they wear levels, or which kinds of objects it pins."""
    _refuse_unknown(source, {"zones", "levels", "objects"}, file, "source", "a source")
    where = file.at("source")
    if "objects" in source:
        kinds = source["objects"]
        if len(source) > 1 or not isinstance(kinds, list) or not kinds or not all(isinstance(k, str) for k in kinds):
            raise BadRule(f"{where}: source.objects must be a list of kinds and stand alone, came {dict(source)!r}")
        return "", False, tuple(cast(list[str], kinds))
    zones, wears_levels = source.get("zones"), source.get("levels", False)
    if zones not in (*ZONE_KINDS, CELLS):
        raise BadRule(f"{where}: source.zones must be one of {', '.join((*ZONE_KINDS, CELLS))}, came {zones!r}")
    if not isinstance(wears_levels, bool):
        raise BadRule(f"{where}: source.levels must be true or false, came {wears_levels!r}")
    return cast(str, zones), wears_levels, ()


def _style(table: Table, *, wears_levels: bool, is_points: bool, file: Written) -> str:
    fitting = ("points",) if is_points else ("levels", "plain") if wears_levels else ("plain",)
    came = table.get("style", fitting[0])
    if came not in fitting:
        raise BadRule(f"{file.at('style')}: style must be {' or '.join(fitting)} here, came {came!r}")
    return cast(str, came)


def parse_levels(table: Table, file: Written) -> LevelScheme:
    """Check a colour scheme (layers/styles/levels.toml) and make a LevelScheme of it.

    Codes must count up from 0, names and colours be different.  Raises BadRule, with the line, saying what to mend.
    """
    _refuse_unknown(table, {"id", "levels", "unknown", "range"}, file, "", "a colour scheme")
    entries = cast(Sequence[Table], table.get("levels", ()))
    levels = tuple(_level(entry, cast(int, entry.get("code")), f"levels.{i}", file) for i, entry in enumerate(entries))
    if [level.code for level in levels] != list(range(len(levels))) or not levels:
        came = [level.code for level in levels]
        raise BadRule(f"{file.at('levels')}: the codes of [[levels]] must count up from 0, came {came}")
    unknown = _level({"name": "unknown", **_table(table, "unknown", file)}, None, "unknown", file)
    for part in ("name", "colour"):
        worn = [getattr(level, part) for level in (*levels, unknown)]
        if twice := next((i for i, look in enumerate(worn) if look in worn[:i]), 0):
            key = f"levels.{twice}" if twice < len(levels) else "unknown"
            raise BadRule(f"{file.at(f'{key}.{part}')}: every level needs its own {part}, came {', '.join(worn)}")
    ranges = _table(table, "range", file)
    return LevelScheme(
        id=_name(table, "id", file),
        levels=levels,
        unknown=unknown,
        range_texts={form: _texts(ranges, form, file, "range") for form in ("one", "span", "open")},
    )


def _level(entry: Table, code: int | None, key: str, file: Written) -> Level:
    _refuse_unknown(entry, {"code", "name", "colour", "pattern", "text"}, file, key, "a level")
    pattern = entry.get("pattern", "")
    if not isinstance(pattern, str) or pattern not in PATTERNS:
        raise BadRule(f"{file.at(f'{key}.pattern')}: pattern must be one of {PATTERNS}, came {pattern!r}")
    return Level(
        code,
        _name(entry, "name", file, key),
        _colour(entry, "colour", file, key),
        pattern,
        _texts(entry, "text", file, key),
    )


def parse_marks(table: Table, file: Written) -> Marks:
    """Check the looks of what wears no level (layers/styles/marks.toml).  Raises BadRule, with the line."""
    _refuse_unknown(table, {"plain", "other", "other_text", "kinds"}, file, "", "the file of marks")
    kinds = _table(table, "kinds", file)
    colours = {kind: _colour(kinds, kind, file, "kinds") for kind in kinds}
    other_text = _texts(table, "other_text", file)
    return Marks(_colour(table, "plain", file), _colour(table, "other", file), other_text, colours)


def _colour(table: Table, key: str, file: Written, above: str = "") -> str:
    colour = table.get(key)
    if not isinstance(colour, str) or not _COLOUR.fullmatch(colour):
        raise BadRule(f"{_at(file, above, key)}: {key} must look like #d7263d, came {colour!r}")
    return colour


def _fields(table: Table, wanted: Sequence[str], file: Written) -> dict[str, str]:
    if sorted(table) != sorted(wanted):
        stray = next((name for name in table if name not in wanted), "")
        raise BadRule(
            f"{_at(file, 'fields', stray)}: [fields] must describe exactly {', '.join(wanted)}; came {', '.join(table)}"
        )
    for name, sentence in table.items():
        if not isinstance(sentence, str) or not re.search(r"\[[^\]]+\]$", sentence):
            raise BadRule(
                f"{_at(file, 'fields', name)}: field {name} must be a sentence ending in its unit in brackets, "
                f"came {sentence!r}"
            )
    return {name: cast(str, table[name]) for name in wanted}


def _refuse_unknown(table: Table, known: set[str], file: Written, above: str, what: str) -> None:
    unknown = sorted(set(table) - known)
    if unknown:
        where = _at(file, above, unknown[0])
        raise BadRule(f"{where}: unknown key {', '.join(unknown)}; {what} holds {', '.join(sorted(known))}")


def _table(table: Table, key: str, file: Written) -> Table:
    value = table.get(key)
    if not isinstance(value, Mapping):
        raise BadRule(f"{file.at(key)}: the table {key} is missing")
    return cast(Table, value)


def _texts(table: Table, key: str, file: Written, above: str = "") -> dict[str, str]:
    texts = table.get(key)
    if not isinstance(texts, Mapping):
        raise BadRule(f"{_at(file, above, key)}: the table {key} is missing")
    if sorted(texts) != sorted(LANGUAGES) or not all(isinstance(text, str) and text for text in texts.values()):
        languages = ", ".join(LANGUAGES)
        raise BadRule(f"{_at(file, above, key)}: {key} needs a text in each of {languages}, came {dict(texts)}")
    return {language: cast(str, texts[language]) for language in LANGUAGES}


def _name(table: Table, key: str, file: Written, above: str = "") -> str:
    value = table.get(key)
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        where = _at(file, above, key)
        raise BadRule(f"{where}: {key} must be a name of small letters, digits and _, came {value!r}")
    return value


def _zoom(table: Table, key: str, default: int, file: Written) -> int:
    value = table.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAXZOOM:
        raise BadRule(f"{file.at(key)}: {key} must be a zoom from 0 to {MAXZOOM}, came {value!r}")
    return value


def _at(file: Written, above: str, key: str) -> str:
    return file.at(f"{above}.{key}" if above else key)
