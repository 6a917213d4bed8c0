"""What the page tells: colours, counts, times, reasons; in two languages, by night, on a phone, by keyboard alone."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from geo_service import files, jobs
from tests.browser.conftest import Invite, Reader
from tests.browser.made import MONTH, MONTH_BEFORE, NAMES, NORTH, WEST, City, quiet_spot
from tests.browser.seen import LEVELS, colour, legend, soon, spot

BETWEEN = (WEST + 0.009, NORTH - 0.005)  # [deg] in the street between a and b

# The element with the focus, or the label around it, shows that it has it.
OUTLINED = """() => {
    const focused = document.activeElement;
    const outlined = (one) => getComputedStyle(one).outlineStyle !== "none";
    return focused === document.body || outlined(focused) || outlined(focused.closest("label") ?? focused);
}"""


def test_no_request_leaves_the_machine(reader: Reader, city: City):
    page = reader.open()
    page.mouse.click(*spot(page, *quiet_spot("a")))
    page.wait_for_selector("#place .incidents")
    asked = {url.removeprefix(city.address).split("?")[0] for url in reader.requests}
    assert all(url.startswith((city.address, "data:", "blob:")) for url in reader.requests)
    # Requests of MapLibre's worker, of the style sheet and of the event stream are all among the ones looked at.
    for part in (
        "/g/",
        "/states/warnings/",
        ".woff2",
        "/live",
        "/map/config.json",
        "/collections/warnings/items/a/why",
    ):
        assert any(part in path for path in asked), part


def test_the_server_forbids_the_page_to_ask_elsewhere(reader: Reader, city: City):
    page = reader.open()
    reached = page.evaluate("fetch('http://127.0.0.2:9/').then(() => true, () => false)")
    assert reached is False
    assert any("Content Security Policy" in said for said in reader.complaints)
    assert not any("127.0.0.2" in url for url in reader.requests)
    reader.complaints.clear()


def test_the_legend_shows_all_five_levels_with_range_and_number(reader: Reader, city: City):
    calls = {"a": 1, "c": 2, "d": 4, "f": 6}
    city.commit(*(f"{place} T 0{n + 1} 10:00" for place, count in calls.items() for n in range(count)))
    page = reader.open()
    text = {name: city.level(name) for name in LEVELS}
    assert legend(page) == {
        "none": (text["none"], "0 起", "3"),  # b, e and the hospital
        "yellow": (text["yellow"], "1 起", "1"),
        "orange": (text["orange"], "2–3 起", "1"),
        "red": (text["red"], "4–5 起", "1"),
        "black": (text["black"], "6 起及以上", "1"),
    }
    on_map = {level: colour(page, *quiet_spot(place)) for level, place in zip(LEVELS, "eacdf", strict=True)}
    assert on_map == LEVELS


def test_a_click_lists_count_and_times_on_the_citys_clock(reader: Reader, city: City):
    city.commit("a T 03 23:59", "a R 14 00:01")
    page = reader.open()
    page.mouse.click(*spot(page, *quiet_spot("a")))
    page.wait_for_selector("#place .incidents")
    assert page.locator("#place h2").text_content() == NAMES["a"]
    assert page.locator("#place .standing .count").text_content() == "2"
    assert page.locator("#place .standing").get_attribute("data-level") == "orange"
    lines = [
        (line.get_attribute("class"), *line.locator(".day, .clock, .name").all_text_contents())
        for line in page.locator("#place .incidents li").all()
    ]
    assert lines == [
        ("counted", "5月14日周四", "00:01", city.say("category.robbery")),
        ("counted", "5月3日周日", "23:59", city.say("category.theft")),
        ("not-counted", "5月2日周六", "08:15", city.say("category.dispute")),
    ]
    assert page.locator("#place .steps li[aria-current]").text_content() == "2–3"
    page.mouse.click(*spot(page, *BETWEEN))
    assert page.locator("#place").is_hidden()


def test_english_is_one_click_away_and_stays(reader: Reader, city: City):
    page = reader.open()
    assert page.locator("h1").text_content() == city.say("title", "zh")
    page.locator("[data-language=en]").click()
    assert page.locator("h1").text_content() == city.say("title", "en")
    assert page.evaluate("document.documentElement.lang") == "en-GB"
    assert legend(page)["black"][:2] == (city.level("black", "en"), "6 or more")
    assert page.locator("#month option").first.text_content() == f"May 2026 · {city.say('month.current', 'en')}"
    page.reload()
    page.wait_for_selector("body[data-ready=true]")
    assert page.locator("h1").text_content() == city.say("title", "en")


def test_another_month_shows_what_was_then(reader: Reader, city: City):
    page = reader.open()
    assert colour(page, *quiet_spot("e")) == LEVELS["none"]
    assert page.locator("#month option").evaluate_all("all => all.map(one => one.value)") == [MONTH, MONTH_BEFORE]
    page.locator("#month").select_option(MONTH_BEFORE)
    soon(lambda: colour(page, *quiet_spot("e")), LEVELS["orange"])
    soon(lambda: legend(page)["orange"][2], "1")
    page.mouse.click(*spot(page, *quiet_spot("e")))
    soon(lambda: page.locator("#place .clock").all_text_contents(), ["23:59", "23:30"])
    page.get_by_text(city.say("page.back_to_current")).click()
    soon(lambda: colour(page, *quiet_spot("e")), LEVELS["none"])


def test_layers_are_switched_and_counted(reader: Reader, city: City):
    city.commit("b T 07 12:00")
    page = reader.open()
    soon(lambda: (legend(page)["none"][2], legend(page)["yellow"][2]), ("6", "1"))
    page.locator("input[value=patrol_zone_warnings]").check()
    soon(lambda: (legend(page)["none"][2], legend(page)["yellow"][2]), ("6", "2"))
    for layer in ("warnings", "unit_warnings"):
        page.locator(f"input[value={layer}]").uncheck()
    soon(lambda: (legend(page)["none"][2], legend(page)["yellow"][2]), ("0", "1"))
    soon(lambda: colour(page, *quiet_spot("f")), LEVELS["yellow"])  # the patrol zone around all of it


def test_objects_are_dots_that_can_be_hidden_and_change_no_count(reader: Reader, city: City):
    lon, lat = quiet_spot("c")
    table = pd.DataFrame({"object_id": ["g1"], "kind": ["gate"], "lon": [str(lon)], "lat": [str(lat)]}, dtype="str")
    jobs.load_prevention(city.service, files.objects_of(table, Path("made.csv"), "EPSG:4326"), "made.csv")
    page = reader.open()
    dots = "geoMap.queryRenderedFeatures({ layers: ['prevention-dots'] }).map((one) => one.properties.id)"
    soon(lambda: page.evaluate(dots), [])
    page.locator("input[value=prevention]").check()
    soon(lambda: page.evaluate(dots), ["g1"])
    assert legend(page)["none"][2] == "7"
    page.locator("input[value=prevention]").uncheck()
    soon(lambda: page.evaluate(dots), [])


def test_the_keyboard_is_enough(reader: Reader, city: City):
    city.commit("f T 07 12:00")
    page = reader.open()
    page.locator("input[type=search]").focus()
    page.keyboard.type("太白")
    page.keyboard.press("Enter")
    page.wait_for_selector("#place[data-place=f] .incidents")
    page.keyboard.press("Escape")
    assert page.locator("#place").is_hidden()
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate(OUTLINED)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_day_and_night_wear_the_same_colours(invite: Invite, city: City, scheme: str):
    city.commit("d T 01 10:00", "f T 01 10:00", "f T 02 10:00")
    page = invite(color_scheme=scheme).open()
    assert colour(page, *quiet_spot("d")) == LEVELS["yellow"]
    assert colour(page, *quiet_spot("f")) == LEVELS["orange"]
    brightness = sum(colour(page, *quiet_spot("a")))  # a quiet place does not dazzle at night
    assert brightness < 200 if scheme == "dark" else brightness > 600


def test_a_phone_shows_map_legend_and_place(invite: Invite, city: City):
    city.commit("d T 01 10:00")
    page = invite(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True).open()
    assert colour(page, *quiet_spot("d")) == LEVELS["yellow"]
    assert page.locator(".legend li").last.is_visible()
    assert not page.locator(".attention-part").is_visible()
    page.locator(".handle").tap()
    assert page.locator(".attention-part").is_visible()
    page.locator(".handle").tap()
    page.touchscreen.tap(*spot(page, *quiet_spot("d")))
    page.wait_for_selector("#place .incidents")
    box = page.locator("#place").bounding_box()
    assert box is not None
    assert (box["x"], box["width"], box["y"] + box["height"]) == (0, 390, 844)
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_without_the_database_the_map_stays_and_says_its_age(reader: Reader, city: City, server: sa.Engine):
    city.commit("d T 01 10:00")
    page = reader.open()
    soon(lambda: page.evaluate("document.body.dataset.freshness"), "pushed")
    with closed_to_all(server, str(city.service.engine.url.database)):
        soon(lambda: page.evaluate("document.body.dataset.freshness"), "stale", within_s=20)
        assert page.locator(".freshness strong").text_content() == city.say("status.stale")
        page.reload()
        page.wait_for_selector("body[data-ready=true]")
        assert colour(page, *quiet_spot("d")) == LEVELS["yellow"]
    soon(lambda: page.evaluate("document.body.dataset.freshness"), "pushed", within_s=20)
    reader.complaints.clear()  # the browser's own, of status 503


@contextmanager
def closed_to_all(server: sa.Engine, database: str) -> Generator[None]:
    """Let nobody into a database for a while, as if it were down."""
    with server.connect() as connection:
        connection.execute(sa.text(f"ALTER DATABASE {database} WITH ALLOW_CONNECTIONS false"))
        connection.execute(
            sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), {"name": database}
        )
        try:
            yield
        finally:
            connection.execute(sa.text(f"ALTER DATABASE {database} WITH ALLOW_CONNECTIONS true"))


def test_the_map_leads_to_the_review_queue(reader: Reader):
    page = reader.open()
    link = page.locator("#board .foot a[href=queues]")
    assert link.inner_text() == "人工复核"
    link.click()
    page.wait_for_url("**/queues")
    page.get_by_role("heading", name="人工复核").wait_for()
