"""The chronicle: what changed from picture to picture, kept for a while, so that who lost the thread can take it up.

Each step leads from one position to the next.  A position's name is the revision and a digest of all that a listener
can be told (`name_of`): it is sound across restarts and over several servers, and changes although no revision came:
when input grows stale, or a month begins.  (A revision alone would not do: a database put back from a backup counts the
same numbers again.)  Steps hold classes, not differences, so taking up the thread too early does
no harm.  Pictures that come fast are told together.  On the event loop only; what a listener reads stands in live.py.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import orjson

from geo_service.errors import StoreFailed
from geo_service.maps import states
from geo_service.maps.atlas import Atlas

COALESCE_S = 0.25  # pictures that come closer to each other are told as one
MOST_STEPS = 1_024  # a pull each ten minutes: a week
MOST_BYTES = 4 << 20

BEHIND, UNKNOWN, WHOLE = "behind", "unknown", "whole"  # why a listener must ask for everything anew

_MOST_TEXTS = 32  # forms of one step that are kept, one a set of layers: a client may not fill the memory with sets


@dataclass(frozen=True)
class Step:
    """How the picture of one position differs from the one before; `edition` is that of the one it leads to."""

    number: int
    delta: states.Delta
    edition: str
    _texts: dict[frozenset[str], bytes] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The name of the position it leads to."""
        return f"{self.delta.seq}-{self.edition}"

    @property
    def is_whole(self) -> bool:
        """Say whether nobody gets past it without asking for everything anew: too much is otherwise, or lies back."""
        return self.delta.whole or self.delta.seq < self.delta.since

    @property
    def size(self) -> int:
        """How many bytes it holds [B], about."""
        return 200 + 12 * sum(map(len, self.delta.changes.values())) + sum(map(len, self._texts.values()))

    def told(self, layers: frozenset[str]) -> bytes:
        """Write it as an event "delta", of some layers; no bytes where it changes nothing of them.

        It is written once for each set of layers: all who listen to it get the same bytes.
        """
        if (text := self._texts.get(layers)) is None:
            text = _delta(self.name, self.delta, layers)
            if len(self._texts) < _MOST_TEXTS:
                self._texts[layers] = text
        return text

    def news(self) -> bytes:
        """Write the event "revision": the picture has changed, whatever of it."""
        return event("revision", self.name, {"seq": self.delta.seq, "month": self.delta.month, "edition": self.edition})


class Chronicle:
    """The last steps, and who waits for the next."""

    def __init__(self) -> None:
        self._steps: deque[Step] = deque()
        self._told: Atlas | None = None
        self._next: Atlas | None = None
        self._being_told: Atlas | None = None
        self._passed: list[Atlas] = []
        self._telling: asyncio.Task[None] | None = None
        self._waiting: set[asyncio.Event] = set()

    @property
    def newest(self) -> Step:
        """The step that leads to the newest position.  Raises StoreFailed before there is a picture."""
        if not self._steps:
            raise StoreFailed(
                "no picture has been drawn yet: the database has not answered; try again in a few seconds"
            )
        return self._steps[-1]

    def note(self, atlas: Atlas) -> None:
        """Take note of a new picture; who waits is woken once it can be told."""
        if self._next is not None and self._next is not self._told and self._next is not self._being_told:
            self._passed.append(self._next)
        self._next = atlas
        if self._told is None:
            first = states.Delta(atlas.seq, atlas.seq, atlas.month, {}, (), {}, whole=True)
            self._add(atlas, first)
        elif self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell())

    def listen(self, woken: asyncio.Event) -> None:
        """Wake somebody at each step, until `leave`."""
        self._waiting.add(woken)

    def leave(self, woken: asyncio.Event) -> None:
        """Wake somebody no longer."""
        self._waiting.discard(woken)

    def after(self, number: int) -> Step | None:
        """Give the step that comes after one, None where it is no longer kept.  There must be a later one."""
        at = number + 1 - self._steps[0].number
        return self._steps[at] if at >= 0 else None

    def position(self, name: str) -> int | None:
        """Give the number of the last step that leads to a position, None for one that is not known."""
        return next((step.number for step in reversed(self._steps) if step.name == name), None)

    async def _tell(self) -> None:
        """Tell how the newest picture differs from the one told last, until they are the same.

        And from those in between that nobody will be told of: who has asked for tiles meanwhile may show one.
        """
        while (was := self._told) is not (now := self._next) and was and now:
            before, self._passed, self._being_told = (was, *self._passed), [], now
            self._add(now, await asyncio.to_thread(_from_any, before, now))
            await asyncio.sleep(COALESCE_S)

    def _add(self, atlas: Atlas, delta: states.Delta) -> None:
        step = Step(self.newest.number + 1 if self._steps else 0, delta, edition(atlas))
        if step.is_whole:
            self._steps.clear()
        self._steps.append(step)
        self._told = atlas
        size = sum(one.size for one in self._steps)
        while len(self._steps) > MOST_STEPS or (size > MOST_BYTES and len(self._steps) > 1):
            size -= self._steps.popleft().size
        for woken in self._waiting:
            woken.set()


def _from_any(before: Sequence[Atlas], now: Atlas) -> states.Delta:
    """Tell what a client must change to show a picture, whichever of some earlier ones it shows."""
    first, *others = (states.delta(was, now) for was in before)
    changes = {
        name: list(dict(pair for delta in (first, *others) for pair in delta.changes.get(name, ())).items())
        for name in {name for delta in (first, *others) for name in delta.changes}
    }
    months = tuple(sorted({month for delta in (first, *others) for month in delta.months}))
    grounds = {name: digest for delta in (first, *others) for name, digest in delta.grounds.items()}
    is_whole = any(delta.whole for delta in (first, *others))
    return replace(first, changes=changes, months=months, grounds=grounds, whole=is_whole)


def event(kind: str, name: str, data: object) -> bytes:
    r"""Write a Server-Sent Event.

    >>> event("revision", "17-a", {"seq": 17})
    b'event: revision\nid: 17-a\ndata: {"seq":17}\n\n'
    """
    return b"event: %s\nid: %s\ndata: %s\n\n" % (kind.encode(), name.encode(), orjson.dumps(data))


def _delta(name: str, delta: states.Delta, layers: frozenset[str]) -> bytes:
    changes = {layer: found for layer, found in delta.changes.items() if layer in layers}
    grounds = {layer: digest for layer, digest in delta.grounds.items() if layer in layers}
    if not (changes or grounds or delta.months):
        return b""
    span = {"since": delta.since, "seq": delta.seq, "month": delta.month}
    return event("delta", name, {**span, "layers": changes, "months": delta.months, "geometry": grounds})


def edition(atlas: Atlas) -> str:
    """Name all that can be told of a picture."""
    digests = sorted((*key, state.digest) for key, state in atlas.states.items())
    grounds = sorted(ground.digest for ground in atlas.grounds.values())
    told = repr([atlas.month, atlas.months, digests, grounds, atlas.layers, atlas.scheme])
    return hashlib.blake2b(told.encode(), digest_size=6).hexdigest()
