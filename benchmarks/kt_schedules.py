"""GO-Diff with force guidance under schedules of kT, sizes of iterations and ends of training.

Schedules: as shipped, by effective sample size, from the energies' spread. Beside them, with the shipped schedule,
samples and rows by the effective sample size, and training that ends where gradients no longer agree.

The problems are islands on EMT, and ``weak``: four atoms on Pt(111) that Lennard-Jones pairs of 0.01 eV bind, for which
no setting was chosen and which has no test of success. A campaign ends with the iteration that solves the problem, or
with its budget. Goes on where it was stopped.

    .venv/bin/python -W ignore -m benchmarks.kt_schedules [--seeds 3] [--workers 2] [--problems platinum_adatom ...]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from dataclasses import replace
from functools import partial

os.environ.setdefault("OMP_NUM_THREADS", "1")

from typing import Any

import numpy as np
import torch
from ase.calculators.lj import LennardJones

from benchmarks.results_io import RESULTS, successes, write
from matseek import Campaign
from matseek.configuration import run_settings
from matseek.core.records import ITERATED
from matseek.diffusion import AdaptiveKT, ExponentialKT, SpreadKT
from matseek.library.islands import island_space
from matseek.problems import StructureProblem
from matseek.searchers import EffectiveSizes, GradientAgreement

SCHEDULES: dict[str, dict[str, Any]] = {
    "ExponentialKT(0.3, 0.05)": {"kt": ExponentialKT(0.3, 0.05)},
    "ExponentialKT(5, 0.02)": {"kt": ExponentialKT(5.0, 0.02)},
    "AdaptiveKT(5, 0.0001)": {"kt": AdaptiveKT(5.0, 1e-4)},
    "SpreadKT()": {"kt": SpreadKT()},
    "EffectiveSizes()": {"sizes": EffectiveSizes()},
    "GradientAgreement()": {"agreement": GradientAgreement()},
}
PROBLEMS = ("platinum_adatom", "platinum_tetramer", "copper_hexamer", "weak")
WEAK_BUDGET = 320
FIRST_SEED = 1000
CELLS = RESULTS / "kt_schedules_cells.json"

Cell = tuple[str, str, int]


def weak() -> StructureProblem:
    """Four atoms that are bound weakly; pairs have their minimum at the nearest neighbours' distance of platinum."""
    bond = 2.77
    calculator = partial(LennardJones, epsilon=0.01, sigma=bond / 2 ** (1 / 6), rc=3 * bond, smooth=True)
    return StructureProblem(island_space("platinum_tetramer"), calculator, name="weak")


def run(cell: Cell) -> tuple[str, dict[str, Any]]:
    """One campaign."""
    torch.set_num_threads(1)
    problem, schedule, seed = cell
    known = "platinum_tetramer" if problem == "weak" else problem
    settings = run_settings(
        [f"problem={known}", "searcher=godiff_ffg", "calculator=batched_emt", "stop=solved", f"seed={seed}"]
    )
    searched, budget = (weak(), WEAK_BUDGET) if problem == "weak" else (settings.problem, settings.budget)
    start = time.process_time()
    searcher = replace(settings.searcher, **SCHEDULES[schedule])
    campaign = Campaign(searched, searcher, seed=seed, stop=settings.stop).run(budget)
    summary = campaign.summary()
    figures = [e.data["figures"] for e in campaign.ledger.events() if e.kind == ITERATED]
    return key(cell), {
        "evaluations_to_success": summary["evaluations_to_success"],
        "budget": budget,
        "best_value": round(summary["best_value"], 4),
        "kt": [float(f"{f['kt']:.3g}") for f in figures],
        "effective_sample_size": [round(f["effective_sample_size"], 1) for f in figures],
        "median_of_iteration": [round(f["median_of_iteration"], 4) for f in figures],
        "cpu_seconds": round(time.process_time() - start, 1),
    }


def key(cell: Cell) -> str:
    """Name of a cell in the record."""
    problem, schedule, seed = cell
    return f"{problem}/{schedule}/{seed}"


def report_of(cells: dict[str, dict[str, Any]], seeds: range) -> dict[str, Any]:
    """Success, evaluations, and sample sizes of what was run, over the seeds that all of it has on a problem."""
    rows = []
    for problem in PROBLEMS:
        run_at_all = [n for n in SCHEDULES if any(key((problem, n, s)) in cells for s in seeds)]
        every = [s for s in seeds if all(key((problem, name, s)) in cells for name in run_at_all)]
        for name in run_at_all if every else []:
            mine = [cells[key((problem, name, s))] for s in every]
            untested = dict.fromkeys(("successes", "success_low", "success_high")) if problem == "weak" else {}
            rows.append(
                {
                    "problem": problem,
                    "schedule": name,
                    **successes([c["evaluations_to_success"] for c in mine]),
                    **untested,
                    "mean_best_value": round(float(np.mean([c["best_value"] for c in mine])), 4),
                    "mean_last_median": round(float(np.mean([c["median_of_iteration"][-1] for c in mine])), 4),
                    "mean_last_kt": round(float(np.mean([c["kt"][-1] for c in mine])), 5),
                    "least_effective_sample_size": min(min(c["effective_sample_size"]) for c in mine),
                    "mean_last_effective_sample_size": round(
                        float(np.mean([c["effective_sample_size"][-1] for c in mine])), 1
                    ),
                    "median_cpu_seconds": sorted(c["cpu_seconds"] for c in mine)[len(every) // 2],
                }
            )
    return {
        "command": ".venv/bin/python -W ignore -m benchmarks.kt_schedules",
        "goal": "SpreadKT() needs no setting: no worse than the shipped schedule on the islands, and on weak the "
        "effective sample size stays above a quarter of the buffer of 64",
        "rows": rows,
    }


def main() -> None:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="+", default=PROBLEMS)
    parser.add_argument("--schedules", nargs="+", default=list(SCHEDULES))
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    cells: dict[str, Any] = json.loads(CELLS.read_text()) if CELLS.exists() else {}
    wanted = [
        (problem, name, seed)
        for problem in arguments.problems
        for seed in seeds
        for name in arguments.schedules
        if key((problem, name, seed)) not in cells
    ]
    with multiprocessing.get_context("spawn").Pool(arguments.workers) as pool:
        for name, cell in pool.imap_unordered(run, wanted):
            cells[name] = cell
            CELLS.write_text(json.dumps(cells, indent=1, sort_keys=True) + "\n")
            print(name, json.dumps(cell), flush=True)
    if arguments.first_seed == FIRST_SEED:
        print(write("kt_schedules", report_of(cells, seeds)))


if __name__ == "__main__":
    main()
