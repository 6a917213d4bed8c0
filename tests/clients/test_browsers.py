"""MapLibre and OpenLayers in Chromium, on pages of another origin: right counts, right colours, nothing refused."""

from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Protocol

import pytest
import shapely
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from tests.browser import seen
from tests.browser.conftest import FLAGS, PAGE, chromium_path
from tests.clients.made import Box, City

HOUSE = Path(__file__).resolve().parents[2]
BOX: Box = (116.2, 35.2, 116.4, 35.4)

__all__ = ["chromium_path"]  # the fixture of tests/browser


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name where it comes from
        pass


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """Another origin, where the pages and their libraries lie."""
    for library in ("maplibre-gl", "ol"):
        if not (PAGE / "node_modules" / library).is_dir():
            pytest.fail(f"the client tests need {library}; install it with: npm ci --prefix {PAGE.relative_to(HOUSE)}")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(HOUSE)))
    running = Thread(target=server.serve_forever)
    running.start()
    yield f"http://127.0.0.1:{server.server_port}/tests/clients"
    server.shutdown()
    running.join()
    server.server_close()


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(playwright: Playwright, chromium_path: str) -> Iterator[Browser]:
    running = playwright.chromium.launch(executable_path=chromium_path, args=FLAGS)
    yield running
    running.close()


class Open(Protocol):
    """Opens a page of a library, showing the box some way, and gives it when the map is drawn."""

    def __call__(self, library: str, how: str = "") -> Page: ...


@pytest.fixture
def open_page(browser: Browser, elsewhere: str, city: City) -> Iterator[Open]:
    """Opened pages; none of them may have met an error, of its own or of the server."""
    complaints: list[str] = []
    context = browser.new_context(viewport={"width": 800, "height": 800}, device_scale_factor=1)
    context.on("response", lambda answer: complaints.append(answer.url) if answer.status >= 400 else None)
    context.on("requestfailed", lambda request: complaints.append(f"{request.url}: {request.failure}"))

    def opened(library: str, how: str = "") -> Page:
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{elsewhere}/{library}.html?at={city.address}&box={','.join(map(str, BOX))}&how={how}")
        page.wait_for_selector("body[data-ready=true]", timeout=60_000)
        return page

    yield opened
    context.close()
    assert [said for said in complaints if "favicon" not in said] == []


def shown(page: Page) -> Box:
    """Give the box [deg] that the page shows: its corners, west, south, east, north."""
    west, south, east, north = page.evaluate("shown()")
    return west, south, east, north


def check(page: Page, city: City) -> None:
    """Compare places, numeric ids, levels and the colours of pixels with those of the store."""
    places = page.evaluate("seen()")
    named = {name: (number, level) for number, name, level in places}
    west, south, east, north = shown(page)
    assert named.keys() >= city.touching((west, south, east, north))
    assert named == {name: (city.fids[name], city.levels[name]) for name in named}
    picture = seen.screen(page)
    inside = shapely.box(*BOX).buffer(-0.01)
    for name in sorted(name for name in named if inside.contains(shapely.Point(city.centres[name]))):
        x, y = page.evaluate("place => spot(place)", city.centres[name])
        assert picture.getpixel((round(x), round(y))) == city.colour(name), name


def test_maplibre_draws_what_the_tilejson_leads_to(open_page: Open, city: City):
    check(open_page("maplibre"), city)


def test_maplibre_marks_a_place_by_its_numeric_id(open_page: Open, city: City):
    page = open_page("maplibre")
    name = next(name for name in sorted(city.touching((116.29, 35.29, 116.31, 35.31))) if city.levels[name] == "none")
    page.evaluate("id => mark(id)", city.fids[name])
    x, y = page.evaluate("place => spot(place)", city.centres[name])
    assert seen.screen(page).getpixel((round(x), round(y))) == (255, 0, 255)


@pytest.mark.parametrize("how", ["xyz", "items"])
def test_openlayers_draws_tiles_and_features_alike(how: str, open_page: Open, city: City):
    check(open_page("openlayers", how), city)
