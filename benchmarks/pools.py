"""Searches of lists of candidates: the share of the best that is found, beside random choice and BoTorch.

    .venv/bin/python -m benchmarks.pools

The lists are synthetic. They have the sizes of four public ones (178 conditions in 5 mixture variables, 600 in 4, 100
in 5, 94 in 3), and a seed makes each: candidates, a smooth hidden function (a Gaussian process' random features), and
noise of 5 % of its deviation, measured once for each candidate. The least 5 % of what was measured count as the best.
All methods begin with the same 5 candidates of a seed, near to a Latin hypercube, and then ask for 5 at a time. Writes
benchmarks/results/pools.json; the methods that are asked for are run again, others of the same seeds are kept.

    .venv/bin/python -m benchmarks.pools --seeds 100-104 --methods local_penalization qlogei --name pools_tuning
    .venv/bin/python -m benchmarks.pools --files P3HT_dataset.csv AutoAM_dataset.csv --maximize

Files are lists that were measured: a row each, the variables first and the value last; rows of the same candidate are
averaged. Their seeds make the openings alone. They are the public ones of github.com/PV-Lab/Benchmarking (Liang et al.,
npj Comput. Mater. 7, 188 (2021)), which are not kept here.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from botorch.acquisition import qLogExpectedImprovement
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskGP
from botorch.models.transforms import Normalize, Standardize
from botorch.optim import optimize_acqf_discrete
from gpytorch.mlls import ExactMarginalLogLikelihood

from benchmarks.results_io import RESULTS, write
from matseek.campaign import Campaign
from matseek.core.searcher import BatchSearcher
from matseek.problems.recipe import RecipeProblem
from matseek.searchers import BayesianSearcher, RandomSearcher
from matseek.spaces import Pool, Variable

FloatArray = npt.NDArray[np.float64]

SEEDS = tuple(range(1000, 1010))
BATCH, AT = 5, (20, 30, 60)
BEST = 0.05
"""Share of the candidates that count as the best."""

DEFAULT = "top_share"

FEATURES, NOISE = 512, 0.05


@dataclass(frozen=True)
class Size:
    """A list's size: candidates, variables, and whether these are parts of a mixture."""

    candidates: int
    variables: int
    mixture: bool
    lengthscale: float


SIZES = {
    "178_of_5_parts": Size(178, 5, mixture=True, lengthscale=0.35),
    "600_in_4": Size(600, 4, mixture=False, lengthscale=0.35),
    "100_in_5": Size(100, 5, mixture=False, lengthscale=0.5),
    "94_of_3_parts": Size(94, 3, mixture=True, lengthscale=0.3),
}


@dataclass(frozen=True, eq=False)
class Measured:
    """Candidates and what a measurement of each gives.

    Args:
        pool: The candidates.
        values: Shape ``(c,)``, to be minimised.
    """

    pool: Pool
    values: FloatArray

    @classmethod
    def synthetic(cls, size: Size, seed: int) -> Measured:
        """The list of a size and a seed."""
        rng = np.random.default_rng([seed, size.candidates])
        draw = rng.dirichlet(np.ones(size.variables), 4 * size.candidates) if size.mixture else None
        points = rng.random((4 * size.candidates, size.variables)) if draw is None else draw
        points = np.unique(np.round(100 * points), axis=0)
        points = points[rng.permutation(len(points))[: size.candidates]]
        # Random features of an RBF kernel: Rahimi and Recht, NeurIPS 2007.
        frequencies = rng.standard_normal((size.variables, FEATURES)) / size.lengthscale
        phases, weights = rng.uniform(0, 2 * math.pi, FEATURES), rng.standard_normal(FEATURES)
        hidden = np.cos(points / 100 @ frequencies + phases) @ weights
        values = hidden + NOISE * hidden.std() * rng.standard_normal(len(points))
        variables = [Variable(f"x{i}", 0, 100, "%") for i in range(size.variables)]
        return cls(Pool(variables, points), values)

    @classmethod
    def read(cls, path: Path, *, maximize: bool) -> Measured:
        """The list in a file."""
        table = pd.read_csv(path)
        *names, value = table.columns
        means = table.groupby(names, sort=True)[value].mean().reset_index()
        return cls(Pool.of(means[names]), (-1 if maximize else 1) * means[value].to_numpy(dtype=np.float64))

    def __call__(self, points: npt.ArrayLike) -> FloatArray:
        """What was measured, shape ``(n,)``."""
        offset = np.asarray(points)[:, None] - self.pool.candidates
        return np.asarray(self.values[np.abs(offset).sum(axis=2).argmin(axis=1)])

    def found(self, chosen: npt.NDArray[np.intp]) -> list[float]:
        """The share of the best among the first 20, 30 and 60 candidates chosen."""
        best = np.argsort(self.values)[: math.ceil(BEST * len(self.values))]
        return [float(np.isin(best, chosen[:count]).mean()) for count in AT]


def by_matseek(searcher: BatchSearcher, measured: Measured, seed: int) -> npt.NDArray[np.intp]:
    """Candidates in the order in which a campaign tries them."""
    problem = RecipeProblem(measured.pool, measured, name="pool")
    campaign = Campaign(problem, searcher, seed=seed, opening=BATCH).run(max(AT))
    points = np.array([e.point for e in campaign.ledger.evaluations()])
    return np.abs(points[:, None] - measured.pool.candidates).sum(axis=2).argmin(axis=1)


def by_botorch(measured: Measured, seed: int) -> npt.NDArray[np.intp]:
    """Candidates by BoTorch's qLogEI over the list, its Gaussian process with its own defaults."""
    X = torch.as_tensor(measured.pool.candidates)
    Y = -torch.as_tensor(measured.values)[:, None]
    chosen = by_matseek(RandomSearcher(BATCH), measured, seed)[:BATCH].tolist()
    torch.manual_seed(seed)
    while len(chosen) < max(AT):
        d = X.shape[1]
        model = SingleTaskGP(X[chosen], Y[chosen], input_transform=Normalize(d), outcome_transform=Standardize(1))
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        left = torch.tensor([i for i in range(len(X)) if i not in set(chosen)])
        function = qLogExpectedImprovement(model, best_f=Y[chosen].max())
        points, _ = optimize_acqf_discrete(function, q=BATCH, choices=X[left], max_batch_size=256)
        chosen += [int((X - point).abs().sum(dim=1).argmin()) for point in points]
    return np.array(chosen[: max(AT)])


def method_of(name: str) -> Callable[[Measured, int], npt.NDArray[np.intp]]:
    """The method by its name: ``random``, ``botorch``, or an acquisition's name, perhaps with ``:values`` (no log)."""
    if name == "botorch":
        return by_botorch
    acquisition, _, values = name.partition(":")
    searcher = RandomSearcher(BATCH) if name == "random" else None
    chosen = searcher or BayesianSearcher(BATCH, acquisition=acquisition, log=not values)
    return lambda measured, seed: by_matseek(chosen, measured, seed)


def lists_of(files: list[Path], seeds: list[int], *, maximize: bool) -> dict[str, list[Measured]]:
    """The lists by their name, one for each seed: those of files, or else the synthetic ones."""
    if files:
        return {path.stem: [Measured.read(path, maximize=maximize)] * len(seeds) for path in files}
    return {name: [Measured.synthetic(size, seed) for seed in seeds] for name, size in SIZES.items()}


def main() -> None:
    """Run what is asked for and write the shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default=f"{SEEDS[0]}-{SEEDS[-1]}")
    parser.add_argument("--methods", nargs="+", default=["random", "botorch", DEFAULT, f"{DEFAULT}:values"])
    parser.add_argument("--name", default="pools", help="of the file in benchmarks/results")
    parser.add_argument("--files", nargs="+", type=Path, default=[], help="lists that were measured, in their place")
    parser.add_argument("--maximize", action="store_true", help="the files' values are the better the higher")
    given = parser.parse_args()
    first, last = map(int, given.seeds.split("-"))
    seeds = list(range(first, last + 1))
    warnings.simplefilter("ignore")
    path = RESULTS / f"{given.name}.json"
    stored = json.loads(path.read_text()) if path.exists() else {}
    kept = stored if stored.get("seeds") == seeds else {"found": {}, "cpu_seconds_per_batch": {}}
    found: dict[str, dict[str, list[list[float]]]] = kept["found"]
    seconds: dict[str, dict[str, float]] = kept["cpu_seconds_per_batch"]
    for name, lists in lists_of(given.files, seeds, maximize=given.maximize).items():
        found.setdefault(name, {})
        seconds.setdefault(name, {})
        for method_name in given.methods:
            began = time.process_time()
            method = method_of(method_name)
            found[name][method_name] = [x.found(method(x, seed)) for x, seed in zip(lists, seeds, strict=True)]
            seconds[name][method_name] = round((time.process_time() - began) / len(seeds) / (max(AT) / BATCH - 1), 3)
            print(name, method_name, np.mean(found[name][method_name], axis=0).round(3), flush=True)
    write(
        given.name,
        {
            "command": ".venv/bin/python -m benchmarks.pools",
            "goal": "ahead of BoTorch's qLogEI on every list",
            "at": list(AT),
            "seeds": seeds,
            "found": found,
            "cpu_seconds_per_batch": seconds,
        },
    )


if __name__ == "__main__":
    main()
