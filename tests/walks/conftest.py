"""What the walks share."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest


@pytest.fixture
def files_equal() -> Callable[[Path, Path], list[str]]:
    """Name the counted results that differ between two folders, rows compared one by one whatever their order."""

    def compare(one: Path, other: Path) -> list[str]:
        names = ("zone_month", "levels", "alerts", "cell_month", "cell_levels")
        return [name for name in names if rows_of(one / f"{name}.parquet") != rows_of(other / f"{name}.parquet")]

    return compare


def rows_of(path: Path) -> list[tuple[object, ...]]:
    return sorted(pd.read_parquet(path).itertuples(index=False, name=None), key=repr)
