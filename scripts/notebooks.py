"""Executes notebooks in place, with outputs that change only where results do.

    python -m scripts.notebooks notebooks/*.ipynb

Each runs in an empty folder of its own, so that nothing is left beside it and nothing old is read. What is stored has
the full setting, which takes minutes; the tests run every cell with the quick one.
"""

from __future__ import annotations

import argparse
import copy
import os
import re
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

TIMEOUT_S = 3600
"""Of a cell; the full setting takes its time."""

FULL = 'setting = "full"'
"""How the cell of the parameters begins."""

_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
_TABLE_ID = re.compile(r"\bT_[0-9a-f]{5}(?=[\s\"_])")
"""Of styled tables; pandas draws them at random."""

_PICTURE = re.compile(r"data:image/png;base64,[A-Za-z0-9+/=]+|<script>.*?</script>", re.DOTALL)


def parameters(notebook: NotebookNode) -> NotebookNode:
    """The cell that sets ``setting``, which is tagged so.

    Raises:
        ValueError: If there is not one.
    """
    found = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
    if len(found) != 1 or not found[0].source.startswith(FULL):
        raise ValueError(f"{len(found)} cells are tagged 'parameters'; tag one, and let it begin with {FULL}")
    return found[0]


def executed(notebook: NotebookNode, folder: Path, *, quick: bool = False) -> NotebookNode:
    """A notebook, executed from its first cell to its last by a new kernel.

    Args:
        notebook: The notebook; it is left as it is.
        folder: The kernel's working folder.
        quick: Whether it is executed with its quick setting.

    Raises:
        nbclient.exceptions.CellExecutionError: If a cell raises.
        ValueError: If no cell sets the setting.
    """
    fresh = nbformat.from_dict(copy.deepcopy(notebook))
    chosen = parameters(fresh)
    if quick:
        chosen.source = chosen.source.replace(FULL, 'setting = "quick"', 1)
    for cell in fresh.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        fresh,
        timeout=TIMEOUT_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--log-level=ERROR"],
    )
    # Small networks: threads that wait for each other would cost more than they bring on a busy machine.
    client.execute(env={**os.environ, "OMP_NUM_THREADS": "1"})
    return cleaned(fresh)


def cleaned(notebook: NotebookNode) -> NotebookNode:
    """The same without what differs from one execution or machine to the next: times, versions, cell ids."""
    notebook.metadata = NotebookNode(kernelspec=NotebookNode(_KERNEL), language_info=NotebookNode(name="python"))
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number:02d}"
        cell.metadata = NotebookNode({key: cell.metadata[key] for key in ("tags",) if key in cell.metadata})
        for output in cell.get("outputs", ()):
            if "metadata" in output:
                output.metadata = NotebookNode()
            if "text/html" in output.get("data", {}):
                output.data["text/html"] = _TABLE_ID.sub(f"T_{number:02d}", output.data["text/html"])
    return notebook


def figures(notebook: NotebookNode) -> int:
    """How many outputs are pictures."""
    return sum("image/png" in output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", ()))


def texts(notebook: NotebookNode) -> list[str]:
    """Everything in the outputs that can be read, without pictures."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            found.append(output.get("text", ""))
            found += [_PICTURE.sub("", text) for kind, text in output.get("data", {}).items() if kind[:4] == "text"]
    return found


def main() -> None:
    """Execute the notebooks that are named, and say how long each took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--quick", metavar="FOLDER", type=Path, help="execute the quick setting, and write it there")
    given = parser.parse_args()
    for path in given.notebooks:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            done = executed(nbformat.read(path, as_version=4), Path(folder), quick=given.quick is not None)
        nbformat.write(done, path if given.quick is None else given.quick / path.name)
        print(f"{path}: {time.monotonic() - began:.0f} s, {figures(done)} figures", flush=True)


if __name__ == "__main__":
    main()
