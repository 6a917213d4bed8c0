"""Source systems: which coordinate system a source's numbers really have, whatever it declares.

Pure.  Three witnesses, from the coarse to the fine:

1. range: `check_declared` finds exchanged axes, zone prefixes, wrong meridians and units, because the readings of one
   city do not overlap.  Range cannot tell WGS 84 from GCJ-02 and BD-09: 97-99 % of the points stay in the city under
   the wrong one.
2. text: `weigh` compares each record's coordinate with the place its own text names, under each datum; `Evidence`
   adds that up for one source until it is decided, and `Watch` tells when a decided source changes.
3. one record: `explain_disagreement` says why its coordinate and its text disagree.

Text places must come from a gazetteer in true WGS 84; of one place that calls often, one record is evidence enough.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from geo_service.geography import crs

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]

DATUMS = ("EPSG:4326", "GCJ-02", "BD-09")  # what degrees of a Chinese source can mean
DECIDED = 9.2  # log-odds at which a source counts as recognised: 10,000 to 1
ALARM = 15.0  # CUSUM of log-odds at which a source counts as changed: once in e^15 = 3 million records by chance

_FITS = 0.9  # share of a source's records within the city's box at which a reading explains them [-]
_SOME = 0.05  # share at which a reading explains some of them [-]
_MARGIN = 0.02  # added around the city's box: the BD-09 offset of 1.3 km and the border's own records [deg]
_LOOKED_AT = 2000  # records that a reading is tried on
_SCALES = (
    1.0,
    1e-6,
    1e-7,
    1e-5,
    1 / 3600,
    1 / 3_600_000,
)  # degrees, micro-degrees ..., arc seconds and their thousandths

_OUTLIERS = 0.05  # share of records whose text and coordinate mean different places [-]
_ELSEWHERE_M = 5000.0  # radius over which those are spread evenly [m]
_MOST = 6.0  # log-odds that one record may bring: two must agree before anything is decided
_COORDINATE_M = 10.0  # a coordinate's own noise, one axis [m]
_SIGMA = 1 / 2.146  # standard deviation on one axis of the radius that holds 90 %, in two dimensions [-]
_AGREES = 5.0  # distance up to which text and coordinate agree, in standard deviations
_EXPLAINS = 3.0  # distance up to which another datum explains a disagreement, in standard deviations
_SHARED = 3  # places named by texts at one very coordinate, from which on it is nobody's own
_TOWER_M = 5000.0  # how far a base station reaches; a coordinate whose texts lie farther is a default [m]
_EARTH_M = 6_371_008.8  # mean radius [m]


class Box(NamedTuple):
    """The city's bounding box in WGS 84 [deg]."""

    west: float
    south: float
    east: float
    north: float


@dataclass(frozen=True)
class Reading:
    """One way to read a source's two numbers."""

    system: str
    """The system, as `crs` reads it."""
    factor: float
    """What the numbers are multiplied by first: 1000 for kilometres, 1e-6 for micro-degrees [-]."""
    share: float
    """Share of the records that lie in the city when read so [-]."""

    def __str__(self) -> str:
        return f'"{self.system}"' + (f" after multiplying by {self.factor:g}" if self.factor != 1.0 else "")


@dataclass(frozen=True)
class Finding:
    """What a source's numbers are, beside what was declared."""

    kind: str
    """"ok", a key of `_DIFFERENCES`, "mixed", "elsewhere" or "empty"."""
    says: str
    """What came, what was expected and what to do."""
    readings: tuple[Reading, ...]
    """Every reading under which some records lie in the city, best first."""


_DIFFERENCES = {
    "metres_for_degrees": "they are metres, not degrees",
    "degrees_for_metres": "they are degrees, not metres",
    "other_system": "they are of another projection",
    "wrong_meridian": "they are of another central meridian",
    "prefix_present": "the easting carries a zone prefix",
    "prefix_missing": "the easting carries no zone prefix",
    "other_prefix": "the zone prefix is that of zones of another width",
    "exchanged": "the two axes are exchanged",
    "scaled": "they are of another unit",
}


def readings(first: Floats, second: Floats, box: Box, declared: str = "EPSG:4326") -> tuple[Reading, ...]:
    """Give every reading under which at least 5 % of the records lie in the city, best first.

    Tried are degrees (also in millionths and seconds), CGCS2000 Gauss-Krueger of the city's own 3 and 6 degree zones
    and their neighbours with and without prefix, in metres and kilometres, UTM, Web Mercator and the declared system,
    each in both axis orders.  Records without numbers, and those at 0, 0, do not count.

    >>> jining = Box(115.87, 34.43, 117.59, 35.97)
    >>> [str(reading) for reading in readings(np.array([3917600.0]), np.array([39462511.0]), jining)]
    ['"EPSG:4527 north first"']
    """
    usable = np.flatnonzero(np.isfinite(first) & np.isfinite(second) & ((first != 0.0) | (second != 0.0)))
    looked_at = usable[:: max(1, -(-len(usable) // _LOOKED_AT))]
    if not len(looked_at):
        return ()
    x, y = first[looked_at], second[looked_at]
    tried = [Reading(name, factor, _share(x * factor, y * factor, name, box)) for name, factor in _ways(box, declared)]
    return tuple(sorted((way for way in tried if way.share >= _SOME), key=lambda way: -way.share))


def _ways(box: Box, declared: str) -> Iterator[tuple[str, float]]:
    """Name the readings to try, the likely first; of those with equal numbers only one."""
    read = crs.read_system(declared)
    own = crs.System(read.base, read.towgs84)
    degrees = str(own) if _is_degrees(declared) else "EPSG:4326"
    ways: dict[tuple[str, float], None] = {(str(own), 1.0): None}
    ways |= {(degrees, scale): None for scale in _SCALES}
    if not _is_degrees(declared):
        ways[str(own), 1000.0] = None
    for zone in _zones(box):
        ways[zone.system, 1.0] = None
        if not zone.is_prefixed:
            ways[zone.system, 1000.0] = None
    for zone in _zones(box):
        if zone.width == 6:
            ways[f"EPSG:{32600 + (zone.meridian + 183) // 6}", 1.0] = None
    ways["EPSG:3857", 1.0] = None
    same = crs.gauss_krueger(declared)
    for system, factor in ways:
        zone = crs.gauss_krueger(system)
        if system != str(own) and zone and same and _numbers(zone) == _numbers(same) and factor == 1.0:
            continue
        yield system, factor
        yield f"{system} north first", factor


def _zones(box: Box) -> list[crs.GaussKrueger]:
    """Give the Gauss-Krueger zones that the city touches and their neighbours, the nearest to its middle first."""
    found: list[crs.GaussKrueger] = []
    for width, is_prefixed in ((3, False), (3, True), (6, True)):
        reach = 1.5 * width  # half its own width and a neighbour's
        meridians = [m for m in range(75, 136, width) if box.west - reach <= m <= box.east + reach]
        found += [crs.GaussKrueger(meridian, width, is_prefixed) for meridian in meridians]
    middle = (box.west + box.east) / 2
    return sorted(found, key=lambda zone: abs(zone.meridian - middle))


def _numbers(zone: crs.GaussKrueger) -> tuple[int, int]:
    """Give what decides a zone's numbers: without a prefix its width does not."""
    return zone.meridian, zone.zone if zone.is_prefixed else 0


def _is_degrees(system: str) -> bool:
    return crs.is_geographic(system.removesuffix(" north first"))


def _share(x: Floats, y: Floats, system: str, box: Box) -> float:
    read = crs.read_system(system)
    in_degrees = "EPSG:4326 north first" if read.north_first else "EPSG:4326"  # the offsets are within the margin
    lon, lat = crs.to_wgs84(x, y, in_degrees if read.base in DATUMS else system)
    inside = (lon >= box.west - _MARGIN) & (lon <= box.east + _MARGIN)
    inside &= (lat >= box.south - _MARGIN) & (lat <= box.north + _MARGIN)
    return float(inside.mean())


def check_declared(first: Floats, second: Floats, declared: str, box: Box) -> Finding:
    """Hold a source's numbers against the system it declares, by range alone.

    A declared system that puts nine of ten records into the city is believed: UTM zone 50 N and Gauss-Krueger at 117
    E differ by 1.5 km only, and the datum of degrees does not show at all (see `weigh`).

    Raises UndeclaredCRS when the declared system cannot be read.

    >>> jining = Box(115.87, 34.43, 117.59, 35.97)
    >>> found = check_declared(np.array([39462511.7]), np.array([3920756.7]), "EPSG:4548", jining)
    >>> found.kind
    'prefix_present'
    >>> found.says
    'numbers such as 39462511.7, 3920756.7 came, declared is EPSG:4548: the easting carries a zone prefix; declare ...'
    """
    found = readings(first, second, box, declared)
    usable = np.flatnonzero(np.isfinite(first) & np.isfinite(second) & ((first != 0.0) | (second != 0.0)))
    if not len(usable):
        return Finding("empty", "no record has coordinates; leave the columns out of the feed or ask the source", ())
    came = f"numbers such as {first[usable[0]]:.10g}, {second[usable[0]]:.10g} came, declared is {declared}"
    fitting = [reading for reading in found if reading.share >= _FITS]
    if any(not _differences(declared, reading) for reading in fitting):
        return Finding("ok", "", found)
    if fitting:
        best = min(fitting, key=lambda reading: len(_differences(declared, reading)))
        kinds = _differences(declared, best)
        why = ", ".join(_DIFFERENCES[kind] for kind in kinds)
        rivals = "".join(f" ({reading} fits as well)" for reading in fitting if reading != best)
        return Finding(kinds[0], f"{came}: {why}; declare {best}{rivals}", found)
    if len(found) > 1 and sum(reading.share for reading in found) >= _FITS:
        shares = ", ".join(f"{reading.share:.0%} are {reading}" for reading in found)
        return Finding("mixed", f"{came}: {shares}; split the source or name the column that tells them apart", found)
    return Finding(
        "elsewhere", f"{came}: no system we know puts them into the city; ask the source for its system", found
    )


def _differences(declared: str, found: Reading) -> list[str]:
    """Name what a reading has otherwise than the declared system; nothing when they are the same numbers."""
    mine, theirs = crs.read_system(declared), crs.read_system(found.system)
    kinds: list[str] = []
    if _is_degrees(declared) != _is_degrees(found.system):
        kinds.append("metres_for_degrees" if _is_degrees(declared) else "degrees_for_metres")
    elif mine.base != theirs.base:
        zone, other = crs.gauss_krueger(declared), crs.gauss_krueger(found.system)
        if not zone or not other:
            kinds.append("other_system")
        else:
            if zone.meridian != other.meridian:
                kinds.append("wrong_meridian")
            if zone.is_prefixed != other.is_prefixed:
                kinds.append("prefix_present" if other.is_prefixed else "prefix_missing")
            elif zone.is_prefixed and zone.width != other.width:
                kinds.append("other_prefix")
    if mine.north_first != theirs.north_first:
        kinds.append("exchanged")
    return kinds + (["scaled"] if found.factor != 1.0 else [])


@dataclass(frozen=True)
class Weights:
    """How well each datum explains each record."""

    scores: Floats
    """Log-likelihood of each record (row) under each of `DATUMS` (column), relative to its best; at least -6."""
    counts: Flags
    """The record has a coordinate and a text that was found."""
    elsewhere: Flags
    """No datum brings its coordinate to its text."""


def weigh(lon: Floats, lat: Floats, text_lon: Floats, text_lat: Floats, text_uncertainty_m: Floats) -> Weights:
    """Weigh each datum by how far it puts a record's coordinate from the place its text names.

    `lon`, `lat` are the degrees as the source sent them, `text_lon`, `text_lat` the geocoded text in WGS 84 with the
    radius that holds it with 90 % [m].  Under the right datum the residual is normal; one record in twenty speaks of
    another place, anywhere within 5 km.  That bounds what such a caller can say, and a record's whole say is bounded
    by 6: at least two records must agree.  Without coordinate or text a record counts for nothing.

    Method: likelihood ratio of a normal with uniform contamination (Box and Tiao 1968, Biometrika 55:119-129).

    >>> lon, lat = crs.wgs84_to_gcj02(np.array([116.58]), np.array([35.41]))
    >>> weigh(lon, lat, np.array([116.5801]), np.array([35.41]), np.array([30.0])).scores.round(1).tolist()
    [[-6.0, 0.0, -6.0]]
    """
    sigma_m = np.hypot(text_uncertainty_m * _SIGMA, _COORDINATE_M)
    gain = (1.0 - _OUTLIERS) / _OUTLIERS * _ELSEWHERE_M**2 / (2.0 * sigma_m**2)
    apart = np.column_stack([_apart_m(*crs.to_wgs84(lon, lat, datum), text_lon, text_lat) for datum in DATUMS])
    explained = np.log1p(gain[:, None] * np.exp(-0.5 * (apart / sigma_m[:, None]) ** 2))
    counts: Flags = np.isfinite(explained.sum(axis=1))
    best = np.where(counts, explained.max(axis=1), 0.0)
    scores = np.where(counts[:, None], np.maximum(explained - best[:, None], -_MOST), 0.0)
    return Weights(scores, counts, counts & (best < np.log(2.0)))


def _apart_m(lon: Floats, lat: Floats, other_lon: Floats, other_lat: Floats) -> Floats:
    """Give the distance [m], exact to 0.3 % within a city."""
    east = np.radians(lon - other_lon) * np.cos(np.radians(other_lat))
    return _EARTH_M * np.hypot(east, np.radians(lat - other_lat))


@dataclass(frozen=True)
class Evidence:
    """What a source's records have said so far about its datum; batches add up, in any order."""

    records: int = 0
    elsewhere: int = 0
    """Records that no datum brings to their text."""
    scores: tuple[float, ...] = (0.0, 0.0, 0.0)
    """Sum of log-likelihoods under each of `DATUMS`."""

    def __add__(self, other: "Evidence") -> "Evidence":
        scores = tuple(mine + theirs for mine, theirs in zip(self.scores, other.scores, strict=True))
        return Evidence(self.records + other.records, self.elsewhere + other.elsewhere, scores)

    @property
    def log_odds(self) -> float:
        """Log-odds of the best datum against the second best, all equally likely before."""
        second, best = sorted(self.scores)[-2:]
        return best - second

    @property
    def posterior(self) -> dict[str, float]:
        """Probability of each datum, all equally likely before and no other possible."""
        shares = np.exp(np.array(self.scores) - max(self.scores))
        return dict(zip(DATUMS, (shares / shares.sum()).tolist(), strict=True))

    @property
    def decided(self) -> str:
        """The source's datum, or "" while nothing is decided.

        Decided is at 10,000 to 1, and never while two records of three agree with none: then it is a fourth system.
        """
        if self.log_odds < DECIDED or 3 * self.elsewhere > 2 * self.records:
            return ""
        return DATUMS[int(np.argmax(self.scores))]

    def as_table(self) -> dict[str, object]:
        """Write as plain numbers, for JSON; `parse_evidence` reads them."""
        scores = dict(zip(DATUMS, self.scores, strict=True))
        return {"records": self.records, "elsewhere": self.elsewhere, "scores": scores}


def parse_evidence(table: Mapping[str, object]) -> Evidence:
    """Read what `Evidence.as_table` wrote.

    >>> parse_evidence(Evidence(5, 0, (-24.0, 0.0, -24.0)).as_table()).decided
    'GCJ-02'
    """
    scores = cast(Mapping[str, float], table["scores"])
    return Evidence(cast(int, table["records"]), cast(int, table["elsewhere"]), tuple(scores[name] for name in DATUMS))


def evidence(source: Texts, weights: Weights) -> dict[str, Evidence]:
    """Sum a batch by source: a channel, a device or a table, whatever is thought to use one datum throughout.

    >>> gcj = crs.wgs84_to_gcj02(np.full(3, 116.58), np.full(3, 35.41))
    >>> weights = weigh(*gcj, np.full(3, 116.58), np.full(3, 35.41), np.full(3, 30.0))
    >>> evidence(np.array(["app", "app", "pos"], dtype=object), weights)["app"].decided
    'GCJ-02'
    """
    names, which = np.unique(source.astype(str), return_inverse=True)
    records = np.bincount(which, weights.counts, len(names))
    elsewhere = np.bincount(which, weights.elsewhere, len(names))
    scores = np.column_stack([np.bincount(which, column, len(names)) for column in weights.scores.T])
    return {
        name: Evidence(int(records[i]), int(elsewhere[i]), tuple(scores[i].tolist()))
        for i, name in enumerate(names.tolist())
    }


@dataclass(frozen=True)
class Alarm:
    """A source that was decided now speaks another datum."""

    datum: str
    """What it speaks now, one of `DATUMS`."""
    record: int
    """Place in the batch of the record that gave the alarm."""
    since: int
    """Place in the batch where the change began; negative: that many records before it."""


@dataclass(frozen=True)
class Watch:
    """The guard over a decided source: sums of log-odds against its datum that never fall below zero (CUSUM).

    Source: Page 1954, Continuous inspection schemes, Biometrika 41:100-115.  False alarms come once in e^15 records
    or more.
    """

    datum: str
    sums: tuple[float, ...] = (0.0, 0.0, 0.0)
    run: tuple[int, ...] = (0, 0, 0)
    """Records since each sum was last zero."""

    def after(self, weights: Weights) -> tuple["Watch", Alarm | None]:
        """Look at the source's next records, in their order; give the guard for the records after them, and the alarm.

        After an alarm gather new `Evidence` from `since` on and set a new guard.

        >>> gcj = crs.wgs84_to_gcj02(np.full(4, 116.58), np.full(4, 35.41))
        >>> Watch("EPSG:4326").after(weigh(*gcj, np.full(4, 116.58), np.full(4, 35.41), np.full(4, 30.0)))[1]
        Alarm(datum='GCJ-02', record=2, since=0)
        """
        if not len(weights.scores):
            return self, None
        against = weights.scores - weights.scores[:, [DATUMS.index(self.datum)]]
        total = np.array(self.sums) + np.cumsum(against, axis=0)
        sums = total - np.minimum.accumulate(np.minimum(total, 0.0), axis=0)
        place = np.arange(len(sums))[:, None]
        zero = np.maximum.accumulate(np.where(sums > 0.0, -1 - np.array(self.run), place), axis=0)
        after = Watch(self.datum, tuple(sums[-1].tolist()), tuple((place[-1] - zero[-1]).tolist()))
        over = np.flatnonzero((sums >= ALARM).any(axis=1))
        if not len(over):
            return after, None
        record = int(over[0])
        datum = int(np.argmax(sums[record]))
        return after, Alarm(DATUMS[datum], record, int(zero[record, datum]) + 1)


@dataclass(frozen=True)
class Repeats:
    """What is known of each record's very coordinate from all records that have it."""

    places: npt.NDArray[np.int64]
    """How many different places, 100 m apart or so, their texts name."""
    spread_m: Floats
    """Median distance of those places from the coordinate [m]; NaN when no text was found."""
    is_default: Flags
    """The coordinate is one that the source sends when it knows none: its headquarters, the city's centre."""


def repeats(lon: Floats, lat: Floats, text_lon: Floats, text_lat: Floats, default: Flags | None = None) -> Repeats:
    """Count what a batch itself knows of its repeated coordinates; a store can answer the same from all it keeps.

    Coordinates are the same when equal to 1e-6 degrees, places when equal to 0.001 degrees.

    >>> at, text = np.full(3, 116.5), np.array([116.51, 116.52, 116.53])
    >>> repeats(at, at - 81.0, text, at - 81.0).places.tolist()
    [3, 3, 3]
    """
    rows = pd.DataFrame({"lon": np.round(lon, 6), "lat": np.round(lat, 6)})
    rows["apart_m"] = _apart_m(lon, lat, text_lon, text_lat)
    rows["place"] = pd.Series(np.round(text_lon, 3) + 1000j * np.round(text_lat, 3)).where(rows["apart_m"].notna())
    same = rows.groupby(["lon", "lat"], dropna=False)
    places = same["place"].transform("nunique").to_numpy(dtype=np.int64)
    spread_m = same["apart_m"].transform("median").to_numpy(dtype=np.float64)
    return Repeats(places, spread_m, np.zeros(len(lon), dtype=np.bool_) if default is None else default)


def explain_disagreement(
    lon: Floats,
    lat: Floats,
    text_lon: Floats,
    text_lat: Floats,
    text_uncertainty_m: Floats,
    system: str = "EPSG:4326",
    same: Repeats | None = None,
) -> Texts:
    """Say of each record why its coordinate and its text mean different places.

    `lon`, `lat` are WGS 84, read from the source's `system`; the text's place is WGS 84 with the radius that holds it
    with 90 % [m].  `same` is what is known of repeated coordinates (see `repeats`).  Kinds, the first that holds:

        ""             they agree within five standard deviations, or one of the two is missing
        default_point  the coordinate is a declared default, or its texts lie farther off than any base station reaches
        swapped        exchanging longitude and latitude brings them together
        datum          reading the numbers in another datum brings them together, within three standard deviations
        cell_tower     texts of three places and more share the very coordinate: the centre of a base station's reach
        elsewhere      the caller is not where the incident is

    >>> lon, lat = crs.wgs84_to_gcj02(np.full(2, 116.58), np.array([35.41, 35.50]))
    >>> explain_disagreement(lon, lat, np.full(2, 116.58), np.full(2, 35.41), np.full(2, 30.0)).tolist()
    ['datum', 'elsewhere']
    """
    sigma_m = np.hypot(text_uncertainty_m * _SIGMA, _COORDINATE_M)
    apart_m = _apart_m(lon, lat, text_lon, text_lat)
    sent = crs.from_wgs84(lon, lat, system) if system in DATUMS else (lon, lat)
    is_swapped = _apart_m(sent[1], sent[0], text_lon, text_lat) <= _AGREES * sigma_m
    is_datum = np.zeros(len(lon), dtype=np.bool_)
    for datum in DATUMS:
        is_datum |= _apart_m(*crs.to_wgs84(*sent, datum), text_lon, text_lat) <= _EXPLAINS * sigma_m
    unknown = np.zeros(len(lon), dtype=np.bool_)
    shared = same.places >= _SHARED if same else unknown
    is_far = shared & (same.spread_m > _TOWER_M) if same else unknown
    found = np.full(len(lon), "elsewhere", dtype=object)
    found[shared] = "cell_tower"
    found[is_datum] = "datum"
    found[is_swapped] = "swapped"
    found[is_far | (same.is_default if same else unknown)] = "default_point"
    found[~(apart_m > _AGREES * sigma_m)] = ""
    return found
