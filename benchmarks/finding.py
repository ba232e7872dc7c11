"""Best loss after 30, 60, 90 and 120 evaluations: local penalization, BoTorch's sequential qLogEI, random search.

All methods start from the same 15 points and meet the noise of single droplets; the GP is the same for both
Bayesian methods, so that what is compared is the choice of the batch. Goes on where it was stopped.

    .venv/bin/python -m benchmarks.finding [--seeds 10] [--workers 2]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from benchmarks.results_io import DROPLETS, RESULTS, ROOT, write
from matseek import Campaign
from matseek.core.history import History
from matseek.core.records import Proposal
from matseek.core.searcher import BatchSearcher
from matseek.library.silver_problems import silver, silver_measured
from matseek.problems import RecipeProblem
from matseek.searchers import BayesianSearcher, RandomSearcher

COUNTS = (30, 60, 90, 120)
OURS, RANDOM, PEER = "local_penalization", "random", "botorch_sequential_qlogei"
CELLS = RESULTS / "finding_cells.json"
STARTS = json.loads((ROOT / "benchmarks" / "finding_starts.json").read_text())


class FromStart(BatchSearcher):
    """A searcher whose first batch is a given design (Latin hypercubes of the recipes, one a seed)."""

    def __init__(self, inner: BatchSearcher) -> None:
        super().__init__(inner.batch_size)
        object.__setattr__(self, "inner", inner)
        object.__setattr__(self, "name", inner.name)

    def ask(self, n: int, history: History) -> Proposal:
        """The design first, then what the searcher chooses."""
        if history.iteration == 1:
            return Proposal(np.array(STARTS[str(history.seed)]), ("start",) * n)
        return self.inner.ask(n, history)


def searcher(method: str) -> BatchSearcher:
    """The searcher of a method; windows stay fixed, since only one of the methods would widen them."""
    if method == RANDOM:
        return FromStart(RandomSearcher())
    return FromStart(BayesianSearcher(model="loss", acquisition="qlogei" if method == PEER else OURS, widening=None))


def problem(name: str) -> RecipeProblem:
    """The problem of a name."""
    return silver() if name == "silver" else silver_measured(DROPLETS)


def run(cell: tuple[str, str, int]) -> tuple[str, list[float]]:
    """One campaign: the best measured loss after each count."""
    torch.set_num_threads(1)
    name, method, seed = cell
    campaign = Campaign(problem(name), searcher(method), seed=seed).run(max(COUNTS))
    best = campaign.to_frame()["best_value"]
    return "/".join(map(str, cell)), [float(best[count - 1]) for count in COUNTS]


def verdict(cells: dict[str, list[float]], name: str, seeds: int) -> dict[str, object]:
    """Medians per method, and the paired differences of ours to each other method."""
    curves = {
        m: np.array([cells[f"{name}/{m}/{s}"] for s in range(seeds) if f"{name}/{m}/{s}" in cells])
        for m in (OURS, PEER, RANDOM)
    }
    result: dict[str, object] = {
        "median_best_loss": {m: np.median(c, axis=0).round(4).tolist() for m, c in curves.items()}
    }
    for peer in (PEER, RANDOM):
        n = min(len(curves[OURS]), len(curves[peer]))
        difference = curves[OURS][:n] - curves[peer][:n]
        mean, error = difference.mean(axis=0), difference.std(axis=0, ddof=1) / np.sqrt(n)
        result[f"ours_less_{peer}"] = {
            "mean": mean.round(4).tolist(),
            "standard_error": error.round(4).tolist(),
            "never_worse": bool((mean <= 2 * error).all()),
            "seeds": n,
        }
    return result


def main() -> None:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--problems", nargs="+", default=["silver_measured", "silver"])
    parser.add_argument("--methods", nargs="+", default=[OURS, RANDOM, PEER], help="which of the missing cells to run")
    arguments = parser.parse_args()
    cells: dict[str, list[float]] = json.loads(CELLS.read_text()) if CELLS.exists() else {}
    wanted = [
        (name, method, seed)
        for seed in range(arguments.seeds)
        for name in arguments.problems
        for method in arguments.methods
        if f"{name}/{method}/{seed}" not in cells
    ]
    with multiprocessing.get_context("spawn").Pool(arguments.workers) as pool:
        for key, curve in pool.imap_unordered(run, wanted):
            cells[key] = curve
            CELLS.write_text(json.dumps(cells, indent=1, sort_keys=True) + "\n")
            print(key, np.round(curve, 4), flush=True)
    if any(f"{n}/{m}/0" not in cells for n in arguments.problems for m in (OURS, RANDOM, PEER)):
        return
    report = {
        "command": ".venv/bin/python -m benchmarks.finding",
        "goal": "never worse than either at any of the four counts (two standard errors, paired by seed)",
        "counts": list(COUNTS),
        "problems": {name: verdict(cells, name, arguments.seeds) for name in arguments.problems},
    }
    print(json.dumps(report, indent=1))
    print(write("finding", report))


if __name__ == "__main__":
    main()
