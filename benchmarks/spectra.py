"""Bayesian optimisation over whole spectra, of the loss and of its logarithm, and how far the intervals hold.

    python -m benchmarks.spectra [--problems silver gold_nanorods] [--methods spectra loss] [--seeds 10]

Batches of 15; every method of a seed has the same first batch. Report seeds from 1000 on; seeds 100 to 199 were used to
build the model. A cell that is in the JSON is not run again.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
import torch

from benchmarks.results_io import RESULTS, write
from matseek import Campaign
from matseek.core.problem import Problem
from matseek.library.gold_problems import gold_nanorods
from matseek.library.silver_problems import silver
from matseek.searchers import BayesianSearcher
from matseek.surrogates import SpectraGP

COMMAND = ".venv/bin/python -W ignore -m benchmarks.spectra"
GOAL = (
    "on silver a median of at most 0.205 / 0.1955 / 0.195 after 30 / 60 / 90; intervals within 5 points from batch 3 on"
)
BUDGET, BATCH = 105, 15
PROBLEMS = {"silver": silver, "gold_nanorods": gold_nanorods}
METHODS = {
    "spectra": BayesianSearcher(BATCH, model="spectra"),
    "loss": BayesianSearcher(BATCH, model="loss"),
    "plain": BayesianSearcher(BATCH, model="loss", log=False),
    "qlogei": BayesianSearcher(BATCH, model="loss", log=False, acquisition="qlogei"),
}
LEVELS = (0.5, 0.8, 0.95)


def run(problem: Problem, method: str, seed: int) -> dict[str, object]:
    """One campaign: the best values, the seconds of the last batch, and the coverage of each batch's intervals."""
    campaign = Campaign(problem, METHODS[method], seed=seed)
    campaign.run(budget=BUDGET - BATCH)
    begun = time.process_time()
    campaign.ask(BATCH)
    seconds = time.process_time() - begun
    values = np.array([e.value for e in campaign.ledger.evaluations() if e.status == "done"])
    best = np.fmin.accumulate(values)
    cell: dict[str, object] = {
        "best": {str(n): float(best[n - 1]) for n in range(30, BUDGET, BATCH)},
        "cpu_seconds_of_the_last_batch": seconds,
    }
    return cell | ({"coverage": coverage(campaign)} if method == "spectra" else {})


def coverage(campaign: Campaign) -> dict[str, dict[str, list[float]]]:
    """Share of the next batch's losses and absorbances inside central intervals, by batch and level."""
    history, shares = campaign.history(), {}
    for batch in range(2, BUDGET // BATCH):
        fitted = SpectraGP().fit(history.until(batch - 1))
        new = [e for e in history.done if e.iteration == batch]
        points, losses = np.array([e.point for e in new]), np.array([e.value for e in new])
        kept = np.searchsorted(fitted.whole.wavelengths, fitted.objective.wavelengths)
        spectra = np.array([np.median(e.response, axis=0)[kept] for e in new])
        pairs = {
            "loss": (losses, fitted.sampled_values(points, 256, noisy=True)),
            "spectra": (spectra, fitted.sampled_spectra(points, 256, noisy=True)),
        }
        shares[str(batch)] = {name: [_inside(*pair, level) for level in LEVELS] for name, pair in pairs.items()}
    return shares


def _inside(measured: np.ndarray, samples: np.ndarray, level: float) -> float:
    low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return float(np.mean((measured >= low - 1e-12) & (measured <= high + 1e-12)))


def main() -> None:
    """Run what is missing, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=["spectra", "loss", "plain"])
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    path = RESULTS / "spectra.json"
    stored = json.loads(path.read_text()) if path.exists() else {"cells": {}}
    stored |= {"command": COMMAND, "goal": GOAL}
    for name in options.problems:
        for method in options.methods:
            cells = stored["cells"].setdefault(name, {}).setdefault(method, {})
            for seed in range(1000, 1000 + options.seeds):
                if str(seed) not in cells:
                    cells[str(seed)] = run(PROBLEMS[name](), method, seed)
                    write("spectra", stored)
            best = np.array([list(cell["best"].values()) for cell in cells.values()])
            seconds = np.median([cell["cpu_seconds_of_the_last_batch"] for cell in cells.values()])
            print(
                name, method, f"n={len(best)}", "median", np.round(np.median(best, axis=0), 4), f"{seconds:.1f} CPU s"
            )
            print("   worst", np.round(best.max(axis=0), 4))
            covered = [cell["coverage"] for cell in cells.values() if "coverage" in cell]
            for batch in covered[0] if covered else ():
                means = {
                    kind: np.mean([c[batch][kind] for c in covered], axis=0).round(2) for kind in covered[0][batch]
                }
                print("   batch", batch, means)


if __name__ == "__main__":
    main()
