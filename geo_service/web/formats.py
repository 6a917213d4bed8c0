"""Formats: the forms in which a page of features is answered, and which one is meant by `f=` and the Accept header.

`f=` wins over Accept.  The bytes are written in a thread of their own, so that a page of 10,000 places holds nobody up.
Pages are linked in the HTTP Link header too: in the binary formats there is no other place for it.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import numpy as np
import numpy.typing as npt
import orjson
import shapely
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from geo_service import feature_files
from geo_service.errors import BadParameter
from geo_service.geography import references
from geo_service.maps.layers import Layer, LevelScheme
from geo_service.prints import items
from geo_service.prints import page as pages
from geo_service.prints import words as words_of

Shapes = npt.NDArray[np.object_]

_WEIGHT = re.compile(r"\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*")
_PAGES = ("self", "next", "prev")
_POLICY = "default-src 'none'; style-src {style}; img-src data:; base-uri 'none'; frame-ancestors 'self'"


@dataclass(frozen=True)
class Format:
    """A form of answer: its name for `f=`, title, media type, ending of its file, other media types that mean it.

    `is_shown`: a browser shows it and need not save it; `is_negotiated`: the Accept header chose it.  Its name belongs
    in the ETag: the same places in another form are other bytes.
    """

    name: str
    title: str
    media_type: str
    suffix: str
    aliases: tuple[str, ...] = ()
    is_shown: bool = False
    is_negotiated: bool = False


_ALL = (  # the first of those that a client likes best is meant
    Format("geojson", "GeoJSON", "application/geo+json", "geojson", ("application/json",), is_shown=True),
    Format("html", "HTML", "text/html", "html", ("application/xhtml+xml",), is_shown=True),
    Format("geojsonseq", "GeoJSONSeq", "application/geo+json-seq", "geojsons"),
    Format("csv", "CSV", "text/csv", "csv"),
    Format("fgb", "FlatGeobuf", "application/flatgeobuf", "fgb", ("application/vnd.flatgeobuf",)),
    Format("parquet", "GeoParquet", "application/vnd.apache.parquet", "parquet", ("application/x-parquet",)),
)
FORMATS: Mapping[str, Format] = {known.name: known for known in _ALL}


@dataclass(frozen=True)
class Crs:
    """A coordinate system by its URI; `epsg` is None for CRS84."""

    uri: str
    epsg: int | None
    name: str


CRS84 = Crs("http://www.opengis.net/def/crs/OGC/1.3/CRS84", None, "WGS 84")


@dataclass(frozen=True)
class Page:
    """A page of a layer's features.

    `columns` are what is said of each, by field, in the order they are served; `shapes` stand longitude or easting
    first, whatever the system prefers (None: without geometry); `links` have rel, href, type and title, and among them
    is `self`; `matched` is None where nobody counted; `stamp` is the moment of the answer, RFC 3339.
    """

    layer: Layer
    language: str
    fids: list[int]
    columns: Mapping[str, list[object]]
    shapes: Shapes | None
    crs: Crs
    links: list[dict[str, str]]
    matched: int | None
    returned: int
    stamp: str


@dataclass(frozen=True)
class Look:
    """What a page for people needs besides: the words of both languages, and the colours of the levels."""

    texts: words_of.Texts
    scheme: LevelScheme


def chosen(f: str, accept: str) -> Format:
    """Say which format a client means: by `f=`, else by its Accept header; GeoJSON when neither says anything.

    Raises BadParameter for an unknown `f=`, and 406 when nothing that the client accepts is offered.

    >>> chosen("", "text/html, application/json;q=0.9").name, chosen("csv", "text/html").name, chosen("", "").name
    ('html', 'csv', 'geojson')
    """
    if f:
        if f == "json":
            return FORMATS["geojson"]
        if f not in FORMATS:
            raise BadParameter(f"f={f}: expected one of {', '.join(FORMATS)}")
        return FORMATS[f]
    liked = [(_liking(known, accept or "*/*"), known) for known in _ALL]
    most = max(weight for weight, _ in liked)
    if not most:
        offered = ", ".join(known.media_type for known in _ALL)
        raise HTTPException(HTTPStatus.NOT_ACCEPTABLE, f"Accept: {accept}: nothing of it is offered, but {offered}")
    return replace(next(known for weight, known in liked if weight == most), is_negotiated=True)


def _liking(known: Format, accept: str) -> float:
    """Give the weight of a format in an Accept header: that of the range that names it best (RFC 9110, 12.5.1)."""
    weights: dict[int, float] = {}
    for entry in accept.lower().split(","):
        name, *parameters = entry.split(";")
        weighed = [found for found in map(_WEIGHT.fullmatch, parameters) if found]
        closeness = _closeness(known, name.strip())
        if closeness:
            weights[closeness] = max(weights.get(closeness, 0.0), float(weighed[0][1]) if weighed else 1.0)
    return weights[max(weights)] if weights else 0.0


def _closeness(known: Format, media_range: str) -> int:
    """Say how closely a media range names a format: by its type 4, an alias 3, the group 2, as anything 1, not 0."""
    if media_range in (known.media_type, *known.aliases):
        return 4 if media_range == known.media_type else 3
    if media_range == f"{known.media_type.partition('/')[0]}/*":
        return 2
    return 1 if media_range == "*/*" else 0


def answer(form: Format, page: Page, marks: Mapping[str, str], look: Look) -> Response:
    """Answer with a page in a format; `marks` are headers besides (ETag, Cache-Control …).

    The page's own links and those beside it are of this format, and the same page in every other one is linked too.
    """
    page = replace(page, links=_linked(page, form))
    headers = {**_headers(form, page), **marks}
    features = feature_files.Features(page.layer.id, page.fids, page.columns, page.shapes, _system(page.crs))
    if form.name == "html":
        headers["content-security-policy"] = _POLICY.format(style=pages.style_digest(look.scheme))
        return Written(lambda: _as_html(page, look), headers, f"{form.media_type}; charset=utf-8")
    if form.name in ("geojson", "geojsonseq"):
        features = replace(features, shapes=_as_the_authority_orders(page.shapes, page.crs))
    if form.name == "geojsonseq":
        return StreamingResponse(feature_files.as_geojsonseq(features), headers=headers, media_type=form.media_type)
    writers: Mapping[str, Callable[[], bytes]] = {
        "geojson": lambda: feature_files.as_geojson(features, **_members(page)),
        "csv": lambda: feature_files.as_csv(features),
        "fgb": lambda: feature_files.as_flatgeobuf(features),
        "parquet": lambda: feature_files.as_parquet(features),
    }
    kind = "text/csv; charset=utf-8; header=present" if form.name == "csv" else form.media_type
    return Written(writers[form.name], headers, kind)


def one(page: Page, links: list[dict[str, str]]) -> bytes:
    """Write the only feature of a page as GeoJSON, with links of its own."""
    system = _system(page.crs)
    shapes = _as_the_authority_orders(page.shapes, page.crs)
    features = feature_files.Features(page.layer.id, page.fids, page.columns, shapes, system)
    [feature] = orjson.loads(feature_files.as_geojson(features))["features"]
    return orjson.dumps({**feature, "links": links})


def varying(form: Format) -> dict[str, str]:
    """Give the header that says an answer depends on Accept, where it does."""
    return {"vary": "Accept"} if form.is_negotiated else {}


class Written(Response):
    """An answer whose bytes are written in a thread as it is sent; an error there is a problem, not half an answer."""

    def __init__(self, write: Callable[[], bytes], headers: Mapping[str, str], media_type: str) -> None:
        super().__init__(headers=headers, media_type=media_type)
        self._write = write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write the bytes and send them."""
        self.body = await asyncio.to_thread(self._write)
        self.headers["content-length"] = str(len(self.body))
        await super().__call__(scope, receive, send)


def _headers(form: Format, page: Page) -> dict[str, str]:
    kept = "inline" if form.is_shown else "attachment"
    links = [f'<{link["href"]}>; rel="{link["rel"]}"; type="{link["type"]}"' for link in page.links]
    return {
        "content-disposition": f'{kept}; filename="{page.layer.id}.{form.suffix}"',
        "content-crs": f"<{page.crs.uri}>",
        **({"link": ", ".join(links)} if links else {}),
        **varying(form),
    }


def _linked(page: Page, form: Format) -> list[dict[str, str]]:
    """Give the links of a page in a format, and those to the others."""
    own = [{**link, "type": form.media_type} if link["rel"] in _PAGES else link for link in page.links]
    address = urlsplit(next(link["href"] for link in page.links if link["rel"] == "self"))
    asked = [(name, value) for name, value in parse_qsl(address.query, keep_blank_values=True) if name != "f"]
    for other in _ALL:
        if other.name != form.name:
            query = urlencode([*asked, ("f", other.name)], safe=",:/")
            href = urlunsplit(address._replace(query=query))
            own.append({"href": href, "rel": "alternate", "type": other.media_type, "title": other.title})
    return own


def _members(page: Page) -> dict[str, object]:
    """Give what stands beside the features of a GeoJSON page."""
    matched = {} if page.matched is None else {"numberMatched": page.matched}
    return {"links": page.links, "timeStamp": page.stamp, **matched, "numberReturned": page.returned}


def _as_html(page: Page, look: Look) -> bytes:
    hrefs = [f"items/{quote(str(own), safe='')}" for own in page.columns.get("id", page.fids)]  # beside our own address
    counted = page.returned, page.matched
    shown = items.Items(page.layer, page.columns, hrefs, *counted, page.links, page.crs.name, page.stamp)
    return items.as_page(shown, words_of.in_languages(look.texts, page.language), look.scheme).encode()


def _system(crs: Crs) -> str:
    """Name a system as feature_files wants it."""
    return f"EPSG:{crs.epsg}" if crs.epsg else feature_files.CRS84


def _as_the_authority_orders(shapes: Shapes | None, crs: Crs) -> Shapes | None:
    """Give shapes with their axes in the order of the system's definition (OGC API Features 2, 6.2), fit to print."""
    if shapes is None or crs.epsg is None:
        return shapes
    decimals = feature_files.decimals_of(_system(crs))
    ordered = references.as_ordered(shapes, references.read(crs.uri))
    return shapely.transform(ordered, lambda corners: np.round(corners, decimals))
