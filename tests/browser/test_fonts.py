"""Chinese is drawn with the font the page ships: the same label, pixel by pixel, on a machine without any Chinese font.

The third run, without the shipped font either, shows that the comparison can fail: there the label is a row of boxes.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Browser, Playwright

from tests.browser.conftest import FLAGS, Invite, Reader
from tests.browser.made import WIDTH, City, corner
from tests.browser.seen import go_to, screen, soon, spot

LABEL = (60, 16)  # [css px] half width and half height of the field a name of four characters stands in


@pytest.fixture(scope="module")
def without_chinese_fonts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which fontconfig knows every font of the machine but the Chinese, Japanese and Korean ones."""
    if not shutil.which("fc-list"):
        pytest.fail("the font tests need fontconfig's fc-list; install it with: apt-get install fontconfig")
    folder = tmp_path_factory.mktemp("fonts")
    rejected = "".join(f"<glob>{file}</glob>" for file in _files(os.environ, "zh", "ja", "ko"))
    (folder / "fonts.conf").write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        "<include>/etc/fonts/fonts.conf</include>"  # the machine's hinting, so that only the fonts differ
        f"<selectfont><rejectfont>{rejected}</rejectfont></selectfont></fontconfig>",
        encoding="utf-8",
    )
    environment = {**os.environ, "FONTCONFIG_FILE": str(folder / "fonts.conf")}
    assert _files(environment, "zh", "ja", "ko") == set()
    return environment


def _files(environment: "os._Environ[str] | dict[str, str]", *languages: str) -> set[str]:
    listed = (
        subprocess.run(
            ["fc-list", f":lang={language}", "--format=%{file}\n"],
            env=dict(environment),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for language in languages
    )
    return {file for lines in listed for file in lines.splitlines()}


@pytest.fixture
def bare_browser(
    playwright: Playwright, chromium_path: str, without_chinese_fonts: dict[str, str]
) -> Iterator[Browser]:
    running = playwright.chromium.launch(executable_path=chromium_path, args=FLAGS, env=dict(without_chinese_fonts))
    yield running
    running.close()


def test_labels_are_drawn_with_the_shipped_font_alone(invite: Invite, bare_browser: Browser):
    wanted, drawn = label(invite(), "a"), label(invite(bare_browser), "a")
    assert len(np.unique(wanted)) > 20  # something is written there
    assert np.abs(wanted - drawn).max() <= 2

    boxes = invite(bare_browser)
    boxes.context.route("**/*.woff2", lambda route: route.abort())
    assert np.abs(wanted - label(boxes, "a")).mean() > 5
    boxes.complaints.clear()  # the browser's own, of the aborted requests


def test_characters_of_the_map_come_from_files_of_the_page(invite: Invite, bare_browser: Browser, city: City):
    reader = invite(bare_browser)
    label(reader, "a")
    fonts = reader.page.evaluate("[...document.fonts].filter((f) => f.status === 'loaded').map((f) => f.family)")
    assert [name for name in fonts if name.startswith("maplibre-gl-font-face-")]
    assert "Noto Sans SC Variable" in fonts
    assert reader.page.evaluate("document.fonts.check('16px \"Noto Sans SC Variable\"', '预警图例')") is True
    assert {url.split("/map/assets/")[0] for url in reader.requests if ".woff2" in url} == {city.address}


def label(reader: Reader, letter: str) -> npt.NDArray[np.int16]:
    """Give the field of the screen in which the name of a community stands."""
    page = reader.open()
    west, south = corner(letter)
    middle = (west + WIDTH / 2, south + WIDTH / 2)
    go_to(page, *middle, zoom=15)
    named = f"geoMap.queryRenderedFeatures({{ layers: ['names'] }}).some((one) => one.properties.id === '{letter}')"
    soon(lambda: page.evaluate(named), wanted=True)
    page.wait_for_timeout(500)  # a label fades in
    x, y = (round(middle_px) for middle_px in spot(page, *middle))
    half_width, half_height = LABEL
    pixels = np.asarray(screen(page)).astype(np.int16)
    return pixels[y - half_height : y + half_height, x - half_width : x + half_width]
