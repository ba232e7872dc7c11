"""Strategies that turn a model into a batch of points; one at a time, chosen by name."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from botorch.acquisition import (
    ExpectedImprovement,
    LogExpectedImprovement,
    qExpectedImprovement,
    qLogExpectedImprovement,
)
from botorch.acquisition.analytic import AnalyticAcquisitionFunction
from botorch.acquisition.objective import LinearMCObjective
from botorch.exceptions import NumericsWarning
from botorch.models.model import Model
from botorch.optim import optimize_acqf
from botorch.sampling import SobolQMCNormalSampler
from botorch.utils.sampling import manual_seed
from torch import Tensor

from matseek.acquisition.local_penalization import (
    LocalPenalization,
    lipschitz_constant,
    log_acquisition,
    moments,
    shortest_offset,
)
from matseek.acquisition.optimize import maximize
from matseek.geometry.polytope import Polytope

FloatArray = npt.NDArray[np.float64]

_POOL = 1024
_LOCAL_POOL = 256
_STARTS = 8
_STEPS = 12
_SPACING = 1e-3
"""Points closer than this in every coordinate, as a fraction of the feasible extent, count as the same recipe."""


@dataclass(frozen=True, eq=False)
class Surrogate:
    """What a strategy knows; all coordinates are the window's unit coordinates.

    Args:
        model: Model of the value to minimise, a single outcome.
        lengthscales: How far the model sees along each coordinate, shape ``(d,)``.
        polytope: The feasible set.
        observed: Points with values, shape ``(n, d)``.
        pending: Points asked and not yet told, shape ``(p, d)``.
        tried: Points that must not be proposed again, shape ``(t, d)``.
        periodic: Which coordinates repeat with period 1, shape ``(d,)``, boolean.
    """

    model: Model
    lengthscales: Tensor
    polytope: Polytope
    observed: Tensor
    pending: Tensor
    tried: Tensor
    periodic: Tensor

    def best_mean(self) -> Tensor:
        """Least posterior mean over the observed points: the incumbent, its noise averaged out."""
        with torch.no_grad():
            return moments(self.model, self.observed)[0].min()

    def pool(self, rng: np.random.Generator) -> Tensor:
        """Feasible candidates: uniform ones, and some scattered around the best observed points."""
        uniform = self.polytope.sample(_POOL, rng)
        with torch.no_grad():
            order = moments(self.model, self.observed)[0].argsort()
        best = self.observed[order[: min(5, len(order))]].numpy()
        spread = rng.choice([0.02, 0.05, 0.1], size=(_LOCAL_POOL, 1))
        centres = best[rng.integers(len(best), size=_LOCAL_POOL)]
        around = centres + spread * rng.standard_normal(centres.shape)
        local = self.polytope.project(np.where(self.periodic.numpy(), around % 1.0, around))
        return torch.as_tensor(np.vstack([uniform, local]))

    def distance(self, candidates: Tensor, chosen: Tensor) -> Tensor:
        """Distance of each candidate to the nearest point tried or chosen, in extents of the feasible set."""
        taken = torch.cat([self.tried, chosen])
        if not len(taken):
            return torch.full((len(candidates),), torch.inf)
        offset = shortest_offset(candidates.unsqueeze(1), taken, self.periodic)
        return (offset.abs() / self.extent).amax(-1).amin(-1)

    @cached_property
    def extent(self) -> Tensor:
        """Range of the feasible set along each coordinate, shape ``(d,)``."""
        low, high = self.polytope.extent
        return torch.as_tensor(np.maximum(high - low, np.finfo(np.float64).tiny))


class BatchStrategy(Protocol):
    """Chooses n points; deterministic for a given state of the generator."""

    def __call__(self, surrogate: Surrogate, n: int, rng: np.random.Generator) -> Tensor:
        """Feasible points in unit coordinates, shape ``(n, d)``."""
        ...


def local_penalization(
    surrogate: Surrogate,
    n: int,
    rng: np.random.Generator,
    *,
    base: Callable[..., AnalyticAcquisitionFunction] = LogExpectedImprovement,
) -> Tensor:
    """Batch by local penalization of a sequential acquisition, one point after the other.

    Args:
        surrogate: The model and the feasible set.
        n: Number of points.
        rng: Source of randomness.
        base: BoTorch's acquisition class; it takes ``best_f``.

    Returns:
        Feasible points, shape ``(n, d)``.
    """
    best = surrogate.best_mean()
    with _chosen_by_name():
        acquisition = base(surrogate.model, best_f=best, maximize=False)
    pool = surrogate.pool(rng)
    lipschitz = lipschitz_constant(surrogate.model, surrogate.polytope, pool, surrogate.lengthscales, rng)
    with torch.no_grad():
        pool_values = log_acquisition(acquisition, pool.unsqueeze(-2))
        mean, variance = moments(surrogate.model, pool)
    # The least value is not known. With the incumbent in its place the balls around points as good as the incumbent
    # would vanish and the batch would gather there; so it is estimated from below, by the least confidence bound.
    minimum = torch.minimum(best, (mean - 2 * variance.sqrt()).min())
    chosen = surrogate.observed[:0]
    for _ in range(n):
        centers = torch.cat([surrogate.pending, chosen])
        penalized = LocalPenalization(
            acquisition, centers, lipschitz, minimum, surrogate.lengthscales, surrogate.periodic
        )
        with torch.no_grad():
            values = pool_values + penalized.log_penalty(pool)
        starts = pool[values.topk(min(_STARTS, len(pool))).indices]
        points, heights = maximize(penalized.of_points, surrogate.polytope, starts, steps=_STEPS)
        ranked = torch.cat([points[heights.argsort(descending=True)], pool[values.argsort(descending=True)]])
        chosen = torch.cat([chosen, first_new(surrogate, ranked, chosen)])
    return chosen


def sequential_greedy(
    surrogate: Surrogate,
    n: int,
    rng: np.random.Generator,
    *,
    acquisition: Callable[..., qExpectedImprovement | qLogExpectedImprovement],
) -> Tensor:
    """Batch by BoTorch's Monte-Carlo acquisition, one point after the other, the earlier ones held as pending."""
    chosen = surrogate.observed[:0]
    for _ in range(n):
        function = _monte_carlo(surrogate, acquisition, torch.cat([surrogate.pending, chosen]), rng)
        point = _optimize(surrogate, function, q=1, rng=rng)
        chosen = torch.cat([chosen, first_new(surrogate, torch.cat([point, surrogate.pool(rng)]), chosen)])
    return chosen


def joint(
    surrogate: Surrogate,
    n: int,
    rng: np.random.Generator,
    *,
    acquisition: Callable[..., qExpectedImprovement | qLogExpectedImprovement],
) -> Tensor:
    """Batch by BoTorch's Monte-Carlo acquisition over all n points at once."""
    function = _monte_carlo(surrogate, acquisition, surrogate.pending, rng)
    points = _optimize(surrogate, function, q=n, rng=rng)
    chosen = surrogate.observed[:0]
    for point in points:
        chosen = torch.cat([chosen, first_new(surrogate, torch.cat([point[None], surrogate.pool(rng)]), chosen)])
    return chosen


STRATEGIES: dict[str, BatchStrategy] = {
    "local_penalization": local_penalization,
    "local_penalization_ei": partial(local_penalization, base=ExpectedImprovement),
    "qei": partial(sequential_greedy, acquisition=qExpectedImprovement),
    "qlogei": partial(sequential_greedy, acquisition=qLogExpectedImprovement),
    "qlogei_joint": partial(joint, acquisition=qLogExpectedImprovement),
}
"""Strategies by the name that configs use."""


def first_new(surrogate: Surrogate, ranked: Tensor, chosen: Tensor) -> Tensor:
    """First of the ranked candidates that repeats nothing, shape ``(1, d)``; if all do, the one that does so least."""
    distance = surrogate.distance(ranked, chosen)
    new = distance > _SPACING
    index = int((new.to(torch.int64) if new.any() else distance).argmax())
    return ranked[index : index + 1]


@contextmanager
def _chosen_by_name() -> Iterator[None]:
    """Leave out BoTorch's advice to take the log acquisition: who names the plain one, as in the paper, wants it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumericsWarning)
        yield


def _monte_carlo(
    surrogate: Surrogate,
    acquisition: Callable[..., qExpectedImprovement | qLogExpectedImprovement],
    pending: Tensor,
    rng: np.random.Generator,
) -> qExpectedImprovement | qLogExpectedImprovement:
    sampler = SobolQMCNormalSampler(torch.Size([128]), seed=int(rng.integers(2**31)))
    # BoTorch's improvements are maximised; ours is the improvement of the negative value.
    objective = LinearMCObjective(-torch.ones(1, dtype=torch.float64))
    with _chosen_by_name():
        return acquisition(
            surrogate.model,
            best_f=-surrogate.best_mean(),
            sampler=sampler,
            objective=objective,
            X_pending=pending if len(pending) else None,
        )


def _optimize(
    surrogate: Surrogate,
    function: qExpectedImprovement | qLogExpectedImprovement,
    q: int,
    rng: np.random.Generator,
) -> Tensor:
    polytope, d = surrogate.polytope, surrogate.observed.shape[-1]
    rows = range(2 * d, len(polytope.A))  # the first 2d are the bounds
    # BoTorch draws its start points from the global generator where there are constraints.
    with manual_seed(int(rng.integers(2**31))):
        points, _ = optimize_acqf(
            function,
            bounds=torch.stack([torch.zeros(d), torch.ones(d)]).double(),
            q=q,
            num_restarts=10,
            raw_samples=256,
            inequality_constraints=[_sparse(-polytope.A[i], -polytope.b[i]) for i in rows] or None,
            equality_constraints=[_sparse(a, e) for a, e in zip(polytope.C, polytope.e, strict=True)] or None,
        )
    return torch.as_tensor(polytope.project(points.detach().numpy()))


def _sparse(row: FloatArray, bound: float) -> tuple[Tensor, Tensor, float]:
    indices = np.flatnonzero(row)
    return torch.as_tensor(indices), torch.as_tensor(row[indices]), float(bound)
