"""Every word the page says is in the catalogue, in every language."""

import re
from collections.abc import Iterator, Mapping

import pytest

from geo_service import files
from tests.browser.conftest import PAGE

# say("place.close"), and keys that are chosen first and said later: down ? "page.server_down" : "page.database_down"
KEY = re.compile(r'"((?:page|status|map|attention|place|incidents|month|age)\.[a-z_]+|legend|layers|language)"')
UNITS = {"age.seconds", "age.minutes", "age.hours"}  # put together from the unit's name


def keys(texts: Mapping[str, object], before: str = "") -> Iterator[str]:
    for name, text in texts.items():
        if isinstance(text, Mapping):
            yield from keys(text, f"{before}{name}.")
        else:
            yield before + name


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_word_of_the_page_is_in_the_catalogue(language: str):
    said = {key for path in (PAGE / "src").glob("*.ts") for key in KEY.findall(path.read_text(encoding="utf-8"))}
    assert len(said) > 30
    assert (said | UNITS) - set(keys(files.read_texts()[language])) == set()
