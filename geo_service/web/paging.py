"""Paging: pages of a selection by offset or by cursor, and the links to their neighbours.

A cursor holds the key of the place it stands at - what places are ordered by, and the id - so a page goes on where the
last one ended although places were inserted meanwhile.  It is checked, not secret: it holds nothing but what the page
before showed, and is refused for any other question than the one it was made for.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlencode

import orjson

from geo_service.errors import BadParameter
from geo_service.maps import selections
from geo_service.web.links import Link, link
from geo_service.web.parameters import Items

_MOVING = ("limit", "offset", "cursor", "count", "f", "geometry", "properties", "crs")  # do not change which come next


@dataclass(frozen=True)
class Cursor:
    """The key of a place; the page stands behind it, or with `backward` before it."""

    key: selections.Key
    backward: bool = False


def write(cursor: Cursor, question: bytes) -> str:
    """Write a cursor for a question (`Question.name`).

    >>> read(write(Cursor([3, "a1"]), b"level>2"), b"level>2")
    Cursor(key=[3, 'a1'], backward=False)
    """
    inside = orjson.dumps([cursor.key, cursor.backward])
    return base64.urlsafe_b64encode(_seal(inside, question) + inside).decode().rstrip("=")


def read(text: str, question: bytes) -> Cursor:
    """Read a cursor.  Raises BadParameter when it is none, or that of another question.

    >>> read(write(Cursor(["a1"]), b"level>2"), b"level>3")
    Traceback (most recent call last):
    geo_service.errors.BadParameter: cursor: it belongs to another question; follow the links next and prev as they come
    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    seal, inside = raw[:8], raw[8:]
    if not inside or seal != _seal(inside, question):
        raise BadParameter("cursor: it belongs to another question; follow the links next and prev as they come")
    key, backward = orjson.loads(inside)
    return Cursor(key, backward)


@dataclass(frozen=True)
class Question:
    """What was asked of a layer: the query, and what its properties must equal."""

    layer: str
    query: Items
    equal: Mapping[str, str]

    @cached_property
    def name(self) -> bytes:
        """What was asked, whatever page of it: part of each cursor."""
        asked = {name: value for name, value in self.query.model_dump(by_alias=True).items() if name not in _MOVING}
        return orjson.dumps([self.layer, asked, self.equal], option=orjson.OPT_SORT_KEYS)


@dataclass(frozen=True)
class Page:
    """The rows of a page, how many there are of all pages, and the cursors to its neighbours ("": there is none)."""

    question: Question
    rows: selections.Rows
    matched: int
    before: str
    behind: str


def turned(
    rows: selections.Rows,
    said: Mapping[str, selections.Objects],
    order: Sequence[tuple[str, bool]],
    question: Question,
) -> Page:
    """Turn to the page of ordered rows that a question asks for.  Raises BadParameter for a cursor of another one."""
    start, end = _ends(rows, said, order, question)
    before, behind = (
        write(Cursor(selections.key(int(rows[row]), said, order), backward), question.name) if there else ""
        for row, backward, there in ((start, True, 0 < start < end), (end - 1, False, start < end < len(rows)))
    )
    return Page(question, rows[start:end], len(rows), before, behind)


def _ends(
    rows: selections.Rows,
    said: Mapping[str, selections.Objects],
    order: Sequence[tuple[str, bool]],
    question: Question,
) -> tuple[int, int]:
    query = question.query
    if not query.cursor:
        start = min(query.offset or 0, len(rows))
        return start, min(start + query.limit, len(rows))
    cursor = read(query.cursor, question.name)
    at = selections.position(rows, said, order, cursor.key, after=not cursor.backward)
    return (max(at - query.limit, 0), at) if cursor.backward else (at, min(at + query.limit, len(rows)))


def links(address: str, media_type: str, page: Page) -> list[Link]:
    """Link to a page and its neighbours, every other parameter kept.

    Who pages by offset goes on so; everybody else is given cursors.
    """
    query = page.question.query
    given = query.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"offset", "cursor"})
    kept = {**{name: _written(value) for name, value in given.items()}, **page.question.equal}

    def of(rel: str, title: str, **at: object) -> Link:
        asks = urlencode({**kept, **at}, safe=":/")
        return link(f"{address}?{asks}" if asks else address, rel, title, media_type)

    if query.offset is not None:
        found = [of("self", "this page", offset=query.offset)]
        if query.offset + query.limit < page.matched:
            found.append(of("next", "the next page", offset=query.offset + query.limit))
        if query.offset:
            found.append(of("prev", "the page before", offset=max(query.offset - query.limit, 0)))
        return found
    found = [of("self", "this page", **({"cursor": query.cursor} if query.cursor else {}))]
    if page.behind:
        found.append(of("next", "the next page", cursor=page.behind))
    if page.before:
        found.append(of("prev", "the page before", cursor=page.before))
    return found


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _seal(inside: bytes, question: bytes) -> bytes:
    return hashlib.blake2b(inside, digest_size=8, key=hashlib.blake2b(question, digest_size=32).digest()).digest()
