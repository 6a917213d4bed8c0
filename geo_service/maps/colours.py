"""Colours: counts and levels of the places of a ground in one month, and what the features of a sheet say of them.

Pure.  A feature that stands for many places wears the level of the worst of them, the sum of their counts, and how many
of them have each level.  A state knows which tiles its last changes touched, so that only these get new names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from geo_service.maps import tiles
from geo_service.maps.ground import FINEST, Ground, Objects, Rows, Sheet, digest_of
from geo_service.maps.layers import LevelScheme
from geo_service.maps.mvt import Column

WITHHELD = {"placement": 13, "stale": 14}  # classes of places without a colour, by the reason
UNKNOWN = 15  # class of every place in a month that is not on record

_MOST_RENAMED = 100_000  # tiles; when more are touched, all get new names
_WIDENED = tiles.EXTENT // 4  # steps by which a group may reach beyond the place that changed

TileKey = tuple[int, int, int]  # z, x, y


@dataclass(frozen=True)
class State:
    """Counts [incidents] and levels of one kind in one month, in the order of its ground.

    `withheld`: why a place has no colour, "" where it has; its level is -1.  `renamed` are the tiles whose content has
    changed since the state `since`, each with the digest of the state that changed it last.
    """

    counts: npt.NDArray[np.int32]
    levels: npt.NDArray[np.int8]
    withheld: Objects
    digest: str
    since: str
    renamed: Mapping[TileKey, str] = field(default_factory=dict[TileKey, str], repr=False)

    def version(self, tile: tiles.Tile) -> str:
        """Name what the state says of one tile: the digest of the last state that touched it."""
        up = max(tile.z - FINEST, 0)
        return self.renamed.get((tile.z - up, tile.x >> up, tile.y >> up), self.since)

    @cached_property
    def classes(self) -> npt.NDArray[np.uint8]:
        """Each place's class as state tiles have it: its level, or why it has none."""
        classes = np.where(self.levels < 0, UNKNOWN, self.levels).astype(np.uint8)
        for at in np.flatnonzero(self.levels < 0):
            classes[at] = WITHHELD.get(self.withheld[at], UNKNOWN)
        return classes


def tally(
    ground: Ground, levels: pd.DataFrame | None, withheld: pd.DataFrame | None = None, before: State | None = None
) -> State:
    """Put the levels of a month (zone_id, count, level; None: nobody has any) into the order of a ground.

    Places that are not named have none; names that the ground does not know (zones since withdrawn) are not drawn.
    `withheld` (trust.withheld; None: nothing) takes the colour from places, a zone_id "" from all.  `before` is the
    state that this one follows: tiles without a change keep their names.
    """
    counts, codes = np.zeros(len(ground), dtype=np.int32), np.zeros(len(ground), dtype=np.int8)
    if levels is not None and len(levels) and len(ground):
        named = levels["zone_id"].to_numpy(dtype=object)
        rows = np.minimum(np.searchsorted(ground.ids, named), len(ground) - 1)
        known = ground.ids[rows] == named
        counts[rows[known]] = levels["count"].to_numpy()[known]
        codes[rows[known]] = levels["level"].to_numpy()[known]
    why = _withheld(ground, withheld)
    codes[why != ""] = -1
    digest = digest_of([counts.tobytes(), codes.tobytes(), repr(why.tolist()).encode() if (codes < 0).any() else b""])
    state = State(counts, codes, why, digest, digest)
    return _following(state, before, ground) if before is not None and len(before.counts) == len(counts) else state


def columns(state: State | None, sheet: Sheet, scheme: LevelScheme, month: str) -> Mapping[str, Column]:
    """Give what the features of a sheet say of a month (layers.LEVEL_FIELDS); None: it is not on record."""
    count = len(sheet)
    shared = np.zeros(count, dtype=np.int32)
    if state is None:
        unknown, nothing = scheme.unknown, Column(shared - 1, ())
        look = {"level_name": Column(shared, (unknown.name,)), "colour": Column(shared, (unknown.colour,))}
        return {"month": Column(shared, (month,)), "count": nothing, "level": nothing, **look}
    counts, levels, why = _of_features(state, sheet)
    looks = (*scheme.levels, scheme.unknown)  # the last one is that of level -1
    worn = np.where(levels < 0, len(scheme.levels), levels).astype(np.int32)
    said = {
        "month": Column(shared, (month,)),
        "count": _numbers(counts),
        "level": Column(levels.astype(np.int32), tuple(range(len(scheme.levels)))),
        "level_name": Column(worn, tuple(level.name for level in looks)),
        "colour": Column(worn, tuple(level.colour for level in looks)),
    }
    if sheet.members is not None:
        for level in scheme.levels:
            said[f"of_{level.name}"] = _numbers(sheet.members.sums(state.levels == level.code))
    if (levels < 0).any():
        said["withheld"] = Column.of([reason or None for reason in why.tolist()])
    return said


def classes(state: State | None, sheet: Sheet) -> npt.NDArray[np.uint8]:
    """Give the class of each feature of a sheet; a group's is that of its worst place."""
    if state is None:
        return np.full(len(sheet), UNKNOWN, dtype=np.uint8)
    if sheet.members is None:
        return state.classes
    levels = sheet.members.most(state.levels)
    return np.where(levels < 0, state.classes[sheet.members.first()], levels).astype(np.uint8)


def _of_features(state: State, sheet: Sheet) -> tuple[Rows, npt.NDArray[np.int8], Objects]:
    """Give count, level and why it has no colour of each feature; a group has none where no place has, as its first."""
    if sheet.members is None:
        return state.counts.astype(np.int64), state.levels, state.withheld
    levels = sheet.members.most(state.levels)
    why = np.where(levels < 0, state.withheld[sheet.members.first()], "")
    return sheet.members.sums(state.counts), levels, why


def _numbers(values: npt.NDArray[np.int64]) -> Column:
    distinct, codes = np.unique(values, return_inverse=True)
    return Column(codes.astype(np.int32), tuple(distinct.tolist()))


def _withheld(ground: Ground, withheld: pd.DataFrame | None) -> Objects:
    why = np.full(len(ground), "", dtype=object)
    if withheld is not None:
        ours = withheld[withheld["zone_kind"].isin(["", ground.kind])]
        for zone, reason in ours[["zone_id", "reason"]].itertuples(index=False):
            why[ground.ids == zone if zone else slice(None)] = reason
    return why


def _following(state: State, before: State, ground: Ground) -> State:
    """Keep the names of tiles in which nothing has changed."""
    changed = np.flatnonzero(
        (state.counts != before.counts) | (state.levels != before.levels) | (state.withheld != before.withheld)
    )
    touched = _tiles_of(ground, changed)
    if touched is None or len(before.renamed) + len(touched) > _MOST_RENAMED:
        return state
    renamed = {**before.renamed, **dict.fromkeys(touched, state.digest)}
    return replace(state, since=before.since, renamed=renamed)


def _tiles_of(ground: Ground, rows: Rows) -> list[TileKey] | None:
    """List the tiles of all zooms that may draw some places, their margins included; None: too many."""
    found: list[TileKey] = []
    sides = ground.sides[rows]
    for z in range(FINEST + 1):
        reach = tiles.MARGIN + (0 if ground.is_drawn_one_by_one(z) else _WIDENED)
        spans = tiles.spans(sides, z, reach)
        if len(found) + np.prod(spans[:, 2:] - spans[:, :2] + 1, axis=1).sum() > _MOST_RENAMED:
            return None
        for first_x, first_y, last_x, last_y in np.unique(spans, axis=0).tolist():
            found += [(z, x, y) for x in range(first_x, last_x + 1) for y in range(first_y, last_y + 1)]
    return found
