"""Clean words for a place: who it lies in, what it is called, and where exactly, in the forms that callers use."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from benchmarks.dispatch.judge import PLACES, Judge, Words
from benchmarks.dispatch.offsets import Point, Surveyor

T = TypeVar("T")

_NUMERALS = "零一二三四五六七八九"
_JOINS = ("与", "与", "与", "和", "、", "跟")
_CROSSING_ENDS = ("交叉口", "交叉口", "路口", "交叉路口", "交汇处", "十字路口", "丁字路口")
_OFFSETS = (
    "向{d}{n}米",
    "往{d}{n}米",
    "{d}{n}米",
    "{d}约{n}米",
    "向{d}约{n}米",
    "以{d}{n}米",
    "{d}边{n}米",
    "往{d}大约{n}米",
    "{d}侧{n}米",
)
_SIDES_OF = ("{d}侧{n}米", "{d}{n}米处", "往{d}{n}米", "{d}边约{n}米")
_CODES = {
    "post": (("灯杆编号", ""), ("", "号灯杆"), ("路灯杆", "")),
    "plate": (("门牌编码", ""), ("二维码门牌", ""), ("", "号门牌")),
}
_NEAR = ("附近", "旁边", "边上", "一带")
_TURNS = {
    "complete": 0.30,
    "county": 0.25,
    "town_only": 0.10,
    "no_district": 0.30,
    "old_district": 0.02,
    "wrong_district": 0.03,
}
_CROSSING_ODDS = np.array([4.0, 4.0, 3.0, 1.0, 0.1])  # by the class of the smaller street


@dataclass(frozen=True)
class Word:
    """A piece of text, its role in the judge's question ("" asks nothing) and what the judge reads there."""

    text: str
    role: str = ""
    meaning: str = ""


@dataclass
class Phrase:
    """A text before its noise: words in order, what they ask of the judge, the truth [m] and the forms that were used.

    `row` is the entry that is named, -1 for none; `anchor` [m] what an offset starts from where that is no entry.
    """

    kind: str
    shape: str
    words: list[Word]
    at: Point
    row: int = -1
    anchor: Point | None = None
    forms: list[str] = field(default_factory=list[str])

    def asked(self) -> Words:
        """Give the words that the judge goes by."""
        return {word.role: word.meaning or word.text for word in self.words if word.role}


def numeral(number: int) -> str:
    """Write a number below 100 as it is spoken.

    >>> [numeral(n) for n in (3, 10, 12, 20, 35)]
    ['三', '十', '十二', '二十', '三十五']
    """
    tens, ones = divmod(number, 10)
    lead = "" if tens == 0 else "十" if tens == 1 else _NUMERALS[tens] + "十"
    return lead + (_NUMERALS[ones] if ones or not tens else "")


class Speaker:
    """Draws a place of a kind and says where it is."""

    def __init__(self, judge: Judge, rng: np.random.Generator) -> None:
        self._judge, self._rng = judge, rng
        self._surveyor = Surveyor(judge)
        kinds = np.array(judge.kinds, dtype=object)
        self._of = {kind: np.flatnonzero(kinds == kind) for kind in set(judge.kinds)}
        self._parent = np.array([judge.row_of.get(parent, -1) for parent in judge.parents])
        self._gates: dict[int, list[int]] = {}
        for row in self._of["gate"].tolist():
            self._gates.setdefault(int(self._parent[row]), []).append(row)
        building = self._of["building"]
        farm = kinds[self._parent[building]] == "village"
        self._of["farmstead"], self._of["building"] = building[farm], building[~farm]
        self._of["code"] = np.concatenate([self._of["post"], self._of["plate"]])
        odds = _CROSSING_ODDS[judge.world.crossings["rank"].to_numpy()]
        self._crossing_odds = np.cumsum(odds) / odds.sum()
        successors = judge.world.entries["successor"].tolist()
        self._former = {after: name for after, name in zip(successors, judge.names, strict=True) if after}

    def say(self, kind: str) -> Phrase:
        """Draw a place of a kind and find words for it; draws anew where the ground does not allow it."""
        phrase: Phrase | None = None
        while phrase is None:
            phrase = getattr(self, f"say_{kind}")()
        return phrase

    def say_building(self) -> Phrase:
        """Say a compound and a building's number: 水景花园3号楼, 3#楼, 三号楼."""
        phrase = self._child("building", "building")
        self._number(phrase, ("{}号楼", "{}号楼", "{}号楼", "{}栋", "{}幢", "{}#楼"))
        return phrase

    def say_building_unit(self) -> Phrase:
        """Say a building, its staircase and flat: 3号楼2单元, 3-2-501."""
        phrase = self._child("building_unit", "building")
        stair, flat = (
            int(self._rng.integers(1, 6)),
            100 * int(self._rng.integers(1, 12)) + int(self._rng.integers(1, 4)),
        )
        if self._rng.random() < 0.3:
            phrase.forms.append("dash")
            self._number(phrase, (f"{{}}-{stair}-{flat}",))
        else:
            room = f"{flat}室" if self._rng.random() < 0.3 else ""
            self._number(
                phrase, (f"{{}}号楼{stair}单元{room}", f"{{}}栋{stair}单元{room}", f"{{}}#楼{stair}单元{room}")
            )
        return phrase

    def say_farmstead(self) -> Phrase | None:
        """Say a village and a farmstead's number: 北薄东村12号."""
        if not len(self._of["farmstead"]):
            return None
        phrase = self._child("farmstead", "farmstead")
        self._number(phrase, ("{}号",))
        return phrase

    def say_part(self) -> Phrase:
        """Say a part of a unit: 济医附院门诊楼."""
        return self._child("part", "part")

    def say_gate(self) -> Phrase:
        """Say a gate: 金色兰庭东门."""
        return self._child("gate", "gate")

    def say_compound(self) -> Phrase:
        """Say a compound's name."""
        return self._place("compound")

    def say_unit(self) -> Phrase:
        """Say a unit's name or short form."""
        return self._place("unit")

    def say_poi(self) -> Phrase:
        """Say a shop's name or the like."""
        return self._place("poi")

    def say_village(self) -> Phrase:
        """Say a village's name."""
        return self._place("village")

    def say_door(self) -> Phrase:
        """Say a street and a number: 古槐路123号."""
        row = self._row("door")
        street = int(self._parent[row])
        number = self._judge.names[row]
        words = [Word(self._judge.names[street], "name"), Word(f"{number}号", "child", number)]
        return self._within(Phrase("door", "door", words, self._at(row), row), self._judge.world.lies_in[row])

    def say_door_unlisted(self) -> Phrase:
        """Say a number that stands there but not in the gazetteer."""
        unlisted = self._judge.world.unlisted
        nth = int(self._rng.integers(len(unlisted)))
        street = self._judge.row_of[str(unlisted["road"].iat[nth])]
        x, y = unlisted[["x", "y"]].to_numpy()[nth].tolist()
        words = [Word(self._judge.names[street], "name"), Word(f"{unlisted['number'].iat[nth]}号")]
        return self._within(Phrase("door_unlisted", "street", words, (x, y)), "", self._judge.county[street])

    def say_road(self) -> Phrase:
        """Say a street and nothing more."""
        row = self._row("road")
        words = [Word(self._judge.names[row], "name"), Word(self._any(("", "", "上", "路段")))]
        return self._within(Phrase("road", "road", words, self._at(row), row), "")

    def say_code(self) -> Phrase:
        """Say the code on a lamp post or a door plate."""
        row = self._row("code")
        code = self._judge.names[row]
        lead, tail = self._any(_CODES[self._judge.kinds[row]])
        return Phrase("code", "code", [Word(lead), Word(code, "name"), Word(tail)], self._at(row), row)

    def say_crossing(self) -> Phrase:
        """Say two streets that meet: 惠民路与金山街交叉口."""
        nth, names = self._pair()
        x, y = self._judge.crossing_xy[nth].tolist()
        words = [*self._met(names), Word(self._any(_CROSSING_ENDS))]
        return self._within(Phrase("crossing", "crossing", words, (x, y)), "", self._crossing_county(nth))

    def say_crossing_offset(self) -> Phrase | None:
        """Say a point by the crossing it is near: 金珠路与奎星路西100米处."""
        nth, names = self._pair()
        x, y = self._judge.crossing_xy[nth].tolist()
        county = self._crossing_county(nth)
        offset = self._surveyor.near_crossing((x, y), county, names, self._rng)
        if offset is None:
            return None
        end = self._any(_CROSSING_ENDS) if self._rng.random() < 0.5 else ""
        words = [*self._met(names), Word(end)]
        words.append(Word(self._any(_OFFSETS).format(d=offset.direction, n=offset.distance_m)))
        words.append(Word(f"路{offset.side}" if offset.side else self._any(("", "处"))))
        return self._within(Phrase("crossing_offset", "crossing", words, offset.at, anchor=(x, y)), "", county)

    def say_place_offset(self) -> Phrase | None:
        """Say a point by a place it is near: 东门对面, 北侧50米, 附近, 门口."""
        turn = self._rng.random()
        phrase = self._child("place_offset", "gate") if turn < 0.3 else self._place(self._any(PLACES[:3]))
        phrase.kind = "place_offset"
        if turn < 0.45:
            at, said = self._surveyor.opposite(self._entrance(phrase.row), self._rng), "对面"
        elif turn < 0.65:
            offset = self._surveyor.beside(phrase.row, self._rng)
            if offset is None:
                return None
            at, said = offset.at, self._any(_SIDES_OF).format(d=offset.direction, n=offset.distance_m)
        elif turn < 0.85:
            at, said = self._surveyor.around(phrase.row, 80.0, self._rng), self._any(_NEAR)
        else:
            at, said = self._surveyor.doorstep(self._entrance(phrase.row), self._rng), "门口"
        if at is None:
            return None
        phrase.at = at
        phrase.words.append(Word(said, "relation"))
        return phrase

    def _any(self, choices: Sequence[T]) -> T:
        return choices[int(self._rng.integers(len(choices)))]

    def _row(self, kind: str) -> int:
        return int(self._of[kind][int(self._rng.integers(len(self._of[kind])))])

    def _at(self, row: int) -> Point:
        x, y = self._judge.xy[row].tolist()
        return x, y

    def _pair(self) -> tuple[int, tuple[str, str]]:
        """Draw a crossing, one of large streets more often; give its two streets in the order they are said in."""
        crossings = self._judge.world.crossings
        nth = min(int(np.searchsorted(self._crossing_odds, self._rng.random())), len(crossings) - 1)
        larger, smaller = str(crossings["road"].iat[nth]), str(crossings["crossroad"].iat[nth])
        return nth, (larger, smaller) if self._rng.random() < 0.7 else (smaller, larger)

    def _met(self, names: tuple[str, str]) -> list[Word]:
        return [Word(names[0], "name"), Word(self._any(_JOINS)), Word(names[1], "cross")]

    def _crossing_county(self, nth: int) -> str:
        return str(self._judge.world.crossings["county"].iat[nth])

    def _entrance(self, row: int) -> int:
        """Give one of a place's gates, the place itself where it has none."""
        gates = self._gates.get(row)
        return self._any(gates) if gates else row

    def _called(self, row: int, phrase: Phrase) -> Word:
        """Call a place by its name or, now and then, by another it has."""
        aliases = self._judge.aliases[row]
        if aliases and self._rng.random() < 0.6:
            phrase.forms.append("alias")
            return Word(self._any(aliases), "name")
        return Word(self._judge.names[row], "name")

    def _place(self, kind: str) -> Phrase:
        row = self._row(kind)
        phrase = Phrase(kind, "place", [], self._at(row), row)
        phrase.words = [self._called(row, phrase)]
        return self._within(phrase, self._judge.town[row])

    def _child(self, kind: str, of: str) -> Phrase:
        row = self._row(of)
        parent = int(self._parent[row])
        phrase = Phrase(kind, "child", [], self._at(row), row)
        phrase.words = [self._called(parent, phrase), Word(self._judge.names[row], "child")]
        along = str(self._judge.world.along[parent])
        if along and self._rng.random() < 0.15:
            phrase.words.insert(0, Word(along, "along"))
        return self._within(phrase, self._judge.town[row])

    def _number(self, phrase: Phrase, forms: tuple[str, ...]) -> None:
        """Write the number of a phrase's building in one of some forms, now and then in characters."""
        form = self._any(forms)
        number = next(word.text for word in phrase.words if word.role == "child")
        written = number
        if "#" in form:
            phrase.forms.append("hash")
        elif "-" not in form and int(number) < 100 and self._rng.random() < 0.15:
            phrase.forms.append("chinese_numeral")
            written = numeral(int(number))
        said = Word(form.format(written), "child", number)
        phrase.words = [said if word.role == "child" else word for word in phrase.words]

    def _within(self, phrase: Phrase, town: str, county: str = "") -> Phrase:
        """Put before a phrase who the place lies in, or not, or wrongly."""
        county = county or self._judge.county[phrase.row]
        turn = str(self._rng.choice(list(_TURNS), p=list(_TURNS.values())))
        if turn == "old_district" and county not in self._former:
            turn = "county"
        if turn == "town_only" and not town:
            turn = "no_district"
        phrase.words = self._lead(turn, county, town) + phrase.words
        phrase.forms += [turn] if turn not in {"complete", "county"} else []
        return phrase

    def _lead(self, turn: str, county: str, town: str) -> list[Word]:
        names, row_of, aliases = self._judge.names, self._judge.row_of, self._judge.aliases
        here = names[row_of[county]]
        if turn == "wrong_district":
            right = {here, self._former.get(county, here)}
            return [Word(self._any([names[row] for row in self._of["county"].tolist() if names[row] not in right]))]
        if turn == "old_district":
            return [Word(self._former[county], "county")]
        lead: list[Word] = []
        if turn == "complete" and self._rng.random() < 0.6:
            lead.append(Word(self._judge.world.region.city))
        if turn in {"complete", "county"}:
            other = aliases[row_of[county]] if self._rng.random() < 0.2 and not lead else []
            lead.append(Word(self._any([*other, here]), "county"))
        if turn in {"complete", "town_only"} and town:
            lead.append(Word(names[row_of[town]], "town"))
        return lead
