"""Kept answers: made once, bounded, and never spoilt by one who leaves or one that fails."""

import asyncio
import gc
import tracemalloc
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_service.web import cors
from geo_service.web.kept import Answer, Kept, answer

TILE = answer(200, [(b"etag", b'"1"')], b"tile")


def making(made: Answer, log: list[str], name: str = "", wait_s: float = 0.0) -> Callable[[], Awaitable[Answer]]:
    """Give what makes an answer, and writes down that it was asked to."""

    async def make() -> Answer:
        log.append(name)
        await asyncio.sleep(wait_s)
        return made

    return make


def test_an_answer_is_made_once_however_many_ask():
    made: list[str] = []

    async def run() -> list[Answer]:
        kept = Kept()
        crowd = [kept.get("a", making(TILE, made, "a", 0.01)) for _ in range(50)]
        return [*await asyncio.gather(*crowd), await kept.get("a", making(TILE, made, "a"))]

    assert asyncio.run(run()) == [TILE] * 51
    assert made == ["a"]


def test_one_who_leaves_does_not_spoil_it_for_the_others():
    async def run() -> Answer:
        kept = Kept()
        first, second = (asyncio.create_task(kept.get("a", making(TILE, [], wait_s=0.01))) for _ in range(2))
        await asyncio.sleep(0.001)
        first.cancel()
        return await second

    assert asyncio.run(run()) is TILE


def test_a_making_that_failed_is_told_to_all_who_wait_and_tried_again():
    async def fail() -> Answer:
        await asyncio.sleep(0.01)
        raise ZeroDivisionError

    async def run() -> list[BaseException | Answer]:
        kept = Kept()
        crowd = [kept.get("a", fail) for _ in range(5)]
        failed = await asyncio.gather(*crowd, return_exceptions=True)
        assert kept.at_hand("a") is None
        assert kept.used_bytes == 0
        return [*failed, await kept.get("a", making(TILE, []))]

    *failed, last = asyncio.run(run())
    assert [type(one) for one in failed] == [ZeroDivisionError] * 5
    assert last is TILE


def test_the_oldest_make_room():
    made: list[str] = []

    async def run() -> None:
        kept = Kept(room_bytes=7000)
        for name in ("a", "b", "a", "c", "a", "b"):
            await kept.get(name, making(answer(200, (), bytes(1000)), made, name))

    asyncio.run(run())
    assert made == ["a", "b", "c", "b"]  # there is room for two: c takes that of b, as a was asked for since


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 6000)), max_size=60))
def test_what_is_kept_never_outgrows_its_room(asked: list[tuple[int, int]]):
    async def run() -> None:
        kept = Kept(room_bytes=10_000)
        for name, size in asked:
            given_back = await kept.get(f"{name} {size}", making(answer(200, (), bytes(size)), []))
            assert len(given_back.content) == size
            assert kept.used_bytes <= 10_000

    asyncio.run(run())


@pytest.mark.parametrize("size", [0, 20_000])
def test_an_answer_weighs_what_is_counted_for_it(size: int):
    async def fill(kept: Kept) -> None:
        for number in range(1000):
            marks = [(b"content-type", b"a/b"), (b"etag", b'"%024d-gz"' % number), (b"vary", b"a"), *cors.PAIRS]
            made = answer(200 if size else 204, marks, number.to_bytes(2) * (size // 2))
            await kept.get(f"warnings/12/{number}/1.mvt 2024-06 everything {number:024}", making(made, []))
            _ = made.messages, made.head  # made when first sent

    kept = Kept()
    gc.collect()
    tracemalloc.start()
    asyncio.run(fill(kept))
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held == pytest.approx(kept.used_bytes, rel=0.5)
    assert held <= kept.used_bytes
