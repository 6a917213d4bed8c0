"""Every notebook runs from top to bottom in the gate, and is kept without its outputs."""

import base64
import functools
import io
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

HOUSE = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((HOUSE / "notebooks").glob("*.ipynb"))


@functools.cache
def run(path: Path) -> nbformat.NotebookNode:
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
    return notebook


def pictures(notebook: nbformat.NotebookNode) -> list[Image.Image]:
    return [
        Image.open(io.BytesIO(base64.b64decode(output["data"]["image/png"]))).convert("RGB")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]


def test_there_is_a_first_look():
    assert "first_look" in {path.stem for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path: Path):
    for cell in nbformat.read(path, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path):
    run(path)


def test_the_first_look_draws_every_colour_of_the_legend():
    (picture,) = pictures(run(HOUSE / "notebooks" / "first_look.ipynb"))
    seen = {colour for count, colour in picture.getcolors(picture.width * picture.height) or [] if count >= 200}
    wanted = {"none": "#dfe7e3", "yellow": "#f7d84a", "orange": "#f28e2b", "red": "#d7263d", "black": "#1b1b1f"}
    missing = {name for name, colour in wanted.items() if tuple(bytes.fromhex(colour[1:])) not in seen}
    assert missing == set()
