"""The queue page: two clicks say where an incident was; both languages; nothing leaves the machine."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page

from geo_service import jobs
from geo_service.settings import Settings
from geo_service.store import tables, writing
from tests.geography.addresses import jining
from tests.store.batches import stands
from tests.store.test_reviews import found
from tests.web import serving

PLACES = {"1": "张庄村", "2": "<b>老王饭店</b>门口"}


@pytest.fixture
def page(database: sa.Engine, browser: Browser) -> Iterator[Page]:
    """The queue of a served city with two open reviews, and a worker that applies what is decided."""
    service = serving.city(database)
    jobs.load_gazetteer(service, jining.frame(), signed_by="b-001", reason="test")
    with database.connect() as connection:
        solver = service.solver(connection)
    asked = found(PLACES, list(PLACES))
    told = [json.dumps(solver.locate(place).as_table()) for place in PLACES.values()]
    with writing.lease(database) as connection:
        what = replace(asked, reviews=asked.reviews.assign(answer=told))
        writing.record(connection, what, feed="made", cursor=None, now=service.now())
    stop = threading.Event()
    worker = threading.Thread(target=jobs.work, args=(replace(service, settings=Settings(pull_every_s=60)), [], stop))
    worker.start()
    with serving.serving(service) as client:
        context = browser.new_context(locale="zh-CN")
        asked_hosts: set[str] = set()
        complaints: list[str] = []
        context.on("request", lambda request: asked_hosts.add(urlsplit(request.url).netloc))
        shown = context.new_page()
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.goto(f"{client.base_url}/queues")
        yield shown
        context.close()
        assert asked_hosts == {client.base_url.netloc.decode()}
        assert complaints == []
    stop.set()
    worker.join()


def test_two_clicks_say_where_an_incident_was(page: Page, database: sa.Engine):
    card = page.locator("article").first
    assert card.locator("h2").inner_text() == PLACES["1"]
    assert card.locator(".question").inner_text() == "请问报警人：在哪个乡镇街道？两城镇 / 鲁桥镇 / 谷亭街道"
    assert card.locator(".choices label").first.inner_text().strip() == "微山县 · 两城镇 · 张庄村 · 村居"
    assert not card.get_by_label("以后都按此识别").is_checked()  # three villages have that name
    page.locator("#signed-by").fill("b-017")
    card.get_by_label("谷亭街道").check()
    card.get_by_role("button", name="确认位置").click()
    page.locator("#count", has_text="待复核 1 起").wait_for()
    assert stands(database, tables.aliases, "words", "entry_id", "signed_by", "teaches") == [
        (PLACES["1"], "V4", "b-017", False)
    ]
    assert stands(database, tables.decisions, "kind", "moved") == [("correct", 1)]


def test_place_texts_are_shown_as_text_and_a_position_can_be_written(page: Page, database: sa.Engine):
    card = page.locator("article").nth(1)
    assert card.locator("h2").inner_text() == PLACES["2"]
    assert card.locator("b").count() == 0
    page.locator("#signed-by").fill("b-017")
    card.locator("[name=lon_lat]").fill("16.5 35.41")
    card.get_by_role("button", name="确认位置").click()
    page.locator("#problem", has_text="far from every zone").wait_for()
    card.locator("[name=lon_lat]").fill("116.587, 35.414")
    card.get_by_role("button", name="确认位置").click()
    page.locator("#count", has_text="待复核 1 起").wait_for()
    assert stands(database, tables.reviews, "incident_id", "state") == [("1", "open"), ("2", "corrected")]


def test_nobody_decides_unsigned_and_the_page_speaks_both_languages(page: Page, database: sa.Engine):
    page.get_by_role("button", name="中文 / English").click()
    card = page.locator("article").first
    card.get_by_role("button", name="Cannot be told").click()
    page.locator("#problem", has_text="Give your staff id first").wait_for()
    assert page.evaluate("document.activeElement.id") == "signed-by"
    assert "Ask the caller: in which town?" in card.locator(".question").inner_text()
    page.keyboard.type("b-017")
    card.get_by_role("button", name="Cannot be told").click()
    page.locator("#count", has_text="1 wait for a person").wait_for()
    assert stands(database, tables.reviews, "incident_id", "state", "decided_by") == [
        ("1", "rejected", "b-017"),
        ("2", "open", None),
    ]
