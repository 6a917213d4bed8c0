"""Write the gazetteer and the texts as tables: `python -m benchmarks.dispatch --out DIR [--small] [--seed N]`."""

import argparse
from pathlib import Path

import geopandas

from benchmarks.dispatch import gazetteer, texts


def main() -> None:
    """Make a gazetteer and texts over it, and write them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dispatch", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write into")
    parser.add_argument("--small", action="store_true", help="some 35,000 entries, not 320,000")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another city (default 1)")
    parser.add_argument("--texts", type=int, default=20_000, metavar="N", help="how many texts (default 20000)")
    wishes = parser.parse_args()
    wishes.out.mkdir(parents=True, exist_ok=True)
    world = gazetteer.make(small=wishes.small, seed=wishes.seed)
    records = texts.write(world, wishes.texts, seed=wishes.seed)
    records.to_csv(wishes.out / "texts.csv", index=False, encoding="utf-8")
    records.to_parquet(wishes.out / "texts.parquet", index=False)
    known = gazetteer.listed(world).entries
    geopandas.GeoDataFrame(known, geometry="geometry", crs="EPSG:4326").to_parquet(
        wishes.out / "gazetteer.parquet", index=False
    )
    print(f"{len(known)} entries and {len(records)} texts are in {wishes.out}")


if __name__ == "__main__":
    main()
