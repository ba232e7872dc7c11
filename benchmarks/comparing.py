"""What benchmarks that compare searchers have in common."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from benchmarks.results_io import ROOT
from matseek.comparison import Comparison


def completed(overrides: Sequence[str], run_dir: str, workers: int) -> Comparison:
    """A comparison of which every cell is there and the page is written; it goes on where it was stopped.

    Args:
        overrides: What ``matseek compare`` is given.
        run_dir: Below the project.
        workers: Processes.
    """
    comparison = Comparison([*overrides, f"workers={workers}", f"run_dir='{ROOT / run_dir}'"])
    failures = comparison.run(lambda running, ended: print(ended, [cell.name for cell in running], flush=True))
    if failures:
        raise SystemExit(json.dumps(failures, indent=1))
    print(comparison.write(), flush=True)
    return comparison


def records(frame: Any) -> list[dict[str, Any]]:  # noqa: ANN401 -- a pandas frame
    """A frame's rows as plain data, None where nothing is known."""
    found: list[dict[str, Any]] = json.loads(frame.to_json(orient="records"))
    return found
