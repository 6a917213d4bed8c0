"""A race: ours and its peers on the same input in one run, their answers compared; and a figure against its goal.

A race goes in rounds, ours once and each peer once, so that a machine that slows down slows all; what counts is the
median of the rounds.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

Row = dict[str, object]
T = TypeVar("T")
U = TypeVar("U")

ROUNDS = 5


def race(what: str, peer: str, ours: Callable[[], T], theirs: Callable[[], U], same: Callable[[T, U], str]) -> Row:
    """Run ours and one peer in turns."""
    return race_all(what, ours, {peer: theirs}, same)[0]


def race_all(
    what: str,
    ours: Callable[[], T],
    peers: Mapping[str, Callable[[], U]],
    same: Callable[[T, U], str],
    rounds: int = ROUNDS,
) -> list[Row]:
    """Run all in turns; `same` compares the last answers and says what it compared, or raises AssertionError."""
    taken: dict[str, list[float]] = {name: [] for name in ("", *peers)}
    compared: dict[str, Row] = {}
    for turn in range(1, rounds + 1):
        print(f"{what}: round {turn} of {rounds}", file=sys.stderr, flush=True)
        seconds, answer = _timed(ours)
        taken[""].append(seconds)
        for peer, run in peers.items():
            seconds, found = _timed(run)
            taken[peer].append(seconds)
            if turn == rounds:
                compared[peer] = _compared(same, answer, found)
    median = {name: statistics.median(seconds) for name, seconds in taken.items()}
    return [
        {
            "what": what,
            "peer": peer,
            "ours": round(median[""], 4),
            "theirs": round(median[peer], 4),
            "unit": "s",
            "ratio": round(median[peer] / median[""], 2),
            **compared[peer],
        }
        for peer in peers
    ]


def figure(what: str, run: Callable[[], object], unit: str, goal: float) -> Row:
    """Give the median time of five runs [ms] beside the most it may be."""
    return measured(what, 1000 * statistics.median(_timed(run)[0] for _ in range(ROUNDS)), unit, goal)


def measured(what: str, value: float, unit: str, goal: float, digits: int = 1) -> Row:
    """Give a value beside the most it may be."""
    return {"what": what, "value": round(float(value), digits), "unit": unit, "goal": goal, "met": bool(value <= goal)}


def reached(what: str, value: float, unit: str, goal: float) -> Row:
    """Give a value beside the least it is to be."""
    return {"what": what, "value": round(float(value), 4), "unit": unit, "goal": goal, "met": bool(value >= goal)}


def compared(what: str, peer: str, shares: Sequence[float], check: str) -> Row:
    """Give which share ours and a peer get right; it holds when ours is no smaller."""
    ours, theirs = (float(share) for share in shares)
    ratio = round(ours / theirs, 2) if theirs else 0.0
    values = {"ours": round(ours, 4), "theirs": round(theirs, 4), "unit": "share", "ratio": ratio}
    return {"what": what, "peer": peer, **values, "check": check, "equal": ours >= theirs}


def _timed(run: Callable[[], T]) -> tuple[float, T]:
    start = time.perf_counter()
    answer = run()
    return time.perf_counter() - start, answer


def _compared(same: Callable[[T, U], str], ours: T, theirs: U) -> Row:
    try:
        return {"check": same(ours, theirs), "equal": True}
    except AssertionError as difference:
        return {"check": str(difference), "equal": False}


def arguments(text: str) -> argparse.Namespace:
    """Read --small and --json."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--small", action="store_true", help="ends within 50 s")
    parser.add_argument("--json", action="store_true", help="a list of rows, for a program")
    return parser.parse_args()


def report(rows: Sequence[Row], *, as_json: bool) -> int:
    """Print the rows; give 1 when a check failed."""
    if as_json:
        print(json.dumps(list(rows), ensure_ascii=False, indent=1))
    for row in [] if as_json else rows:
        if "peer" in row:
            unit = row["unit"]
            print(f"{row['what']:20} {row['ours']} {unit}, {row['peer']} {row['theirs']} {unit}: {row['ratio']} x")
            print(f"{'':20} {'holds' if row['equal'] else 'DOES NOT HOLD'}: {row['check']}")
        else:
            word = "met" if row["met"] else "missed"
            print(f"{row['what']:20} {row['value']} {row['unit']}, goal {row['goal']}: {word}")
    return 0 if all(row.get("equal", True) for row in rows) else 1
