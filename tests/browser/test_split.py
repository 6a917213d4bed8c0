"""The split plane in the browser: geometry and classes become one tile, each place in the colour the server says."""

import base64
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import mapbox_vector_tile
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page, Route

from tests.browser.conftest import PAGE, Invite, Reader
from tests.browser.made import MONTH, NORTH, STEP, WEST, City, InMay, quiet_spot
from tests.browser.seen import LEVELS, colour, go_to, legend, soon, spot

WITHHELD = {13: "placement", 14: "stale"}


@pytest.fixture
def reader(invite: Invite) -> Reader:
    """One reader at a small window, without moving pictures: a machine without a graphics card draws that sooner."""
    return invite(viewport={"width": 820, "height": 560}, reduced_motion="reduce")


MERGE = """async ({ script, tile, classes, said }) => {
    const { GeometryTile } = await import(`data:text/javascript;base64,${script}`);
    const geometry = new GeometryTile(Uint8Array.from(atob(tile), (letter) => letter.charCodeAt(0)));
    const told = geometry.told(classes, (code) => said[code]);
    const rows = geometry.ids.map((id) => geometry.rowOf(id));
    return { told: btoa(String.fromCharCode(...told)), ids: geometry.ids, rows };
}"""


@pytest.fixture(scope="module")
def merger(tmp_path_factory: pytest.TempPathFactory, built: None) -> str:
    """The script that reads and writes tiles, as the browser runs it, base64."""
    out = tmp_path_factory.mktemp("script")
    compiler = PAGE / "node_modules" / ".bin" / "tsc"
    options = ["--ignoreConfig", "--target", "es2022", "--module", "esnext", "--outDir", str(out)]
    subprocess.run([compiler, *options, PAGE / "src" / "mvt.ts"], check=True, capture_output=True)
    return base64.b64encode((out / "mvt.js").read_bytes()).decode()


@pytest.fixture(scope="module")
def blank(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    yield page
    page.close()


VALUES = st.one_of(st.text(max_size=200), st.integers(0, 2**40), st.booleans(), st.floats(allow_nan=False))
FEATURES = st.lists(
    st.tuples(
        st.integers(0, 2**53 - 1), st.dictionaries(st.sampled_from(["id", "name", "级别"]), VALUES), st.integers(0, 15)
    ),
    max_size=20,
)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(features=FEATURES)
def test_merging_adds_the_class_and_changes_nothing_else(
    merger: str, blank: Page, features: list[tuple[int, dict[str, Any], int]]
):
    squares = [shapely.box(10 * i, 0, 10 * i + 9, 9 + i) for i in range(len(features))]
    drawn = [
        {"id": fid, "geometry": square, "properties": properties}
        for square, (fid, properties, _) in zip(squares, features, strict=True)
    ]
    tile = mapbox_vector_tile.encode({"name": "小区", "features": drawn})
    classes = [code for _, _, code in features]
    said = [
        {"level": code} if code <= 4 else {"withheld": WITHHELD[code]} if code in WITHHELD else {} for code in range(16)
    ]
    found = blank.evaluate(
        MERGE, {"script": merger, "tile": base64.b64encode(tile).decode(), "classes": classes, "said": said}
    )

    before, after = (mapbox_vector_tile.decode(content)["小区"] for content in (tile, base64.b64decode(found["told"])))
    for feature, code in zip(before["features"], classes, strict=True):
        feature["properties"] |= said[code]
    assert after == before
    assert found["ids"] == [fid for fid, _, _ in features]


# What the map holds of a layer, by place: its level, and why it has none.
HELD = """(layer) => Object.fromEntries(geoMap.querySourceFeatures(layer, { sourceLayer: layer })
    .map(({ properties: { id, level, withheld } }) => [id, [level ?? null, withheld ?? null]]))"""


def held(page: Page, layer: str = "warnings") -> dict[str, tuple[int | None, str | None]]:
    return {place: (level, why) for place, (level, why) in page.evaluate(HELD, layer).items()}


def baked(city: City, layer: str = "warnings", month: str = MONTH) -> dict[str, tuple[int | None, str | None]]:
    """What plain clients are told of the same places."""
    told = httpx.get(f"{city.address}/collections/{layer}/items?month={month}").json()
    said = [feature["properties"] for feature in told["features"]]
    return {place["id"]: (place.get("level"), place.get("withheld")) for place in said}


def asked(reader: Reader, *parts: str) -> list[str]:
    return [url for url in reader.requests if any(part in url for part in parts)]


def test_every_place_has_the_colour_that_plain_clients_are_told(reader: Reader, city: City):
    city.commit("a T 03 10:00", *(f"c T 1{n} 10:00" for n in range(6)), "f T 2026-03-01 10:00", "f T 2026-03-02 10:00")
    page = reader.open()
    page.locator("input[value=patrol_zone_warnings]").check()
    for month, zoom in ((MONTH, 13), ("2026-03", 9), ("2026-04", 15)):
        page.locator("#month").select_option(month)
        go_to(page, WEST + 1.5 * STEP, NORTH - STEP, zoom)
        for layer in ("warnings", "unit_warnings", "patrol_zone_warnings"):
            soon(lambda layer=layer: held(page, layer), baked(city, layer, month))
    assert not asked(reader, "/tiles/")


def test_a_commit_is_drawn_without_asking_for_a_tile(reader: Reader, city: City):
    page = reader.open()
    soon(lambda: page.evaluate("document.body.dataset.freshness"), "pushed")
    reader.requests.clear()
    city.commit("d T 09 09:09", "d T 09 09:10")
    soon(lambda: colour(page, *quiet_spot("d")), LEVELS["orange"])
    soon(lambda: legend(page)["orange"][2], "1")
    go_to(page, *quiet_spot("d"), 8)  # tiles not seen before have the new colour too
    soon(lambda: held(page)["d"], (2, None))
    page.go_back()
    assert not asked(reader, "/tiles/")
    assert {"/".join(url.split("/")[5:7]) for url in asked(reader, "/states/", "/g/")} & {"13/6748", "13/6749"} == set()


def test_scrubbing_through_a_year_downloads_no_geometry_twice(reader: Reader, city: City):
    months = [f"2025-{month:02d}" for month in range(5, 13)] + [f"2026-{month:02d}" for month in range(1, 5)]
    for n, month in enumerate(months):
        city.commit(*(f"d T {month}-1{k} 10:00" for k in range(n % 5)), f"a T {month}-20 10:00")
    page = reader.open()
    reader.requests.clear()
    page.locator("#scrubber input[type=range]").focus()
    for n, month in reversed(list(enumerate(months))):
        page.keyboard.press("ArrowLeft")
        soon(page.locator("#month").input_value, month)
        soon(lambda: held(page), baked(city, month=month))
        soon(lambda: legend(page)["red"][2], str(int(n % 5 == 4)))
    assert not asked(reader, "/g/", "/tiles/")
    assert len(asked(reader, "/states/")) >= len(months)
    assert all("geometry=false" in url for url in asked(reader, "/items?"))

    reader.requests.clear()
    for month in months[1:]:
        page.keyboard.press("ArrowRight")
        soon(page.locator("#month").input_value, month)
    soon(lambda: held(page), baked(city, month=months[-1]))
    assert not asked(reader, "/g/", "/states/")  # seen once, known


def test_as_known_on_a_day_shows_the_colours_as_known_then(reader: Reader, city: City, monkeypatch: pytest.MonkeyPatch):
    city.commit("d T 09 09:09")
    monkeypatch.setattr(InMay, "began", InMay.began - 24 * 3600)  # the 16th
    city.commit("d T 09 09:10", "f T 09 09:11")
    page = reader.open()
    assert (held(page)["d"], held(page)["f"]) == ((2, None), (1, None))

    known = page.get_by_label(city.say("month.as_known_on"))
    known.fill("2026-05-15")
    soon(lambda: (held(page)["d"], held(page)["f"]), ((1, None), (0, None)))
    soon(lambda: held(page), baked(city, month=f"{MONTH}&as-of=2026-05-15T23:59:59%2B08:00"))
    soon(lambda: legend(page)["orange"][2], "0")
    told = page.evaluate("document.body.dataset.revision")
    city.commit("d T 09 09:12", "f T 09 09:13")
    soon(lambda: page.evaluate("document.body.dataset.revision") != told, True)  # the page has heard of it
    assert (held(page)["d"], held(page)["f"]) == ((1, None), (0, None))
    assert (colour(page, *quiet_spot("d")), colour(page, *quiet_spot("f"))) == (LEVELS["yellow"], LEVELS["none"])

    known.fill("")
    soon(lambda: (held(page)["d"], held(page)["f"]), ((2, None), (2, None)))
    soon(lambda: held(page), baked(city))
    assert not asked(reader, "/tiles/")


# Every month the bar has shown since, in order.
WATCH = """() => {
    const shown = document.querySelector("#scrubber .shown");
    window.monthsShown = [];
    new MutationObserver(() => shown.textContent !== monthsShown.at(-1) && monthsShown.push(shown.textContent))
        .observe(shown, { childList: true });
}"""


def test_the_months_play_and_pause(reader: Reader, city: City):
    city.commit("d T 2026-02-10 10:00", "d T 2026-03-10 10:00", "d T 2026-03-11 10:00")
    page = reader.open()
    play = page.locator("#scrubber .play")
    assert play.get_attribute("aria-label") == city.say("month.play")
    page.evaluate(WATCH)
    play.click()
    soon(lambda: play.get_attribute("aria-label"), city.say("month.pause"))
    soon(lambda: play.get_attribute("aria-label"), city.say("month.play"), within_s=30)  # at the end it stands
    # From the end it began again, and left out none.
    assert page.evaluate("monthsShown") == [f"2026年{n}月" for n in (2, 3, 4, 5)]
    assert page.locator("#month").input_value() == MONTH

    play.click()
    soon(lambda: play.get_attribute("aria-label"), city.say("month.pause"))
    play.click()
    stopped = page.locator("#month").input_value()
    page.wait_for_timeout(2_000)
    assert page.locator("#month").input_value() == stopped
    assert play.get_attribute("aria-label") == city.say("month.play")
    soon(lambda: held(page), baked(city, month=stopped))


def test_the_bar_speaks_both_languages_and_hears_arrows(reader: Reader, city: City):
    page = reader.open()
    page.locator("[data-language=en]").click()
    bar = page.locator("#scrubber")
    assert bar.get_attribute("aria-label") == city.say("month.scrub", "en")
    assert bar.locator(".shown").text_content() == "May 2026"
    bar.locator(".play").focus()
    page.keyboard.press("ArrowLeft")
    soon(bar.locator(".shown").text_content, "April 2026")
    assert bar.locator("input[type=range]").get_attribute("aria-valuetext") == "April 2026"
    page.keyboard.press("ArrowRight")
    soon(bar.locator(".shown").text_content, "May 2026")


def test_colours_go_as_soon_as_the_source_has_been_silent_too_long(
    reader: Reader, city: City, monkeypatch: pytest.MonkeyPatch
):
    city.commit("d T 09 09:09", cursor="1")
    page = reader.open()
    assert held(page)["d"] == (1, None)
    monkeypatch.setattr(InMay, "began", InMay.began - 24 * 3600)  # a day passes, and no pull
    soon(lambda: held(page)["d"], (None, "stale"))
    soon(lambda: held(page), baked(city))


def test_places_that_are_loaded_while_the_page_is_open_appear(reader: Reader, city: City):
    page = reader.open()
    assert sorted(held(page)) == list("abcdef")
    city.load_zones(crowd=3)
    soon(lambda: sorted(held(page)), [*"abcdef", "x00000", "x00001", "x00002"])
    soon(lambda: legend(page)["none"][2], "10")
    city.load_zones()
    soon(lambda: sorted(held(page)), list("abcdef"))
    soon(lambda: legend(page)["none"][2], "7")
    city.commit("f T 09 09:09")
    soon(lambda: colour(page, *quiet_spot("f")), LEVELS["yellow"])


def test_states_that_fit_no_geometry_leave_the_servers_own_colours(reader: Reader, city: City):
    city.commit("d T 09 09:09")

    def spoilt(route: Route) -> None:
        told = route.fetch()
        content = bytearray(told.body())
        content[4:16] = bytes(12)
        route.fulfill(response=told, body=bytes(content))

    reader.context.route("**/states/**", spoilt)
    page = reader.open()
    assert held(page) == baked(city)
    assert asked(reader, "/tiles/warnings/")


GROUPS = "geoMap.queryRenderedFeatures({ layers: ['warnings-fill'] }).map((one) => one.properties)"


def test_far_out_a_group_wears_the_worst_colour_and_a_click_goes_nearer(reader: Reader, city: City):
    city.load_zones(crowd=2_500)
    page = reader.open()
    crowd = WEST + 8.5 * STEP, NORTH - 3.5 * STEP
    go_to(page, *crowd, 10)
    soon(lambda: {one["level"] for one in page.evaluate(GROUPS)}, {0})
    assert all("id" not in one and one["places"] >= 1 for one in page.evaluate(GROUPS))

    reader.requests.clear()
    city.commit(*(f"a T 1{n} 10:00" for n in range(6)))
    soon(lambda: {one["level"] for one in page.evaluate(GROUPS)}, {0, 4})
    assert not asked(reader, "/states/", "/tiles/", "/g/")

    x, y = spot(page, *crowd)
    [many] = page.evaluate(f"geoMap.queryRenderedFeatures([{x}, {y}], {{ layers: ['warnings-fill'] }})")
    page.mouse.move(x, y)
    said = city.say("map.group", count=many["properties"]["places"], level=city.level("none"))
    soon(page.locator("#tip").text_content, said)
    page.mouse.click(x, y)
    soon(lambda: page.evaluate("geoMap.getZoom()"), 12)
    assert page.locator("#place").is_hidden()
