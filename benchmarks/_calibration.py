"""Learn what the scores of addresses mean, for rules/calibration.toml: python -m benchmarks._calibration FILE.

Learned on 60,000 made-up dispatch texts over the full gazetteer (benchmarks/dispatch), of a seed that no figure is
measured on.  A city that has some thousand reviewed calls of its own learns from them instead (calibrate.fit).
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

from benchmarks import addresses
from benchmarks.dispatch import gazetteer as made_up
from benchmarks.dispatch import texts
from geo_service.geography.addresses import gazetteer, locate

_TEXTS, _SEED = 60_000, 303
_HEAD = """\
# What the score of an address means: the chance that the place found is within 100 m of the truth, level by level, and
# from which chance on an answer is accepted unasked (at most 1 % of those are worse, with 95 % assurance).
# Learned by `python -m benchmarks._calibration` on made-up dispatch texts; better on reviewed calls of a city itself.
"""


def as_toml(table: Mapping[str, object], name: str = "") -> Iterator[str]:
    """Write a table of numbers and of lists of numbers, line by line."""
    if name:
        yield f"\n[{name}]"
    for key, value in table.items():
        if not isinstance(value, Mapping):
            numbers = cast("list[float]", value) if isinstance(value, list) else None
            written = f"{value}" if numbers is None else "[" + ", ".join(f"{one:.6g}" for one in numbers) + "]"
            yield f"{key} = {written}"
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from as_toml(cast("Mapping[str, object]", value), f"{name}.{key}" if name else key)


def main(file: str) -> int:
    """Learn and write."""
    world = made_up.make()
    solver = locate.Solver(gazetteer.build(made_up.listed(world).entries, projected=addresses.PROJECTED))
    learned = addresses.learned(world, solver, texts.write(world, _TEXTS, seed=_SEED))
    Path(file).write_text(_HEAD + "\n".join(as_toml(learned.as_table())) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
