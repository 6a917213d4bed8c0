"""A small gazetteer for tests: real names of Jining, made-up positions, in metres east and north of its middle."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import shapely

from geo_service.geography import crs
from geo_service.geography.addresses import gazetteer, locate

PROJECTED = "EPSG:4548"
EAST, NORTH = 462_500.0, 3_920_700.0  # the middle of the city

ROWS = """
    C     city      济宁市     -   -
    RC    county    任城区     C   -
    JX    county    金乡县     C   -
    WS    county    微山县     C   -
    YT    county    鱼台县     C   -
    GX    county    高新区     C   -
    SZ    county    市中区     C   -
    JYJD  town      济阳街道   RC  -
    JXZ   town      金乡街道   JX  -
    LC    town      两城镇     WS  -
    LQ    town      鲁桥镇     WS  -
    GT    town      谷亭街道   YT  -
    V1    village   北簿东村   LC  30000 -30000
    V2    village   张庄村     LC  31000 -31000
    V3    village   张庄村     LQ  36000 -36000
    V4    village   张庄村     GT  -9000 -40000
    GHL   road      古槐路     RC  0 -2000  0 0  0 2000
    JZL   road      金珠路     JX  -40000 -20000  -39000 -20000  -38000 -20000
    KXL   road      奎星路     JX  -39000 -21000  -39000 -19000
    HML   road      惠民路     JX  -40000 -20500  -38500 -20500  -38000 -20700
    JSJ   road      金山街     JX  -38500 -21000  -38500 -19500
    JSL1  road      建设路     RC  -1500 500  1500 500
    JSL2  road      建设路     JX  -40000 -19600  -38000 -19600
    JSDL  road      金山大道   GX  7000 3000  9000 3000
    JSEL  road      金色路     GX  7820 3000  7820 3500
    SJ    compound  水景花园   JYJD  600 600  900 600  900 900  600 900
    HY    compound  花园小区   RC  -900 -900  -700 -900  -700 -700  -900 -700
    JSLT  compound  金色兰庭   GX  7500 3020  7800 3020  7800 3300  7500 3300
    FY    unit      济宁医学院附属医院  JYJD  200 100  400 100  400 300  200 300
    B3    building  3          SJ  700 700
    B4    building  4          SJ  800 700
    FYMZ  part      门诊楼     FY  250 150
    JSLTE gate      东门       JSLT  7800 3160
    D121  door      121        GHL  20 300
    D125  door      125        GHL  20 340
    D120  door      120        GHL  -20 300
    D126  door      126        GHL  -20 350
    LP    post      RC-0012345  -  10 20
"""
ALIASES = {"FY": "济医附院|附属医院", "SZ": ""}
ZONES = {"SJ": ("communities", "370811001001"), "FY": ("units", "U1"), "JSLT": ("communities", "370871001001")}


def frame(rows: str = ROWS) -> pd.DataFrame:
    found: list[dict[str, object]] = []
    for line in filter(str.strip, rows.splitlines()):
        entry_id, kind, name, parent, *numbers = line.split()
        found.append(
            {
                "entry_id": entry_id,
                "kind": kind,
                "name": name,
                "aliases": ALIASES.get(entry_id, ""),
                "parent": "" if parent == "-" else parent,
                "zone_kind": ZONES.get(entry_id, ("", ""))[0],
                "zone_id": ZONES.get(entry_id, ("", ""))[1],
                "valid_from": "",
                "valid_to": "2013-10-18" if entry_id == "SZ" else "",
                "successor": "RC" if entry_id == "SZ" else "",
                "geometry": _geometry(kind, [float(n) for n in numbers if n != "-"]),
            }
        )
    return pd.DataFrame(found)


def solver(rows: str = ROWS) -> locate.Solver:
    return locate.Solver(gazetteer.build(frame(rows), PROJECTED))


def metres(lon: float, lat: float) -> tuple[int, int]:
    """Give a point in metres east and north of the middle, rounded."""
    x, y = crs.from_wgs84(np.array([lon]), np.array([lat]), PROJECTED)
    return round(float(x[0]) - EAST), round(float(y[0]) - NORTH)


def _geometry(kind: str, numbers: Sequence[float]) -> shapely.Geometry | None:
    if not numbers:
        return None
    xy = np.array(numbers).reshape(-1, 2) + np.array([EAST, NORTH])
    at = np.column_stack(crs.to_wgs84(xy[:, 0], xy[:, 1], PROJECTED))
    if len(at) == 1:
        return shapely.Point(at[0])
    return shapely.LineString(at) if kind == "road" else shapely.Polygon(at)
