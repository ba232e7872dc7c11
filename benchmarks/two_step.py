"""Two steps against Bayesian optimisation alone: when the network overtakes, what is found, how accurate it is.

Nine runs of 15 on the embedded laboratory with droplet noise, both searchers from the same first batch. Goes on where
it was stopped. The accuracy of a run is that of a network taught by all earlier runs, on the run's own conditions.

    .venv/bin/python -W ignore -m benchmarks.two_step [--seeds 10] [--workers 2]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from typing import Any

import numpy as np
import torch

from benchmarks.results_io import RESULTS, write
from matseek import Campaign
from matseek.insight.holdout import holdout_predictions
from matseek.library.silver_problems import silver
from matseek.searchers import Stage, TwoStepSearcher
from matseek.surrogates.learning import Network

RUNS, BATCH = 9, 15
CELLS = RESULTS / "two_step_cells.json"
TWO_STEP, ALONE = "two_step", "bayesian_alone"
DEADLINE = 8


def run(cell: tuple[str, int]) -> tuple[str, dict[str, Any]]:
    """One campaign."""
    torch.set_num_threads(1)
    method, seed = cell
    searcher = TwoStepSearcher()
    if method == ALONE:  # the same class, so that the first batch and everything of the GP is the same
        searcher = TwoStepSearcher(schedule=(Stage(1, ("lhs",)), Stage(2, ("bayesian",))))
    campaign = Campaign(silver(), searcher, seed=seed).run(RUNS * BATCH)
    frame = campaign.to_frame()
    result: dict[str, Any] = {"best_after_run": frame.groupby("iteration")["best_value"].last().round(5).tolist()}
    if method == TWO_STEP:
        least = frame.pivot_table(index="iteration", columns="proposer", values="value", aggfunc="min")
        median = frame.pivot_table(index="iteration", columns="proposer", values="value", aggfunc="median")
        result |= {
            "least_by_proposer": {p: least[p].dropna().round(5).to_dict() for p in least},
            "median_by_proposer": {p: median[p].dropna().round(5).to_dict() for p in median},
            "accuracy": accuracy(campaign, searcher),
        }
    return f"{method}/{seed}", result


def accuracy(campaign: Campaign, searcher: TwoStepSearcher) -> list[dict[str, float]]:
    """Cosine and mean squared error on each run's conditions, foreseen by a network of the runs before."""
    history, rows = campaign.history(), []
    for k in range(2, RUNS + 1):
        net = Network(searcher.network.training).fit(history.until(k - 1))
        seen = holdout_predictions(net, [e for e in history.done if e.iteration == k])
        rows.append(
            {
                "run": k,
                "median_cosine": round(float(np.median(seen.cosines)), 4),
                "least_cosine": round(float(seen.cosines.min()), 4),
                "median_mse": round(float(np.median(seen.squared_errors)), 5),
            }
        )
    return rows


def overtaking(cell: dict[str, Any]) -> int | None:
    """The first run in which the network's best measured proposal beats that of Bayesian optimisation."""
    least = cell["least_by_proposer"]
    runs = sorted(set(least["network"]) & set(least["bayesian"]), key=int)
    return next((int(r) for r in runs if least["network"][r] < least["bayesian"][r]), None)


def report_of(cells: dict[str, dict[str, Any]], seeds: int) -> dict[str, Any]:
    """The verdict over the seeds."""
    ours = [cells[f"{TWO_STEP}/{s}"] for s in range(seeds)]
    alone = [cells[f"{ALONE}/{s}"] for s in range(seeds)]
    overtakes = [overtaking(cell) for cell in ours]
    final = {m: [c["best_after_run"][-1] for c in cs] for m, cs in ((TWO_STEP, ours), (ALONE, alone))}
    accuracies = []
    for k, rows in enumerate(zip(*(cell["accuracy"] for cell in ours), strict=True)):
        keys = ("median_cosine", "least_cosine", "median_mse")
        accuracies.append({"run": k + 2, **{key: round(float(np.median([r[key] for r in rows])), 5) for key in keys}})
    return {
        "command": ".venv/bin/python -W ignore -m benchmarks.two_step",
        "goal": "overtaken by batch 8 in at least 8 of 10 seeds; median final best at most that of BO alone",
        "seeds": seeds,
        "overtaking_run": overtakes,
        "overtaken_by_run_8": sum(k is not None and k <= DEADLINE for k in overtakes),
        "median_final_best": {m: round(float(np.median(v)), 4) for m, v in final.items()},
        "final_best": final,
        "accuracy": accuracies,
    }


def main() -> None:
    """Run what is missing, then write the verdict."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    cells: dict[str, Any] = json.loads(CELLS.read_text()) if CELLS.exists() else {}
    pairs = [(m, s) for s in range(arguments.seeds) for m in (ALONE, TWO_STEP)]
    wanted = [(m, s) for m, s in pairs if f"{m}/{s}" not in cells]
    with multiprocessing.get_context("spawn").Pool(arguments.workers) as pool:
        for key, cell in pool.imap_unordered(run, wanted):
            cells[key] = json.loads(json.dumps(cell))
            CELLS.write_text(json.dumps(cells, indent=1, sort_keys=True) + "\n")
            print(key, cell["best_after_run"], flush=True)
    report = report_of(cells, arguments.seeds)
    print(json.dumps(report, indent=1))
    print(write("two_step", report))


if __name__ == "__main__":
    main()
