"""CPU seconds of one 15-point batch of Bayesian optimisation with many observations, model fit included; one thread.

Observations are Latin hypercubes of the silver recipes with a smooth value and 20 noisy replicates each.

    .venv/bin/python -W ignore -m benchmarks.gp_scaling [--counts 105 500 1000 2000 5000]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from datetime import UTC, datetime

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

from benchmarks.results_io import write
from matseek.core.history import History
from matseek.core.records import Evaluation
from matseek.library.silver_problems import silver_space
from matseek.searchers import BayesianSearcher
from matseek.surrogates.gp import MOST_OBSERVATIONS

BATCH, REPLICATES = 15, 20
CENTRE = np.array([0.3, 0.5, 0.2, 0.4, 0.6])


def history_of(count: int) -> History:
    """A history of as many observations."""
    rng = np.random.default_rng(count)
    space = silver_space()
    points = space.sample_latin_hypercube(count, rng)
    values = ((space.normalize(points) - CENTRE) ** 2).sum(axis=1)
    now = datetime.now(UTC)
    evaluations = []
    for number, (point, value) in enumerate(zip(points, values, strict=True), start=1):
        replicates = value + 0.02 * rng.standard_normal(REPLICATES)
        evaluations.append(
            Evaluation(
                number=number,
                iteration=(number - 1) // BATCH + 1,
                proposer="lhs",
                point=point,
                status="done",
                value=float(np.median(replicates)),
                replicates=replicates,
                error=None,
                asked_at=now,
                finished_at=now,
                load_response=lambda: None,
            )
        )
    return History(space, 0, evaluations[-1].iteration + 1, tuple(evaluations), ())


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", nargs="+", type=int, default=[105, 500, 1000, 2000, 5000])
    torch.set_num_threads(1)
    searcher = BayesianSearcher(batch_size=BATCH)
    searcher.ask(BATCH, history_of(30))  # the first call imports and compiles
    rows = []
    for count in parser.parse_args().counts:
        history = history_of(count)
        start = time.process_time()
        searcher.ask(BATCH, history)
        seconds = time.process_time() - start
        rows.append({"observations": count, "cpu_seconds": round(seconds, 1), "goal_met": seconds < 60})
        print(json.dumps(rows[-1]), flush=True)
    report = {
        "command": ".venv/bin/python -W ignore -m benchmarks.gp_scaling",
        "goal": "one 15-point batch in under 60 CPU s with 2,000 and 5,000 observations",
        "observations_kept_at_most": MOST_OBSERVATIONS,
        "rows": rows,
    }
    print(write("gp_scaling", report))


if __name__ == "__main__":
    main()
