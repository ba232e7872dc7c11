"""Batches by local penalization of a sequential acquisition."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from botorch.acquisition import ExpectedImprovement, LogExpectedImprovement, UpperConfidenceBound
from botorch.acquisition.analytic import AnalyticAcquisitionFunction
from botorch.acquisition.objective import ScalarizedPosteriorTransform
from torch import Tensor

from matseek.acquisition.base import Acquisition, chosen_by_name
from matseek.acquisition.local_penalization import LocalPenalization, lipschitz_constant, log_acquisition, moments
from matseek.acquisition.state import SearchState
from matseek.checks import check, real, whole

_STARTS = 8


@dataclass(frozen=True)
class LocallyPenalized(Acquisition):
    """A batch one point after the other, each outside the balls around those before; Gonzalez et al. 2016.

    Args:
        steps: Steps of the ascent to each point, from several starts at once.
    """

    steps: int = 12

    def __post_init__(self) -> None:
        check(self, steps=whole(1))

    @abstractmethod
    def function(self, state: SearchState) -> AnalyticAcquisitionFunction:
        """BoTorch's function of one point; it is maximised, and the model's value minimised.

        Args:
            state: The model and what it has learnt from.
        """

    def batch(self, state: SearchState, n: int, rng: np.random.Generator) -> Tensor:
        """Choose n points one after the other."""
        with chosen_by_name():
            function = self.function(state)
        pool = state.pool(rng)
        lipschitz = lipschitz_constant(state.model, state.polytope, pool, state.lengthscales, rng)
        with torch.no_grad():
            pool_values = log_acquisition(function, pool.unsqueeze(-2))
            mean, variance = moments(state.model, pool)
        # The least value is not known. With the incumbent in its place the balls around points as good as the incumbent
        # would vanish and the batch would gather there; so it is estimated from below, by the least confidence bound.
        minimum = torch.minimum(state.best_mean(), (mean - 2 * variance.sqrt()).min())
        chosen = state.observed[:0]
        for _ in range(n):
            centers = torch.cat([state.pending, chosen])
            penalized = LocalPenalization(function, centers, lipschitz, minimum, state.lengthscales, state.periodic)
            with torch.no_grad():
                values = pool_values + penalized.log_penalty(pool)
            starts = pool[values.topk(min(_STARTS, len(pool))).indices]
            points, heights = state.climb(penalized.of_points, starts, self.steps)
            ranked = torch.cat([points[heights.argsort(descending=True)], pool[values.argsort(descending=True)]])
            chosen = torch.cat([chosen, state.first_new(ranked, chosen)])
        return chosen


@dataclass(frozen=True)
class LogEI(LocallyPenalized):
    """Logarithm of expected improvement on the least posterior mean: Ament et al., NeurIPS 2023."""

    label: ClassVar[str] = "LogEI"

    def function(self, state: SearchState) -> LogExpectedImprovement:
        """Of a value to minimise."""
        return LogExpectedImprovement(state.model, best_f=state.best_mean(), maximize=False)


@dataclass(frozen=True)
class EI(LocallyPenalized):
    """Expected improvement on the least posterior mean, as the two-step paper has it."""

    label: ClassVar[str] = "EI"

    def function(self, state: SearchState) -> ExpectedImprovement:
        """Of a value to minimise."""
        return ExpectedImprovement(state.model, best_f=state.best_mean(), maximize=False)


@dataclass(frozen=True)
class UCB(LocallyPenalized):
    """How far the lower confidence bound of the value lies below the least posterior mean.

    The paper's softplus needs a sign that means something, and energies have none; hence the difference.

    Args:
        beta: The bound is the mean minus ``sqrt(beta)`` standard deviations; Srinivas et al., ICML 2010.
    """

    label: ClassVar[str] = "UCB"
    beta: float = 4.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, beta=real(0))

    def function(self, state: SearchState) -> UpperConfidenceBound:
        """Of a value to minimise."""
        less_best = ScalarizedPosteriorTransform(torch.ones(1, dtype=torch.float64), offset=-float(state.best_mean()))
        return UpperConfidenceBound(state.model, self.beta, posterior_transform=less_best, maximize=False)
