"""Layer files: the folder of layers watched while it is served.

Discovery, difference, apply: `LayerWatch.look` finds what the folder holds now, tells what is added, updated, removed
or refused, and who serves puts that in place of what it had (atlas.with_layers) without a restart.  A wrong file is
refused, with line and reason; the others go on being served, and so does its own last good version.
"""

import contextlib
import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from geo_service import files
from geo_service.errors import BadRule
from geo_service.maps.layers import Layer, LevelScheme, Marks

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Catalogue:
    """What a folder of layers says: its layers by id, their colours, and why files of it were refused, by their name.

    `grouped` are the sentences about features that stand for many places.
    """

    layers: Mapping[str, Layer]
    scheme: LevelScheme
    marks: Marks
    grouped: Mapping[str, str]
    refused: Mapping[str, str]


@dataclass(frozen=True)
class Change:
    """What the catalogue was and what it is now."""

    was: Catalogue
    now: Catalogue

    @property
    def added(self) -> list[str]:
        """Name the layers that are new."""
        return [name for name in self.now.layers if name not in self.was.layers]

    @property
    def updated(self) -> list[str]:
        """Name the layers that are others than they were."""
        return [name for name, layer in self.now.layers.items() if self.was.layers.get(name, layer) != layer]

    @property
    def removed(self) -> list[str]:
        """Name the layers whose files are gone."""
        return [name for name in self.was.layers if name not in self.now.layers]

    @property
    def recoloured(self) -> bool:
        """Say whether the colours of the levels are others."""
        return self.now.scheme != self.was.scheme


def read(folder: Path, former: Catalogue | None = None) -> Catalogue:
    """Read a folder of layers; of a file that is wrong the `former` version is kept where there was one.

    Raises BadRule when the files about all layers (styles/, fields/) are wrong and there was no former version.
    """
    if former is None:
        scheme = files.read_level_scheme(folder)
        former = Catalogue({}, scheme, files.read_marks(folder), files.read_grouped_fields(folder, scheme), {})
    elif not folder.is_dir():
        return replace(former, refused={".": f"{folder}: is no folder any more; its layers stay until it is back"})
    refused: dict[str, str] = {}

    def attempt(name: str, reader: Callable[[], T], had: T) -> T:
        try:
            return reader()
        except (BadRule, OSError) as error:
            refused[name] = str(error).removeprefix(f"{folder}/")
            return had

    scheme = attempt("styles/levels.toml", partial(files.read_level_scheme, folder), former.scheme)
    marks = attempt("styles/marks.toml", partial(files.read_marks, folder), former.marks)
    grouped = attempt("fields/grouped.toml", partial(files.read_grouped_fields, folder, scheme), former.grouped)
    found = {
        path.stem: attempt(path.name, partial(files.read_layer, path, grouped), former.layers.get(path.stem))
        for path in sorted(folder.glob("*.toml"))
    }
    return Catalogue({name: layer for name, layer in found.items() if layer}, scheme, marks, grouped, refused)


class LayerWatch:
    """A folder of layers and what it said when it was last looked at."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stamp = self._discover()
        self.catalogue = read(folder)
        _tell_refusals({}, self.catalogue.refused)

    def look(self) -> Change | None:
        """Read the folder when it holds something else than at the last look; None: all is as it was."""
        stamp = self._discover()
        if stamp == self._stamp:
            return None
        self._stamp = stamp  # of before the reading: what is written meanwhile is seen by the next look
        change = Change(self.catalogue, read(self._folder, self.catalogue))
        self.catalogue = change.now
        log.info("layers: added %s, updated %s, removed %s", change.added, change.updated, change.removed)
        _tell_refusals(change.was.refused, change.now.refused)
        return change

    def _discover(self) -> dict[Path, bytes]:
        """Name every file and its content: a dozen small ones, read in less time than it takes to trust their times."""
        found: dict[Path, bytes] = {}
        for path in self._folder.rglob("*.toml"):
            with contextlib.suppress(OSError):  # taken away between listing and reading
                found[path] = hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
        return found


def _tell_refusals(told: Mapping[str, str], refused: Mapping[str, str]) -> None:
    for name, why in refused.items():
        if told.get(name) != why:
            log.warning("layer file refused, %s", why)
