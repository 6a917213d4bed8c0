"""Links: where an answer leads, in its body and in the HTTP Link header."""

from collections.abc import Sequence

import orjson
from starlette.responses import Response

GEOJSON = "application/geo+json"
SCHEMA = "application/schema+json"
OGC = "http://www.opengis.net/def/rel/ogc/1.0/"

Link = dict[str, str]


def link(href: str, rel: str, title: str, media_type: str = "application/json") -> Link:
    """Make a link."""
    return {"href": href, "rel": rel, "type": media_type, "title": title}


def header(links: Sequence[Link]) -> str:
    """Write links as an HTTP Link header (RFC 8288), without their titles: headers are no place for Chinese.

    >>> header([link("http://localhost/", "self", "这里")])
    '<http://localhost/>; rel="self"; type="application/json"'
    """
    return ", ".join(f'<{one["href"]}>; rel="{one["rel"]}"; type="{one["type"]}"' for one in links)


def answer(content: object, media_type: str = "application/json", **marks: str) -> Response:
    """Answer with JSON; `marks` are headers besides, with _ for -."""
    headers = {name.replace("_", "-"): value for name, value in marks.items()}
    return Response(orjson.dumps(content), headers=headers, media_type=media_type)
