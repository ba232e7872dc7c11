"""CPU seconds of one 15-point batch, model fit included: matseek, BoTorch's sequential qLogEI, scikit-optimize.

One process, one thread, the same evaluations for all; run it on an otherwise idle machine. scikit-optimize knows no
linear constraints, so it solves the easier problem without them.

    .venv/bin/python -W ignore -m benchmarks.asking [--repeats 3]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from botorch.acquisition import qLogExpectedImprovement
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskGP
from botorch.models.transforms import Normalize, Standardize
from botorch.models.utils.gpytorch_modules import get_covar_module_with_dim_scaled_prior
from botorch.optim import optimize_acqf
from gpytorch.mlls import ExactMarginalLogLikelihood
from skopt import Optimizer

from benchmarks.results_io import write
from matseek import Campaign
from matseek.core.history import History
from matseek.library.silver_problems import silver
from matseek.searchers import BayesianSearcher, LatinHypercube

BATCH = 15


def ask_matseek(history: History, seed: int) -> None:
    """Fit and local penalization."""
    BayesianSearcher(batch_size=BATCH).ask(
        BATCH, History(history.space, seed, history.iteration, history.evaluations, ())
    )


def ask_botorch(history: History, seed: int) -> None:
    """As BoTorch's documentation does it, in the unit cube and under the sum constraint."""
    torch.manual_seed(seed)
    space = history.space
    X = torch.tensor(space.normalize(history.points))
    Y = -torch.tensor(history.values).unsqueeze(-1)
    model = SingleTaskGP(
        X,
        Y,
        train_Yvar=torch.tensor(history.variances).unsqueeze(-1),
        covar_module=get_covar_module_with_dim_scaled_prior(ard_num_dims=space.dim, use_rbf_kernel=False),
        input_transform=Normalize(space.dim, bounds=torch.tensor([[0.0] * space.dim, [1.0] * space.dim])),
        outcome_transform=Standardize(1),
    )
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    row = space.unit_polytope.A[-1]
    optimize_acqf(
        qLogExpectedImprovement(model, best_f=Y.max()),
        bounds=torch.tensor([[0.0] * space.dim, [1.0] * space.dim], dtype=torch.float64),
        q=BATCH,
        num_restarts=10,
        raw_samples=256,
        sequential=True,
        inequality_constraints=[(torch.arange(space.dim), torch.tensor(-row), -float(space.unit_polytope.b[-1]))],
    )


def ask_skopt(history: History, seed: int) -> None:
    """GP, expected improvement, constant liar with the minimum."""
    space = history.space
    optimizer = Optimizer(
        list(zip(space.lower.tolist(), space.upper.tolist(), strict=True)),
        base_estimator="GP",
        acq_func="EI",
        n_initial_points=0,
        random_state=seed,
    )
    optimizer.tell(history.points.tolist(), history.values.tolist())
    optimizer.ask(n_points=BATCH, strategy="cl_min")


METHODS: dict[str, Callable[[History, int], None]] = {
    "matseek local_penalization": ask_matseek,
    "BoTorch sequential qLogEI": ask_botorch,
    "scikit-optimize cl_min": ask_skopt,
}


def cpu_seconds(ask: Callable[[History, int], None], history: History, repeats: int) -> list[float]:
    """CPU seconds of each of some calls."""
    seconds = []
    for seed in range(repeats):
        start = time.process_time()
        ask(history, seed)
        seconds.append(time.process_time() - start)
    return seconds


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    rows = []
    for n in (15, 60, 105):
        history = Campaign(silver(), LatinHypercube(batch_size=BATCH), seed=0).run(n).history()
        for ask in (ask_matseek, ask_skopt):  # first calls import and compile; they are nobody's cost
            ask(history, 99)
        medians = {name: float(np.median(cpu_seconds(ask, history, repeats))) for name, ask in METHODS.items()}
        ours, botorch, skopt = medians.values()
        rows.append(
            {
                "n": n,
                "median_cpu_seconds": {name: round(value, 3) for name, value in medians.items()},
                "ratio_to_botorch": round(ours / botorch, 4),
                "ratio_to_skopt": round(ours / skopt, 3),
                "goal_met": bool(ours <= botorch / 12 and ours <= skopt and ours <= 2),
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    report = {
        "command": ".venv/bin/python -W ignore -m benchmarks.asking",
        "goal": "at most 1/12 of BoTorch's sequential, no slower than scikit-optimize, at most 2 s",
        "repeats": repeats,
        "rows": rows,
    }
    print(write("asking", report))


if __name__ == "__main__":
    main()
