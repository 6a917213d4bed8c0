"""A race: ours and a peer on the same input in one run, their answers compared; and a figure against its goal.

A race is the median of five interleaved pairs, so that a machine that slows down slows both.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

Row = dict[str, object]
T = TypeVar("T")

PAIRS = 5


def race(what: str, peer: str, ours: Callable[[], T], theirs: Callable[[], T], same: Callable[[T, T], str]) -> Row:
    """Run both in turns; `same` compares their answers and says what it compared, or raises AssertionError."""
    pairs = [(_timed(ours), _timed(theirs)) for _ in range(PAIRS)]
    try:
        check, equal = same(pairs[-1][0][1], pairs[-1][1][1]), True
    except AssertionError as difference:
        check, equal = str(difference), False
    our_s, their_s = (statistics.median(taken for taken, _ in side) for side in zip(*pairs, strict=True))
    return {
        "what": what,
        "peer": peer,
        "ours": round(our_s, 4),
        "theirs": round(their_s, 4),
        "unit": "s",
        "ratio": round(their_s / our_s, 2),
        "check": check,
        "equal": equal,
    }


def figure(what: str, run: Callable[[], object], unit: str, goal: float) -> Row:
    """Give the median time of five runs [ms] beside the most it may be."""
    value = round(1000 * statistics.median(_timed(run)[0] for _ in range(PAIRS)), 1)
    return {"what": what, "value": value, "unit": unit, "goal": goal, "met": value <= goal}


def _timed(run: Callable[[], T]) -> tuple[float, T]:
    start = time.perf_counter()
    answer = run()
    return time.perf_counter() - start, answer


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
            print(f"{row['what']:20} {row['ours']} s, {row['peer']} {row['theirs']} s: {row['ratio']} x")
            print(f"{'':20} {'equal' if row['equal'] else 'NOT EQUAL'}: {row['check']}")
        else:
            word = "met" if row["met"] else "missed"
            print(f"{row['what']:20} {row['value']} {row['unit']}, goal {row['goal']}: {word}")
    return 0 if all(row.get("equal", True) for row in rows) else 1
