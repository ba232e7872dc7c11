"""Figures that benchmarks have written down, for whoever wants to show them without measuring again."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any


def stored_result(name: str) -> dict[str, Any] | None:
    """What ``benchmarks/results/NAME.json`` holds: settings, rows and the machine that made them.

    Args:
        name: Of a benchmark, for example ``heptamer``.

    Returns:
        The file's content; None where that benchmark has not been run.
    """
    shipped = Path(str(files("matseek"))) / "benchmark_results"
    folder = shipped if shipped.is_dir() else Path(__file__).resolve().parents[3] / "benchmarks" / "results"
    path = folder / f"{name}.json"
    if not path.is_file():
        return None
    result: dict[str, Any] = json.loads(path.read_text())
    return result
