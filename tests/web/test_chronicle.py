"""Who listens ends with the classes the picture shows, whatever it missed, and costs its position only."""

import asyncio
import random
from collections.abc import Callable, Coroutine

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Message

from geo_service.analysis import trust
from geo_service.maps import colours, states
from geo_service.maps.atlas import Atlas
from geo_service.web import chronicle, live
from tests.maps.drawn import frame, picture
from tests.maps.test_atlas import street
from tests.web.listening import Classes, Listener, events

PLACES = 7
ALL = frozenset({"warnings", "unit_warnings", "patrol_zone_warnings"})
HOUSES = [f"{number:03}" for number in range(PLACES)]


def first() -> Atlas:
    return picture(street(PLACES), {"2024-05": {}, "2024-06": {}})


def after(was: Atlas, month: str = "2024-06", seq: int = 0, **levels: int) -> Atlas:
    """The picture of the next revision, in which a month stands otherwise: place=level."""
    places = {name.removeprefix("p"): (2 * level, level) for name, level in levels.items()}
    return was.renewed(
        {("communities", month): frame(places)}, months=("2024-05", "2024-06"), month=was.month, seq=seq or was.seq + 1
    )


def classes(atlas: Atlas) -> Classes:
    """What fresh state tiles say."""
    ground = atlas.ground("warnings")
    worn = colours.classes(atlas.state("communities", atlas.month), ground.places)
    return {"warnings": dict(zip(ground.fids.tolist(), worn.tolist(), strict=True))}


def run(test: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 30))


class Ear:
    """One connection: what is sent over it is heard by a listener."""

    def __init__(self, told: chronicle.Chronicle, layers: frozenset[str] = ALL) -> None:
        self.texts: list[bytes] = []
        self.is_slow = asyncio.Event()
        self.is_slow.set()
        self._left = asyncio.Event()
        self._talk = live.Listener(told, layers, self._send)

    async def _send(self, message: Message) -> None:
        await self.is_slow.wait()
        self.texts.append(message["body"])

    async def _receive(self) -> Message:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def open(self, name: str = "") -> None:
        await self._talk.begin(name)
        self._tasks = [
            asyncio.create_task(self._talk.tell()),
            asyncio.create_task(self._talk.leave_with(self._receive)),
        ]

    async def close(self) -> None:
        self._left.set()
        self.is_slow.set()
        await asyncio.gather(*self._tasks)

    def heard(self) -> list[tuple[str, str, dict[str, object]]]:
        return [(one.kind, one.name, one.data) for one in events(b"".join(self.texts).decode().split("\n"))]

    def tell(self, page: Listener) -> None:
        for one in events(b"".join(self.texts).decode().split("\n")):
            page.hear(one)
        self.texts.clear()


async def told(atlas: Atlas, chronicled: chronicle.Chronicle) -> None:
    """Note a picture and wait until it has been told."""
    woken = asyncio.Event()
    chronicled.listen(woken)
    chronicled.note(atlas)
    while chronicled.newest.edition != chronicle.edition(atlas):
        await woken.wait()
        woken.clear()
    chronicled.leave(woken)
    if chronicled._telling:  # the same picture again, after one that only passed, is told too
        await chronicled._telling
    await settled()


async def settled() -> None:
    """Let everybody who was woken say all it has to."""
    for _ in range(100):
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chronicle, "COALESCE_S", 0.0)


def test_a_listener_hears_the_newest_revision_and_then_each_change():
    async def test() -> None:
        chronicled, atlas = chronicle.Chronicle(), first()
        chronicled.note(atlas)
        ear = Ear(chronicled)
        await ear.open()
        await told(now := after(atlas, p002=3, p004=1), chronicled)
        await told(after(now, "2024-05", p000=4), chronicled)
        await ear.close()
        fids = atlas.ground("warnings").fids
        kinds = [
            (kind, name.split("-")[0], {k: v for k, v in data.items() if k != "edition"})
            for kind, name, data in ear.heard()
        ]
        june = {"since": 1, "seq": 2, "month": "2024-06", "months": [], "geometry": {}}
        may = {"since": 2, "seq": 3, "month": "2024-06", "months": ["2024-05"], "geometry": {}}
        assert kinds == [
            ("revision", "1", {"seq": 1, "month": "2024-06"}),
            ("delta", "2", {**june, "layers": {"warnings": [[int(fids[2]), 3], [int(fids[4]), 1]]}}),
            ("revision", "2", {"seq": 2, "month": "2024-06"}),
            ("delta", "3", {**may, "layers": {}}),
            ("revision", "3", {"seq": 3, "month": "2024-06"}),
        ]

    run(test)


def test_a_layer_that_is_not_heard_of_gives_revisions_only():
    async def test() -> None:
        chronicled, atlas = chronicle.Chronicle(), first()
        chronicled.note(atlas)
        ear = Ear(chronicled, frozenset({"unit_warnings"}))
        await ear.open()
        await told(after(atlas, p002=3), chronicled)
        await ear.close()
        assert [kind for kind, _, _ in ear.heard()] == ["revision", "revision"]

    run(test)


def test_input_that_grows_stale_is_told_without_a_new_revision():
    async def test() -> None:
        chronicled, atlas = chronicle.Chronicle(), after(first(), p001=2)
        chronicled.note(atlas)
        page, ear = Listener(), Ear(chronicled)
        await ear.open()
        page.ask(classes(atlas))
        dull = atlas.without_colours(trust.everywhere())
        await told(dull, chronicled)
        ear.tell(page)
        assert (page.classes, page.must_ask) == (classes(dull), False)
        assert set(page.classes["warnings"].values()) == {14}
        await told(atlas, chronicled)  # and back
        ear.tell(page)
        await ear.close()
        assert page.classes == classes(atlas)
        assert page.name == f"{atlas.seq}-{chronicle.edition(atlas)}"

    run(test)


def test_who_comes_back_is_told_what_it_missed_and_no_more():
    async def test() -> None:
        chronicled, atlas = chronicle.Chronicle(), first()
        chronicled.note(atlas)
        names = [chronicled.newest.name]
        for level in (1, 2, 3):
            await told(atlas := after(atlas, p002=level), chronicled)
            names.append(chronicled.newest.name)
        for missed, name in enumerate(reversed(names)):
            ear = Ear(chronicled)
            await ear.open(name)
            await settled()
            await ear.close()
            assert [(kind, data["seq"]) for kind, _, data in ear.heard()] == [
                *(("delta", 5 - n) for n in range(missed, 0, -1)),
                ("revision", 4),
            ], name

    run(test)


@pytest.mark.parametrize("name", ["4", "1-0123456789ab", "99-nonsense", "rubbish", "٣"])
def test_a_position_that_is_not_known_is_told_to_ask_anew(name: str):
    async def test() -> None:
        chronicled, atlas = chronicle.Chronicle(), first()
        chronicled.note(atlas)
        for level in (1, 2, 3):
            await told(atlas := after(atlas, p002=level), chronicled)
        ear = Ear(chronicled)
        await ear.open(name)
        await settled()
        await ear.close()
        [resync, news] = ear.heard()
        assert resync == ("resync", chronicled.newest.name, {"seq": 4, "why": "unknown"})
        assert news[:2] == ("revision", chronicled.newest.name)

    run(test)


def test_a_picture_of_an_older_revision_and_another_month_let_everybody_ask_anew():
    async def test() -> None:
        chronicled, atlas = chronicle.Chronicle(), after(first(), p001=1, seq=9)
        chronicled.note(atlas)
        ear = Ear(chronicled)
        await ear.open()
        restored = after(atlas, p001=2, seq=5)
        await told(restored, chronicled)
        await told(after(restored, p001=3), chronicled)
        await ear.close()
        kinds = [(kind, data.get("why")) for kind, _, data in ear.heard()]
        assert kinds == [
            ("revision", None),
            ("resync", "whole"),
            ("revision", None),
            ("delta", None),
            ("revision", None),
        ]

    run(test)


def test_pictures_that_come_fast_are_told_as_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chronicle, "COALESCE_S", 1.0)

    async def test() -> None:
        chronicled, atlas = chronicle.Chronicle(), first()
        chronicled.note(atlas)
        ear = Ear(chronicled)
        await ear.open()
        for level in (1, 2, 3, 4, 3):
            chronicled.note(atlas := after(atlas, p002=level))
            await asyncio.sleep(0.02)
        await told(atlas, chronicled)
        await ear.close()
        deltas = [data for kind, _, data in ear.heard() if kind == "delta"]
        fid = int(atlas.ground("warnings").fids[2])
        assert [(one["since"], one["layers"]) for one in deltas] == [
            (1, {"warnings": [[fid, 1]]}),
            (2, {"warnings": [[fid, 3]]}),
        ]

    run(test)


def test_one_step_is_written_once_for_all_who_hear_of_the_same_layers():
    async def test() -> None:
        chronicled, atlas = chronicle.Chronicle(), first()
        chronicled.note(atlas)
        ears = [Ear(chronicled) for _ in range(20)]
        for ear in ears:
            await ear.open()
            ear.texts.clear()
        await told(after(atlas, p002=3), chronicled)
        texts = {id(ear.texts[0]) for ear in ears}
        assert len(texts) == 1
        for ear in ears:
            await ear.close()

    run(test)


def test_who_reads_slowly_holds_its_position_only_and_asks_anew_when_left_behind(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chronicle, "MOST_STEPS", 5)

    async def test() -> None:
        chronicled, atlas = chronicle.Chronicle(), first()
        chronicled.note(atlas)
        page, ear = Listener(), Ear(chronicled)
        await ear.open()
        page.ask(classes(atlas))
        ear.is_slow.clear()
        for level in (1, 2, 3, 4, 3, 2, 1, 2, 3, 4):
            await told(atlas := after(atlas, p002=level, p003=4 - level), chronicled)
        assert chronicled.newest.number == 10
        ear.is_slow.set()
        await settled()
        ear.tell(page)
        assert (page.must_ask, page.resyncs, page.name) == (True, 1, chronicled.newest.name)
        page.ask(classes(atlas))
        await told(atlas := after(atlas, p002=1), chronicled)
        ear.tell(page)
        await ear.close()
        assert page.classes == classes(atlas)

    run(test)


def test_the_chronicle_holds_no_more_than_it_may(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chronicle, "MOST_BYTES", 2_000)

    async def test() -> None:
        chronicled, atlas = chronicle.Chronicle(), first()
        chronicled.note(atlas)
        oldest = chronicled.newest.name
        for number in range(40):
            await told(atlas := after(atlas, **{f"p00{number % PLACES}": 1 + number % 4}), chronicled)
            for some in (frozenset({f"l{n}"}) for n in range(100)):
                chronicled.newest.told(some)
        assert chronicled.position(oldest) is None
        assert chronicled.position(chronicled.newest.name) == 40
        assert chronicled.after(10) is None

    run(test)


def test_who_leaves_is_let_go_at_once():
    async def test() -> None:
        chronicled = chronicle.Chronicle()
        chronicled.note(first())
        before = len(asyncio.all_tasks())
        ears = [Ear(chronicled) for _ in range(50)]
        for ear in ears:
            await ear.open()
        assert len(asyncio.all_tasks()) == before + 100
        for ear in ears:
            await ear.close()
        assert len(asyncio.all_tasks()) == before

    run(test)


class Play:
    """Pictures follow one another while pages come, lose their connection and come back, as chance has it."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.chronicle = chronicle.Chronicle()
        self.atlas = first()
        self.chronicle.note(self.atlas)
        self.ears: dict[int, Ear] = {}
        self.pages = [Listener() for _ in range(3)]

    def draw(self) -> None:
        """Draw another picture: of a commit, of stale input, of a database put back from a backup; or the same."""
        kind, chance = self.chance.random(), self.chance
        if kind < 0.7:
            levels = {f"p{name}": chance.randint(0, 4) for name in chance.sample(HOUSES, chance.randint(0, PLACES))}
            self.atlas = after(self.atlas, chance.choice(["2024-05", "2024-06"]), **levels)
        elif kind < 0.8:
            self.atlas = self.atlas.without_colours(trust.everywhere())
        elif kind < 0.85:
            self.atlas = after(self.atlas, seq=max(1, self.atlas.seq - 3), p000=1)
        self.chronicle.note(self.atlas)

    async def come(self, at: int) -> None:
        self.ears[at] = Ear(self.chronicle)
        await self.ears[at].open(self.pages[at].name)

    async def go(self, at: int) -> None:
        ear = self.ears.pop(at)
        await ear.close()
        self.hear(at, ear)

    def hear(self, at: int, ear: Ear) -> None:
        ear.tell(self.pages[at])
        if self.pages[at].must_ask:
            self.pages[at].ask(classes(self.atlas))

    async def step(self) -> None:
        self.draw()
        if self.chance.random() < 0.6:
            await asyncio.sleep(0.002)
        for at in range(len(self.pages)):
            if at in self.ears and self.chance.random() < 0.3:
                await self.go(at)
            elif at not in self.ears and self.chance.random() < 0.5:
                await self.come(at)

    async def end(self) -> None:
        await told(self.atlas, self.chronicle)
        for at in range(len(self.pages)):
            if at not in self.ears:
                await self.come(at)
        await settled()
        for at in list(self.ears):
            await self.go(at)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 25), most=st.sampled_from([2, 4, 1_000]))
def test_whoever_applies_what_it_hears_ends_with_what_the_picture_shows(seed: int, steps: int, most: int):
    async def test() -> None:
        play = Play(seed)
        for _ in range(steps):
            await play.step()
        await play.end()
        for page in play.pages:
            assert page.classes == classes(play.atlas)
            assert page.name == play.chronicle.newest.name

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(chronicle, "MOST_STEPS", most)
        run(test)


def test_the_name_of_a_position_is_that_of_its_content_whoever_drew_it():
    one, other = after(first(), p001=1), after(after(first(), p001=4, seq=1), p001=1)
    assert chronicle.edition(one) == chronicle.edition(other)
    assert chronicle.edition(one) != chronicle.edition(after(first(), p001=2))
    assert chronicle.edition(one) != chronicle.edition(one.without_colours(trust.everywhere()))
    assert not states.delta(one, other).changes
