"""How answers to dispatch language are marked."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import _answers
from benchmarks.dispatch.administration import Region
from benchmarks.dispatch.gazetteer import World

DEG_PER_M = 1 / 111_000


@pytest.fixture
def world() -> World:
    entries = pd.DataFrame(
        [
            ("R1", "road", "建设路", "A"),
            ("R2", "road", "建设路", "A"),
            ("R3", "road", "建设路", "B"),
            ("C1", "compound", "阳光花园", "A"),
            ("C2", "compound", "阳光花园", "A"),
            ("U1", "unit", "阳光花园", "A"),
        ],
        columns=["entry_id", "kind", "name", "parent"],
    )
    none = np.full(len(entries), "", dtype=object)
    return World(Region("", "", (), ()), entries, none, none, none, none, none, pd.DataFrame(), pd.DataFrame())


@pytest.mark.parametrize(
    ("kind", "meant", "answer", "off_m", "right"),
    [
        ("road", "R1", "R1", 900, True),
        ("road", "R1", "R2", 900, True),  # another piece of the same street
        ("road", "R1", "R3", 900, False),  # a street of that name in another county
        ("compound", "C1", "C2", 90, True),  # of the same name and no farther than 100 m
        ("compound", "C1", "C2", 110, False),
        ("compound", "C1", "U1", 10, False),  # another kind of place
        ("crossing", "", "", 45, True),
        ("crossing", "", "", 55, False),
        ("crossing_offset", "", "R1", 95, True),
        ("door_unlisted", "", "R1", 105, False),
        ("place_offset", "C1", "C1", 400, True),
        ("place_offset", "C1", "U1", 95, True),
    ],
)
def test_what_counts_as_right(world: World, kind: str, meant: str, answer: str, off_m: float, right: bool):
    records = pd.DataFrame({"kind": [kind], "entry_id": [meant], "lon": [116.6], "lat": [35.4]})
    answers = pd.DataFrame({"entry_id": [answer], "level": [kind], "lon": [116.6], "lat": [35.4 + off_m * DEG_PER_M]})
    [row] = _answers.judged(world, records, answers).itertuples()
    assert bool(row.right) is right
    assert row.error_m == pytest.approx(off_m, rel=0.01, abs=0.01)


def test_no_answer_is_infinitely_far(world: World):
    records = pd.DataFrame({"kind": ["compound"], "entry_id": ["C1"], "lon": [116.6], "lat": [35.4]})
    answers = pd.DataFrame({"entry_id": [""], "level": ["none"], "lon": [np.nan], "lat": [np.nan]})
    [row] = _answers.judged(world, records, answers).itertuples()
    assert (row.error_m, bool(row.right)) == (np.inf, False)
