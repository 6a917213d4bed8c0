"""Naming: the shorter and longer forms under which people call one place.

Pure.  任城区 is also 任城, 北簿东村 also 北簿东 and 北簿东村委会, 济宁市第一人民医院 also 第一人民医院.  What follows
no rule (济医附院 for 济宁医学院附属医院) is an alias in the gazetteer.
"""

from collections.abc import Sequence

from geo_service.geography.addresses import normalise

FULL = 1.0  # the name itself, or an alias somebody has signed
SHORT = 0.9  # a form made by rule: it may be another place's name too

_AREA_ENDS = {
    "city": ("市", "地区"),
    "county": ("特区", "新区", "区", "县", "市"),
    "town": ("街道办事处", "街道", "镇", "乡"),
    "village": ("村委会", "村", "社区", "居委会"),
}
_LONGER = {"town": {"街道": ("街道办事处", "街道办"), "镇": ("镇政府",)}, "village": {"村": ("村委会", "村民委员会")}}
_COMPOUND_ENDS = ("住宅小区", "生活小区", "小区", "社区", "生活区")
_LEAST = 2  # letters of a short form


def forms(kind: str, name: str, within: Sequence[str] = ()) -> dict[str, float]:
    """Give every form of a name with how far it can be trusted; `within`: names of the areas that hold the place.

    >>> forms("county", "任城区")
    {'任城区': 1.0, '任城': 0.9}
    >>> forms("unit", "济宁市第一人民医院", ["济宁市"])
    {'济宁市第一人民医院': 1.0, '第一人民医院': 0.9, '市第一人民医院': 0.9}
    """
    name = normalise.plain(name)
    found = {name: FULL}
    for shorter in _without_end(kind, name):
        found.setdefault(shorter, SHORT)
    if kind in _LONGER:
        for end, longer in _LONGER[kind].items():
            if name.endswith(end):
                found.update({name.removesuffix(end) + one: FULL for one in longer})
    if kind in ("unit", "poi", "compound"):
        for shorter in _without_area(name, within):
            found.setdefault(shorter, SHORT)
    return {form: trust for form, trust in found.items() if len(form) >= _LEAST}


def _without_end(kind: str, name: str) -> list[str]:
    for end in _AREA_ENDS.get(kind, _COMPOUND_ENDS if kind == "compound" else ()):
        if name.endswith(end):
            return [name.removesuffix(end)]
    return []


def _without_area(name: str, within: Sequence[str]) -> list[str]:
    found: list[str] = []
    for area in within:
        full = normalise.plain(area)
        for lead in (full, full[:-1]):
            if len(lead) >= 2 and name.startswith(lead) and len(name) - len(lead) >= 3:
                found.append(name.removeprefix(lead))
                if lead == full:
                    found.append(full[-1] + name.removeprefix(lead))
                break
    return found
