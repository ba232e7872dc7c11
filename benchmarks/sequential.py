"""Who maximises a locally penalised acquisition: matseek's ascent, or BoTorch's ``optimize_acqf(sequential=True)``.

The embedded silver laboratory after 30 conditions of a Latin hypercube, 15 points, five seeds. BoTorch drives
``LocalPenalization`` by ``set_X_pending``; ours is given each of the 15 functions that BoTorch's batch went through, so
that log values are compared point by point, with the steps that it takes by default and with more. CPU seconds are of
choosing a batch, without the fit of the model; one thread.

    .venv/bin/python -W ignore -m benchmarks.sequential
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from botorch.optim import optimize_acqf
from botorch.utils.sampling import manual_seed
from torch import Tensor

from benchmarks.results_io import write
from matseek import Campaign
from matseek.acquisition import LocalPenalization, LogEI, SearchState, lipschitz_constant
from matseek.acquisition.local_penalization import moments
from matseek.library.silver_problems import silver
from matseek.searchers import BayesianSearcher, LatinHypercube
from matseek.surrogates.gp import quiet_numerics

BATCH, OPENING, SEEDS, STEPS = 15, 30, range(5), (12, 50, 200)


def penalized(state: SearchState, seed: int) -> LocalPenalization:
    """The function that :class:`LogEI` maximises first."""
    rng = np.random.default_rng(seed)
    pool = state.pool(rng)
    lipschitz = lipschitz_constant(state.model, state.polytope, pool, state.lengthscales, rng)
    with torch.no_grad():
        mean, variance = moments(state.model, pool)
    minimum = torch.minimum(state.best_mean(), (mean - 2 * variance.sqrt()).min())
    return LocalPenalization(
        LogEI().function(state), state.pending, lipschitz, minimum, state.lengthscales, state.periodic
    )


def by_botorch(function: LocalPenalization, state: SearchState, seed: int) -> Tensor:
    """A batch by BoTorch's optimiser, the sum constraint as a row."""
    d = state.observed.shape[-1]
    sums = zip(state.polytope.A[2 * d :], state.polytope.b[2 * d :], strict=True)
    rows = [(torch.arange(d), torch.tensor(-a), -float(b)) for a, b in sums]
    bounds = torch.tensor([[0.0] * d, [1.0] * d], dtype=torch.float64)
    with manual_seed(seed):
        points, _ = optimize_acqf(
            function,
            bounds,
            BATCH,
            num_restarts=10,
            raw_samples=256,
            inequality_constraints=rows,
            sequential=True,
        )
    return points.detach()


def compared(seed: int) -> dict[str, object]:
    """Figures of one seed."""
    history = Campaign(silver(), LatinHypercube(batch_size=BATCH), seed=seed).run(OPENING).history()
    state = BayesianSearcher(batch_size=BATCH, model="loss").state(history)
    function = penalized(state, seed)
    start = time.process_time()
    theirs = by_botorch(function, state, seed)
    row: dict[str, object] = {"seed": seed, "botorch": {"cpu_s": round(time.process_time() - start, 2)}}
    for steps in STEPS:
        start = time.process_time()
        LogEI(steps=steps).batch(state, BATCH, np.random.default_rng(seed))
        seconds = time.process_time() - start
        less = []
        for k in range(BATCH):
            function.set_X_pending(theirs[:k] if k else None)
            before = replace(state, pending=torch.cat([state.pending, theirs[:k]]))
            point = LogEI(steps=steps).batch(before, 1, np.random.default_rng(seed))
            with torch.no_grad():
                less.append(float(function(point[None]) - function(theirs[k][None, None])))
        function.set_X_pending(None)
        row[f"ours, {steps} steps"] = {
            "cpu_s": round(seconds, 2),
            "log_value_less_botorch": {
                "median": round(float(np.median(less)), 3),
                "least": round(min(less), 3),
                "most": round(max(less), 3),
            },
        }
    return row


def main() -> None:
    """Measure, print and write."""
    torch.set_num_threads(1)
    rows = []
    for seed in SEEDS:
        with quiet_numerics():
            rows.append(compared(seed))
        print(json.dumps(rows[-1]), flush=True)
    print(write("sequential", {"command": ".venv/bin/python -W ignore -m benchmarks.sequential", "rows": rows}))


if __name__ == "__main__":
    main()
