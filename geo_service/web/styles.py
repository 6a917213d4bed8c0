"""Styles over HTTP: how each layer looks, for MapLibre, QGIS and other OGC programs, and its legend.

All of them are made of the layer files and the colour scheme as they are served now (maps/styles.py), with the ranges
of the rule in force in the month asked for.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from geo_service.errors import BadParameter, BadRule, NotFound
from geo_service.maps import desktop_styles, legends, styles
from geo_service.service import Service
from geo_service.web import access, following, pictures
from geo_service.web.links import Link, link
from geo_service.web.parameters import NothingQuery, OfMonth
from geo_service.web.tiles import is_known, origin

MAPLIBRE = "application/vnd.mapbox.style+json"


class OfLooks(OfMonth):
    """A query for how layers look in a month."""

    language: Literal["", "zh", "en"] = Field("", description="Language of titles and labels; empty: the server's")


LooksQuery = Annotated[OfLooks, Query()]


@dataclass(frozen=True)
class Form:
    """A form a layer's looks are told in: media type, and how it is written of a style in a language."""

    media_type: str
    write: Callable[[styles.Style, str], str | bytes]


FORMS: Mapping[str, Mapping[str, Form]] = {
    "styles": {
        "qml": Form("application/x-qgis-layer-settings", desktop_styles.qml),
        "sld": Form("application/vnd.ogc.sld+xml;version=1.1", desktop_styles.sld),
    },
    "legends": {"svg": Form("image/svg+xml", legends.svg), "png": Form("image/png", pictures.legend)},
}


def routes(library: Service, desk: following.Desk) -> APIRouter:
    """Make the routes that tell how the layers of a desk's picture look."""
    return Looks(library, desk).router()


def links(at: str, layer: str) -> list[Link]:
    """Link to every form of a layer's style, and to its legends."""
    found = [link(f"{at}/styles/{layer}.json", "stylesheet", f"how {layer} looks", MAPLIBRE)]
    for room, forms in FORMS.items():
        rel, title = ("stylesheet", f"how {layer} looks") if room == "styles" else ("related", f"legend of {layer}")
        found += [link(f"{at}/{room}/{layer}.{name}", rel, title, form.media_type) for name, form in forms.items()]
    return found


class Looks:
    """The questions about how layers look."""

    def __init__(self, library: Service, desk: following.Desk) -> None:
        self._library = library
        self._desk = desk

    def router(self) -> APIRouter:
        """Give the routes, each with the method that answers it."""
        router = APIRouter(tags=["styles"])
        for path, method in (
            ("/styles", self.listed),
            ("/styles/{layers}.json", self.maplibre),
            ("/styles/{layer}.{form}", self.desktop),
            ("/legends/{layer}.{form}", self.legend),
            ("/sprites/{name}.json", self.sprite_index),
            ("/sprites/{name}.png", self.sprite),
        ):
            router.add_api_route(path, method, methods=["GET"], response_class=Response)
        return router

    async def listed(self, request: Request, _: NothingQuery) -> Response:
        """Every style: one a layer."""
        view, at = access.view_of(request.scope), origin(request.scope)
        found = [
            {"id": layer.id, "title": layer.title[self._library.settings.language], "links": links(at, layer.id)}
            for layer in self._desk.atlas.layers.values()
            if view.shows(layer.id)
        ]
        return _answer(request, orjson.dumps({"styles": found}), "application/json")

    async def maplibre(self, request: Request, layers: str, query: LooksQuery) -> Response:
        """The MapLibre style of a layer, or of several, comma-separated, the first one lowest."""
        asked = [self._style(request, layer, query.month) for layer in layers.split(",")]
        if len({style.layer.id for style in asked}) < len(asked):
            raise BadParameter(f"'{layers}' names a layer twice; name each once")
        of_month = f"?{urlencode({'month': query.month})}" if query.month else ""
        made = styles.maplibre(asked, origin(request.scope), of_month, self._language(query))
        return _answer(request, orjson.dumps(made), MAPLIBRE)

    async def desktop(self, request: Request, layer: str, form: str, query: LooksQuery) -> Response:
        """The style of a layer for QGIS (qml) or any OGC program (sld)."""
        return self._told(request, "styles", layer, form, query)

    async def legend(self, request: Request, layer: str, form: str, query: LooksQuery) -> Response:
        """The legend of a layer as svg or png."""
        return self._told(request, "legends", layer, form, query)

    async def sprite_index(self, request: Request, name: str, _: NothingQuery) -> Response:
        """Where each pattern stands in the sprite: patterns, or patterns@2x for fine screens."""
        return _answer(request, orjson.dumps(styles.sprite(_pixel_ratio(name))[0]), "application/json")

    async def sprite(self, request: Request, name: str, _: NothingQuery) -> Response:
        """The patterns, side by side."""
        return _answer(request, pictures.sprite(_pixel_ratio(name)), "image/png")

    def _told(self, request: Request, room: str, layer: str, form: str, query: OfLooks) -> Response:
        if form not in FORMS[room]:
            raise NotFound(f"there is no /{room}/{layer}.{form}; there are {', '.join(FORMS[room])}")
        style, language = self._style(request, layer, query.month), self._language(query)
        written = FORMS[room][form].write(style, language)
        content = written.encode() if isinstance(written, str) else written
        drawn = pictures.language_drawn(language) if form == "png" else language
        return _answer(request, content, FORMS[room][form].media_type, drawn)

    def _style(self, request: Request, layer: str, month: str) -> styles.Style:
        atlas = self._desk.atlas
        definition = atlas.layer(layer, access.view_of(request.scope))
        try:
            rule = self._library.rules.levels_at(month or atlas.month)
        except BadRule as error:
            raise BadParameter(str(error)) from None
        kinds = {name: kind.title for name, kind in self._library.prevention.kinds.items()}
        thresholds = [rule.yellow, rule.orange, rule.red, rule.black]
        marks = self._library.watch.catalogue.marks
        return styles.of_layer(definition, styles.Palette(atlas.scheme, thresholds, marks, kinds))

    def _language(self, query: OfLooks) -> str:
        return query.language or self._library.settings.language


def _pixel_ratio(name: str) -> int:
    ratios = {"patterns" if ratio == 1 else f"patterns@{ratio}x": ratio for ratio in styles.PIXEL_RATIOS}
    if name not in ratios:
        raise NotFound(f"there is no sprite '{name}'; there are {', '.join(ratios)}")
    return ratios[name]


def _answer(request: Request, content: bytes, media_type: str, language: str = "") -> Response:
    etag = f'W/"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
    marks = {"etag": etag, "cache-control": "no-cache", **({"content-language": language} if language else {})}
    if is_known(request.headers, etag):
        return Response(status_code=304, headers=marks)
    return Response(content, headers=marks, media_type=media_type)
