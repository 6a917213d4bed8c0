"""A listener as a map page is one: classes from state tiles, then from the deltas it hears."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

Classes = dict[str, dict[int, int]]  # of each layer: class of each feature id


@dataclass(frozen=True)
class Heard:
    """One event: its kind, id, and data."""

    kind: str
    name: str
    data: dict[str, Any]


def events(lines: Iterable[str]) -> Iterator[Heard]:
    """Read Server-Sent Events line by line, comments and `retry` passed over."""
    said: dict[str, str] = {}
    for line in lines:
        if not line:
            if "data" in said:
                yield Heard(said["event"], said["id"], orjson.loads(said["data"]))
            said = {}
            continue
        name, _, value = line.partition(": ")
        if name in ("event", "id", "data"):
            said[name] = value


@dataclass
class Listener:
    """What a page knows: the classes it shows, the id of the last event, whether it must ask for its tiles."""

    classes: Classes = field(default_factory=dict)
    name: str = ""
    must_ask: bool = True
    resyncs: int = 0

    def hear(self, event: Heard) -> None:
        """Do as an event says."""
        self.name = event.name
        if event.kind == "resync":
            self.must_ask, self.resyncs = True, self.resyncs + 1
        elif event.kind == "delta":
            self.must_ask = self.must_ask or bool(event.data["geometry"])
            for layer, changes in event.data["layers"].items():
                self.classes.setdefault(layer, {}).update(changes)

    def ask(self, classes: Classes) -> None:
        """Take the classes of fresh state tiles."""
        self.classes, self.must_ask = {layer: dict(found) for layer, found in classes.items()}, False
