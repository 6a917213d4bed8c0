"""Kernels of names that resemble: index the names, retrieve the likely ones, align them with a text.

Pure; compiled by numba on first use and kept on disk.  They release the interpreter's lock and write only into a Room,
which is one thread's own, and into what is passed for the answer.  Types are numba's own affair here.
"""

# pyright: basic, reportArgumentType=false, reportCallIssue=false

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

# What a repair costs, in hundredths of a character.
EQUAL, SAME_SOUND, LOOKS, NEAR_SOUND, SWAPPED, EXTRA, MISSING, OTHER = 0, 25, 30, 40, 60, 90, 95, 100
OTHER_NUMBER = MISSING + EXTRA  # as much as one missing and one extra: a number is never mistaken for another

STEP_BOTH, STEP_MISSING, STEP_EXTRA, STEP_SWAPPED = 0, 1, 2, 3
SOUNDS, NEAR, LOOK, WHERE = 0, 1, 2, 3  # columns of `trait`
NUMBER = 1 << 54  # bit of SOUNDS; below it lie three syllables and three near syllables, 9 bits each
_NEAR_FIRST, _NEAR_AFTER = 3, 5  # the near syllables that grams are made of, of the first two readings
_LOW = 0xFFFF  # a character beyond the BMP has the row of its low bits: harmless in grams, taken care of in alignments

PAIR, GAP, SOUND, ALONE, SEEN = 0, 1, 2, 3, 4  # kinds of gram that a text and a name share
WEIGHT = np.array([1.0, 0.8, 0.6, 0.4, 0.8], np.float32)  # of each kind, times the gram's rarity; found by trial
_SYLLABLES = 512

_kernel = numba.njit(cache=True, nogil=True)
_inlined = numba.njit(cache=True, nogil=True, inline="always")

Whole = npt.NDArray[np.int32]
Long = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


class Index(NamedTuple):
    """What is known of the names and of characters.

    Name i is `code` from first[i] to first[i + 1] and belongs to the groups of the bits of group[i].  A character that
    names have is number[character], others are 0.  `trait`, `alike`: see similar.py.  Gram slot_key[slot] has the list
    slot_list[slot], names posting[start[list]:start[list + 1]], and the rarity[list]; plain[i] is 1 over the rarity of
    all grams of name i.
    """

    code: Whole
    first: Whole
    group: Long
    number: Long
    trait: Long
    alike: Whole
    slot_key: Long
    slot_list: Whole
    start: Whole
    posting: Whole
    rarity: Floats
    plain: Floats


class Room(NamedTuple):
    """What a find writes into: a number for each name, lists of grams and of names, and the tables of an alignment."""

    hit: Floats
    touched: Whole
    gram: Whole
    kind: Whole
    best: Whole
    rank: Floats
    cost: Whole
    step: npt.NDArray[np.uint8]


@_inlined
def _hashed(key, mask):
    return ((key * 0x9E3779B1) >> 7) & mask


@_inlined
def _syllable(packed, at):
    return (packed >> (9 * at)) & (_SYLLABLES - 1)


@_inlined
def _sound_gram(one, other):
    return one * _SYLLABLES + other


@_inlined
def _pair_gram(one, other):
    """Give the key of two characters that names have; with 0 for the first, of one alone."""
    return _SYLLABLES * _SYLLABLES + (one << 17) + other


@_kernel
def name_grams(code, first, number, trait, key, name):
    """Write every gram of every name; give how many there are, 8 a character at most.

    Each character; each with the next and with the one after it; and each near syllable with the next, of the first two
    readings of both.
    """
    n = 0
    for which in range(first.size - 1):
        for k in range(first[which], first[which + 1]):
            one, here = number[code[k] & _LOW], trait[code[k] & _LOW, SOUNDS]
            key[n], name[n] = _pair_gram(0, one), which
            n += 1
            for other in range(k + 1, min(k + 3, first[which + 1])):
                key[n], name[n] = _pair_gram(one, number[code[other] & _LOW]), which
                n += 1
            if k + 1 < first[which + 1]:
                there = trait[code[k + 1] & _LOW, SOUNDS]
                for a in range(_NEAR_FIRST, _NEAR_AFTER):
                    for b in range(_NEAR_FIRST, _NEAR_AFTER):
                        if _syllable(here, a) and _syllable(there, b):
                            key[n], name[n] = _sound_gram(_syllable(here, a), _syllable(there, b)), which
                            n += 1
    return n


@_kernel
def hash_keys(keys, slot_key, slot_list):
    """Fill an open hash table (a power of two of slots, -1 empty): which list each gram has."""
    mask = slot_key.size - 1
    for at in range(keys.size):
        slot = _hashed(keys[at], mask)
        while slot_key[slot] != -1:
            slot = (slot + 1) & mask
        slot_key[slot], slot_list[slot] = keys[at], at


@_inlined
def _noted(key, of, slot_key, slot_list, gram, kind, n):
    """Note the list of a gram, if names have it; give how many are noted."""
    mask = slot_key.size - 1
    slot = _hashed(key, mask)
    while slot_key[slot] != -1 and slot_key[slot] != key:
        slot = (slot + 1) & mask
    gram[n], kind[n] = slot_list[slot], of
    return n + (slot_list[slot] >= 0)


@_kernel
def _text_grams(text, number, trait, alike, slot_key, slot_list, gram, kind):
    """Note the grams of a text that names have, those too that it would have with a look-alike; give how many."""
    n = 0
    for k in range(text.size):
        one, here = number[text[k] & _LOW], trait[text[k] & _LOW, SOUNDS]
        before = number[text[k - 1] & _LOW] if k > 0 else 0
        after = number[text[k + 1] & _LOW] if k + 1 < text.size else 0
        later = number[text[k + 2] & _LOW] if k + 2 < text.size else 0
        if one:
            n = _noted(_pair_gram(0, one), ALONE, slot_key, slot_list, gram, kind, n)
        if one and after:
            n = _noted(_pair_gram(one, after), PAIR, slot_key, slot_list, gram, kind, n)
        if one and later:
            n = _noted(_pair_gram(one, later), GAP, slot_key, slot_list, gram, kind, n)
        where = trait[text[k] & _LOW, WHERE]
        for at in range(where >> 8, (where >> 8) + (where & 255)):
            other = number[alike[at]]
            if other and before:
                n = _noted(_pair_gram(before, other), SEEN, slot_key, slot_list, gram, kind, n)
            if other and after:
                n = _noted(_pair_gram(other, after), SEEN, slot_key, slot_list, gram, kind, n)
        there = trait[text[k + 1] & _LOW, SOUNDS] if k + 1 < text.size else 0
        for a in range(_NEAR_FIRST, _NEAR_AFTER):
            for b in range(_NEAR_FIRST, _NEAR_AFTER):
                if _syllable(here, a) and _syllable(there, b):
                    key = _sound_gram(_syllable(here, a), _syllable(there, b))
                    n = _noted(key, SOUND, slot_key, slot_list, gram, kind, n)
    return n


@_inlined
def _rarest_first(gram, kind, n, start):
    for k in range(1, n):
        this, of, size = gram[k], kind[k], start[gram[k] + 1] - start[gram[k]]
        at = k
        while at > 0 and start[gram[at - 1] + 1] - start[gram[at - 1]] > size:
            gram[at], kind[at] = gram[at - 1], kind[at - 1]
            at -= 1
        gram[at], kind[at] = this, of


@_kernel
def _retrieved(n, groups, followed, index, room):
    """List the names that share most with the text, best first; give how many.  Leaves `hit` all 0, as it was."""
    gram, kind, hit, touched, best, rank = room.gram, room.kind, room.hit, room.touched, room.best, room.rank
    start, posting = index.start, index.posting
    _rarest_first(gram, kind, n, start)
    seen, met = 0, 0
    for k in range(n):
        begin, end = start[gram[k]], start[gram[k] + 1]
        met += end - begin
        if k > 0 and met > followed:
            break
        weight = index.rarity[gram[k]] * WEIGHT[kind[k]]
        for p in range(begin, end):
            which = posting[p]
            if hit[which] == 0:
                touched[seen] = which
                seen += 1
            hit[which] += weight
    found = 0
    for t in range(seen):
        which = touched[t]
        value = hit[which] * hit[which] * index.plain[which]  # much in common, and little not
        hit[which] = 0
        if (found == best.size and value <= rank[found - 1]) or (index.group[which] & groups) == 0:
            continue
        at = found if found < best.size else found - 1
        while at > 0 and rank[at - 1] < value:
            best[at], rank[at] = best[at - 1], rank[at - 1]
            at -= 1
        best[at], rank[at] = which, value
        found = min(found + 1, best.size)
    return found


@_inlined
def _sound_cost(one, other):
    """Give the cost of two characters that may share a near sound, by their SOUNDS."""
    cost = OTHER
    for a in range(3):
        for b in range(3):
            if _syllable(one, a) and _syllable(one, a) == _syllable(other, b):
                cost = SAME_SOUND
            if cost == OTHER and _syllable(one, a + 3) and _syllable(one, a + 3) == _syllable(other, b + 3):
                cost = NEAR_SOUND
    return cost


@_inlined
def _looks_like(where, other, alike):
    found = False
    for k in range(where >> 8, (where >> 8) + (where & 255)):
        found |= alike[k] == other
    return found


@_kernel
def _aligned(code, begin, end, text, trait, alike, dearest, cost, step):
    """Fill the table of costs of a name's first i characters against what ends before the text's character j.

    Free ends in the text: the first row is 0.  Optimal string alignment: what was swapped is not repaired again.  Tells
    whether the table is full; it is left as soon as no way through the last two rows can cost `dearest` or less.
    """
    cost[0, : text.size + 1] = 0
    row, row_before = 0, 0  # the least of each
    for i in range(1, end - begin + 1):
        if row > dearest and row_before > dearest:
            return False
        row, row_before = i * MISSING, row
        a = code[begin + i - 1]
        beyond = a > _LOW
        sound, near, look = trait[a & _LOW, SOUNDS], trait[a & _LOW, NEAR], trait[a & _LOW, LOOK]
        cost[i, 0], step[i, 0] = i * MISSING, STEP_MISSING
        for j in range(1, text.size + 1):
            b = text[j - 1]
            unlike = EQUAL if a == b else OTHER
            if a != b and not beyond and b <= _LOW:
                if near & trait[b, NEAR]:  # one bit in 64 a syllable: mostly decides that there is none in common
                    unlike = _sound_cost(sound, trait[b, SOUNDS])
                if unlike > LOOKS and (look >> (b & 63)) & 1 and _looks_like(trait[a, WHERE], b, alike):
                    unlike = LOOKS
                if sound & trait[b, SOUNDS] & NUMBER:
                    unlike = OTHER_NUMBER
            least, how = cost[i - 1, j - 1] + unlike, STEP_BOTH
            crossed = i > 1 and j > 1 and a != b and a == text[j - 2] and code[begin + i - 2] == b
            if crossed and cost[i - 2, j - 2] + SWAPPED < least:
                least, how = cost[i - 2, j - 2] + SWAPPED, STEP_SWAPPED
            if cost[i - 1, j] + MISSING < least:
                least, how = cost[i - 1, j] + MISSING, STEP_MISSING
            if cost[i, j - 1] + EXTRA < least:
                least, how = cost[i, j - 1] + EXTRA, STEP_EXTRA
            cost[i, j], step[i, j] = least, how
            row = min(row, least)
    return True


@_inlined
def _cheapest_end(cost, m, n):
    at = 0
    for j in range(1, n + 1):
        if cost[m, j] < cost[m, at]:
            at = j
    return at


@_inlined
def _before(how, i, j):
    """Give where in the name and in the text a step began that ended at i and j."""
    if how == STEP_SWAPPED:
        return i - 2, j - 2
    return i - (how != STEP_EXTRA), j - (how != STEP_MISSING)


@_kernel
def among(names, text, most, least, index, room, out):
    """Write those of some names that resemble a part of the text, as `find` does."""
    code, first, trait, alike, cost, step = index.code, index.first, index.trait, index.alike, room.cost, room.step
    found = 0
    for name in names:
        begin, end = first[name], first[name + 1]
        m = end - begin
        dearest = int((1 - least) * 100 * m + 1e-6)
        if found == most:
            dearest = min(dearest, (100 * m - out[found - 1, 4] - 1) // 2)
        if (m - text.size) * MISSING > dearest or not _aligned(
            code, begin, end, text, trait, alike, dearest, cost, step
        ):
            continue
        stop = _cheapest_end(cost, m, text.size)
        value = 100 * m - 2 * cost[m, stop]
        if cost[m, stop] > dearest:
            continue
        at = found if found < most else found - 1
        while at > 0 and out[at - 1, 4] < value:
            for c in range(5):
                out[at, c] = out[at - 1, c]
            at -= 1
        i, j = m, stop
        while i > 0:
            i, j = _before(step[i, j], i, j)
        out[at, 0], out[at, 1], out[at, 2], out[at, 3], out[at, 4] = name, cost[m, stop], j, stop, value
        found = min(found + 1, most)
    return found


@_kernel
def find(text, most, least, groups, followed, index, room, out):
    """Write the names that resemble a part of the text, best first: name, cost, begin, end; give how many.

    The fifth number is what they are ordered by, the name's length less twice its cost; between equals the order in
    which they were retrieved stands.
    """
    n = _text_grams(text, index.number, index.trait, index.alike, index.slot_key, index.slot_list, room.gram, room.kind)
    return among(room.best[: _retrieved(n, groups, followed, index, room)], text, most, least, index, room, out)


@_kernel
def traced(code, text, trait, alike, cost, step, out):
    """Write the steps of a name's cheapest alignment, last first; give how many.

    Each: what it is, where it begins in the name and in the text, its cost.
    """
    _aligned(code, 0, code.size, text, trait, alike, OTHER_NUMBER * code.size, cost, step)
    i, j, n = code.size, _cheapest_end(cost, code.size, text.size), 0
    while i > 0:
        how = step[i, j]
        before_i, before_j = _before(how, i, j)
        out[n, 0], out[n, 1], out[n, 2], out[n, 3] = how, before_i, before_j, cost[i, j] - cost[before_i, before_j]
        i, j, n = before_i, before_j, n + 1
    return n
