"""The real server on a free port of the loopback, and Chromium in front of it.

Chromium or the page's build missing is a failure, never a skip.
"""

import fcntl
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, sync_playwright

from geo_service import files
from geo_service.settings import Settings
from geo_service.web.app import create_app
from tests.browser.made import City, InMay, Server

PAGE = Path(__file__).resolve().parents[2] / "geo_service" / "web" / "page"
# --no-sandbox: as root Chromium has no sandbox; the rest keeps the browser itself from calling home.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def built() -> None:
    """The page as its sources stand: built here when there is no build or an older one."""
    with (Path(tempfile.gettempdir()) / "geo_service-page.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # workers of one run must not build over each other
        _build_when_stale()


def _build_when_stale() -> None:
    sources = [path for path in (PAGE / "src").rglob("*") if path.is_file()]
    sources += [PAGE / name for name in ("index.html", "package-lock.json", "vite.config.ts")]
    made = PAGE / "dist" / "index.html"
    if made.is_file() and made.stat().st_mtime >= max(path.stat().st_mtime for path in sources):
        return
    install = [] if (PAGE / "node_modules").is_dir() else [["npm", "ci"]]
    for command in [*install, ["npm", "run", "build"]]:
        if not shutil.which(command[0]):
            pytest.fail("the map page is not built and npm is not here; install Node.js 20.19 or newer")
        done = subprocess.run(command, cwd=PAGE, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.fail(f"{' '.join(command)} failed in {PAGE}:\n{done.stdout}{done.stderr}")


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Where Chromium is."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not path:
        pytest.fail("the browser tests need Chromium; install it with: apt-get install chromium")
    return path


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    # Its event loop runs in the main thread while it lives; tests elsewhere run loops of their own, so it must go.
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(playwright: Playwright, chromium_path: str) -> Iterator[Browser]:
    running = playwright.chromium.launch(executable_path=chromium_path, args=FLAGS)
    yield running
    running.close()


@pytest.fixture
def city(database: sa.Engine, built: None) -> Iterator[City]:
    """The made city behind a running server."""
    settings = Settings()
    rules = files.read_rules(files.shipped("rules"), settings.placing)
    layers = files.shipped("layers")
    looks = files.read_layers(layers), files.read_level_scheme(layers)
    service = InMay(settings, database, rules, *looks, files.read_texts(), (), None)
    made = City(service, Server(create_app(service)))
    made.load_zones()
    made.commit("a D 02 08:15", "e T 2026-04-30 23:59", "e T 2026-04-30 23:30")
    made.server.start()
    yield made
    made.server.stop()


class Reader:
    """Somebody at the page; remembers every request the browser made, and every complaint."""

    def __init__(self, browser: Browser, city: City, **wishes: object) -> None:
        # New York: the page must show the city's time, not the reader's.
        choice = {"viewport": {"width": 1280, "height": 800}, "timezone_id": "America/New_York", **wishes}
        self.context = browser.new_context(**choice)  # pyright: ignore[reportArgumentType]
        self.page: Page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._city = city
        self.context.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._hear)

    def open(self) -> Page:
        """Open the map and wait until it has been drawn."""
        self.page.goto(f"{self._city.address}/map")
        self.page.wait_for_selector("body[data-ready=true]", timeout=60_000)
        return self.page

    def _hear(self, said: ConsoleMessage) -> None:
        # That the picture is older than it should be, as on a busy machine, /health/ready says with a 503.
        if said.type == "error" and not said.location["url"].endswith("/health/ready"):
            self.complaints.append(said.text)

    def hosts(self) -> set[str]:
        """Give every host and port that was asked."""
        return {urlsplit(url).netloc for url in self.requests if not url.startswith(("data:", "blob:"))}


class Invite(Protocol):
    """Invites another reader, with wishes such as color_scheme="dark", or at another browser."""

    def __call__(self, at: Browser | None = None, **wishes: object) -> Reader: ...


@pytest.fixture
def invite(browser: Browser, city: City) -> Iterator[Invite]:
    """Readers who leave nothing behind: whatever the test was about, no request left the machine and nothing failed."""
    here: list[Reader] = []

    def invited(at: Browser | None = None, **wishes: object) -> Reader:
        here.append(Reader(at or browser, city, **wishes))
        return here[-1]

    yield invited
    for reader in here:
        reader.context.close()
    assert {host for reader in here for host in reader.hosts()} <= {urlsplit(city.address).netloc}
    assert [said for reader in here for said in reader.complaints] == []


@pytest.fixture
def reader(invite: Invite) -> Reader:
    """One reader."""
    return invite()
