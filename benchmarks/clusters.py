"""Clusters in the gas phase: evaluations until the lowest energy known is evaluated, by searcher, problem and seed.

Lennard-Jones clusters against the Cambridge Cluster Database, and Pt13 by effective medium theory. Campaigns end with
the batch that solves the problem, or with their budget. Goes on where it was stopped.

    .venv/bin/python -W ignore -m benchmarks.clusters [--problems lj13 pt13 lj38 lj7 ...] [--seeds 8]
"""

from __future__ import annotations

import argparse
import json
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

from typing import Any

from benchmarks.results_io import RESULTS, successes, write
from matseek import Campaign
from matseek.insight.stopping import Solved
from matseek.library.lennard_jones import lennard_jones_cluster, pt13
from matseek.potentials import BatchedEMT
from matseek.problems import StructureProblem
from matseek.searchers import BasinHopping, BayesianSearcher, GeneticSearch

SEARCHERS = {"basin_hopping": BasinHopping(), "genetic": GeneticSearch(), "bayesian": BayesianSearcher(batch_size=1)}
PROBLEMS = ("lj13", "pt13", "lj38", *(f"lj{n}" for n in (*range(7, 13), *range(14, 21))))
BUDGETS = {"lj13": 1000, "pt13": 1000, "lj38": 30_000}
USUAL = 2000
FIRST_SEED = 1000
CELLS = RESULTS / "clusters_cells.json"


def problem_of(name: str) -> StructureProblem:
    """The problem of a name."""
    return pt13(BatchedEMT) if name == "pt13" else lennard_jones_cluster(int(name.removeprefix("lj")))


def run(problem: str, searcher: str, seed: int) -> dict[str, Any]:
    """One campaign."""
    start = time.process_time()
    budget = BUDGETS.get(problem, USUAL)
    campaign = Campaign(problem_of(problem), SEARCHERS[searcher], seed=seed, stop=(Solved(),)).run(budget)
    summary = campaign.summary()
    return {
        "evaluations_to_success": summary["evaluations_to_success"],
        "budget": budget,
        "best_value": round(summary["lowest_value"], 5),
        "cpu_seconds": round(time.process_time() - start, 1),
    }


def report_of(cells: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Success and evaluations of every problem and searcher that was run."""
    rows = []
    for problem in PROBLEMS:
        for searcher in SEARCHERS:
            mine = [cell for key, cell in sorted(cells.items()) if key.startswith(f"{problem}/{searcher}/")]
            if not mine:
                continue
            firsts = [c["evaluations_to_success"] for c in mine]
            rows.append(
                {
                    "problem": problem,
                    "searcher": searcher,
                    "budget": mine[0]["budget"],
                    **successes(firsts),
                    "most_evaluations_to_success": max((f for f in firsts if f), default=None),
                    "lowest": min(c["best_value"] for c in mine),
                    "median_cpu_seconds": sorted(c["cpu_seconds"] for c in mine)[len(mine) // 2],
                }
            )
    return {
        "command": ".venv/bin/python -W ignore -m benchmarks.clusters",
        "goal": "lj13 and pt13 8 of 8 within 1,000 evaluations; lj38 4 of 8 within 30,000",
        "rows": rows,
    }


def main() -> None:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="+", default=("lj13", "pt13"), choices=PROBLEMS)
    parser.add_argument("--searchers", nargs="+", default=("basin_hopping",), choices=tuple(SEARCHERS))
    parser.add_argument("--seeds", type=int, default=8)
    arguments = parser.parse_args()
    cells: dict[str, Any] = json.loads(CELLS.read_text()) if CELLS.exists() else {}
    for problem in arguments.problems:
        for seed in range(FIRST_SEED, FIRST_SEED + arguments.seeds):
            for searcher in arguments.searchers:
                key = f"{problem}/{searcher}/{seed}"
                if key not in cells:
                    cells[key] = run(problem, searcher, seed)
                    CELLS.write_text(json.dumps(cells, indent=1, sort_keys=True) + "\n")
                    print(key, json.dumps(cells[key]), flush=True)
    print(write("clusters", report_of(cells)))


if __name__ == "__main__":
    main()
