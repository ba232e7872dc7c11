"""Searchers in the gold laboratory: best loss after 30, 60 and 90 conditions, in batches of 15 after the same opening.

Goes on where it was stopped.

    .venv/bin/python -W ignore -m benchmarks.harder [--seeds 1000 1001 ...] [--searchers random lhs bayesian network]
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
import torch

from benchmarks.results_io import RESULTS, write
from matseek import Campaign
from matseek.core.searcher import BatchSearcher
from matseek.library.gold_problems import gold_nanorods
from matseek.searchers import BayesianSearcher, LatinHypercube, NetworkSearcher, RandomSearcher

COUNTS = (30, 60, 90)
SEARCHERS: dict[str, BatchSearcher] = {
    "random": RandomSearcher(15),
    "lhs": LatinHypercube(15),
    "bayesian": BayesianSearcher(15),
    "network": NetworkSearcher(15),
}
CELLS = RESULTS / "harder_cells.json"


def run(searcher: BatchSearcher, seed: int) -> dict[str, object]:
    """One campaign: the best measured loss after each count, and the processor's time."""
    start = time.process_time()
    campaign = Campaign(gold_nanorods(), searcher, seed=seed, opening=15).run(max(COUNTS))
    best = campaign.to_frame()["best_value"]
    return {"best": [float(best[count - 1]) for count in COUNTS], "cpu_seconds": time.process_time() - start}


def main() -> None:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1000, 1006)))
    parser.add_argument("--searchers", nargs="+", default=list(SEARCHERS), choices=list(SEARCHERS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cells = json.loads(CELLS.read_text()) if CELLS.exists() else {}
    for seed in arguments.seeds:
        for name in arguments.searchers:
            if f"{name}/{seed}" not in cells:
                cells[f"{name}/{seed}"] = run(SEARCHERS[name], seed)
                CELLS.write_text(json.dumps(cells, indent=1, sort_keys=True) + "\n")
                print(name, seed, cells[f"{name}/{seed}"], flush=True)
    rows = []
    for name in SEARCHERS:
        done = [cells[f"{name}/{seed}"] for seed in arguments.seeds if f"{name}/{seed}" in cells]
        if done:
            best = np.array([cell["best"] for cell in done])
            rows.append(
                {
                    "searcher": name,
                    "seeds": len(done),
                    "median": np.median(best, axis=0).tolist(),
                    "lowest": best.min(axis=0).tolist(),
                    "highest": best.max(axis=0).tolist(),
                    "cpu_seconds": float(np.median([cell["cpu_seconds"] for cell in done])),
                }
            )
    report = {
        "command": ".venv/bin/python -W ignore -m benchmarks.harder",
        "goal": "none set; that searchers differ",
        "counts": list(COUNTS),
        "rows": rows,
    }
    print(write("harder", report))


if __name__ == "__main__":
    main()
