"""The page of tasks: what is due, what was looked at, what came of it; both languages; nothing leaves the machine."""

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page

from geo_service import jobs
from geo_service.analysis.jurisdictions import Trees
from geo_service.store import jurisdictions, tables
from tests.store.batches import stands
from tests.web import serving
from tests.web.serving import AT_D
from tests.web.test_tasks import AREAS, BLACK, MEMBERSHIPS, RED


@pytest.fixture
def page(database: sa.Engine, browser: Browser) -> Iterator[Page]:
    """The tasks of a served city: one measured and long overdue, one of this month."""
    service = serving.city(database)
    with database.begin() as connection:
        jurisdictions.replace_trees(connection, Trees(AREAS, MEMBERSHIPS))
    serving.commit(service, f"{RED}\n{BLACK}")
    service.ahead.append(timedelta(days=45))
    serving.commit(service, "\n".join(f"q{i} 2024-08-0{i + 1}_09:00 R {AT_D}" for i in range(3)))
    serving.commit(service, f"q4 2024-08-04_09:00 R {AT_D}")
    jobs.supervise(service)
    with serving.serving(service) as client:
        context = browser.new_context(locale="zh-CN", viewport={"width": 900, "height": 1000})
        asked_hosts: set[str] = set()
        complaints: list[str] = []
        context.on("request", lambda request: asked_hosts.add(urlsplit(request.url).netloc))
        shown = context.new_page()
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
        shown.goto(f"{client.base_url}/tasks")
        shown.locator("article").nth(1).wait_for()
        yield shown
        context.close()
        assert asked_hosts == {client.base_url.netloc.decode()}
        assert complaints == []


def test_what_is_overdue_stands_first_with_what_was_expected_and_what_came(page: Page):
    first, second = page.locator("article").all()
    assert first.locator("h2").inner_text() == "a 村"
    assert "已逾期" in first.locator(".mark.late").inner_text()
    assert "第 3 级：市局值班 市局" in first.locator(".marks").inner_text()
    assert "若不采取措施，2024-07 预计" in first.locator(".expected").inner_text()
    assert "单个场所能说明的很少" in first.locator(".effect").inner_text()
    assert first.locator("svg .band").count() == 2  # the band, and its sample in the legend
    assert first.locator("svg rect.past").count() == 4
    assert first.locator("svg circle.came").count() == 2
    assert second.locator("svg circle.came").count() == 0
    assert "第 1 级：派出所 一所" in second.locator(".marks").inner_text()
    assert "1 项已评估：次月实际 0 起" in page.locator("#city .headline").inner_text()
    page.locator("#city summary").click()
    assert "C1" in page.locator("#city table").inner_text()


def test_a_task_is_moved_by_keyboard_alone_and_nobody_moves_it_unsigned(page: Page, database: sa.Engine):
    card = page.locator("article").nth(1)
    card.get_by_role("button", name="签收").focus()
    page.keyboard.press("Enter")
    page.locator("#problem", has_text="请先填写工号").wait_for()
    assert page.evaluate("document.activeElement.id") == "signed-by"
    page.keyboard.type("p-017")
    card.get_by_role("button", name="签收").focus()
    page.keyboard.press("Enter")
    card.locator(".mark", has_text="办理中").wait_for()
    assert page.evaluate("document.activeElement.name") == "note"
    page.keyboard.type("<b>加装</b>路灯")
    page.keyboard.press("Tab")
    page.keyboard.type("https://example.org/7 案卷17")
    card.get_by_role("button", name="补充说明").focus()
    page.keyboard.press("Space")
    card.locator(".happened summary").click()
    line = card.locator(".happened li", has_text="补充说明")
    line.wait_for()
    assert "<b>加装</b>路灯" in line.inner_text()
    assert line.locator("a").get_attribute("href") == "https://example.org/7"
    assert card.locator(".happened b").count() == 0
    found = stands(database, tables.tasks, "zone_id", "state", "state_by")
    assert found == [("a", "open", ""), ("d", "acknowledged", "p-017")]


def test_a_checklist_takes_numbers_and_says_what_is_short(page: Page):
    page.locator("#signed-by").fill("p-017")
    card = page.locator("article").nth(1)
    card.locator(".looked-at summary").click()
    row = card.locator("[data-item=lights]")
    row.get_by_label("路灯总数").fill("40")
    row.get_by_label("完好路灯").fill("37")
    card.get_by_role("button", name="保存检查结果").click()
    card.locator("[data-item=lights] .verdict.short", has_text="不足 (至少 38)").wait_for()
    assert card.locator(".looked-at summary").inner_text() == "检查清单：0 项达标，1 项不足，5 项未查"


def test_the_page_speaks_english_and_shows_one_station_only_when_asked(page: Page):
    page.get_by_role("button", name="中文 / English").click()
    page.locator("#count", has_text="2 tasks").wait_for()
    assert "days overdue" in page.locator("article .mark.late").first.inner_text()
    page.locator("#city .detail", has_text="left red").wait_for()
    page.locator("[name=owner]").select_option(label="一所")
    page.locator("#count", has_text="1 tasks").wait_for()
    assert page.locator("article h2").all_inner_texts() == ["d 村"]
