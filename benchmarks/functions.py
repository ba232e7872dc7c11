"""Test functions with known minima: regret beside BoTorch's qLogNEI, Ax and random points, in batches of 4.

    .venv/bin/python -W ignore -m benchmarks.functions [--functions branin hartmann6] [--methods bayesian random]
    .venv/bin/python -W ignore -m benchmarks.functions --methods ax --python VENV/bin/python
    .venv/bin/python -W ignore -m benchmarks.functions --seeds 100-104 --name functions_tuning

All methods of a seed begin with the same points, near to a Latin hypercube. ``botorch`` is BoTorch's own loop with its
own defaults: ``SingleTaskGP`` (``MixedSingleTaskGP`` with a category), qLogNEI, ``optimize_acqf`` one point after the
other. Ax runs in an environment of its own that has ``ax-platform`` (``--python``), driven by
``benchmarks/peers/ax_loop.py``. A cell that is in the JSON is not run again. CPU seconds are of choosing, without the
opening. Seeds from 1000 on report; 100 to 199 were used to tune.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from botorch.acquisition import qLogNoisyExpectedImprovement
from botorch.fit import fit_gpytorch_mll
from botorch.models import MixedSingleTaskGP, SingleTaskGP
from botorch.models.transforms import Normalize, Standardize
from botorch.optim import optimize_acqf, optimize_acqf_mixed
from botorch.test_functions import Ackley, Branin, Hartmann
from gpytorch.mlls import ExactMarginalLogLikelihood

from benchmarks.results_io import RESULTS, write
from matseek.campaign import Campaign
from matseek.problems.recipe import RecipeProblem
from matseek.searchers import BayesianSearcher, LatinHypercube, RandomSearcher
from matseek.spaces import Box, Category, Variable

FloatArray = npt.NDArray[np.float64]

COMMAND = ".venv/bin/python -W ignore -m benchmarks.functions"
GOAL = "medians beside BoTorch's qLogNEI and Ax, never clearly worse"
BATCH = 4
PEER = Path(__file__).parent / "peers" / "ax_loop.py"


@dataclass(frozen=True)
class Function:
    """A function to minimise.

    Args:
        box: Where.
        oracle: Points ``(n, d)``, a category as the number of its value, to values ``(n,)``.
        least: The least value.
        opening: Points that all methods begin with.
        budget: Evaluations in all.
    """

    box: Box
    oracle: Callable[[FloatArray], FloatArray]
    least: float
    opening: int
    budget: int


def _box(lows: list[float], highs: list[float], *more: Category) -> Box:
    return Box([*(Variable(f"x{i}", *ends) for i, ends in enumerate(zip(lows, highs, strict=True))), *more])


def _of_torch(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[FloatArray], FloatArray]:
    return lambda X: np.asarray(function(torch.as_tensor(X)).numpy())


SHIFTS, OFFSETS = torch.tensor([0.0, 1.5, -2.0, 3.0]), torch.tensor([1.5, 0.0, 2.5, 1.0])
"""By how much each value of the category moves Ackley's minimum along every coordinate, and lifts it."""


def _mixed(X: FloatArray) -> FloatArray:
    points, category = torch.as_tensor(X[:, :3]), torch.as_tensor(X[:, 3].round()).long()
    values = Ackley(3).double().evaluate_true(points - SHIFTS[category, None].double()) + OFFSETS[category]
    return np.asarray(values.numpy())


FUNCTIONS = {
    "branin": Function(_box([-5.0, 0.0], [10.0, 15.0]), _of_torch(Branin().double()), Branin().optimal_value, 8, 40),
    "hartmann6": Function(
        _box([0.0] * 6, [1.0] * 6), _of_torch(Hartmann(6).double()), Hartmann(6).optimal_value, 12, 72
    ),
    "ackley3_category": Function(
        _box([-5.0] * 3, [10.0] * 3, Category("ligand", ["a", "b", "c", "d"])), _mixed, 0.0, 12, 72
    ),
    "hartmann6_of_20": Function(
        _box([0.0] * 20, [1.0] * 20),
        _of_torch(lambda X: Hartmann(6).double()(X[:, :6])),
        Hartmann(6).optimal_value,
        20,
        100,
    ),
}


@dataclass(frozen=True)
class Run:
    """Values in the order of the evaluations ``(n,)``, and the CPU seconds of a batch."""

    values: FloatArray
    seconds: float


def opening(function: Function, seed: int) -> FloatArray:
    """The points that all methods of a seed begin with, shape ``(m, d)``."""
    campaign = Campaign(problem(function), LatinHypercube(BATCH), seed=seed, opening=function.opening)
    return np.array([e.point for e in campaign.run(function.opening).ledger.evaluations()])


def problem(function: Function) -> RecipeProblem:
    """The function as matseek sees it."""
    return RecipeProblem(function.box, function.oracle, name="function")


def by_matseek(searcher: BayesianSearcher | RandomSearcher, function: Function, seed: int) -> Run:
    """A campaign."""
    campaign = Campaign(problem(function), searcher, seed=seed, opening=function.opening).run(function.opening)
    begun = time.process_time()
    campaign.run(function.budget)
    return _run(function, np.array([e.value for e in campaign.ledger.evaluations()]), time.process_time() - begun)


def _run(function: Function, values: FloatArray, seconds: float) -> Run:
    return Run(values, seconds / ((function.budget - function.opening) / BATCH))


def by_botorch(function: Function, seed: int) -> Run:
    """BoTorch's loop."""
    box = function.box
    categories = [i for i, v in enumerate(box.variables) if v.values]
    ends = [(0, len(v.values) - 1) if v.values else (v.low, v.high) for v in box.variables]
    bounds = torch.tensor(ends, dtype=torch.float64).T
    straight = [i for i in range(box.dim) if i not in categories]
    X = torch.as_tensor(opening(function, seed))
    Y = -torch.as_tensor(function.oracle(X.numpy()))[:, None]
    torch.manual_seed(seed)
    begun = time.process_time()
    while len(X) < function.budget:
        kept = Normalize(box.dim, indices=straight, bounds=bounds) if categories else Normalize(box.dim, bounds=bounds)
        given = {"input_transform": kept, "outcome_transform": Standardize(1)}
        model = MixedSingleTaskGP(X, Y, categories, **given) if categories else SingleTaskGP(X, Y, **given)
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        acquisition = qLogNoisyExpectedImprovement(model, X_baseline=X, prune_baseline=True)
        how = {"q": BATCH, "num_restarts": 10, "raw_samples": 256}
        if categories:
            fixed = [{categories[0]: float(value)} for value in range(int(bounds[1, categories[0]]) + 1)]
            new, _ = optimize_acqf_mixed(acquisition, bounds, fixed_features_list=fixed, **how)
        else:
            new, _ = optimize_acqf(acquisition, bounds, sequential=True, **how)
        X = torch.cat([X, new.detach()])
        Y = torch.cat([Y, -torch.as_tensor(function.oracle(new.detach().numpy()))[:, None]])
    return _run(function, -Y[:, 0].numpy(), time.process_time() - begun)


def by_ax(function: Function, seed: int, python: str) -> Run:
    """Ax in an environment of its own; it is told each batch's values over a pipe."""
    points = opening(function, seed)
    values = function.oracle(points).tolist()
    variables = [
        {"name": v.name, "values": list(v.values)} if v.values else {"name": v.name, "low": v.low, "high": v.high}
        for v in function.box.variables
    ]
    task = {"variables": variables, "points": points.tolist(), "values": values, "batch": BATCH, "seed": seed}
    with subprocess.Popen([python, "-W", "ignore", str(PEER)], stdin=-1, stdout=-1, text=True) as peer:
        assert peer.stdin is not None
        assert peer.stdout is not None
        said: dict[str, object] = task | {"batches": (function.budget - function.opening) // BATCH}
        for _ in range((function.budget - function.opening) // BATCH):
            peer.stdin.write(json.dumps(said) + "\n")
            peer.stdin.flush()
            asked = json.loads(peer.stdout.readline())
            values += (told := function.oracle(np.array(asked["points"])).tolist())
            said = {"values": told}
        peer.stdin.close()
    return _run(function, np.array(values), asked["cpu_seconds"])


def run(method: str, function: Function, seed: int, python: str) -> Run:
    """A method by its name: ``bayesian`` (perhaps with ``:ACQUISITION``), ``botorch``, ``ax`` or ``random``."""
    if method == "random":
        return by_matseek(RandomSearcher(BATCH), function, seed)
    if method in ("botorch", "ax"):
        return by_botorch(function, seed) if method == "botorch" else by_ax(function, seed, python)
    return by_matseek(BayesianSearcher(BATCH, acquisition=method.partition(":")[2] or None), function, seed)


def main() -> None:
    """Run what is missing, and print median regrets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--functions", nargs="+", choices=FUNCTIONS, default=list(FUNCTIONS))
    parser.add_argument("--methods", nargs="+", default=["bayesian", "botorch", "random"])
    parser.add_argument("--seeds", default="1000-1004")
    parser.add_argument("--python", default=sys.executable, help="of the environment that has ax-platform")
    parser.add_argument("--name", default="functions", help="of the file in benchmarks/results")
    given = parser.parse_args()
    torch.set_num_threads(1)
    first, last = map(int, given.seeds.split("-"))
    path = RESULTS / f"{given.name}.json"
    for name in given.functions:
        function = FUNCTIONS[name]
        for method in given.methods:
            for seed in range(first, last + 1):
                stored = json.loads(path.read_text()) if path.exists() else {"cells": {}}
                cells = stored["cells"].setdefault(name, {}).setdefault(method, {})
                if str(seed) in cells:
                    continue
                done = run(method, function, seed, given.python)
                stored = json.loads(path.read_text()) if path.exists() else {"cells": {}}
                cells = stored["cells"].setdefault(name, {}).setdefault(method, {})
                regrets = np.minimum.accumulate(done.values) - function.least
                half = (function.opening + function.budget) // 2
                cells[str(seed)] = {
                    "regret": {str(n): float(regrets[n - 1]) for n in (half, function.budget)},
                    "cpu_seconds_per_batch": done.seconds,
                }
                write(given.name, stored | {"command": COMMAND, "goal": GOAL})
            cells = json.loads(path.read_text())["cells"][name][method]
            regrets = np.array([list(cell["regret"].values()) for cell in cells.values()])
            seconds = np.median([cell["cpu_seconds_per_batch"] for cell in cells.values()])
            print(
                name, method, f"n={len(regrets)}", np.median(regrets, axis=0), regrets.max(axis=0), f"{seconds:.2f} s"
            )


if __name__ == "__main__":
    main()
