"""The pictures of README, drawn from the tables of benchmarks/results alone: no run is made again.

.venv/bin/python -m benchmarks.pictures
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.results_io import RESULTS, ROOT
from matseek.report.figures.intervals import Measured, costs_by_problem, values_with_intervals

FOLDER = ROOT / "docs" / "images"

METHODS = {
    "bayesian, 1 at once": ("bayesian", "Bayesian, a structure at a time"),
    "godiff_active, 4 at once": ("godiff_active", "GO-Diff proposes, a Gaussian process chooses"),
    "basin_hopping": ("basin_hopping", "basin hopping"),
}
"""Of ``structures.json``: as what each is drawn, and what it is called."""


GUIDED = {"godiff_ffg": "force guidance", "godiff_transfer": "transfer (320 more for its model)"}
"""Of ``heptamer.json``."""


def recipes() -> Figure:
    """The lowest loss that each searcher reaches in the silver laboratory, and how many of its runs succeed."""
    rows = [row for row in _stored("comparison")["rows"] if row["problem"] == "silver"]
    least = _stored("best_possible")["problems"]["silver"]["median"]["loss"]
    found = {
        row["searcher"]: Measured(
            row["median_best_low"],
            row["median_best_value"],
            row["median_best_high"],
            f"{row['successes']} of {row['seeds']} below 0.2",
        )
        for row in rows
    }
    label = f"Lowest spectral loss after {rows[0]['budget']} conditions"
    return values_with_intervals(found, label, (least, "best possible, median over 10,000 droplets"))


def structures() -> Figure:
    """The evaluations that each searcher needs for the bonds of the putative minimum, by problem."""
    costs: dict[str, dict[str, Measured]] = {name: {} for name, _ in METHODS.values()}
    for row in _stored("structures")["rows"]:
        if row["method"] in METHODS and row["successes"]:
            name, _ = METHODS[row["method"]]
            costs[name][row["problem"]] = _cost(row["mean_evaluations"], row["standard_error"] or 0.0, row)
    heptamer = _stored("heptamer")
    for row in heptamer["rows"]:
        name, key = row["searcher"], "evaluations_to_success"
        if name in GUIDED:
            every = [cell[key] for run, cell in heptamer["cells"].items() if run.split("/")[0] == name and cell[key]]
            error = float(np.std(every, ddof=1) / np.sqrt(len(every)))
            cost = _cost(float(np.mean(every)), error, row)
            costs[name] = {"platinum_heptamer": cost._replace(note=f"{cost.note}, {GUIDED[name]}")}
    words = dict(METHODS.values()) | {k: f"GO-Diff, {note}" for k, note in GUIDED.items()}
    return costs_by_problem(costs, "Evaluations to success", words=words)


def _cost(mean: float, error: float, row: dict[str, Any]) -> Measured:
    return Measured(max(mean - error, 1.0), mean, mean + error, f"{row['successes']}/{row['seeds']}")


def _stored(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return content


def main() -> None:
    """Draw both."""
    for name, draw in (("recipes", recipes), ("structures", structures)):
        path: Path = FOLDER / f"compared_{name}.png"
        draw().savefig(path, dpi=160)
        print(path)


if __name__ == "__main__":
    main()
