"""Sources: a folder of files, an HTTP endpoint and a database table answer one method, pull(since).

A feed hands over raw rows and interprets nothing; what a row means is the work of analysis/incidents.py.  Only the
columns that the feed file lists are ever handed on, so no personal field can reach even a reject; messages show no row
either.  Reading files is in streams.py, their text in rows.py; the demo's replay source is the demo's own.
"""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import httpx
import pandas as pd
import sqlalchemy as sa
from sqlalchemy import exc

from geo_service.analysis.feed import Feed
from geo_service.errors import BadRows, BadRule, SourceFailed
from geo_service.feeds import rows as raw_rows
from geo_service.feeds.streams import read_rows

Clock = Callable[[], datetime]

_NEEDED = ...
_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "folder": {"path": _NEEDED, "pattern": "*.csv"},
    "http": {
        "url": _NEEDED,
        "since": "since",  # query parameter that takes the cursor
        "since_format": "%Y-%m-%dT%H:%M:%SZ",  # strftime; without the Z it is written in the feed's own zone
        "overlap_s": 600,  # asked for again each time: rows that the source entered late [s]
        "timeout_s": 30,
        "tries": 4,
        "backoff_s": 1,  # wait before the second try; doubles each time [s]
        "rows": "",  # key of the list in a JSON object
        "sparse": False,  # the source leaves empty fields out of its JSON objects
    },
    "table": {"url": _NEEDED, "table": _NEEDED, "since_column": _NEEDED, "overlap_s": 600},
}


@dataclass(frozen=True)
class Pulled:
    """Rows of one pull (the frame of read_rows) and the cursor to store in the same commit."""

    rows: pd.DataFrame
    cursor: str


class Source(Protocol):
    """Where a feed's rows come from."""

    def pull(self, since: str | None) -> Pulled:
        """Read what is new since the cursor of the last pull; None reads everything."""
        ...


def open_source(feed: Feed, *, base: Path, clock: Clock, token: str = "") -> Source:
    """Open the source that a feed's [source] names: folder, http or table.

    `base` is the folder that a relative path starts from (the feed file's own); `clock` gives the present, aware.
    Raises BadRule for a kind, key or value that is unknown.
    """
    options = _options(feed)
    kind = feed.source["kind"]
    if kind == "folder":
        return Folder(feed, base / options["path"], options["pattern"])
    if kind == "http":
        return Http(feed, options, clock, token)
    return Table(feed, options, clock)


def _options(feed: Feed) -> dict[str, Any]:
    where = f"feed {feed.id} [source]"
    given = dict(feed.source)
    kind = given.pop("kind", None)
    if kind == "replay":
        raise BadRule(f"{where}: kind 'replay' is the demo's own; only `geo-service demo` pulls from it")
    if not isinstance(kind, str) or kind not in _OPTIONS:
        raise BadRule(f"{where}: kind must be folder, http or table, came {kind!r}")
    known = _OPTIONS[kind]
    for key, value in given.items():
        if key not in known:
            raise BadRule(f"{where}: unknown key '{key}'; a {kind} takes {', '.join(known)}")
        _check_option(f"{where}: {key}", value, known[key])
    missing = [key for key, default in known.items() if default is _NEEDED and not given.get(key)]
    if missing:
        raise BadRule(f"{where}: a {kind} needs {', '.join(missing)}")
    if kind == "http" and not str(given["url"]).startswith(("http://", "https://")):
        raise BadRule(f"{where}: url must begin with http:// or https://")
    return {**known, **given}


def _check_option(where: str, value: object, default: object) -> None:
    if isinstance(default, bool):
        fits, wanted = isinstance(value, bool), "true or false"
    elif isinstance(default, int):
        fits, wanted = (
            isinstance(value, int | float) and not isinstance(value, bool) and value >= 0,
            "a number from 0 up",
        )
    else:
        fits, wanted = isinstance(value, str), "a text"
    if not fits:
        raise BadRule(f"{where} must be {wanted}, came {value!r}")


# -------------------------------------------------------------------------------------------------------------- folder


class Folder:
    """A folder that files arrive in.  The cursor knows each file's name, size and time: a changed one is read again."""

    def __init__(self, feed: Feed, folder: Path, pattern: str):
        self.feed, self.folder, self.pattern = feed, folder, pattern

    def pull(self, since: str | None) -> Pulled:
        """Read the new and the changed files, in order of their names.

        Raises BadRows when one of them cannot be read whole: nothing is handed over then; the next pull tries again.
        """
        there = self._files()
        known = _files_known(since)
        fresh = [name for name, stamp in there.items() if known.get(name) != stamp]
        found = [self._read(name, there[name]) for name in fresh]
        empty = raw_rows.frame({column: [] for column in self.feed.columns_taken}, [], "")
        whole = pd.concat(found, ignore_index=True) if found else empty
        return Pulled(whole, json.dumps({"files": there}, ensure_ascii=False))

    def _files(self) -> dict[str, list[int]]:
        if not self.folder.is_dir():
            raise SourceFailed(f"feed {self.feed.id}: there is no folder {self.folder}; is it mounted?")
        paths = sorted(path for path in self.folder.glob(self.pattern) if path.is_file())
        return {path.relative_to(self.folder).as_posix(): _stamp(path) for path in paths}

    def _read(self, name: str, stamp: list[int]) -> pd.DataFrame:
        path = self.folder / name
        found = read_rows(path, self.feed.columns_taken)
        if _stamp(path) != stamp:
            raise SourceFailed(f"feed {self.feed.id}: {name} changed while it was read; nothing was kept, try again")
        found["_source"] = name
        return found


def _stamp(path: Path) -> list[int]:
    try:
        stat = path.stat()
    except OSError as error:
        raise SourceFailed(f"{path} went away while the folder was read ({error.strerror}); try again") from error
    return [stat.st_size, stat.st_mtime_ns]


def _files_known(since: str | None) -> dict[str, list[int]]:
    try:
        return dict(json.loads(since or "{}").get("files", {}))
    except (ValueError, AttributeError):
        return {}  # the cursor of another kind of source: reading everything again doubles nothing


# ---------------------------------------------------------------------------------------------------------------- http


class Http:
    """An HTTP endpoint that answers with JSON or CSV.  The cursor is the moment of asking: no row's time is trusted."""

    def __init__(self, feed: Feed, options: Mapping[str, Any], clock: Clock, token: str):
        self.feed, self.options, self.clock, self.token = feed, options, clock, token
        url = httpx.URL(options["url"])
        self.name = f"{url.scheme}://{url.netloc.decode()}{url.path}"  # a query or password may hold a secret

    def pull(self, since: str | None) -> Pulled:
        """Ask for what changed since the cursor, less the overlap.

        Server errors, timeouts and lost connections are tried again after backoff_s times 1, 2, 4 … seconds.
        Raises SourceFailed when the answer does not come, is refused or is no list of rows.
        """
        asked_at = self.clock().astimezone(UTC)
        answer = self._ask(since)
        try:
            found = self._rows(answer)
        except BadRows as error:
            raise SourceFailed(f"feed {self.feed.id}: {error}{_came(answer.content)}") from None
        return Pulled(found, asked_at.isoformat())

    def _ask(self, since: str | None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        url = httpx.URL(self.options["url"]).copy_merge_params(self._query(since))
        tries, why = max(1, int(self.options["tries"])), ""
        with httpx.Client(timeout=self.options["timeout_s"], headers=headers) as client:
            for turn in range(tries):
                if turn:
                    time.sleep(self.options["backoff_s"] * 2 ** (turn - 1))
                try:
                    answer = client.get(url)
                except httpx.TransportError as error:
                    why = f"did not answer ({str(error) or type(error).__name__})"
                    continue
                except httpx.DecodingError as error:
                    raise SourceFailed(f"feed {self.feed.id}: {self.name} sent a damaged body ({error})") from None
                if answer.status_code < 500:
                    return self._accepted(answer)
                why = f"answered {answer.status_code} {answer.reason_phrase}{_came(answer.content)}"
        raise SourceFailed(f"feed {self.feed.id}: {self.name} {why}, {tries} times; the next pull tries again")

    def _query(self, since: str | None) -> dict[str, str]:
        try:
            asked = datetime.fromisoformat(since or "") - timedelta(seconds=self.options["overlap_s"])
        except ValueError:
            return {}  # no cursor yet, or one of another kind of source: ask for everything
        form: str = self.options["since_format"]
        zone = UTC if form.endswith("Z") else ZoneInfo(self.feed.zone)
        return {self.options["since"]: asked.astimezone(zone).strftime(form)}

    def _accepted(self, answer: httpx.Response) -> httpx.Response:
        if answer.status_code == 200:
            return answer
        said = f"feed {self.feed.id}: {self.name} answered {answer.status_code} {answer.reason_phrase}"
        if answer.has_redirect_location:
            raise SourceFailed(f"{said}: it moved; write the new address into the feed's [source] url")
        advice = "is GEO_FEED_TOKEN right?" if answer.status_code in (401, 403) else "expected 200 with rows"
        raise SourceFailed(f"{said}{_came(answer.content)}; {advice}")

    def _rows(self, answer: httpx.Response) -> pd.DataFrame:
        columns = self.feed.columns_taken
        if not answer.content.strip():
            raise BadRows(f"{self.name} answered with an empty body; expected JSON or CSV ([] where nothing is new)")
        if answer.content.lstrip()[:1] == b"<":
            raise BadRows(f"{self.name} answered with a web page; expected JSON or CSV")
        text = raw_rows.decode(answer.content, columns, self.name)
        if text.lstrip()[:1] in ("[", "{"):
            found = raw_rows.objects_of(text, self.name, self.options["rows"])
            return raw_rows.from_objects(found, columns, self.name, sparse=self.options["sparse"])
        return raw_rows.read_csv(text, columns, self.name)


def _came(body: bytes) -> str:
    """Show the first 80 characters of an answer, unless they could be a record of somebody."""
    text = " ".join(body[:2000].decode("utf-8", errors="replace").split())
    text = "".join(letter for letter in text if letter.isprintable())
    has_records = re.match(r"\[|\{[^\[]*\[", text) is not None
    is_table = text[:1] not in ("<", "{") and len(re.findall(r"[,;\t|]", text[:400])) > 1
    if not text or has_records or is_table:
        return f"; came {len(body)} bytes"
    return f'; came "{text[:80]}"'


# --------------------------------------------------------------------------------------------------------------- table


class Table:
    """A table or view of another database.  The cursor is the newest value of `since_column`, never beyond the present.

    The address needs no password where the database's own means (PGPASSWORD, ~/.pgpass) hold it.
    """

    def __init__(self, feed: Feed, options: Mapping[str, Any], clock: Clock):
        self.feed, self.clock = feed, clock
        self.schema, _, self.table = options["table"].rpartition(".")
        self.since_column, self.overlap_s = options["since_column"], options["overlap_s"]
        try:
            self.engine = sa.create_engine(options["url"], poolclass=sa.pool.NullPool)
        except (exc.ArgumentError, ImportError) as error:
            raise BadRule(f"feed {feed.id} [source]: url is no database address we can open ({error})") from None

    def pull(self, since: str | None) -> Pulled:
        """Select the listed columns of the rows since the cursor, less the overlap.

        Rows without a since value come every time: nobody can say whether they are new.
        Raises SourceFailed when the database does not answer, BadRows when a column is missing.
        """
        try:
            with self.engine.connect() as connection:
                kind = self._check(connection)
                found = [tuple(row) for row in connection.execute(self._question(kind, since))]
        except exc.DBAPIError as error:
            first = str(error.orig).strip().split("\n")[0]
            raise SourceFailed(f"feed {self.feed.id}: table {self.table} cannot be read: {first}") from error
        texts = [[raw_rows.as_text(value) for value in row[1:]] for row in found]
        broken = [raw_rows.unusable(row) for row in texts]
        picked = [[""] * len(row) if why else row for row, why in zip(texts, broken, strict=True)]
        taken = raw_rows.from_lists(picked, broken, self.feed.columns_taken, self.table)
        return Pulled(taken, self._cursor([row[0] for row in found], since))

    def _check(self, connection: sa.Connection) -> type:
        where = f"feed {self.feed.id}: table {self.table}"
        try:
            listed = sa.inspect(connection).get_columns(self.table, self.schema or None)
        except exc.NoSuchTableError:
            raise SourceFailed(f"{where} does not exist in {self.engine.url.database}, or may not be read") from None
        came = {column["name"]: column["type"] for column in listed}
        wanted = list(dict.fromkeys([*self.feed.columns_taken, self.since_column]))
        raw_rows.check_missing([column for column in wanted if column not in came], list(came), wanted, where)
        kind = came[self.since_column].python_type
        if kind not in (datetime, date, int):
            raise BadRule(f"{where}: since_column {self.since_column} must be a timestamp, a date or a whole number")
        return kind

    def _question(self, kind: type, since: str | None) -> sa.Select[Any]:
        mark = sa.column(self.since_column)
        listed = [sa.column(name) for name in self.feed.columns_taken]
        question = sa.select(mark.label("_since"), *listed).select_from(
            sa.table(self.table, schema=self.schema or None)
        )
        start = _started(kind, since)
        if start is not None:
            start -= (
                self.overlap_s if kind is int else timedelta(seconds=self.overlap_s) + self._clock_turned_back(start)
            )
            question = question.where(sa.or_(mark >= sa.bindparam("start", start), mark.is_(None)))
        return question.order_by(mark)

    def _clock_turned_back(self, start: Any) -> timedelta:
        """Give by how much a clock without zone was turned back around a moment (end of summer time), else nothing."""
        if not isinstance(start, datetime) or start.tzinfo is not None:
            return timedelta(0)
        at, day = start.replace(tzinfo=ZoneInfo(self.feed.zone)), timedelta(days=1)
        before, after = (at - day).utcoffset(), (at + day).utcoffset()
        return max(timedelta(0), before - after) if before is not None and after is not None else timedelta(0)

    def _cursor(self, marks: Sequence[Any], since: str | None) -> str:
        newest = max((mark for mark in marks if mark is not None), default=None)
        if newest is None:
            return since or ""
        if isinstance(newest, int):
            return str(newest)
        # One row dated 2099 must not hide all others until then.
        now = self.clock().astimezone(ZoneInfo(self.feed.zone))
        if not isinstance(newest, datetime):
            return min(newest, now.date()).isoformat()
        return min(newest, now if newest.tzinfo else now.replace(tzinfo=None)).isoformat()


def _started(kind: type, since: str | None) -> Any:
    try:
        return int(since or "") if kind is int else kind.fromisoformat(since or "")
    except ValueError:
        return None  # no cursor yet, or one of another kind of source: reading everything again doubles nothing
