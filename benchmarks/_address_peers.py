"""Ours beside what else reads Chinese addresses: cpca and jionlp for county and town, a flat index for entries.

A race is in seconds for the same texts; the share that each side gets right stands in a row of its own.
"""

import json
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import _answers, _race
from benchmarks._peers import Program
from benchmarks._race import Row
from benchmarks.dispatch import judge
from benchmarks.dispatch.gazetteer import World

Solve = Callable[[list[str]], pd.DataFrame]
Flags = np.ndarray

_UNNAMED = "town_only|no_district|wrong_district|old_district|another_name"


class _Peers(Program):
    """cpca, jionlp or tantivy in their process, which have read the texts."""

    def __init__(self, folder: Path, texts: list[str], *names: str) -> None:
        self._folder = folder
        (folder / "texts.json").write_text(json.dumps(texts, ensure_ascii=False))
        super().__init__("addresses", "addresses.py")
        for name in names:
            self.tell(f"load {name} {folder}")

    def answers(self, name: str) -> list[Any]:
        """Read a peer's last answers."""
        self.tell(f"save {name} {self._folder / name}")
        return json.loads((self._folder / name).read_text())


def flat(world: World, records: pd.DataFrame, solve: Solve, rounds: int) -> list[Row]:
    """Race for the entry that a text means; texts that mean none are left out."""
    records = records[records["resolvable"] & (records["entry_id"] != "") & (records["kind"] != "place_offset")]
    texts = records["text"].tolist()
    middles = judge.middles(world.entries["geometry"].to_numpy(dtype=object), world.entries["kind"].tolist())
    ids = world.entries["entry_id"].to_numpy(dtype=object)
    shares: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "flat.json").write_text(json.dumps(flat_texts(world), ensure_ascii=False))
        peer = _Peers(folder, texts, "tantivy")

        def same(ours: pd.DataFrame, _: None) -> str:
            hit = np.array(peer.answers("tantivy"))
            theirs = pd.DataFrame({"lon": middles[hit, 0], "lat": middles[hit, 1], "level": "", "entry_id": ids[hit]})
            shares.extend(_answers.judged(world, records, each)["right"].mean() for each in (ours, theirs))
            return _no_worse("entry", len(texts), *shares)

        run = {"tantivy": lambda: peer.tell("run tantivy")}
        rows = _race.race_all("addresses/flat", lambda: solve(texts), run, same, rounds)
        peer.close()
    return [*rows, _race.compared("addresses/flat_top1", "tantivy", shares, f"{len(texts)} texts")]


def flat_texts(world: World) -> list[str]:
    """Write every entry as one text: county, town, the place or street it belongs to, its own name."""
    entries = world.entries
    names = dict(zip(entries["entry_id"], entries["name"], strict=True))
    kinds = dict(zip(entries["entry_id"], entries["kind"], strict=True))
    columns = (entries["entry_id"], entries["kind"], entries["name"], entries["parent"], world.county, world.town)
    texts: list[str] = []
    for entry, kind, name, parent, county, town in zip(*columns, strict=True):
        above = names.get(parent, "") if kind in {"building", "gate", "part", "door"} else ""
        sign = "号" if kind == "door" or kinds.get(parent) == "village" else "号楼"
        own = f"{name}{sign}" if kind in {"building", "door"} else name
        lead = [names.get(each, "") for each in (county, town) if each != entry]
        texts.append("".join([*lead, above, own]))
    return texts


def administrative(world: World, records: pd.DataFrame, solve: Solve, rounds: int) -> list[Row]:
    """Race for the county of texts that name it, and compare the towns of those that name one."""
    records = records[records["resolvable"] & (records["entry_id"] != "") & (records["kind"] != "code")]
    records = records[~records["noise"].str.contains(_UNNAMED)]
    texts = records["text"].tolist()
    marks = _Marks(world, records)
    shares: dict[str, list[float]] = {}
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        peer = _Peers(Path(name), texts, "cpca", "jionlp")
        for each in ("cpca", "jionlp"):

            def same(ours: pd.DataFrame, _: None, each: str = each) -> str:
                sides = marks.ours(ours), marks.theirs(peer.answers(each))
                shares[each] = [float(side[0].mean()) for side in sides]
                shares[f"{each} town"] = [float(side[1][marks.town_named].mean()) for side in sides]
                return _no_worse("county", len(texts), *shares[each])

            run = {each: lambda each=each: peer.tell(f"run {each}")}
            rows += _race.race_all("addresses/county", lambda: solve(texts), run, same, rounds)
            rows.append(_race.compared("addresses/county_right", each, shares[each], f"{len(texts)} texts"))
        peer.close()
    check = f"{marks.town_named.sum()} texts that name it"
    return [*rows, _race.compared("addresses/town_right", "jionlp", shares["jionlp town"], check)]


class _Marks:
    """Who gets county and town right."""

    def __init__(self, world: World, records: pd.DataFrame) -> None:
        ids = world.entries["entry_id"].tolist()
        self._holders = dict(zip(ids, zip(world.county, world.town, strict=True), strict=True))
        named = zip(ids, world.entries["name"], world.entries["aliases"], strict=True)
        self._names = {entry: {name, *aliases.split("|")} - {""} for entry, name, aliases in named}
        self._truth = [self._holders[entry] for entry in records["entry_id"]]
        towns = (self._names.get(town, ()) for _, town in self._truth)
        self.town_named = np.array(
            [any(name in text for name in names) for names, text in zip(towns, records["text"], strict=True)]
        )

    def ours(self, answers: pd.DataFrame) -> tuple[Flags, Flags]:
        """Give for each text whether county and town of the entry found are right."""
        found = [self._holders.get(entry, ("", "")) for entry in answers["entry_id"]]
        return self._flags(
            [given[i] == true[i] for given, true in zip(found, self._truth, strict=True)] for i in (0, 1)
        )

    def theirs(self, answers: list[list[str]]) -> tuple[Flags, Flags]:
        """Give for each text whether the names of county and town are right."""
        return self._flags(
            [given[i] in self._names.get(true[i], ()) for given, true in zip(answers, self._truth, strict=True)]
            for i in (0, 1)
        )

    @staticmethod
    def _flags(columns: Iterable[list[bool]]) -> tuple[Flags, Flags]:
        county, town = (np.array(column) for column in columns)
        return county, town


def _no_worse(what: str, count: int, ours: float, theirs: float) -> str:
    text = f"{what} of {count} texts: {ours:.3f} of ours right, {theirs:.3f} of theirs"
    assert ours >= theirs, text
    return text
