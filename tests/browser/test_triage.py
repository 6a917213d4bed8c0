"""The page of the daily triage: a day looked at by keyboard alone, in both languages; nothing leaves the machine."""

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page

from geo_service import jobs
from geo_service.service import Service
from geo_service.settings import Settings
from geo_service.store import tables
from tests.analysis import made
from tests.browser.conftest import Reader
from tests.browser.made import City, quiet_spot
from tests.browser.seen import go_to, spot
from tests.store.batches import stands
from tests.web import serving

PLACES = [
    "堌城小区 3 号楼",
    "<b>老王饭店</b>门口",
    "洸河路与共青团路口",
    "",
    "越河家园",
    "太白名苑",
    "许庄",
    "人民公园",
]
FEED = made.feed(
    columns={"id": "id", "called_at": "at", "category": "code", "lon": "lon", "lat": "lat", "place": "place"}
)


@pytest.fixture
def page(database: sa.Engine, browser: Browser) -> Iterator[Page]:
    """The page at 20 June, with eight thefts on that day and one dispute, and a worker that applies what is sent."""
    service = replace(serving.library(database), feeds=(FEED,), settings=Settings(pull_every_s=60))
    serving.load_zones(service)
    lines = "".join(f"c{n} 2024-06-20_0{n}:15 T {serving.AT_A}\n" for n in range(8))
    rows = made.rows(f"{lines}d 2024-06-20_09:00 D {serving.AT_A}\ne 2024-06-19_09:00 R {serving.AT_D}")
    jobs.load_incidents(service, FEED, rows.assign(place=[*PLACES, "纠纷处", "昨天的地方"]))
    with working(service), serving.serving(service) as client:
        context = browser.new_context(locale="zh-CN", timezone_id="America/New_York")
        asked_hosts: set[str] = set()
        complaints: list[str] = []
        context.on("request", lambda request: asked_hosts.add(urlsplit(request.url).netloc))
        shown = context.new_page()
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.goto(f"{client.base_url}/triage")
        yield shown
        context.close()
        assert asked_hosts == {client.base_url.netloc.decode()}
        assert complaints == []


@contextmanager
def working(service: Service) -> Generator[None]:
    stop = threading.Event()
    worker = threading.Thread(target=jobs.work, args=(service, [], stop))
    worker.start()
    try:
        yield
    finally:
        stop.set()
        worker.join()


def left(page: Page, text: str) -> None:
    page.locator("#count", has_text=text).wait_for(timeout=15_000)


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def current(page: Page) -> str:
    return page.locator("tbody tr[tabindex='0'] .place .more").inner_text()


def listed(page: Page, what: str) -> list[str]:
    return page.locator(f"tbody tr{what} .place .more").all_inner_texts()


def found(database: sa.Engine) -> dict[object, tuple[object, ...]]:
    rows = stands(database, tables.triages, "incident_id", "verdict", "category", "signed_by", "note")
    return {row[0]: row[1:] for row in rows}


def test_a_day_is_looked_at_by_keyboard_alone(page: Page, database: sa.Engine):
    left(page, "8 起中还剩 8 起")
    assert listed(page, "") == [f"c{n}" for n in range(8)]
    assert current(page) == "c0"
    press(page, "j", "ArrowDown", "j", "k")
    assert current(page) == "c2"
    press(page, "c")
    assert current(page) == "c3"
    press(page, "i", "c", "u")  # the last is about c5, of which nobody has said anything
    assert page.locator("#problem").inner_text() == "还没有研判，没有可撤回的"
    press(page, "k", "u")
    assert listed(page, ".unsent") == ["c2", "c3"]
    press(page, "Shift+j", "Shift+ArrowDown", "Shift+k")
    assert listed(page, "[aria-selected=true]") == ["c5", "c6"]
    press(page, "r")
    page.locator("#filter").press_sequentially("纠")
    assert page.locator("#categories li").all_inner_texts() == ["纠纷\n不计入"]
    press(page, "Enter")
    assert listed(page, ".unsent") == ["c2", "c3", "c5", "c6"]
    assert page.locator(".unsent .verdict").all_inner_texts() == ["已确认", "无效", "改为纠纷", "改为纠纷"]
    assert page.locator("#marked").inner_text() == "4 起待提交"
    press(page, "Enter")
    page.locator("#problem", has_text="请先填写工号").wait_for()
    assert page.evaluate("document.activeElement.id") == "signed-by"
    page.keyboard.type("b-017")
    page.locator("#note input").fill("看过监控")
    press(page, "Enter")
    left(page, "8 起中还剩 4 起")
    assert listed(page, "") == ["c0", "c1", "c4", "c7"]
    said = ("b-017", "看过监控")
    assert found(database) == {
        "c2": ("confirmed", "", *said),
        "c3": ("invalid", "", *said),
        "c5": ("retyped", "dispute", *said),
        "c6": ("retyped", "dispute", *said),
    }
    assert stands(database, tables.zone_levels, "zone_id", "count") == [("a", 5), ("d", 1)]
    press(page, "a", "c", "Enter")
    left(page, "8 起已全部研判")
    assert page.locator("#none").inner_text() == "这里没有警情"


def test_what_was_said_is_seen_and_taken_back(page: Page, database: sa.Engine):
    left(page, "8 起中还剩 8 起")
    page.locator("#signed-by").fill("b-017")
    page.locator("tbody tr").nth(1).get_by_role("checkbox").click()
    page.locator("tbody tr").nth(3).click(modifiers=["Shift"])
    assert listed(page, "[aria-selected=true]") == ["c1", "c2", "c3"]
    page.get_by_role("button", name="i 无效").click()
    page.get_by_role("button", name="Enter 提交").click()
    left(page, "8 起中还剩 5 起")
    page.get_by_role("button", name="无效 3").click()
    page.locator("tbody tr", has_text="c1").wait_for()
    assert listed(page, "") == ["c1", "c2", "c3"]
    assert page.locator(".found").first.inner_text().startswith("无效\nb-017 · 06-20 12:0")
    press(page, "u", "Enter")
    left(page, "8 起中还剩 6 起")
    assert listed(page, "") == ["c2", "c3"]
    assert set(found(database)) == {"c2", "c3"}
    assert stands(database, tables.zone_levels, "zone_id", "count") == [("a", 6), ("d", 1)]


def test_no_other_day_is_shown_while_verdicts_wait_and_the_day_stands_in_the_address(page: Page):
    left(page, "8 起中还剩 8 起")
    press(page, "c")
    page.get_by_role("button", name="前一天").click()
    page.locator("#problem", has_text="有 1 起尚未提交").wait_for()
    press(page, "k", "u")
    page.get_by_role("button", name="前一天").click()
    left(page, "1 起中还剩 1 起")
    assert listed(page, "") == ["e"]
    assert page.url.endswith("/triage#2024-06-19")
    page.reload()
    left(page, "1 起中还剩 1 起")
    page.locator("#filters select").select_option("dispute")
    left(page, "当天没有需要研判的警情")
    page.get_by_role("button", name="后一天").click()
    left(page, "1 起中还剩 1 起")
    assert listed(page, "") == ["d"]


def test_texts_are_shown_as_text_in_both_languages_and_typing_says_nothing(page: Page, database: sa.Engine):
    second = page.locator("tbody tr").nth(1)
    assert second.locator(".place").inner_text() == f"{PLACES[1]}\nc1"
    assert second.locator("b").count() == 0
    page.get_by_role("button", name="中文 / English").click()
    left(page, "8 of 8 left")
    assert page.title() == "Daily triage"
    assert page.locator("tbody tr").nth(3).locator(".place").inner_text() == "(no place text)\nc3"
    page.locator("#note input").press_sequentially("cia")
    page.locator("#signed-by").press_sequentially("cia")
    assert page.locator(".unsent").count() == 0
    page.get_by_role("button", name="r Re-type").click()
    press(page, "Escape")
    assert page.locator(".unsent").count() == 0
    press(page, "r")
    page.locator("#filter").press_sequentially("fraud")
    assert page.locator("#categories li").all_inner_texts() == ["Fraud\nnot counted", "Telecom fraud"]
    press(page, "ArrowDown", "Enter")
    assert page.locator(".unsent .verdict").all_inner_texts() == ["Is Telecom fraud"]
    assert found(database) == {}
    for name, address in (("Review queue", "/queues"), ("Map", "/map")):
        assert page.get_by_role("link", name=name).get_attribute("href") == address.removeprefix("/")


def test_the_map_tells_how_much_of_a_count_nobody_has_looked_at(city: City, reader: Reader):
    city.commit("b T 03 08:15", "b R 05 23:50", "b D 06 08:15")
    shown = reader.open()
    go_to(shown, *quiet_spot("b"), 15)
    shown.mouse.click(*spot(shown, *quiet_spot("b")))
    provisional = shown.locator("#place .provisional a")
    provisional.wait_for()
    assert provisional.inner_text() == "其中 2 起尚未研判"
    assert provisional.get_attribute("href") == "triage#2026-05-05"
    provisional.click()
    left(shown, "1 起中还剩 1 起")
    assert len(listed(shown, "")) == 1
