"""Answers of a solver beside the truth of the dispatch benchmark: right or not, and how many metres off."""

import itertools

import numpy as np
import pandas as pd
import pyproj

from benchmarks.dispatch import noise
from benchmarks.dispatch.gazetteer import World

_CROSSING_M = 50.0  # a crossing is found when the answer is this near
_POINT_M = 100.0  # a point without an entry is
_GEOD = pyproj.Geod(ellps="WGS84")


def judged(world: World, records: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """Give the records with `answer` (entry_id), `level`, `error_m` (infinite: no answer) and `right`.

    Right is the entry that is meant, another piece of its street, or one of its name and kind within 100 m; a crossing
    within 50 m; an offset's point or a door that is not listed within 100 m.
    """
    _, _, metres = _GEOD.inv(*(frame[axis].to_numpy() for frame in (records, answers) for axis in ("lon", "lat")))
    error_m = np.where(np.isnan(metres), np.inf, metres)
    meant, given = (_described(world, frame["entry_id"]) for frame in (records, answers))
    named = records["entry_id"].to_numpy() != ""
    kind = records["kind"].to_numpy()
    alike = (meant["kind"] == given["kind"]) & (meant["name"] == given["name"])
    same = (records["entry_id"].to_numpy() == answers["entry_id"].to_numpy()) | (alike & (error_m <= _POINT_M))
    same |= alike & (meant["kind"] == "road") & (meant["parent"] == given["parent"])
    near = error_m <= np.where(kind == "crossing", _CROSSING_M, _POINT_M)
    right = np.where(named, same | ((kind == "place_offset") & near), near)
    return records.assign(
        answer=answers["entry_id"].to_numpy(), level=answers["level"].to_numpy(), error_m=error_m, right=right
    )


def _described(world: World, ids: pd.Series) -> dict[str, np.ndarray]:
    entries = world.entries.set_index("entry_id")[["kind", "name", "parent"]]
    found = entries.reindex(ids)
    return {name: found[name].astype(object).fillna("").to_numpy() for name in found.columns}


def table(found: pd.DataFrame) -> str:
    """Write top-1, metres and shares by kind and noise, over the records that can be resolved."""
    resolvable = found[found["resolvable"]]
    noises = [set(text.split("|")) for text in resolvable["noise"].tolist()]
    typo = np.array([next((name for name in noise.TYPOS if name in names), "") for names in noises])
    group = np.where(typo == "", "no typo", np.where(typo == "homophone", "homophone", "other typo"))
    rows = [("all", "", resolvable)]
    rows += [("all", name, resolvable[group == name]) for name in ("no typo", "homophone", "other typo")]
    rows += [
        (kind, name, resolvable[(resolvable["kind"] == kind) & (group == name)])
        for kind, name in itertools.product(sorted(set(resolvable["kind"])), ("no typo", "homophone", "other typo"))
    ]
    every = sorted(set(itertools.chain.from_iterable(noises)) - {""})
    rows += [("all", name, resolvable[[name in names for names in noises]]) for name in every]
    head = f"{'kind':16} {'noise':24} {'n':>6} {'top-1':>6} {'median':>7} {'90 %':>8}  <=50 m <=100 m <=500 m"
    return "\n".join([head, *(_line(kind, name, part) for kind, name, part in rows if len(part))])


def _line(kind: str, name: str, part: pd.DataFrame) -> str:
    metres = part["error_m"].to_numpy()
    middle, most = np.quantile(np.minimum(metres, 1e6), [0.5, 0.9])
    shares = " ".join(f"{(metres <= reach).mean():7.3f}" for reach in (50.0, 100.0, 500.0))
    return f"{kind:16} {name:24} {len(part):6} {part['right'].mean():6.3f} {middle:7.1f} {most:8.1f} {shares}"
