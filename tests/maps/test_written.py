import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from geo_service.maps.written import Written
from tests.maps.drawn import LAYERS_FOLDER

FILE = """\
# what the city has decided
id = "levels"

[unknown]                       # looks of what is not known
colour = "#ffffff"
text = { zh = "无数据", en = "no data" }

[[levels]]
code = 0
text = { zh = "零发案", en = "none" }

[[levels]]
code = 1
name = "yellow"

[range]
one = "{low}"
"""


def test_a_key_stands_on_its_line_and_a_missing_one_where_its_table_begins():
    at = Written("levels.toml", FILE).at
    assert at("id") == "levels.toml, line 2"
    assert at("unknown.colour") == "levels.toml, line 5"
    assert at("unknown.text.zh") == at("unknown.text") == "levels.toml, line 6"
    assert at("unknown.pattern") == at("unknown") == "levels.toml, line 4"
    assert at("levels.0.code") == "levels.toml, line 9"
    assert at("levels.1.name") == "levels.toml, line 14"
    assert at("levels.0.name") == at("levels.0") == at("levels") == "levels.toml, line 8"
    assert at("levels.1.text") == "levels.toml, line 12"
    assert at("range.one") == "levels.toml, line 17"
    assert at("title") == "levels.toml"


def leaves(table: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for key, value in table.items():
        path = f"{above}.{key}" if above else key
        is_array = isinstance(value, list) and isinstance(value[0], dict)
        inside = {str(number): part for number, part in enumerate(value)} if is_array else value
        yield from leaves(inside, path) if isinstance(inside, dict) and inside else [path]


def test_every_key_of_the_files_that_come_with_the_program_is_found():
    for path in LAYERS_FOLDER.rglob("*.toml"):
        text = path.read_text(encoding="utf-8")
        for key in leaves(tomllib.loads(text)):
            line = int(Written(path.name, text).at(key).rpartition(" ")[2])
            assert key.rpartition(".")[2] in text.splitlines()[line - 1], f"{path.name}: {key}"


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True), st.integers() | st.text("abc #=[]", max_size=8)
    ),
    st.integers(0, 3),
)
def test_the_line_of_any_key_is_the_one_that_holds_it(values: dict[str, int | str], blank: int):
    lines = ["# a file", *[""] * blank, "[t]", *(f"{key} = {value!r}" for key, value in values.items())]
    file = Written("any.toml", "\n".join(lines))
    for row, key in enumerate(values, start=blank + 3):
        assert file.at(f"t.{key}") == f"any.toml, line {row}"
