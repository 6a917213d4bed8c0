"""Files of areas, memberships and rosters: CSV and Excel, read whole or refused by row."""

import gzip
from datetime import datetime
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from geo_service import jurisdiction_files
from geo_service.errors import BadInput

AREAS = """\
tree,code,level,name,parent,valid_from,valid_to,remark
police,370800,bureau,济宁市公安局,,,,kept nowhere
police,0012,branch,任城分局,370800,2024-05-01,,
,,,,,,,
civil,370811,county,任城区,,,2025-01-01,
"""
READ = [
    ["police", "370800", "bureau", "济宁市公安局", "", "", ""],
    ["police", "0012", "branch", "任城分局", "370800", "2024-05-01", ""],
    ["civil", "370811", "county", "任城区", "", "", "2025-01-01"],
]
ROSTER = """\
role,tree,area,zone_kind,zone_id,staff_id,valid_from,valid_to,channel,address,language
station,police,s1,,,S1,2024-05-01,,wecom,wecom://secret,zh
station,police,s1,,,S1,2024-05-01,,smtp,mailto:x@y.cn,en
branch_duty,police,f1,,,S1,,,smtp,mailto:x@y.cn,en
property,,,units,u1,S2,,,,,
"""
LANGUAGES = ("zh", "en")


def written(folder: Path, text: str, name: str = "t.csv") -> Path:
    path = folder / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode("utf-8")))
    elif name.endswith(".xlsx"):
        book = openpyxl.Workbook()
        for line in text.splitlines():
            book.active.append([cell(value) for value in line.split(",")])
        book.save(path)
    else:
        path.write_text(text, encoding="utf-8-sig")
    return path


def cell(text: str) -> object:
    """Give what Excel makes of typed text: numbers and days, unless they were typed as text."""
    if text.isdigit() and not text.startswith("0"):
        return float(text) if text.startswith("3708") else int(text)
    return datetime.fromisoformat(text) if text[:2] == "20" and "-" in text else text or None


@pytest.mark.parametrize("name", ["areas.csv", "areas.csv.gz", "areas.xlsx"])
def test_every_format_gives_the_same_areas_by_row(name: str, tmp_path: Path):
    areas = jurisdiction_files.read_areas(written(tmp_path, AREAS, name))
    shown = areas.assign(**{day: areas[day].dt.strftime("%Y-%m-%d").fillna("") for day in ("valid_from", "valid_to")})
    assert shown.to_numpy().tolist() == READ
    assert areas.index.tolist() == [2, 3, 5]
    assert areas.dtypes.astype("str").tolist() == ["str"] * 5 + ["datetime64[us]"] * 2


def test_memberships_are_read_with_their_days(tmp_path: Path):
    text = "zone_kind,zone_id,tree,area,valid_from,valid_to\ncommunities,001,police,s1, 2024-05-01 ,2024-06-01\n"
    found = jurisdiction_files.read_memberships(written(tmp_path, text))
    [row] = found.itertuples(index=False, name=None)
    assert row == ("communities", "001", "police", "s1", pd.Timestamp("2024-05-01"), pd.Timestamp("2024-06-01"))


def test_a_roster_holds_a_duty_once_and_an_address_once(tmp_path: Path):
    roster = jurisdiction_files.read_roster(written(tmp_path, ROSTER), LANGUAGES)
    assert roster.duties[["role", "staff_id"]].to_numpy().tolist() == [
        ["station", "S1"], ["branch_duty", "S1"], ["property", "S2"],
    ]  # fmt: skip
    assert roster.addresses.to_numpy().tolist() == [
        ["S1", "wecom", "wecom://secret", "zh"], ["S1", "smtp", "mailto:x@y.cn", "en"],
    ]  # fmt: skip
    assert list(roster.addresses) == ["staff_id", "channel", "url", "language"]


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        (",S2,,,,,", ",S2,,,smtp,,zh", "row 5: channel and address go together"),
        ("wecom://secret,zh", "wecom://secret,", "row 2: language is none of zh, en"),
        ("branch_duty,police,f1,,,S1,,,smtp,mailto:x@y.cn", "branch_duty,police,f1,,,S1,,,smtp,mailto:z@y.cn",
         "row 4: the same staff_id has another address or language on this channel"),
        ("2024-05-01,,smtp", "2024-13-01,,smtp", "row 3: valid_from is '2024-13-01'; write a day"),
        ("role,", "rolle,", "not exactly one column role; it has rolle, tree"),
    ],
)  # fmt: skip
def test_a_roster_that_contradicts_itself_is_refused_without_its_addresses(
    was: str, becomes: str, says: str, tmp_path: Path
):
    with pytest.raises(BadInput, match=f"^t.csv.*{says}") as caught:
        jurisdiction_files.read_roster(written(tmp_path, ROSTER.replace(was, becomes, 1)), LANGUAGES)
    assert not any(address in str(caught.value) for address in ("secret", "x@y.cn", "z@y.cn"))


@pytest.mark.parametrize("day", ["2024-5-1", "20240501", "2024/05/01", "2024-W18-3", "2024-05-01T00:00"])
def test_a_day_is_written_one_way(day: str, tmp_path: Path):
    with pytest.raises(BadInput, match=f"t.csv, row 3: valid_from is '{day}'; write a day such as 2024-05-01"):
        jurisdiction_files.read_areas(written(tmp_path, AREAS.replace("2024-05-01", day)))


def test_a_state_that_ends_before_it_begins_is_refused(tmp_path: Path):
    with pytest.raises(BadInput, match="row 3: valid_to 2024-05-01 is not after valid_from 2024-05-01"):
        jurisdiction_files.read_areas(written(tmp_path, AREAS.replace("2024-05-01,", "2024-05-01,2024-05-01")))


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.xlsx"])
def test_what_is_no_table_is_refused_and_named(name: str, tmp_path: Path):
    path = tmp_path / name
    with pytest.raises(BadInput, match="no such file"):
        jurisdiction_files.read_areas(path)
    for content in (b"", "警,区".encode("gb18030") * 30, b"a,b\n1,2,3\n\x00\xff"):
        path.write_bytes(content)
        with pytest.raises(BadInput, match=f"{name}: (cannot be read|not exactly one column)"):
            jurisdiction_files.read_areas(path)


def test_a_row_with_more_cells_than_the_head_is_refused_and_a_shorter_one_is_filled(tmp_path: Path):
    found = jurisdiction_files.read_areas(written(tmp_path, AREAS + "civil,370812,county,兖州区\n"))
    assert (found.index[-1], found["parent"].iloc[-1]) == (6, "")
    jurisdiction_files.read_areas(written(tmp_path, AREAS + "civil,370812,county,兖州区,,,,,,,\n"))
    with pytest.raises(BadInput, match=r"t\.csv, row 6: has 9 cells where the head has 8"):
        jurisdiction_files.read_areas(written(tmp_path, AREAS + "civil,370812,county,兖,州区,,,,x\n"))
    with pytest.raises(BadInput, match="not exactly one column level"):
        jurisdiction_files.read_areas(written(tmp_path, AREAS.replace("remark", "level", 1)))
