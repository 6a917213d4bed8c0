"""Whereabouts: where an incident is, by its coordinates, by its place text, and by both together.

Pure.  A row without coordinates is where its text says when that is certain enough (the solver's `accepted`).  Where
both are there and agree, the coordinates stay and the text says which compound, village or unit it is; where they
disagree beyond what either may err, that is a conflict with a kind, and the text holds when it is accepted, else the
coordinates.  A text that is not accepted may be in conflict too, when it is likelier right than wrong and nothing it
may mean is near the coordinates.

`locate` looks at rows one by one, so rows may be cut into parts.  Some kinds show only when all rows are together: a
point to which texts of many places were sent is a base station or a default.  Therefore rows keep WORKING_COLUMNS until
those that hold are settled: `conflicts` of every part, `shared` of them all, then `settled` and `reviews` of each part.

Frames: REVIEW_COLUMNS  one row an incident that a person should look at.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from geo_service.analysis import incidents as incident_rows
from geo_service.geography import crs, source_systems
from geo_service.geography import zones as zone_geometry

if TYPE_CHECKING:  # half a second to import, which a run without a gazetteer need not wait for
    from geo_service.geography.addresses.answers import Answer
    from geo_service.geography.addresses.locate import Solver

REVIEW_COLUMNS = ("feed", "incident_id", "reason", "detail", "answer")
# While texts are looked at: where the text says [deg], the radius that holds it with 90 % [m], whether it is accepted.
WORKING_COLUMNS = (*incident_rows.WORKING_COLUMNS, "text_lon", "text_lat", "text_m", "accepted")

_WIDE = ("compound", "village")  # levels of a whole zone; a unit inside it may be where the coordinates say
_NAMING = ("code", "building", "gate", "part", "door", "unit", "compound", "poi", "village")  # they say in which zone
_LIKELIER = 0.5  # score from which on a text is likelier right than wrong [-]
_POINT = ["source_lon", "source_lat"]
_TEXT = ["text_lon", "text_lat"]
CONFLICT_COLUMNS = ("conflict", *_POINT, *_TEXT, "text_m")
_NOT_TOLD = ("text", "shape")  # of an answer: it stands beside it, or is made of the rest
_BECAUSE = {
    "datum": "in another coordinate system than declared they agree",
    "swapped": "with longitude and latitude exchanged they agree",
    "default_point": "texts of many distant places share this point: the source sends it when it knows none",
    "cell_tower": "texts of several places share this point: the middle of a base station's reach",
    "elsewhere": "the caller may be elsewhere",
}

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Objects = npt.NDArray[np.object_]


def empty_reviews() -> pd.DataFrame:
    """Give a frame of reviews without rows."""
    return pd.DataFrame({column: pd.Series(dtype="str") for column in REVIEW_COLUMNS})


def locate(incidents: pd.DataFrame, solver: "Solver") -> pd.DataFrame:
    """Say where incidents are (as incidents.read gives them, with its WORKING_COLUMNS), zones not yet looked up.

    Gives their WHEREABOUTS_COLUMNS, lon, lat, and our WORKING_COLUMNS.  Each distinct text is solved once.
    """
    days = incidents["called_at"].dt.date.tolist() if solver.is_dated else None
    texts = solver.locate_all(incidents["place"].to_numpy(dtype=object), days)
    level = texts["level"].to_numpy(dtype=object)
    known = level != "none"
    accepted = texts["accepted"].to_numpy(dtype=bool) & known
    has_point = incidents["source_lon"].notna().to_numpy()
    columns = {"text_lon": "lon", "text_lat": "lat", "text_m": "uncertainty_m"}
    working = {name: _where(known, texts[of]) for name, of in columns.items()}
    found = incidents.assign(**working, accepted=accepted)
    kind = _kinds(found)
    kind[~accepted & (texts["score"].to_numpy() < _LIKELIER)] = ""
    _drop_where_another_reading_agrees(kind, found, solver)
    moved = accepted & (~has_point | (kind != ""))
    naming = accepted & np.isin(level, _NAMING)
    return found.assign(
        lon=np.where(moved, texts["lon"], incidents["source_lon"]),
        lat=np.where(moved, texts["lat"], incidents["source_lat"]),
        located_by=_text(np.where(moved, "address", np.where(has_point, "coordinates", "")), incidents),
        match_level=_text(np.where(known, level, ""), incidents),
        uncertainty_m=_where(moved, texts["uncertainty_m"]),
        confidence=_where(known, texts["confidence"]),
        conflict=_text(np.where(has_point, kind, incidents["conflict"]), incidents),
        named_kind=_text(np.where(naming, texts["zone_kind"], ""), incidents),
        named_id=_text(np.where(naming, texts["zone_id"], ""), incidents),
    )


def afresh(incidents: pd.DataFrame, systems: Mapping[str, str]) -> pd.DataFrame:
    """Give recorded incidents as they were before anybody looked at their texts, to look again.

    `systems` are those their feeds declare; of others, and of those that leave it to the row ("", on record as WGS 84),
    nothing is known.
    """
    found = incidents.reset_index(drop=True)
    has_point = found["source_lon"].notna()
    blank = _text(np.full(len(found), "", dtype=object), found)
    declared = [systems.get(feed) or "EPSG:4326" for feed in found["feed"].tolist()]
    return found.assign(
        **dict.fromkeys(("match_level", "conflict", "named_kind", "named_id", "doubt"), blank),
        **dict.fromkeys(("uncertainty_m", "confidence"), np.full(len(found), np.nan)),
        lon=found["source_lon"],
        lat=found["source_lat"],
        located_by=_text(np.where(has_point, "coordinates", ""), found),
        system=_text(np.array(declared, dtype=object), found),
    )


def conflicts(incidents: pd.DataFrame) -> pd.DataFrame:
    """Give the two points of each incident whose text and coordinates disagree (CONFLICT_COLUMNS)."""
    disagree = (incidents["conflict"] != "") & incidents["source_lon"].notna()
    return incidents.loc[disagree, list(CONFLICT_COLUMNS)]


def shared(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Give the points at which several texts disagree with the coordinates: how many places, how far off [m].

    `parts` are `conflicts` of all parts, in any order and however cut.
    """
    whole = pd.concat(parts, ignore_index=True)
    same = source_systems.repeats(*_numbers(whole)[:4])
    found = _rounded(whole).assign(places=same.places, spread_m=same.spread_m)
    return found[found["places"] > 1].drop_duplicates(_POINT, ignore_index=True)


def settled(incidents: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Give incidents with the kinds of conflict that only the points `shared` among all rows tell."""
    which = np.flatnonzero(((incidents["conflict"] != "") & incidents["source_lon"].notna()).to_numpy())
    if points.empty or not len(which):
        return incidents
    these = incidents.iloc[which]
    known = _rounded(these).merge(points, on=_POINT, how="left")
    places = known["places"].fillna(1).to_numpy(dtype=np.int64)
    same = source_systems.Repeats(places, known["spread_m"].to_numpy(), np.zeros(len(which), dtype=bool))
    conflict = incidents["conflict"].to_numpy(dtype=object, copy=True)
    conflict[which] = _kinds(these, same)
    return incidents.assign(conflict=_text(conflict, incidents))


def reviews(incidents: pd.DataFrame, solver: "Solver") -> pd.DataFrame:
    """Say which settled incidents a person should look at, why, and what the text was taken for."""
    waits, conflict = incidents["located_by"] == "", incidents["conflict"]
    these = incidents[waits | ((conflict != "") & (incidents["located_by"] != "person"))]
    if these.empty:
        return empty_reviews()
    answers = {text: solver.locate(text) for text in these["place"].unique().tolist()}
    told = {text: _told(answer) for text, answer in answers.items()}
    uncertain = np.where(these["match_level"] == "", "unlocated", "uncertain")
    reason = np.where(these["conflict"] != "", "conflict", uncertain)
    apart_m = _apart_m(these, solver.gazetteer.projected)
    said = (these[name].tolist() for name in ("place", "doubt", "conflict", "located_by"))
    details = [_detail(answers[row[0]], *row) for row in zip(*said, apart_m.tolist(), strict=True)]
    found = {
        "feed": these["feed"].to_numpy(dtype=object),
        "incident_id": these["incident_id"].to_numpy(dtype=object),
        "reason": reason,
        "detail": details,
        "answer": [told[text] for text in these["place"].tolist()],
    }
    return pd.DataFrame({name: pd.Series(values, dtype="str") for name, values in found.items()})


def by_name(placed: pd.DataFrame, zones: Mapping[str, zone_geometry.Zones]) -> pd.DataFrame:
    """Put incidents into the zones that their place texts name, where those stand; the zones of the point give way.

    A text that names a community takes the incident out of a unit that its point lies in (the school next door),
    unless the text is no finer than the community, and the point lies in it too: then it may well be the unit.
    """
    named, ids = placed["named_kind"].to_numpy(dtype=object), placed["named_id"]
    for kind in sorted({str(kind) for kind in named if kind} & set(zones)):
        column = incident_rows.ID_COLUMN[kind]
        holds = (named == kind) & ids.isin(zones[kind].ids).to_numpy()
        moved = {column: placed[column].mask(holds, ids)}
        if kind == "communities":
            within = (placed[column] == ids).fillna(False) & placed["match_level"].isin(_WIDE)
            moved["unit_id"] = placed["unit_id"].mask(holds & ~within)
        placed = placed.assign(**moved, placed=placed["placed"].mask(holds & placed["lon"].notna(), "located"))
    return placed


def _where(holds: Flags, values: pd.Series) -> Floats:
    return np.where(holds, values.to_numpy(dtype=np.float64), np.nan)


def _text(values: Objects, like: pd.DataFrame) -> "pd.Series[str]":
    return pd.Series(values, index=like.index, dtype="str")


def _rounded(points: pd.DataFrame) -> pd.DataFrame:
    return points[_POINT].round(6).reset_index(drop=True)


def _numbers(rows: pd.DataFrame) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Give the coordinates, the text's, and the text's radius."""
    lon, lat, text_lon, text_lat, text_m = (rows[c].to_numpy(dtype=np.float64) for c in (*_POINT, *_TEXT, "text_m"))
    return lon, lat, text_lon, text_lat, text_m


def _kinds(incidents: pd.DataFrame, same: source_systems.Repeats | None = None) -> Objects:
    """Say how text and coordinates of each row disagree, "" where they do not, or one is missing."""
    lon, lat, text_lon, text_lat, text_m = _numbers(incidents)
    which, systems = pd.factorize(incidents["system"])
    found = np.full(len(incidents), "", dtype=object)
    for number, system in enumerate(systems.tolist()):
        here = np.flatnonzero(which == number)
        some = same and source_systems.Repeats(same.places[here], same.spread_m[here], same.is_default[here])
        found[here] = source_systems.explain_disagreement(
            lon[here], lat[here], text_lon[here], text_lat[here], text_m[here], system, some
        )
    return found


def _drop_where_another_reading_agrees(kind: Objects, incidents: pd.DataFrame, solver: "Solver") -> None:
    """Take back conflicts of texts that are not accepted, and one of whose other meanings is near the coordinates."""
    rows = np.flatnonzero((kind != "") & ~incidents["accepted"].to_numpy())
    meanings = {text: solver.locate(text).alternatives for text in incidents["place"].iloc[rows].unique().tolist()}
    for row in rows.tolist():
        one = incidents.iloc[row]
        others = meanings[one["place"]]
        lon, lat = (np.array([getattr(other, side) for other in others]) for side in ("lon", "lat"))
        here_lon, here_lat, radius = (np.full(len(others), one[name]) for name in (*_POINT, "text_m"))
        if (source_systems.explain_disagreement(here_lon, here_lat, lon, lat, radius) == "").any():
            kind[row] = ""


def _apart_m(incidents: pd.DataFrame, projected: str) -> Floats:
    """Give the distance of text and coordinates [m], NaN where one is missing."""
    lon, lat, text_lon, text_lat, _ = _numbers(incidents)
    (x, y), (text_x, text_y) = crs.from_wgs84(lon, lat, projected), crs.from_wgs84(text_lon, text_lat, projected)
    apart = np.hypot(x - text_x, y - text_y)
    return np.where(np.isfinite(apart), apart, np.nan)


def _told(answer: "Answer") -> str:
    plain = {name: value for name, value in answer.as_table().items() if name not in _NOT_TOLD}
    return json.dumps(plain, ensure_ascii=False)


def _detail(answer: "Answer", text: str, doubt: str, conflict: str, located_by: str, apart_m: float) -> str:
    """Say what came, what the text was taken for, and what to do."""
    why = f"{doubt}; " if doubt else ""
    best = f"{answer.level} {answer.name or answer.entry_id}".strip()
    if conflict and np.isfinite(apart_m):
        holds = "the text holds" if located_by == "address" else "the coordinates hold"
        return (
            f"coordinates and '{text}' ({best}) lie {apart_m:.0f} m apart: {_BECAUSE[conflict]}; {holds}, correct the "
            "place if that is wrong"
        )
    if not text:
        return f"{why}neither coordinates nor a place text; ask the caller and put it on the map"
    if answer.level == "none":
        return f"{why}nothing the gazetteer has is named by '{text}'; put it on the map, or add the place"
    asked = f"ask for the {answer.question.about}: {', '.join(answer.question.choices)}" if answer.question else ""
    if located_by == "address":
        return f"{why}'{text}' was taken for {best}; correct the place if that is wrong"
    return (
        f"{why}'{text}' may be {best}, confidence {answer.confidence:.2f}: not certain enough; "
        f"{asked or 'confirm it or put it on the map'}"
    )
