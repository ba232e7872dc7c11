"""What an acquisition chooses from: the model, the feasible set, and the points that are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from botorch.models.model import Model
from botorch.utils.multi_objective.pareto import is_non_dominated
from torch import Tensor

from matseek.acquisition.local_penalization import moments, shortest_offset
from matseek.acquisition.optimize import maximize
from matseek.geometry.polytope import Polytope

_POOL = 1024
_LOCAL_POOL = 256
SPACING = 1e-3
"""Points closer than this in every coordinate, as a fraction of the feasible extent, count as the same recipe."""

CLOSEST = 1e-9
"""The same of points that are listed one by one."""

_AT_ONCE = 32
"""Points at which samples are evaluated at once: whole spectra may be behind each value, and few stay in the cache."""


def _all_of_it(points: Tensor) -> Tensor:
    return points


class ValuePaths(Protocol):
    """Joint samples of the value to minimise, as functions of unit coordinates that can be differentiated."""

    def __call__(self, x: Tensor) -> Tensor:
        """All samples at points ``(m, d)``, shape ``(s, m)``."""
        ...

    def each(self, x: Tensor) -> Tensor:
        """Sample i at point i of ``(s, d)``, shape ``(s,)``."""
        ...


def sampled(paths: ValuePaths, points: Tensor) -> Tensor:
    """All samples at points ``(m, d)``, shape ``(s, m)``, not differentiable: some points after the others.

    Args:
        paths: The samples.
        points: In unit coordinates.
    """
    with torch.no_grad():
        return torch.cat([paths(part) for part in torch.split(points, _AT_ONCE)], dim=1)


class PathSource(Protocol):
    """A model whose posterior can be sampled as functions."""

    def paths(self, count: int, rng: np.random.Generator) -> ValuePaths:
        """Joint samples; the same state of the generator gives the same ones."""
        ...


@dataclass(frozen=True, eq=False)
class ModelledGoals:
    """Further objectives and constraints on outcomes, as an acquisition sees them.

    Args:
        model: Model of all outcomes, independent of each other, the value first.
        signs: For each objective, of which the value is the first, 1 or, of an outcome that is maximised, -1; shape
            ``(m,)``. The objectives are the model's first m outcomes.
        reference: Objectives times signs that a point must better to count, shape ``(m,)``.
        constraints: From draws of the outcomes, shape ``(..., k)``, to numbers ``(...)`` that are at most 0 where a
            constraint is met.
    """

    model: Model
    signs: Tensor
    reference: Tensor
    constraints: tuple[Callable[[Tensor], Tensor], ...]


@dataclass(frozen=True, eq=False)
class SearchState:
    """What an acquisition chooses from; all coordinates are the window's unit coordinates.

    Args:
        model: Model of the value to minimise, a single outcome.
        lengthscales: How far the model sees along each coordinate, shape ``(d,)``.
        polytope: The feasible set.
        observed: Points with values, shape ``(n, d)``.
        pending: Points asked and not yet told, shape ``(p, d)``.
        tried: Points that must not be proposed again, shape ``(t, d)``.
        periodic: Which coordinates repeat with period 1, shape ``(d,)``, boolean.
        source: Where joint samples of the same value come from.
        candidates: What a batch is chosen from, or ascended from, shape ``(m, d)``, feasible; None for uniform points
            and some around the best observed ones.
        goals: What is wanted besides the least value; None where that is nothing.
        allowed: Gives the nearest points that may be tried, of ``(m, d)``; all of the feasible set without it.
        along: Which coordinates an ascent moves, shape ``(d,)``, boolean; None for all. The columns of a category stay.
        listed: Whether the candidates are all that may be tried: each is then looked at, and nothing else.
    """

    model: Model
    lengthscales: Tensor
    polytope: Polytope
    observed: Tensor
    pending: Tensor
    tried: Tensor
    periodic: Tensor
    source: PathSource
    candidates: Tensor | None = None
    goals: ModelledGoals | None = None
    allowed: Callable[[Tensor], Tensor] = _all_of_it
    along: Tensor | None = None
    listed: bool = False

    def best_mean(self) -> Tensor:
        """Least posterior mean over the observed points: the incumbent, its noise averaged out."""
        with torch.no_grad():
            return moments(self.model, self.observed)[0].min()

    def pool(self, rng: np.random.Generator) -> Tensor:
        """Feasible candidates: those given, or else uniform ones and some scattered around the best observed points."""
        if self.candidates is not None:
            return self.candidates
        uniform = self.polytope.sample(_POOL, rng)
        best = self._best().numpy()
        spread = rng.choice([0.02, 0.05, 0.1], size=(_LOCAL_POOL, 1))
        centres = best[rng.integers(len(best), size=_LOCAL_POOL)]
        around = centres + spread * rng.standard_normal(centres.shape)
        local = self.polytope.project(np.where(self.periodic.numpy(), around % 1.0, around))
        return self.allowed(torch.as_tensor(np.vstack([uniform, local])))

    @property
    def leaps(self) -> bool:
        """Whether there are categories, between whose values no ascent leads."""
        return self.along is not None and not bool(self.along.all())

    def climb(self, function: Callable[[Tensor], Tensor], starts: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """Points that may be tried, by ascent from some, and the function's values there.

        Args:
            function: ``(b, d)`` points to ``(b,)`` values, differentiable; each value depends on its own point alone.
            starts: Points that may be tried, shape ``(b, d)``.
            steps: Calls of the function.

        Returns:
            Points, shape ``(b', d)``, and their values, shape ``(b',)``; none where everything is listed.
        """
        if self.listed:
            return starts[:0], starts.new_zeros(0)
        points, heights = maximize(function, self.polytope, starts, steps, self.along)
        nearest = self.allowed(points)
        if torch.equal(nearest, points):
            return points, heights
        with torch.no_grad():
            return nearest, function(nearest)

    def _best(self) -> Tensor:
        """Observed points of the least posterior means; with further goals those of the modelled Pareto front."""
        if self.goals is None:
            with torch.no_grad():
                return self.observed[moments(self.model, self.observed)[0].argsort()[:5]]
        mean, met = self._expected(self.goals)
        kept = met.nonzero().squeeze(-1) if met.any() else torch.arange(len(mean))
        costs = mean[kept][:, : len(self.goals.signs)] * self.goals.signs
        return self.observed[kept[is_non_dominated(-costs)]]

    def _expected(self, goals: ModelledGoals) -> tuple[Tensor, Tensor]:
        """Posterior means of the outcomes at the observed points, ``(n, k)``, and which meet all constraints."""
        with torch.no_grad():
            posterior: Any = goals.model.posterior(self.observed)
        mean: Tensor = posterior.mean
        met = torch.ones(len(mean), dtype=torch.bool)
        for rule in goals.constraints:
            met &= rule(mean) <= 0
        return mean, met

    @cached_property
    def meets_constraints(self) -> bool:
        """Whether an observed point is expected to meet all constraints on outcomes."""
        return self.goals is None or bool(self._expected(self.goals)[1].any())

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

    def first_new(self, ranked: Tensor, chosen: Tensor) -> Tensor:
        """First of the ranked candidates that repeats nothing; if all do, the one that is farthest from the others.

        Args:
            ranked: Candidates, the best first, shape ``(m, d)``.
            chosen: Points that the batch holds already, shape ``(k, d)``; k may be 0.

        Returns:
            Shape ``(1, d)``.
        """
        distance = self.distance(ranked, chosen)
        new = distance > (CLOSEST if self.listed else SPACING)
        index = int((new.to(torch.int64) if new.any() else distance).argmax())
        return ranked[index : index + 1]
