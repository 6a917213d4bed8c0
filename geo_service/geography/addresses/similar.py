"""Names that resemble a stretch of text, although some of its characters are wrong, missing, doubled or swapped.

Pure.  Whoever writes down what a caller says picks characters that sound right (薄 for 博) or look right (末 for 未),
or slips.  `SimilarNames` holds the names; `find` gives those that a part of the text may stand for, `align` tells which
repairs turn that part into the name, in words.

A find retrieves first and compares then.  Retrieval counts grams that a name shares with the text: characters next to
each other, or so in one and with a character between in the other, which bridges whatever is dropped, doubled or
swapped; near syllables next to each other; single characters; and what the text would share if one of its characters
were a look-alike.  The rarest grams are followed first, until 2,000 names have been met, so 小区 hardly ever is.  The
32 names that share most are aligned: the whole name against any part of the text, each repair at its price.

| repair | cost [characters] |
|---|---|
| another character with the same syllable, in any of their readings, whatever the tone | 0.25 |
| one that looks alike | 0.30 |
| one with a near sound: zh/z ch/c sh/s n/l r/l h/f, an/ang en/eng in/ing | 0.40 |
| two neighbours swapped | 0.60 |
| a character extra in the text; one missing, of which less is left to see | 0.90; 0.95 |
| another character | 1.00 |
| another number | 1.85 |

A name's similarity is 1 - cost / its length.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from geo_service.geography.addresses import characters
from geo_service.geography.addresses import similar_kernels as kernels

__all__ = ["ALL", "Repair", "Similar", "SimilarNames", "align", "warm_up"]

ALL = -1  # every group
_HUNDREDTHS = 100
_WIDTH = 64  # characters of text that a kept room is for; a longer text has one of its own
_TRIED = 32  # names aligned for a find
_FOLLOWED = 2000  # names met in the lists of a text's grams, after which no further list is followed

Whole = npt.NDArray[np.int32]


class Similar(NamedTuple):
    """A name that text[begin:end] may stand for; `cost` in characters, `name` its place in the list of names."""

    name: int
    cost: float
    begin: int
    end: int


class Repair(NamedTuple):
    """One step from the text to the name: characters of the one, of the other, why, and the cost in characters."""

    text: str
    name: str
    why: str
    cost: float


class SimilarNames:
    """Names that can be found by what resembles them.

    Names are plain (characters.plain_table); equal ones are found each on its own, so give every name once.  `groups`
    is a bit mask a name, such as one bit for roads and one for compounds; without it every name is in all.  Finds may
    run in threads.  26,000 names take 0.1 s to build and 9 MB to hold, beside 3 MB for the characters.

    >>> names = SimilarNames(["薄店村", "博物馆", "火炬路小学"])
    >>> names.find("任城区簿店村委会", 3, 8)
    [Similar(name=0, cost=0.25, begin=3, end=6)]
    """

    def __init__(self, names: Sequence[str], groups: Sequence[int] | npt.NDArray[np.integer] | None = None) -> None:
        """Index the names."""
        self.names = tuple(names)
        group = np.full(len(self.names), ALL) if groups is None else np.asarray(groups).astype(np.int64)
        self._index = _indexed(self.names, group)
        self._longest = max(map(len, self.names), default=0)
        self._rooms: list[kernels.Room] = []  # of threads that are not finding just now

    def find(
        self,
        text: str,
        begin: int,
        end: int,
        *,
        groups: int = ALL,
        most: int = 8,
        least: float = 0.5,
        among: Sequence[int] | None = None,
    ) -> list[Similar]:
        """Give up to `most` names, 32 at the most, that a part of text[begin:end] may stand for, best first.

        Best is what explains most of the text: the name's length less twice its cost.  Names less similar than `least`,
        and of none of the groups, are left out.  With `among`, only the names of these numbers are compared, and all of
        them.  The text is plain, as the names are.
        """
        part = _codes(text[begin:end])
        if not len(part) or not self.names or most < 1:
            return []
        try:
            room = self._rooms.pop() if len(part) <= _WIDTH else self._room(len(part))
        except IndexError:
            room = self._room(_WIDTH)
        out = np.empty((most, 5), np.int32)
        if among is None:
            n = kernels.find(part, most, float(least), int(groups), _FOLLOWED, self._index, room, out)
        else:
            n = kernels.among(np.asarray(among, np.int32), part, most, float(least), self._index, room, out)
        if len(part) <= _WIDTH:
            self._rooms.append(room)
        return [
            Similar(name, cost / _HUNDREDTHS, begin + since, begin + until)
            for name, cost, since, until, _ in out[:n].tolist()
        ]

    def _room(self, width: int) -> kernels.Room:
        grams = width * _grams_a_character()
        return kernels.Room(
            np.zeros(len(self.names), np.float32),
            np.empty(len(self.names), np.int32),
            np.empty(grams, np.int32),
            np.empty(grams, np.int32),
            np.empty(_TRIED, np.int32),
            np.empty(_TRIED, np.float32),
            *_tables(self._longest, width),
        )


def align(name: str, text: str, begin: int, end: int) -> list[Repair]:
    """Tell how the part of text[begin:end] that is most like the name becomes the name, step by step.

    What lies around that part costs nothing and is not told.

    >>> for repair in align("未庄村", "在末壮某村口", 0, 6):
    ...     print(*repair)
    末 未 looks alike 0.3
    壮 庄 sounds alike (zhuang) 0.25
    某  extra 0.9
    村 村 equal 0.0
    """
    code, part = _codes(name), _codes(text[begin:end])
    out = np.empty((len(code) + len(part) + 1, 4), np.int32)
    n = kernels.traced(code, part, *_traits(), *_tables(len(code), len(part)), out)
    repairs: list[Repair] = []
    for how, i, j, cost in reversed(out[:n].tolist()):
        there = "" if how == kernels.STEP_MISSING else text[begin + j : begin + j + 1]
        here = "" if how == kernels.STEP_EXTRA else name[i : i + 1]
        if how == kernels.STEP_SWAPPED:
            there, here = text[begin + j : begin + j + 2], name[i : i + 2]
        repairs.append(Repair(there, here, _why(there, here, cost), cost / _HUNDREDTHS))
    return repairs


def warm_up() -> None:
    """Compile every kernel, or load it from disk, by using it once: 6 s the first time, then 0.6 s.

    For an installer to call, so that no first request waits.
    """
    names = SimilarNames(["薄店村", "任城"])
    names.find("簿店", 0, 2)
    names.find("簿店", 0, 2, among=[0])
    align("薄店村", "簿店", 0, 2)


def _why(there: str, here: str, cost: int) -> str:
    """Say in words why characters of a text stand for others of a name, at that cost."""
    if not there:
        return "missing"
    if not here:
        return "extra"
    if cost == kernels.SAME_SOUND:
        return f"sounds alike ({_shared(there, here)[0]})"
    if cost == kernels.NEAR_SOUND:
        one, other = next((a, b) for a in _read(there) for b in _read(here) if _near(a) == _near(b))
        return f"near sound ({characters.sound_difference(one, other)})"
    return {
        kernels.EQUAL: "equal",
        kernels.LOOKS: "looks alike",
        kernels.SWAPPED: "swapped",
        kernels.OTHER_NUMBER: "other number",
    }.get(cost, "other")


def _read(character: str) -> list[str]:
    code = ord(character)
    return [characters.syllables()[at] for at in characters.sounds()[code] if at] if code < characters.BMP else []


def _shared(one: str, other: str) -> list[str]:
    return [sound for sound in _read(other) if sound in _read(one)]


def _near(sound: str) -> int:
    return int(characters.near_sounds()[characters.syllables().index(sound)])


def _codes(text: str) -> Whole:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.int32)


def _indexed(names: Sequence[str], group: npt.NDArray[np.int64]) -> kernels.Index:
    """List for each gram the names that have it."""
    trait, alike = _traits()
    code = _codes("".join(names))
    first = np.zeros(len(names) + 1, np.int32)
    np.cumsum([len(name) for name in names], out=first[1:])
    known = np.unique(code & (characters.BMP - 1))
    number = np.zeros(characters.BMP, np.int64)
    number[known] = np.arange(1, len(known) + 1)
    key, name = np.empty(8 * len(code), np.int64), np.empty(8 * len(code), np.int64)
    n = kernels.name_grams(code, first, number, trait, key, name)
    entry = np.unique(key[:n] * len(names) + name[:n])
    gram, posting = np.divmod(entry, max(len(names), 1))
    keys, begin, size = np.unique(gram, return_index=True, return_counts=True)
    slots = 1 << (2 * len(keys) + 1).bit_length()
    slot_key, slot_list = np.full(slots, -1), np.full(slots, -1, np.int32)
    kernels.hash_keys(keys, slot_key, slot_list)
    rarity = np.log(1 + len(names) / size)
    total = np.bincount(posting, np.repeat(rarity, size), len(names))
    start, short = np.append(begin, len(entry)).astype(np.int32), posting.astype(np.int32)
    floats = rarity.astype(np.float32), (1 / np.maximum(total, 1e-6)).astype(np.float32)
    return kernels.Index(code, first, group, number, trait, alike, slot_key, slot_list, start, short, *floats)


def _tables(longest: int, width: int) -> tuple[Whole, npt.NDArray[np.uint8]]:
    return np.empty((longest + 1, width + 1), np.int32), np.empty((longest + 1, width + 1), np.uint8)


@functools.cache
def _grams_a_character() -> int:
    """Give how many grams can begin at one character of a text: 3 of characters, 4 of sounds, 2 a look-alike."""
    return 7 + 2 * int((_traits()[0][:, kernels.WHERE] & 255).max())


@functools.cache
def _traits() -> tuple[npt.NDArray[np.int64], Whole]:
    """Give what kernels know of each character, and the look-alikes, one character after the other.

    A row: its syllables and near syllables, 9 bits each, and whether it is a number; one bit in 64 for every near
    syllable; one for every look-alike; where its look-alikes begin times 256 + how many there are.
    """
    sounds = characters.sounds().astype(np.int64)
    near = characters.near_sounds().astype(np.int64)[sounds]
    trait = np.zeros((characters.BMP, 4), np.int64)
    for at in range(characters.READINGS):
        trait[:, kernels.SOUNDS] |= sounds[:, at] << (9 * at) | near[:, at] << (9 * (at + characters.READINGS))
        trait[:, kernels.NEAR] |= np.where(near[:, at] > 0, np.int64(1) << (near[:, at] & 63), 0)
    trait[[ord(number) for number in characters.NUMBERS], kernels.SOUNDS] |= kernels.NUMBER
    alike: list[int] = []
    for one, others in characters.look_alikes().items():
        trait[ord(one), kernels.WHERE] = len(alike) << 8 | len(others)
        for other in map(ord, others):
            trait[ord(one), kernels.LOOK] |= np.int64(1) << np.int64(other & 63)
            alike.append(other)
    return trait, np.array(alike, np.int32)
