"""The walk: a raw row is committed, and the place changes its colour on the screen of a page nobody touched."""

from itertools import pairwise

from playwright.sync_api import Route

from tests.browser.conftest import Reader
from tests.browser.made import City, quiet_spot
from tests.browser.seen import LEVELS, colour, soon

STEPS = [(0, "none"), (1, "yellow"), (2, "orange"), (4, "red"), (6, "black")]  # incidents, level (rules/levels.toml)


def test_a_committed_row_becomes_a_pixel_without_reload(reader: Reader, city: City):
    page = reader.open()
    page.evaluate("window.neverReloaded = true")
    assert colour(page, *quiet_spot("c")) == LEVELS["none"]

    for (before, _), (count, level) in pairwise(STEPS):
        revision = city.commit(*(f"c T 1{n} 0{n}:30" for n in range(before, count)))
        soon(lambda: colour(page, *quiet_spot("c")), LEVELS[level])
        soon(lambda: page.evaluate("document.body.dataset.revision"), str(revision))
        in_legend = page.locator(f".legend [data-level={level}] .number")
        soon(in_legend.text_content, "1")

    assert page.evaluate("window.neverReloaded") is True
    assert colour(page, *quiet_spot("a")) == LEVELS["none"]  # a dispute colours nothing


# Notes the colour of one point of the map in every frame that is drawn.
WATCH = """([lon, lat]) => {
    window.frames_seen = new Set();
    const gl = geoMap.getCanvas().getContext("webgl2");
    geoMap.on("render", () => {
        const point = geoMap.project([lon, lat]);
        const pixel = new Uint8Array(4);
        gl.readPixels(point.x, gl.drawingBufferHeight - point.y, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
        window.frames_seen.add(pixel.slice(0, 3).join());
    });
}"""


def test_nothing_flashes_while_the_tiles_are_renewed(reader: Reader, city: City):
    page = reader.open()
    page.evaluate(WATCH, quiet_spot("d"))
    for n in range(2):
        revision = city.commit(f"d T 1{n} 05:00")
        soon(lambda: page.evaluate("document.body.dataset.revision"), str(revision))
    frames = {tuple(map(int, seen.split(","))) for seen in page.evaluate("[...frames_seen]")}
    assert frames == {LEVELS["none"], LEVELS["yellow"], LEVELS["orange"]}

    page.evaluate("geoMap.style.tileManagers.warnings.clearTiles(), geoMap.triggerRepaint()")  # a hole would be seen
    soon(lambda: len(page.evaluate("[...frames_seen]")), 4)


def test_the_open_panel_and_the_list_follow_the_commit(reader: Reader, city: City):
    city.commit("c T 03 07:00", "c T 04 07:00", "c T 05 07:00")
    red = city.level("red")
    page = reader.open()
    note, count = page.locator(".attention .row .note"), page.locator(".attention .row .count")
    short = city.say("attention.short_of", n=1, level=red)
    soon(lambda: (note.all_text_contents(), count.all_text_contents()), ([f"住宅小区 · {short}"], ["3"]))
    page.locator(".attention .row").click()
    soon(page.locator("#place .standing .count").text_content, "3")

    city.commit("c R 06 21:40")
    soon(page.locator("#place .standing .count").text_content, "4")
    soon(page.locator("#place .incidents .clock").first.text_content, "21:40")
    risen = city.say("attention.just_now")
    soon(lambda: (note.all_text_contents(), count.all_text_contents()), ([f"住宅小区 · {risen}"], ["4"]))
    assert page.locator("#news").text_content() == city.say("status.changed", name="垞城新村", level=red)


def test_a_commit_while_the_page_is_opening_is_not_missed(reader: Reader, city: City):
    def late(route: Route) -> None:
        told = route.fetch()
        city.commit("c T 13 13:13")
        route.fulfill(response=told)

    reader.context.route("**/map/config.json", late, times=1)
    page = reader.open()
    soon(lambda: colour(page, *quiet_spot("c")), LEVELS["yellow"])
    revision = page.evaluate("fetch('/map/config.json').then((told) => told.json()).then((told) => told.revision)")
    soon(lambda: page.evaluate("document.body.dataset.revision"), str(revision))


def test_without_push_the_page_asks_by_itself(reader: Reader, city: City):
    reader.context.route("**/live?*", lambda route: route.fulfill(status=204))  # tells an EventSource to give up
    page = reader.open()
    soon(page.locator(".freshness strong").text_content, city.say("page.polled"))
    city.commit("d T 09 09:09")
    soon(lambda: colour(page, *quiet_spot("d")), LEVELS["yellow"], within_s=10)


def test_a_server_that_went_away_is_found_again(reader: Reader, city: City):
    page = reader.open()
    soon(lambda: page.evaluate("document.body.dataset.freshness"), "pushed")
    city.server.stop()
    soon(lambda: page.evaluate("document.body.dataset.freshness"), "stale", within_s=20)
    city.commit("f T 11 11:11")  # nobody is there to hear it
    assert colour(page, *quiet_spot("f")) == LEVELS["none"]
    city.server.start()
    soon(lambda: page.evaluate("document.body.dataset.freshness"), "pushed", within_s=20)
    soon(lambda: colour(page, *quiet_spot("f")), LEVELS["yellow"])
    reader.complaints.clear()  # the browser's own, of refused connections
