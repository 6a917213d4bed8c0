"""The page of messages: dead letters first, sent again by keyboard, in both languages; nothing leaves the machine."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page

from geo_service.outbox import delivery
from tests.outbox.receiving import staff, told
from tests.outbox.test_telling import FOUR
from tests.web import serving


@pytest.fixture
def page(database: sa.Engine, browser: Browser) -> Iterator[Page]:
    """The messages of a city with a red place: one sent, one without an address, some for nobody."""
    service = serving.without_tasks(serving.library(database))
    serving.load_zones(service)
    staff(service, ["station police s1 p1", "grid_staff police g1 g1"], ["p1 inbox inbox: zh"])
    serving.commit(service, FOUR)
    delivery.deliver(service.engine, service.post, service.now)
    with serving.serving(service) as client:
        context = browser.new_context(locale="zh-CN")
        asked_hosts: set[str] = set()
        complaints: list[str] = []
        context.on("request", lambda request: asked_hosts.add(urlsplit(request.url).netloc))
        shown = context.new_page()
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.goto(f"{client.base_url}/messages")
        shown.locator("article").first.wait_for()
        yield shown
        context.close()
        assert asked_hosts == {client.base_url.netloc.decode()}
        assert complaints == []


def test_dead_letters_say_why_in_both_languages(page: Page):
    assert page.locator("#count").inner_text() == "共6条消息"
    titles = page.locator("h2").all_inner_texts()
    assert set(titles) == {"变为红色：a 村", "差一起变红：a 村"}
    details = page.locator(".detail").all_inner_texts()
    assert set(details) == {"没有可用的接收地址", "当地无人担任该职责"}
    assert any("发给 名册中无人 · 镇街综治中心" in facts for facts in page.locator(".facts").all_inner_texts())
    page.locator("#language").click()
    page.get_by_text("6 messages").wait_for()
    assert set(page.locator("h2").all_inner_texts()) == {"Turned red: a 村", "One short of red: a 村"}
    page.locator("#state").select_option("sent")
    page.get_by_text("1 messages").wait_for()
    assert "p1" in page.locator(".facts").inner_text()


def test_a_dead_letter_is_sent_again_by_keyboard(page: Page, database: sa.Engine):
    card = page.locator("article", has_text="g1")
    card.locator("input[name=note]").focus()
    page.keyboard.press("Enter")
    page.locator("#problem", has_text="工号").wait_for()
    page.keyboard.type("b-017")
    card.locator("input[name=note]").focus()
    page.keyboard.press("Enter")
    page.get_by_text("共5条消息").wait_for()
    assert told(database, "state", "decided_by", kind="enter_red", staff_id="g1") == [("waiting", "b-017")]
