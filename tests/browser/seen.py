"""What a reader sees of the page: colours on the screen, words in the panels."""

import io
from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

import numpy as np
from PIL import Image
from playwright.sync_api import Page

T = TypeVar("T")
Colour = tuple[int, int, int]

LEVELS: dict[str, Colour] = {
    "none": (0xDF, 0xE7, 0xE3),
    "yellow": (0xF7, 0xD8, 0x4A),
    "orange": (0xF2, 0x8E, 0x2B),
    "red": (0xD7, 0x26, 0x3D),
    "black": (0x1B, 0x1B, 0x1F),
}


def screen(page: Page) -> Image.Image:
    """Give what the screen shows, panels included."""
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def spot(page: Page, lon: float, lat: float) -> tuple[float, float]:
    """Give where a point of the world stands on the screen [css px]."""
    found = page.evaluate("([lon, lat]) => { const p = geoMap.project([lon, lat]); return [p.x, p.y]; }", [lon, lat])
    return found[0], found[1]


def colour(page: Page, lon: float, lat: float) -> Colour:
    """Give the commonest colour of the 30 x 30 px around a point: the fill, whatever strokes lie over it."""
    x, y = spot(page, lon, lat)
    pixels = np.asarray(screen(page))[int(y) - 15 : int(y) + 15, int(x) - 15 : int(x) + 15].reshape(-1, 3)
    found, times = np.unique(pixels, axis=0, return_counts=True)
    red, green, blue = found[times.argmax()].tolist()
    return red, green, blue


def soon(look: Callable[[], T], wanted: T, within_s: float = 10.0) -> None:
    """Assert that something comes to be as wanted, and tell what it was instead."""
    until = monotonic() + within_s
    while (found := look()) != wanted and monotonic() < until:
        sleep(0.05)
    assert found == wanted


def legend(page: Page) -> dict[str, tuple[str, ...]]:
    """Give the legend's lines: text, range and number of places, by the name of the level."""
    lines = page.locator(".legend li")
    return {
        line.get_attribute("data-level") or "": tuple(line.locator("span:not(.swatch)").all_text_contents())
        for line in lines.all()
    }


def go_to(page: Page, lon: float, lat: float, zoom: float) -> None:
    """Move the map at once and wait until it is drawn."""
    page.evaluate(
        """([lon, lat, zoom]) => new Promise((drawn) => {
            geoMap.jumpTo({ center: [lon, lat], zoom });
            geoMap.once("idle", drawn);
            geoMap.triggerRepaint();
        })""",
        [lon, lat, zoom],
    )
