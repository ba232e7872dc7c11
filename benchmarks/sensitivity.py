"""How much GO-Diff with force guidance depends on its settings: each halved and doubled, 8 seeds.

A campaign ends with the iteration that solves the problem, or with its budget. Settings are those of `godiff_ffg`
with the problem's protocol but for the one that is changed. Goes on where it was stopped.

    .venv/bin/python -W ignore -m benchmarks.sensitivity [--seeds 8] [--workers 2]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

from typing import Any

import torch

from benchmarks.results_io import RESULTS, successes, write
from matseek import Campaign
from matseek.configuration import run_settings

SETTINGS = {
    "learning rate": "searcher.learning_rate",
    "steps per iteration": "searcher.steps",
    "buffer": "searcher.buffer",
    "samples per iteration": "searcher.samples",
    "kT at the start": "searcher.kt.high",
}
FACTORS = (0.5, 2.0)
PROBLEMS = ("platinum_adatom", "platinum_tetramer")
SEEDS = 8
CELLS = RESULTS / "sensitivity_cells.json"

Cell = tuple[str, str, float, int]


def run(cell: Cell) -> tuple[str, dict[str, Any]]:
    """One campaign."""
    torch.set_num_threads(1)
    problem, setting, factor, seed = cell
    base = [f"problem={problem}", "searcher=godiff_ffg", "calculator=batched_emt", "stop=solved", f"seed={seed}"]
    overrides = [*base, *changed(base, setting, factor)]
    settings = run_settings(overrides)
    start = time.process_time()
    campaign = Campaign(settings.problem, settings.searcher, seed=seed, stop=settings.stop).run(settings.budget)
    summary = campaign.summary()
    return key(cell), {
        "evaluations_to_success": summary["evaluations_to_success"],
        "budget": settings.budget,
        "best_value": round(summary["best_value"], 4),
        "cpu_seconds": round(time.process_time() - start, 1),
        "changed": overrides[len(base) :],
    }


def changed(base: list[str], setting: str, factor: float) -> list[str]:
    """The override that multiplies a setting; none where nothing is changed."""
    if setting == "none":
        return []
    path = SETTINGS[setting]
    value: Any = run_settings(base).config
    for part in path.split("."):
        value = value[part]
    new = value * factor
    return [f"{path}={round(new) if isinstance(value, int) else new}"]


def key(cell: Cell) -> str:
    """Name of a cell in the record."""
    problem, setting, factor, seed = cell
    return f"{problem}/{setting}/{factor:g}/{seed}"


def report_of(cells: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Success and evaluations of every variant, over the seeds that all variants of a problem have."""
    rows = []
    for problem in PROBLEMS:
        every = [s for s in range(SEEDS) if all(key((problem, *variant, s)) in cells for variant in variants())]
        for setting, factor in variants() if every else []:
            mine = [cells[key((problem, setting, factor, s))] for s in every]
            rows.append(
                {
                    "problem": problem,
                    "setting": setting,
                    "factor": factor,
                    **successes([c["evaluations_to_success"] for c in mine]),
                    "median_cpu_seconds": sorted(c["cpu_seconds"] for c in mine)[len(every) // 2],
                    "budget": mine[0]["budget"],
                }
            )
    return {
        "command": ".venv/bin/python -W ignore -m benchmarks.sensitivity",
        "goal": "none set; success and mean evaluations to it as measured",
        "rows": rows,
    }


def variants() -> list[tuple[str, float]]:
    """Settings as they are, then each halved and doubled."""
    return [("none", 1.0), *((setting, factor) for setting in SETTINGS for factor in FACTORS)]


def main() -> None:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="+", default=PROBLEMS)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    cells: dict[str, Any] = json.loads(CELLS.read_text()) if CELLS.exists() else {}
    wanted = [
        (problem, setting, factor, seed)
        for problem in arguments.problems
        for setting, factor in variants()
        for seed in range(arguments.seeds)
        if key((problem, setting, factor, seed)) not in cells
    ]
    with multiprocessing.get_context("spawn").Pool(arguments.workers) as pool:
        for name, cell in pool.imap_unordered(run, wanted):
            cells[name] = cell
            CELLS.write_text(json.dumps(cells, indent=1, sort_keys=True) + "\n")
            print(name, json.dumps(cell), flush=True)
    print(write("sensitivity", report_of(cells)))


if __name__ == "__main__":
    main()
