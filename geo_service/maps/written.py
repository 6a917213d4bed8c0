"""Written: a TOML file as it was written, so that what is wrong with it can be told with its line.

Pure.  A parser throws the lines away; here they are looked up again, by the dotted path of a key.  Only what layer
files and colour schemes are made of is understood: tables, arrays of tables, bare keys, inline tables on their line.
"""

import re
from dataclasses import dataclass
from functools import cached_property

_HEAD = re.compile(r"\s*\[{1,2}\s*([\w.\-]+)\s*\]{1,2}\s*(?:#.*)?$")
_KEY = re.compile(r"\s*([\w.\-]+)\s*=")


@dataclass(frozen=True)
class Written:
    r"""A file's name, as errors give it, and its text; without a text no line is known.

    >>> file = Written("units.toml", 'id = "units"\n\n[fields]\nid = "…"')
    >>> file.at("fields.id"), file.at("fields.name"), file.at("title")
    ('units.toml, line 4', 'units.toml, line 3', 'units.toml')
    """

    name: str
    text: str = ""

    def at(self, key: str) -> str:
        """Say where a key stands; one that is missing, where its table begins.

        The tables of an array are numbered from 0: "levels.3.colour".
        """
        while key not in self._lines:
            if "." not in key:
                return self.name
            key = key.rpartition(".")[0]
        return f"{self.name}, line {self._lines[key]}"

    @cached_property
    def _lines(self) -> dict[str, int]:
        """The line of each key, tables included."""
        found: dict[str, int] = {}
        table, numbered = "", dict[str, int]()
        for number, line in enumerate(self.text.splitlines(), start=1):
            if head := _HEAD.match(line):
                table = head[1]
                if line.lstrip().startswith("[["):
                    numbered[table] = numbered.get(table, -1) + 1
                    found.setdefault(table, number)
                    table = f"{table}.{numbered[table]}"
                found[table] = number
            elif key := _KEY.match(line):
                found.setdefault(f"{table}.{key[1]}" if table else key[1], number)
        return found
