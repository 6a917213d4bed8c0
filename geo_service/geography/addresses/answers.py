"""Answers: what was found, told so that a duty officer can act on it and a court can read it.

Pure.  Numbers and codes only; sentences in two languages are made of them where people read (texts/).
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from geo_service.geography import crs
from geo_service.geography.addresses import grammar, pinpoint, similar
from geo_service.geography.addresses.mentions import Mention, Option
from geo_service.geography.addresses.normalise import Text
from geo_service.geography.addresses.places import AREAS, KINDS, LABELLED, Gazetteer

if TYPE_CHECKING:
    from geo_service.geography.addresses.locate import Found, Rival, Solver

_ASKED_FROM = 0.2  # of the best one's share: a rival that is worth a question
_COUNTED = {"building": "号楼", "door": "号"}  # what is said after a number
_ASKABLE = ("county", "town", "kind")  # what a caller may know of a place, the likeliest first


@dataclass(frozen=True)
class Alternative:
    """Another place the text may mean: entry, what it is, where, and how probable it is among all [-]."""

    entry_id: str
    kind: str
    name: str
    county: str
    town: str
    lon: float
    lat: float
    level: str
    share: float


@dataclass(frozen=True)
class Question:
    """The one question whose answer tells most: `about` county, town or kind, and the choices that fit the text."""

    about: str
    choices: tuple[str, ...]
    gain_bits: float


@dataclass(frozen=True)
class Step:
    """A line of the trace: raw[begin:end] was read as `what`, for this reason, at this cost in letters."""

    begin: int
    end: int
    text: str
    what: str
    why: str
    cost: float = 0.0


@dataclass(frozen=True)
class Answer:
    """The place an address means.

    `name`, `county`, `town` say it in words; `level` how fine it is (calibrate.FINE, COARSE); `uncertainty_m` is the
    radius that holds the place with 90 % [m], `shape` the area that does, WGS 84; `score` raw, `confidence` the chance
    that the place is within 100 m [-]; `left_over` what nobody understood; `parts` (kind, text, value).
    """

    text: str
    lon: float
    lat: float
    level: str
    name: str
    county: str
    town: str
    uncertainty_m: float
    score: float
    confidence: float
    accepted: bool
    entry_id: str
    zone_kind: str
    zone_id: str
    shape: shapely.Geometry | None
    alternatives: tuple[Alternative, ...]
    question: Question | None
    parts: tuple[tuple[str, str, str], ...]
    left_over: tuple[str, ...]
    trace: tuple[Step, ...]

    def as_table(self) -> Mapping[str, object]:
        """Give it as plain values, JSON-able."""
        plain: dict[str, object] = {
            name: value
            for name, value in vars(self).items()
            if name not in ("shape", "alternatives", "question", "trace")
        }
        for name, digits in (("lon", 7), ("lat", 7), ("uncertainty_m", 1)):
            value = vars(self)[name]
            plain[name] = None if math.isnan(value) else round(value, digits)
        plain["score"], plain["confidence"] = round(self.score, 4), round(self.confidence, 4)
        return {
            **plain,
            "shape": json.loads(shapely.to_geojson(shapely.set_precision(self.shape, 1e-7))) if self.shape else None,
            "alternatives": [vars(one) for one in self.alternatives],
            "question": vars(self.question) if self.question else None,
            "trace": [vars(step) for step in self.trace],
        }


def told(text: Text, found: "Found", solver: "Solver") -> Answer:
    """Tell what was found for a text."""
    parts = tuple(
        (part.kind, text.written(part.begin, part.end), part.value)
        for part in grammar.understood(text.plain, found.reading.parts)
    )
    best = found.rivals[0] if found.rivals else None
    level = best.pin.level if best else "none"
    confidence, accepted = solver.judged(np.array([level], dtype=object), np.array([found.score]))
    alternatives = tuple(_alternative(rival, solver.gazetteer) for rival in found.rivals)
    used = _repaired(found, solver.gazetteer)
    entry = best.pin.entry if best else -1
    ids = solver.gazetteer.identity(entry)
    return Answer(
        text=text.raw,
        lon=alternatives[0].lon if best else math.nan,
        lat=alternatives[0].lat if best else math.nan,
        level=level,
        name=alternatives[0].name if best else "",
        county=alternatives[0].county if best else "",
        town=alternatives[0].town if best else "",
        uncertainty_m=best.pin.uncertainty_m if best else math.nan,
        score=found.score,
        confidence=float(confidence[0]),
        accepted=bool(accepted[0]),
        entry_id=ids[0],
        zone_kind=ids[1],
        zone_id=ids[2],
        shape=_shape(best, solver.gazetteer) if best else None,
        alternatives=alternatives[1:],
        question=question(alternatives),
        parts=parts,
        left_over=tuple(
            text.written(part.begin, part.end) for part in found.reading.unknown if not _covers(used, part)
        ),
        trace=tuple(_trace(text, found, solver.gazetteer)),
    )


def _alternative(rival: "Rival", gazetteer: Gazetteer) -> Alternative:
    place, places = rival.hypothesis.core.place, gazetteer.places
    lon, lat = crs.to_wgs84(np.array([rival.pin.x]), np.array([rival.pin.y]), gazetteer.projected)
    county, town = (places.county[place], places.town[place]) if place >= 0 else (-1, -1)
    return Alternative(
        entry_id=gazetteer.identity(rival.pin.entry)[0],
        kind=places.kind[place] if place >= 0 else KINDS[gazetteer.entries.kind[rival.pin.entry]],
        name=_named(rival, gazetteer),
        county=places.name[county] if county >= 0 else "",
        town=places.name[town] if town >= 0 else "",
        lon=float(lon[0]),
        lat=float(lat[0]),
        level=rival.pin.level,
        share=round(rival.share, 4),
    )


def _named(rival: "Rival", gazetteer: Gazetteer) -> str:
    """Name what was found: 古槐路123号, 水景花园3号楼, 济宁医学院附属医院门诊楼, 金珠路与奎星路, a code itself."""
    one, entry = rival.hypothesis, rival.pin.entry
    label = gazetteer.entries.names[entry].as_py() if entry >= 0 else ""
    if rival.pin.level == "code":
        return label
    name = gazetteer.places.name[one.core.place]
    if one.other:
        return f"{name}与{gazetteer.places.name[one.other.place]}"
    kind = KINDS[gazetteer.entries.kind[entry]] if entry >= 0 else ""
    if kind not in LABELLED:
        return name
    return name + label + (_COUNTED.get(kind, "") if label[-1:].isdigit() else "")


def _shape(best: "Rival", gazetteer: Gazetteer) -> shapely.Geometry:
    area = pinpoint.shape(best.pin, gazetteer.street(best.hypothesis.core.place))
    return shapely.transform(area, lambda at: np.column_stack(crs.to_wgs84(at[:, 0], at[:, 1], gazetteer.projected)))


def question(choices: Sequence[Alternative]) -> Question | None:
    """Find the one question to ask the caller: the attribute whose answer takes away most doubt (mutual information).

    >>> from functools import partial
    >>> village = partial(Alternative, "", "village", "张庄村", lon=0.0, lat=0.0, level="village", share=0.25)
    >>> question([village(county="微山县", town="两城镇"), village(county="微山县", town="鲁桥镇"),
    ...           village(county="鱼台县", town="谷亭街道")]).choices
    ('两城镇', '鲁桥镇', '谷亭街道')
    """
    rivals = [one for one in choices if one.share > 0.0 and one.share >= _ASKED_FROM * choices[0].share]
    whole = sum(one.share for one in rivals)
    found: Question | None = None
    for about in _ASKABLE:
        shares: dict[str, float] = {}
        for one in rivals:
            shares[getattr(one, about)] = shares.get(getattr(one, about), 0.0) + one.share / whole
        gain = -sum(share * math.log2(share) for share in shares.values())
        if len(shares) > 1 and (found is None or gain > found.gain_bits + 0.05):
            found = Question(about, tuple(shares), round(gain, 3))
    return found


def _trace(text: Text, found: "Found", gazetteer: Gazetteer) -> list[Step]:
    """Tell how each piece was read, which letters stand for which of the names, and why the others lost."""
    if not found.rivals:
        return [_read_so(text, part, gazetteer, -1) for part in found.reading.parts]
    best = found.rivals[0].hypothesis
    told = _repaired(found, gazetteer)
    steps = [step for core in told for step in _repairs(text, core, gazetteer)]
    rest = (part for part in found.reading.parts if not _covers(told, part))
    steps += [_read_so(text, part, gazetteer, best.core.place) for part in rest]
    steps.sort(key=lambda step: step.begin)
    for rival in found.rivals[1:]:
        why = f"share {rival.share:.3f}, {best.score - rival.hypothesis.score:.1f} letters behind"
        steps.append(Step(0, 0, "", f"not {_named(rival, gazetteer)}", why))
    return steps


def _repaired(found: "Found", gazetteer: Gazetteer) -> list[Option]:
    """Give what the names of the place found, and mistyped areas, were taken for."""
    if not found.rivals:
        return []
    best = found.rivals[0].hypothesis
    cores = [core for core in (best.core, best.other) if core and core.name >= 0]
    return cores + [_meant(area, best.core.place, gazetteer) for area in found.reading.areas if not area.is_exact]


def _covers(options: Sequence[Option], part: grammar.Part) -> bool:
    return any(option.begin < part.end and part.begin < option.end for option in options)


def _meant(area: Mention, place: int, gazetteer: Gazetteer) -> Option:
    """Give what a mistyped area was taken for: the one that holds the place found, else the likeliest."""
    return next((option for option in area.options if gazetteer.holds(option.place, place)), area.options[0])


def _read_so(text: Text, part: grammar.Part, gazetteer: Gazetteer, place: int) -> Step:
    """Tell how a piece that is not in the place's own name was read, and what it says of the place."""
    meant = gazetteer.meanings[part.number] if part.kind == grammar.NAME else ()
    if not meant:
        word = text.plain[part.begin : part.end] if part.kind == grammar.NAME else part.value
        kind = "label" if part.kind == grammar.NAME else part.kind
        return _step(text, part.begin, part.end, f"{kind} {word}".strip(), "read")
    one = next((one for one, _ in meant if place >= 0 and gazetteer.holds(one, place)), meant[0][0])
    kind = gazetteer.places.kind[one]
    why = "read"
    if kind in AREAS and place >= 0:
        why = "holds the place" if gazetteer.holds(one, place) else "does not hold the place"
    return _step(text, part.begin, part.end, f"{kind} {gazetteer.places.name[one]}", why)


def _repairs(text: Text, core: Option, gazetteer: Gazetteer) -> list[Step]:
    name = gazetteer.names[core.name]
    what = f"{gazetteer.places.kind[core.place]} {gazetteer.places.name[core.place]}"
    if text.plain[core.begin : core.end] == name:
        return [_step(text, core.begin, core.end, what, "name" if core.alike == 1.0 else "short form")]
    repairs = similar.align(name, text.plain, core.begin, core.end)
    why = ", ".join(f"{one.text or '-'} -> {one.name or '-'} {one.why}" for one in repairs if one.why != "equal")
    return [_step(text, core.begin, core.end, what, why, sum(one.cost for one in repairs))]


def _step(text: Text, begin: int, end: int, what: str, why: str, cost: float = 0.0) -> Step:
    return Step(text.origin[begin], text.origin[end - 1] + 1, text.written(begin, end), what, why, round(cost, 2))
