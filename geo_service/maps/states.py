"""States: the live half of the picture, apart from geometry: classes in a tile's feature order, and what has changed.

Pure.  A state tile is 28 bytes of head and half a byte a feature, so the colours of 2,000 places are one kilobyte:

    "GST1" · geometry digest, 12 bytes · revision, uint64 · features, uint32 · classes, two a byte, the first one low

whole numbers little-endian.  Class i is that of feature i of the geometry tile of that digest.  Classes are the levels;
colours.WITHHELD for places without a colour, colours.UNKNOWN for all places of a month that is not on record.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geo_service.errors import BadInput
from geo_service.maps import colours, tiles
from geo_service.maps.atlas import Atlas
from geo_service.maps.layers import EVERYTHING, View

MOST_CHANGES = 5_000  # features a delta tells one by one; beyond it clients had better ask for their tiles anew

_HEAD = struct.Struct("<4s12sQI")
_MAGIC = b"GST1"

Changes = list[tuple[int, int]]  # feature id, class


@dataclass(frozen=True)
class StateTile:
    """A state tile as read back: geometry digest, revision, the class of each feature."""

    digest: str
    seq: int
    classes: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Delta:
    """What a later picture says otherwise about its current month than an earlier one.

    `since` and `seq` are their revisions, `month` that of the later one; `changes` the new classes by layer, `months`
    the other months that changed, `grounds` the geometry digest of layers whose geometry did.  `whole`: too much
    changed to be told; clients ask for their state tiles anew.
    """

    since: int
    seq: int
    month: str
    changes: Mapping[str, Changes]
    months: tuple[str, ...]
    grounds: Mapping[str, str]
    whole: bool

    def __bool__(self) -> bool:
        return bool(self.changes or self.months or self.grounds or self.whole)


def tile(atlas: Atlas, name: str, tile: tiles.Tile, month: str = "", view: View = EVERYTHING) -> bytes:
    """Write the state tile of a layer; it has no features where the geometry tile is empty.

    Raises NotFound for a layer or tile that does not exist.
    """
    worn = atlas.classes(name, tile, month, view)
    pairs = np.zeros(len(worn) + len(worn) % 2, dtype=np.uint8)
    pairs[: len(worn)] = worn
    head = _HEAD.pack(_MAGIC, bytes.fromhex(atlas.geometry_digest(name, view)), atlas.seq, len(worn))
    return head + (pairs[::2] | pairs[1::2] << 4).tobytes()


def read(content: bytes) -> StateTile:
    r"""Read a state tile.  Raises BadInput when it is none.

    >>> read(b"GST1" + bytes(12) + b"\x07" + bytes(7) + b"\x03" + bytes(3) + b"\x20\x04").classes.tolist()
    [0, 2, 4]
    """
    magic = content[:4]
    if magic != _MAGIC or len(content) < _HEAD.size:
        raise BadInput(f"a state tile begins with {_MAGIC!r} and {_HEAD.size} bytes of head, came {content[:8]!r}")
    _, digest, seq, count = _HEAD.unpack_from(content)
    pairs = np.frombuffer(content, dtype=np.uint8, offset=_HEAD.size)
    if len(pairs) != (count + 1) // 2:
        raise BadInput(f"a state tile of {count} features has {(count + 1) // 2} bytes of classes, came {len(pairs)}")
    return StateTile(digest.hex(), seq, np.column_stack([pairs & 15, pairs >> 4]).ravel()[:count].astype(np.uint8))


def delta(was: Atlas, now: Atlas, view: View = EVERYTHING) -> Delta:
    """Tell what a client that shows `was` must change to show `now`."""
    changes: dict[str, Changes] = {}
    grounds: dict[str, str] = {}
    for name, layer in now.layers.items():
        if (
            not view.shows(name)
            or name not in was.layers
            or not {layer.ground} <= was.grounds.keys() & now.grounds.keys()
        ):
            continue
        digest = now.geometry_digest(name, view)
        if digest != was.geometry_digest(name, view):
            grounds[name] = digest
        elif layer.wears_levels and was.month == now.month:
            changes[name] = _changed(was, now, name, view)
    changes = {name: found for name, found in changes.items() if found}
    many = sum(map(len, changes.values())) > MOST_CHANGES
    whole = many or was.month != now.month or dict(was.layers) != dict(now.layers) or was.scheme != now.scheme
    return Delta(was.seq, now.seq, now.month, {} if whole else changes, _months(was, now), grounds, whole)


def _changed(was: Atlas, now: Atlas, name: str, view: View) -> Changes:
    """List the features, groups too, that have another class now."""
    ground, kind, found = now.ground(name, view), now.layers[name].zones, list[tuple[int, int]]()
    for sheet in (ground.places, *ground.groups()):
        before, after = (colours.classes(atlas.state(kind, now.month), sheet) for atlas in (was, now))
        rows = np.flatnonzero(before != after)
        found += zip(sheet.fids[rows].tolist(), after[rows].tolist(), strict=True)
    return found


def _months(was: Atlas, now: Atlas) -> tuple[str, ...]:
    """List the months, save the current one, whose counts or levels are not what they were."""
    keys = {key for key in was.states.keys() | now.states.keys() if key[1] not in ("", now.month)}
    return tuple(sorted({month for kind, month in keys if _digest(was, kind, month) != _digest(now, kind, month)}))


def _digest(atlas: Atlas, kind: str, month: str) -> str:
    state = atlas.state(kind, month)
    return state.digest if state else ""
