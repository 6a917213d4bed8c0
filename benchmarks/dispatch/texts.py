"""Texts with noise and their truth: the table of the benchmark."""

import numpy as np
import pandas as pd
import pyproj

from benchmarks.dispatch import gazetteer, noise
from benchmarks.dispatch.administration import PLANE
from benchmarks.dispatch.gazetteer import World
from benchmarks.dispatch.judge import Judge
from benchmarks.dispatch.phrases import Phrase, Speaker, Word

COLUMNS = ("text", "kind", "noise", "resolvable", "entry_id", "lon", "lat")
KINDS = {  # share of the records
    "building": 0.16,
    "building_unit": 0.06,
    "door": 0.12,
    "door_unlisted": 0.02,
    "compound": 0.08,
    "unit": 0.07,
    "part": 0.04,
    "gate": 0.04,
    "poi": 0.08,
    "village": 0.08,
    "farmstead": 0.04,
    "crossing": 0.07,
    "crossing_offset": 0.06,
    "place_offset": 0.05,
    "road": 0.02,
    "code": 0.01,
}
SHARES = {"typo": 0.35, "full_width": 0.12, "traditional": 0.06, "chatter": 0.10}
_ASCII_TEXTS = 0.48  # share of the texts that have something to write full width
_NAMES = ("name", "cross", "along", "county", "town")  # roles of the words in which people err
_ODDS = {"name": 5.0, "cross": 4.0, "along": 2.0, "county": 1.0, "town": 1.5}


def write(world: World, count: int, *, seed: int) -> pd.DataFrame:
    """Give `count` records, a frame of COLUMNS; `noise` is names joined by "|", `entry_id` "" where there is none.

    A record can be resolved when what fits its clean words is one answer.  A typo leaves that verdict, unless it made
    another name that fits something: such a record is marked noise_made_another_name and cannot.
    """
    rng = np.random.default_rng([seed, 3])
    judge, known = Judge(world), Judge(gazetteer.listed(world))
    speaker = Speaker(judge, rng)
    kinds = rng.choice(list(KINDS), count, p=list(KINDS.values())).tolist()
    rows: list[tuple[object, ...]] = []
    for kind in kinds:
        phrase = speaker.say(kind)
        text, noises, resolvable = spoken(phrase, judge, known, rng)
        entry = judge.ids[phrase.row] if phrase.row >= 0 else ""
        rows.append((text, kind, "|".join(noises), resolvable, entry, *phrase.at))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    to_degrees = pyproj.Transformer.from_crs(PLANE, 4326, always_xy=True)
    lon, lat = to_degrees.transform(frame["lon"].to_numpy(), frame["lat"].to_numpy())
    return frame.assign(lon=np.round(lon, 7), lat=np.round(lat, 7))


def spoken(phrase: Phrase, judge: Judge, known: Judge, rng: np.random.Generator) -> tuple[str, list[str], bool]:
    """Give the noisy text, the names of its noise, and whether it can be resolved with what the gazetteer knows."""
    noises = list(phrase.forms)
    if not len(known.fits(phrase.shape, phrase.asked())):
        noises.append("not_listed")
    resolvable = known.is_one(phrase.shape, phrase.asked(), _asked_at(phrase, judge))
    if "wrong_district" in phrase.forms:
        resolvable = resolvable and known.is_only(phrase.shape, phrase.asked())
    if rng.random() < SHARES["typo"]:
        kind = mistype(phrase, rng)
        noises += [kind] if kind else []
        if kind and len(known.fits(phrase.shape, phrase.asked())):
            noises.append("noise_made_another_name")
            resolvable = False
    text = "".join(word.text for word in phrase.words)
    if rng.random() < SHARES["chatter"]:
        text = noise.chatter(text, rng)
        noises.append("chatter")
    if rng.random() < SHARES["full_width"] / _ASCII_TEXTS:
        wide = noise.full_width(text)
        noises += ["full_width"] if wide != text else []
        text = wide
    if rng.random() < SHARES["traditional"]:
        other = noise.traditional(text)
        noises += ["traditional"] if other != text else []
        text = other
    return text, noises, resolvable


def _asked_at(phrase: Phrase, judge: Judge) -> tuple[float, float]:
    """Give where the named place is: of an offset the place it starts from."""
    if phrase.row >= 0:
        x, y = judge.xy[phrase.row].tolist()
        return x, y
    return phrase.anchor or phrase.at


def mistype(phrase: Phrase, rng: np.random.Generator) -> str:
    """Make a typo in one of a phrase's names; give the noise's name, "" where no name can be mistyped that way."""
    at = [i for i, word in enumerate(phrase.words) if word.role in _NAMES and phrase.shape != "code"]
    if not at:
        return ""
    odds = np.array([_ODDS[phrase.words[i].role] for i in at])
    for _ in range(6):
        i = at[int(rng.choice(len(at), p=odds / odds.sum()))]
        word = phrase.words[i]
        kind, text = noise.typo(word.text, rng)
        if text != word.text:
            phrase.words[i] = Word(text, word.role)
            return kind
    return ""
