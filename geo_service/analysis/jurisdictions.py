"""Jurisdictions: two trees over the same places, the civil and the police one, and who answers for a place when.

Pure.  A place belongs to one area of each tree, the finest that is known; what lies above follows from the areas'
parents.  Areas, memberships and duties hold from a day until another one (city days, the last one excluded; missing:
always was, until further notice), so that any past month can be asked who answered then.

Frames, one row a state; days are datetime64, missing NaT, codes and ids text:
AREA_COLUMNS, MEMBERSHIP_COLUMNS and DUTY_COLUMNS.  A duty is an area's (tree, area) or, for roles at the place itself,
a zone's (zone_kind, zone_id); staff is a staff id, never a name.  What the checks say names rows by the frame's index,
which for a file is the number of the line.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import cast

import pandas as pd

from geo_service.analysis import rules
from geo_service.errors import BadInput, BadRule

TREES: Mapping[str, tuple[str, ...]] = {
    "civil": ("city", "county", "town", "community"),
    "police": ("bureau", "branch", "station", "officer_area", "grid"),
}
AREA_COLUMNS = ("tree", "code", "level", "name", "parent", "valid_from", "valid_to")
MEMBERSHIP_COLUMNS = ("zone_kind", "zone_id", "tree", "area", "valid_from", "valid_to")
DUTY_COLUMNS = ("role", "tree", "area", "zone_kind", "zone_id", "staff_id", "valid_from", "valid_to")
RECIPIENT_COLUMNS = ("role", "tree", "area", "area_name", "staff_id")
GAP_COLUMNS = ("role", "tree", "area", "area_name", "zone_kind", "zone_id")
LINEAGE_COLUMNS = tuple(f"{tree}_{level}" for tree, levels in TREES.items() for level in levels)

STAFF_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"  # no name fits, nor an address

_DAYS = ("valid_from", "valid_to")
_FIRST, _LAST = pd.Timestamp("1900-01-01"), pd.Timestamp("2200-01-01")  # always was; until further notice
_SHOWN = 5  # areas named in an error before "and n more"
_AT_THE_PLACE = ""  # tree of a role that a place has itself: its property, its guards


@dataclass(frozen=True)
class Role:
    """Who may be told or asked: at a level of a tree, or (tree "", level "") at the place itself.

    `zone_kinds` are the kinds of places that have the role at all: a patrol zone has no property management.
    """

    id: str
    title: Mapping[str, str]
    tree: str
    level: str
    zone_kinds: tuple[str, ...] = rules.ZONE_KINDS


@dataclass(frozen=True)
class Trees:
    """Both trees and the places in them: `areas` (AREA_COLUMNS) and `memberships` (MEMBERSHIP_COLUMNS)."""

    areas: pd.DataFrame
    memberships: pd.DataFrame

    def on(self, day: date) -> "Trees":
        """Give the trees as they stood on a day."""
        return Trees(standing(self.areas, day), standing(self.memberships, day))

    def lineage(self, day: date) -> pd.DataFrame:
        """Give the area of every level that each place lay in on a day.

        Columns zone_kind, zone_id and LINEAGE_COLUMNS (civil_city … police_grid: codes, "" where there is none); one
        row for each place with a membership, in order of kind and id.
        """
        today = self.on(day)
        above = {tree: _paths(today.areas[today.areas["tree"] == tree]) for tree in TREES}
        found: dict[tuple[str, str], dict[str, str]] = {}
        for kind, zone, tree, area in today.memberships[["zone_kind", "zone_id", "tree", "area"]].itertuples(
            index=False
        ):
            place = found.setdefault((kind, zone), dict.fromkeys(LINEAGE_COLUMNS, ""))
            place |= {f"{tree}_{level}": code for level, code in above[tree].get(area, {}).items()}
        rows = [{"zone_kind": kind, "zone_id": zone, **found[kind, zone]} for kind, zone in sorted(found)]
        return pd.DataFrame(rows, columns=["zone_kind", "zone_id", *LINEAGE_COLUMNS], dtype="str")

    def sizes(self, day: date) -> pd.DataFrame:
        """Give how many places lie in each area on a day, in those below it too.

        Columns tree, area, zone_kind and places; areas without places have no row.
        """
        levels = self.lineage(day).melt(["zone_kind", "zone_id"], list(LINEAGE_COLUMNS), "level", "area")
        known = levels[levels["area"] != ""]
        counted = known.assign(tree=known["level"].str.split("_").str[0])
        return counted.groupby(["tree", "area", "zone_kind"], as_index=False).size().rename(columns={"size": "places"})

    def names(self, day: date) -> Mapping[tuple[str, str], str]:
        """Give the name of each area that stood on a day, by tree and code."""
        areas = standing(self.areas, day)
        return {(tree, code): name for tree, code, name in areas[["tree", "code", "name"]].itertuples(index=False)}


@dataclass(frozen=True)
class Answering:
    """Who answers for places on a day: their lineage, the duties in force and the names of areas."""

    lineage: pd.DataFrame  # by (zone_kind, zone_id)
    duties: pd.DataFrame
    names: Mapping[tuple[str, str], str]
    roles: Mapping[str, Role]

    def recipients(self, kind: str, zone_id: str, roles: Sequence[str]) -> pd.DataFrame:
        """Give who holds some roles for a place: RECIPIENT_COLUMNS, in the order of the roles.

        A role that nobody holds there has one row with staff_id "", and area "" where the place lies in no area of the
        role's level: whoever asks must say so, not leave it out.  A role that places of the kind do not have has none.
        """
        rows: list[tuple[str, str, str, str, str]] = []
        for name in roles:
            role = self.roles[name]
            if kind not in role.zone_kinds:
                continue
            area = self._area(kind, zone_id, role)
            same = (self.duties["role"] == name) & (self.duties["tree"] == role.tree)
            if role.tree == _AT_THE_PLACE:
                same &= (self.duties["zone_kind"] == kind) & (self.duties["zone_id"] == zone_id)
            else:
                same &= self.duties["area"] == area
            staff = sorted(set(self.duties.loc[same, "staff_id"])) if area or role.tree == _AT_THE_PLACE else []
            rows += [(name, role.tree, area, self.names.get((role.tree, area), ""), one) for one in staff or [""]]
        return pd.DataFrame(rows, columns=list(RECIPIENT_COLUMNS), dtype="str")

    def gaps(self, places: pd.DataFrame) -> pd.DataFrame:
        """Give every role that nobody holds for a place, of `places` (zone_kind, zone_id): GAP_COLUMNS.

        In the order of roles and places; area is "" for a role at the place itself, and where the place lies in no area
        of the role's level.
        """
        above = self.lineage.to_dict("index")
        held = set(self.duties[["role", "tree", "area", "zone_kind", "zone_id"]].itertuples(index=False, name=None))
        rows: list[tuple[str, ...]] = []
        for role, (kind, zone) in itertools.product(
            self.roles.values(), places[["zone_kind", "zone_id"]].itertuples(index=False, name=None)
        ):
            if kind not in role.zone_kinds:
                continue
            area = str(above.get((kind, zone), {}).get(f"{role.tree}_{role.level}", ""))
            duty = (role.id, "", "", kind, zone) if role.tree == _AT_THE_PLACE else (role.id, role.tree, area, "", "")
            if duty not in held:
                rows.append((role.id, role.tree, area, self.names.get((role.tree, area), ""), kind, zone))
        return pd.DataFrame(rows, columns=list(GAP_COLUMNS), dtype="str")

    def holders(self, roles: Sequence[str]) -> pd.DataFrame:
        """Give who holds some roles, for whichever area or place: RECIPIENT_COLUMNS, as `recipients`."""
        rows: list[tuple[str, str, str, str, str]] = []
        for name in roles:
            held = self.duties[self.duties["role"] == name].drop_duplicates("staff_id").sort_values("staff_id")
            said = held[["tree", "area", "staff_id"]].itertuples(index=False)
            found = [(name, tree, area, self.names.get((tree, area), ""), one) for tree, area, one in said]
            rows += found or [(name, self.roles[name].tree, "", "", "")]
        return pd.DataFrame(rows, columns=list(RECIPIENT_COLUMNS), dtype="str")

    def _area(self, kind: str, zone_id: str, role: Role) -> str:
        if role.tree == _AT_THE_PLACE or (kind, zone_id) not in self.lineage.index:
            return ""
        return str(self.lineage.loc[(kind, zone_id), f"{role.tree}_{role.level}"])


def answering(trees: Trees, duties: pd.DataFrame, roles: Mapping[str, Role], day: date) -> Answering:
    """Say who answers for places on a day."""
    lineage = trees.lineage(day).set_index(["zone_kind", "zone_id"])
    return Answering(lineage, standing(duties, day), trees.names(day), roles)


def standing(states: pd.DataFrame, day: date) -> pd.DataFrame:
    """Keep the states that hold on a day.

    >>> from_day, to_day = pd.to_datetime(["2024-01-01", None]), pd.to_datetime(["2024-03-01", None])
    >>> states = pd.DataFrame({"code": ["a", "b"], "valid_from": from_day, "valid_to": to_day})
    >>> standing(states, date(2024, 2, 29))["code"].tolist(), standing(states, date(2024, 3, 1))["code"].tolist()
    (['a', 'b'], ['b'])
    """
    at = pd.Timestamp(day)
    begun = states["valid_from"].isna() | (states["valid_from"] <= at)
    over = states["valid_to"].notna() & (states["valid_to"] <= at)
    return states[begun & ~over].reset_index(drop=True)


def empty(columns: Sequence[str]) -> pd.DataFrame:
    """Give a frame of AREA_COLUMNS, MEMBERSHIP_COLUMNS or DUTY_COLUMNS without rows."""
    return pd.DataFrame(
        {name: pd.Series(dtype="datetime64[us]" if name in _DAYS else "str") for name in columns}, columns=list(columns)
    )


def parse_roles(table: Mapping[str, object], where: str) -> dict[str, Role]:
    """Read rules/roles.toml.  Raises BadRule for a tree, level or kind of zone that is unknown."""
    found: dict[str, Role] = {}
    for name, entry in cast(Mapping[str, Mapping[str, object]], table.get("roles", {})).items():
        tree, level = str(entry.get("tree", _AT_THE_PLACE)), str(entry.get("level", ""))
        if level not in TREES.get(tree, ("",)):
            known = "; ".join(f"{one}: {', '.join(levels)}" for one, levels in TREES.items())
            raise BadRule(f"{where}: role '{name}' is at {tree or 'no tree'}, {level or 'no level'}; known are {known}")
        kinds = tuple(cast(Sequence[str], entry.get("zone_kinds", rules.ZONE_KINDS)))
        if unknown := sorted(set(kinds) - set(rules.ZONE_KINDS)):
            raise BadRule(
                f"{where}: role '{name}' has zone_kinds {', '.join(unknown)}; known are {', '.join(rules.ZONE_KINDS)}"
            )
        found[name] = Role(name, cast(Mapping[str, str], entry.get("title", {})), tree, level, kinds)
    if not found:
        raise BadRule(f"{where}: holds no [roles.NAME]; at least one is needed")
    return found


def check_areas(areas: pd.DataFrame, where: str) -> None:
    """Raise BadInput unless areas are trees: known levels, parents of a higher level that stand as long as they do."""
    for row, tree, code, level in areas[["tree", "code", "level"]].itertuples():
        if level not in TREES.get(tree, ()):
            known = "; ".join(f"{one}: {', '.join(levels)}" for one, levels in TREES.items())
            raise BadInput(f"{where}, row {row}: area '{code}' is a '{level}' of tree '{tree}'; known are {known}")
        if not code:
            raise BadInput(f"{where}, row {row}: a {level} of the {tree} tree has no code; every area needs one")
    _check_once(areas, ["tree", "code"], where)
    level_of = {
        (tree, code): TREES[tree].index(level)
        for tree, code, level in areas[["tree", "code", "level"]].itertuples(index=False)
    }
    for row, tree, code, parent in areas[["tree", "code", "parent"]].itertuples():
        if parent and level_of.get((tree, parent), len(TREES[tree])) >= level_of[tree, code]:
            raise BadInput(
                f"{where}, row {row}: area '{code}' of tree '{tree}' has parent '{parent}', which is no area of a "
                "higher level; name one that the file holds, or leave it empty"
            )
    _check_stands(areas[areas["parent"] != ""].rename(columns={"parent": "area"}), areas, where)


def check_memberships(memberships: pd.DataFrame, areas: pd.DataFrame, where: str) -> None:
    """Raise BadInput unless each place lies in one known area of a tree at a time, and in one that then stands."""
    known = set(areas[["tree", "code"]].itertuples(index=False, name=None))
    for row, kind, zone, tree, area in memberships[["zone_kind", "zone_id", "tree", "area"]].itertuples():
        if kind not in rules.ZONE_KINDS:
            raise BadInput(f"{where}, row {row}: zone_kind '{kind}' is none of {', '.join(rules.ZONE_KINDS)}")
        if (tree, area) not in known:
            raise BadInput(
                f"{where}, row {row}: {kind} '{zone}' lies in '{area}' of tree '{tree}', which is no loaded area; "
                "correct it, or load the areas first: geo-service load areas FILE"
            )
    _check_once(memberships, ["zone_kind", "zone_id", "tree"], where)
    _check_stands(memberships, areas, where)


def check_duties(duties: pd.DataFrame, roles: Mapping[str, Role], areas: pd.DataFrame, where: str) -> None:
    """Raise BadInput unless each duty is a known role at an area of its level, or at a place where the role is one."""
    level_of = {(tree, code): level for tree, code, level in areas[["tree", "code", "level"]].itertuples(index=False)}
    for number, row in zip(duties.index, duties.to_dict("records"), strict=True):
        at, role = f"{where}, row {number}", roles.get(str(row["role"]))
        if role is None:
            raise BadInput(f"{at}: role '{row['role']}' is none of {', '.join(roles)} (rules/roles.toml)")
        if not re.match(STAFF_ID, str(row["staff_id"])):
            raise BadInput(f"{at}: staff_id is no staff id: letters, digits, dot, dash, underscore; no name")
        if role.tree == _AT_THE_PLACE:
            if row["zone_kind"] not in role.zone_kinds or not row["zone_id"] or row["tree"] or row["area"]:
                raise BadInput(
                    f"{at}: role '{role.id}' is held at a place; give zone_kind and zone_id, zone_kind one of "
                    f"{', '.join(role.zone_kinds)}, and leave tree and area empty"
                )
        elif level_of.get((str(row["tree"]), str(row["area"]))) != role.level or row["zone_kind"] or row["zone_id"]:
            raise BadInput(
                f"{at}: role '{role.id}' is held at a {role.level} of the {role.tree} tree; '{row['area']}' of "
                f"'{row['tree']}' is none; give one that is loaded, and leave zone_kind and zone_id empty"
            )


def check_succession(
    areas: pd.DataFrame, memberships: pd.DataFrame, duties: pd.DataFrame, roles: Mapping[str, Role], where: str
) -> None:
    """Raise BadInput unless areas are trees that memberships and duties on record go on fitting in."""
    check_areas(areas, where)
    known = set(areas[["tree", "code"]].itertuples(index=False, name=None))
    for used, called, kind in ((memberships, "memberships use", "memberships"), (duties, "the roster uses", "roster")):
        pairs = set(used.loc[used["area"] != "", ["tree", "area"]].itertuples(index=False, name=None))
        if gone := sorted(pairs - known):
            shown = ", ".join(f"{tree} '{code}'" for tree, code in gone[:_SHOWN])
            more = f" and {len(gone) - _SHOWN} more" if len(gone) > _SHOWN else ""
            raise BadInput(
                f"{where}: lacks areas that {called}: {shown}{more}; keep them and end them by valid_to, or first load "
                f"others with: geo-service load {kind} FILE"
            )
    check_memberships(memberships, areas, f"{where} and the memberships on record")
    check_duties(duties, roles, areas, f"{where} and the roster on record")


def _check_once(states: pd.DataFrame, key: list[str], where: str) -> None:
    """Raise BadInput where two states of one key hold on the same day."""
    ordered = states.assign(valid_from=states["valid_from"].fillna(_FIRST)).sort_values([*key, "valid_from"])
    for one, other in itertools.pairwise(ordered.assign(_row=ordered.index).to_dict("records")):
        same = all(one[name] == other[name] for name in key)
        if same and (pd.isna(one["valid_to"]) or one["valid_to"] > other["valid_from"]):
            said = " ".join(str(one[name]) for name in key)
            raise BadInput(
                f"{where}, row {other['_row']}: '{said}' has two states on {other['valid_from']:%Y-%m-%d}, the other "
                f"in row {one['_row']}; end one before the other"
            )


def _check_stands(within: pd.DataFrame, areas: pd.DataFrame, where: str) -> None:
    """Raise BadInput unless the area (tree, area) of each row stands as long as the row does."""
    spans: dict[tuple[str, str], list[tuple[pd.Timestamp, pd.Timestamp]]] = {}
    for tree, code, begin, end in (
        _bounded(areas)[["tree", "code", *_DAYS]].sort_values("valid_from").itertuples(index=False)
    ):
        spans.setdefault((tree, code), []).append((begin, end))
    for row, tree, area, begin, end in _bounded(within)[["tree", "area", *_DAYS]].itertuples():
        reached = begin
        for opens, closes in spans[tree, area]:
            reached = max(reached, closes) if opens <= reached else reached
        if reached < end:
            raise BadInput(
                f"{where}, row {row}: lies in '{area}' of tree '{tree}', which does not stand on {reached:%Y-%m-%d}; "
                "end one where the other ends, or name the area that follows"
            )


def _bounded(states: pd.DataFrame) -> pd.DataFrame:
    return states.assign(valid_from=states["valid_from"].fillna(_FIRST), valid_to=states["valid_to"].fillna(_LAST))


def _paths(areas: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Give for each area of one tree the codes of its levels, its own and those above."""
    own = {code: (level, parent) for code, level, parent in areas[["code", "level", "parent"]].itertuples(index=False)}
    found: dict[str, dict[str, str]] = {}
    for code in own:
        path, at = {}, code
        while at in own and own[at][0] not in path:
            level, parent = own[at]
            path[level], at = at, parent
        found[code] = path
    return found
