"""The notebooks run from their first cell to their last, and what is stored in them is what a reader should see."""

import re
from pathlib import Path

import nbformat
import pytest
from scripts.notebooks import cleaned, executed, figures, parameters, texts

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))
MACHINE_PATH = re.compile(r"(?<![\w.:/])/(?:tmp|home|root|work|usr|opt|var|Users)/|\b[A-Z]:\\")


def read(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def test_all_five_are_there():
    assert [path.name[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_stored(path):
    notebook = read(path)
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), "execute it: make notebooks"
    assert parameters(notebook).source.startswith('setting = "full"'), "readers see what was concluded from enough data"
    assert not [o for o in outputs(notebook) if o.output_type in ("error", "stream")], "no errors, warnings or logs"
    assert figures(notebook) >= 3
    assert not [text for text in texts(notebook) if MACHINE_PATH.search(text)]
    assert max(len(text) for text in texts(notebook)) < 10_000, "no walls of output"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path, tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    stored = read(path)
    (tmp_path / "here").mkdir()
    fresh = executed(stored, tmp_path / "here", quick=True)
    said = [o.get("text", "") for o in outputs(fresh) if o.output_type == "stream"]
    assert said == [], "nothing is printed or warned of"
    assert figures(fresh) == figures(stored), "stored outputs are of another version: make notebooks"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cleaning_leaves_what_is_clean(path):
    assert cleaned(read(path)) == read(path)


def test_paths_of_a_machine_are_seen():
    assert MACHINE_PATH.search("see /tmp/x/ledger.db")
    assert not MACHINE_PATH.search("runs/home/x, https://doi.org/usr/x, and/or")
