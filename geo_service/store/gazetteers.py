"""Gazetteers: the names that addresses are made of, in numbered versions, and the aliases people have taught.

Every change is signed and makes a version: a load of files, an alias that comes into force, a revocation.  What stood
in an earlier version can be read again.  Who writes holds the lease of the intake, so that versions come one by one.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import shapely
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by

from geo_service.analysis import jurisdictions
from geo_service.errors import NotFound
from geo_service.maps import layers
from geo_service.store import frames, merging, reading, tables

ENTRY_COLUMNS = (
    "entry_id", "kind", "name", "aliases", "parent", "code", "zone_kind", "zone_id", "width_m", "valid_from",
    "valid_to", "successor", "geometry",
)  # fmt: skip

STAFF_ID = jurisdictions.STAFF_ID  # of who signs

_UNNAMED = ("building", "gate", "part", "door", "post", "plate")  # known by number, label or code, not by name
_DATES = ("valid_from", "valid_to")
_ENTRIES = merging.staging(
    tables.gazetteer, ENTRY_COLUMNS, geometry=sa.Text(), valid_from=sa.Text(), valid_to=sa.Text()
)
_ENTRY = tables.gazetteer.c
_ALIAS = tables.aliases.c


@dataclass(frozen=True)
class Signature:
    """Who answers for a change, a staff id and never a name; why; and when."""

    signed_by: str
    reason: str
    at: datetime


def version(connection: sa.Connection) -> int:
    """Give the newest version; 0: there is no gazetteer yet."""
    return connection.scalar(sa.select(sa.func.max(tables.gazetteer_versions.c.version))) or 0


def versions(connection: sa.Connection, view: layers.View) -> list[Mapping[str, Any]]:
    """List every version, newest first."""
    reading.admit(view)
    table = tables.gazetteer_versions
    return [dict(row) for row in connection.execute(sa.select(table).order_by(table.c.version.desc())).mappings()]


def entries(connection: sa.Connection, at_version: int, view: layers.View) -> pd.DataFrame:
    """Give the entries as of a version, ENTRY_COLUMNS, with the aliases then in force.

    An alias of something that addresses call by name stands among its `aliases`; one of a position, or of a building,
    gate, door or post, is an entry of its own: a poi named by its words, with the id alias:NUMBER.  Dates are ISO text,
    empty for always; `geometry` holds shapely's, WGS 84, or None.  Ordered by id.
    """
    reading.admit(view)
    both = _named(at_version).union_all(_pinned(at_version)).subquery()
    frame = frames.fetch(connection, sa.select(*both.c).order_by(both.c.entry_id.collate("C")))
    drawn = frame["geometry"].astype(object)
    shapes = shapely.from_wkb(drawn.where(drawn.notna(), None).to_numpy())
    return frame.assign(**{name: frame[name].fillna("") for name in _DATES}, geometry=pd.Series(shapes, dtype=object))


def _named(at_version: int) -> "sa.Select[*tuple[Any, ...]]":
    taught = sa.select(_ALIAS.entry_id, sa.func.string_agg(_ALIAS.words, sa.literal("|")).label("words"))
    taught = taught.where(_ALIAS.teaches, _in_force(tables.aliases, at_version)).group_by(_ALIAS.entry_id).subquery()
    other_names = sa.func.nullif(_ENTRY.aliases, ""), sa.case((~_ENTRY.kind.in_(_UNNAMED), taught.c.words))
    columns: Mapping[str, sa.ColumnElement[Any]] = {name: _ENTRY[name] for name in ENTRY_COLUMNS} | {
        "aliases": sa.func.concat_ws("|", *other_names),
        "geometry": _hex(_ENTRY.geometry),
    }
    question = sa.select(*(column.label(name) for name, column in columns.items()))
    return question.outerjoin(taught, taught.c.entry_id == _ENTRY.entry_id).where(
        _in_force(tables.gazetteer, at_version)
    )


def _pinned(at_version: int) -> "sa.Select[*tuple[Any, ...]]":
    means = sa.and_(_ENTRY.entry_id == _ALIAS.entry_id, _in_force(tables.gazetteer, at_version))
    where = sa.func.coalesce(_ALIAS.position, sa.func.ST_PointOnSurface(_ENTRY.geometry))
    columns: Mapping[str, sa.ColumnElement[Any]] = dict.fromkeys(ENTRY_COLUMNS, sa.literal("")) | {
        "entry_id": sa.func.concat("alias:", _ALIAS.id),
        "kind": sa.literal("poi"),
        "name": _ALIAS.words,
        **{name: sa.func.coalesce(_ENTRY[name], "") for name in ("parent", "zone_kind", "zone_id")},
        "width_m": sa.cast(sa.null(), sa.Double),
        **{name: sa.cast(sa.null(), sa.Date) for name in _DATES},
        "geometry": _hex(where),
    }
    question = sa.select(*(column.label(name) for name, column in columns.items()))
    return question.outerjoin_from(tables.aliases, tables.gazetteer, means).where(
        _ALIAS.teaches,
        _in_force(tables.aliases, at_version),
        _ALIAS.position.is_not(None) | _ENTRY.kind.in_(_UNNAMED),
    )


def replace(connection: sa.Connection, frame: pd.DataFrame, signed: Signature) -> int:
    """Let these be the entries from now on, and give the version: a new one when anything changed.

    `frame` has ENTRY_COLUMNS as `entries` gives them.  What an entry was before, and entries that are gone, stay as
    history.  Aliases that were taught are not touched.
    """
    frames.stage(connection, _ENTRIES, _staged(frame))
    connection.execute(sa.text("ANALYZE gazetteer, staged_gazetteer"))
    came = {name: _came(name) for name in ENTRY_COLUMNS}
    standing = _ENTRY.until_version.is_(None)
    same = sa.and_(standing, _ENTRY.entry_id == _ENTRIES.c.entry_id)
    differs = merging.differs(_ENTRY, came, ENTRY_COLUMNS[1:])
    gone = sa.and_(standing, ~sa.exists().where(_ENTRIES.c.entry_id == _ENTRY.entry_id))
    counted = sa.select(
        _how_many(sa.select(sa.literal(1)).select_from(_ENTRIES).where(~sa.exists().where(same))),
        _how_many(sa.select(sa.literal(1)).where(same, differs)),
        _how_many(sa.select(sa.literal(1)).where(gone)),
    )
    added, changed, removed = connection.execute(counted).one()
    if not added + changed + removed:
        return version(connection)
    number = _new_version(connection, "load", signed, "", added=added, changed=changed, removed=removed)
    ended = sa.update(tables.gazetteer).values(until_version=number)
    connection.execute(ended.where(gone))
    connection.execute(ended.where(same, differs))
    # What stays is taken out first: asked for while the table grows, it would be looked for among all that was put in.
    connection.execute(sa.delete(_ENTRIES).where(same))
    rows = sa.select(*came.values(), sa.literal(number)).select_from(_ENTRIES)
    connection.execute(sa.insert(tables.gazetteer).from_select([*ENTRY_COLUMNS, "since_version"], rows))
    table = tables.gazetteer_versions
    connection.execute(sa.update(table).where(table.c.version == number).values(digest=_digest()))
    return number


def bring_into_force(connection: sa.Connection, alias_id: int, signed: Signature) -> int:
    """Let an alias that was written down count from now on, and give the version."""
    number = _alias_version(connection, alias_id, "aliases", signed)
    waits = sa.and_(_ALIAS.id == alias_id, _ALIAS.since_version.is_(None))
    connection.execute(sa.update(tables.aliases).where(waits).values(since_version=number))
    return number


def put_out_of_force(connection: sa.Connection, alias_id: int, signed: Signature) -> int:
    """Let an alias that was revoked count no longer, and give the version."""
    number = _alias_version(connection, alias_id, "revocation", signed)
    stands = sa.and_(_ALIAS.id == alias_id, _ALIAS.until_version.is_(None))
    connection.execute(sa.update(tables.aliases).where(stands).values(until_version=number))
    return number


def aliases(connection: sa.Connection, view: layers.View) -> list[Mapping[str, Any]]:
    """List every alias, newest first, revoked ones too, with the name of the entry it means."""
    reading.admit(view)
    return [dict(row) for row in connection.execute(_aliases().order_by(_ALIAS.id.desc())).mappings()]


def alias(connection: sa.Connection, alias_id: int, view: layers.View) -> Mapping[str, Any]:
    """Give one alias.  Raises NotFound."""
    reading.admit(view)
    row = connection.execute(_aliases().where(_ALIAS.id == alias_id)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no alias {alias_id}; GET /gazetteer/aliases lists them")
    return dict(row)


def has_place(connection: sa.Connection, entry_id: str) -> bool:
    """Tell whether an entry that stands has a geometry.  Raises NotFound when there is no such entry."""
    question = sa.select(_ENTRY.geometry.is_not(None)).where(
        _ENTRY.entry_id == entry_id, _ENTRY.until_version.is_(None)
    )
    found = connection.scalar(question)
    if found is None:
        raise NotFound(f"the gazetteer has no entry '{entry_id}'; GET /geocode?text= names the ids of its answers")
    return found


def _aliases() -> "sa.Select[*tuple[Any, ...]]":
    named = sa.select(_ENTRY.name).where(_ENTRY.entry_id == _ALIAS.entry_id).order_by(_ENTRY.since_version.desc())
    columns = [column for column in _ALIAS if column.name != "position"]
    lon, lat = sa.func.ST_X(_ALIAS.position).label("lon"), sa.func.ST_Y(_ALIAS.position).label("lat")
    return sa.select(*columns, lon, lat, named.limit(1).scalar_subquery().label("entry_name"))


def _alias_version(connection: sa.Connection, alias_id: int, what: str, signed: Signature) -> int:
    table = tables.gazetteer_versions
    former = connection.scalar(sa.select(table.c.digest).order_by(table.c.version.desc()).limit(1)) or ""
    stands = alias(connection, alias_id, layers.EVERYTHING)
    said = [former, what, *(str(stands[name]) for name in ("id", "words", "entry_id", "lon", "lat"))]
    digest = hashlib.sha256("\x1f".join(said).encode()).hexdigest()
    came = what == "aliases"
    return _new_version(connection, what, signed, digest, added=int(came), changed=0, removed=int(not came))


def _new_version(connection: sa.Connection, what: str, signed: Signature, digest: str, **counts: int) -> int:
    row = sa.insert(tables.gazetteer_versions).values(
        at=signed.at, what=what, signed_by=signed.signed_by, reason=signed.reason, digest=digest, **counts
    )
    return connection.execute(row.returning(tables.gazetteer_versions.c.version)).scalar_one()


def _digest() -> "sa.ScalarSelect[str]":
    """SHA-256 over the entries that stand, each by its own: 300,000 whole rows would not fit one value."""
    content = [sa.cast(_ENTRY[name], sa.Text) for name in ENTRY_COLUMNS[:-1]]
    row = sa.func.concat_ws("\x1f", *(sa.func.coalesce(text, "") for text in content), _hex(_ENTRY.geometry))
    one = sa.func.encode(sa.func.sha256(sa.func.convert_to(row, "UTF8")), "hex")
    lines = sa.select(one.label("line")).where(_ENTRY.until_version.is_(None)).subquery()
    together = sa.func.string_agg(lines.c.line, aggregate_order_by(sa.literal(""), lines.c.line.collate("C")))
    return sa.select(sa.func.encode(sa.func.sha256(sa.func.convert_to(together, "UTF8")), "hex")).scalar_subquery()


def _in_force(table: sa.Table, at_version: int) -> "sa.ColumnElement[bool]":
    since, until = table.c.since_version, table.c.until_version
    return sa.and_(since <= at_version, until.is_(None) | (until > at_version))


def _how_many(rows: "sa.Select[*tuple[Any, ...]]") -> "sa.ScalarSelect[int]":
    return sa.select(sa.func.count()).select_from(rows.subquery()).scalar_subquery()


def _hex(geometry: "sa.ColumnElement[Any]") -> "sa.ColumnElement[str]":
    return sa.func.encode(sa.func.ST_AsBinary(geometry, type_=sa.LargeBinary), "hex", type_=sa.Text)


def _staged(frame: pd.DataFrame) -> pd.DataFrame:
    """Lay out rows for the database: every column there, text never missing, geometry as hex with its system."""
    lacking = {name: "" for name in ENTRY_COLUMNS if name not in frame}
    whole = pd.DataFrame(frame).assign(**lacking)
    texts = [name for name in ENTRY_COLUMNS if name not in ("width_m", "geometry")]
    shapes = np.full(len(frame), None) if "geometry" in lacking else whole["geometry"].to_numpy(dtype=object)
    wkb = shapely.to_wkb(shapely.set_srid(shapely.force_2d(shapes), 4326), hex=True, include_srid=True)
    return whole.assign(
        **{name: whole[name].astype("str").fillna("").str.strip() for name in texts},
        width_m=pd.to_numeric(whole["width_m"], errors="coerce"),
        geometry=pd.Series(wkb, index=frame.index, dtype=object),
    )[list(ENTRY_COLUMNS)]


def _came(name: str) -> "sa.ColumnElement[Any]":
    column = _ENTRIES.c[name]
    if name == "geometry":
        return sa.cast(column, tables.gazetteer.c.geometry.type)
    return sa.cast(sa.func.nullif(column, ""), sa.Date) if name in _DATES else column
