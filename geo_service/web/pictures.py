"""Pictures: legends and sprites as PNG, for clients that show no SVG.

A legend is drawn from the same layout as its SVG (maps/legends.py).  Chinese needs a font of the machine's; where there
is none, a picture says the same in English, and tells so in its header.
"""

from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from geo_service.maps import legends, patterns, styles

_SCALE = 2  # pixels a CSS pixel: sharp on paper and on fine screens
_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "/System/Library/Fonts", "C:/Windows/Fonts")
_CHINESE = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKsc-Regular.otf",
    "SourceHanSansSC-Regular.otf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
    "PingFang.ttc",
    "msyh.ttc",
)

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@cache
def chinese_font() -> Path | None:
    """Find a font of the machine that has Chinese letters; None where it has none."""
    found = {path.name: path for folder in _FOLDERS for path in Path(folder).rglob("*") if path.name in _CHINESE}
    return next((found[name] for name in _CHINESE if name in found), None)


def language_drawn(language: str) -> str:
    """Give the language a legend will be drawn in when another was asked for and cannot be."""
    return "en" if chinese_font() is None else language


def legend(style: styles.Style, language: str) -> bytes:
    """Draw a legend as PNG, in language_drawn(language)."""
    laid = legends.lay_out(style, language_drawn(language))
    picture = Image.new("RGB", (round(laid.width * _SCALE), round(laid.height * _SCALE)), "#ffffff")
    pen = ImageDraw.Draw(picture)
    pen.text(_at(laid.left, laid.title_middle), laid.title, legends.INK, _font(legends.TITLE_PX), anchor="lm")
    width, height = laid.swatch
    for row in laid.rows:
        box = (*_at(laid.left, row.top), *_at(laid.left + width, row.top + height))
        middle = row.top + height / 2
        if laid.is_round:
            pen.circle(_at(laid.left + width / 2, middle), height / 3 * _SCALE, row.look.colour)
        else:
            picture.paste(_swatch(row.look, round(width * _SCALE), round(height * _SCALE)), _at(laid.left, row.top))
            pen.rectangle(box, outline=legends.EDGE, width=_SCALE)
        pen.text(_at(laid.text_left, middle), row.label, legends.INK, _font(legends.FONT_PX), anchor="lm")
    return _png(picture)


def sprite(pixel_ratio: int) -> bytes:
    """Draw the patterns for screens of a pixel ratio, as styles.sprite lists them."""
    return _png(Image.fromarray(styles.sprite(pixel_ratio)[1]))


def _swatch(look: styles.Look, width: int, height: int) -> Image.Image:
    filled = Image.new("RGBA", (width, height), look.colour)
    if look.pattern:
        square = patterns.tile(look.pattern, round(patterns.TILE * _SCALE))
        side = len(square)
        repeated = np.tile(square, (height // side + 1, width // side + 1, 1))[:height, :width]
        filled.alpha_composite(Image.fromarray(np.ascontiguousarray(repeated)))
    return filled.convert("RGB")


def _at(x: float, y: float) -> tuple[int, int]:
    return round(x * _SCALE), round(y * _SCALE)


@cache
def _font(size_px: float) -> Font:
    path = chinese_font()
    return ImageFont.truetype(str(path), size_px * _SCALE) if path else ImageFont.load_default(size_px * _SCALE)


def _png(picture: Image.Image) -> bytes:
    content = BytesIO()
    picture.save(content, "PNG", optimize=True)
    return content.getvalue()
