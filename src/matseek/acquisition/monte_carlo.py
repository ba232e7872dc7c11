"""Batches by BoTorch's Monte-Carlo acquisitions.

Balandat et al., "BoTorch", NeurIPS 2020; Wilson, Hutter, Deisenroth, "Maximizing acquisition functions for Bayesian
optimization", NeurIPS 2018. BoTorch maximises; the objective here is the negative value, which is to be minimised.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, TypedDict, Unpack

import numpy as np
import torch
from botorch.acquisition import (
    AcquisitionFunction,
    qExpectedImprovement,
    qLogExpectedImprovement,
    qLogNoisyExpectedImprovement,
    qUpperConfidenceBound,
)
from botorch.acquisition.logei import qLogProbabilityOfFeasibility
from botorch.acquisition.multi_objective import logei
from botorch.acquisition.multi_objective.objective import WeightedMCMultiOutputObjective
from botorch.acquisition.objective import LinearMCObjective, MCAcquisitionObjective
from botorch.sampling import MCSampler, SobolQMCNormalSampler
from botorch.utils.sampling import manual_seed
from torch import Tensor

from matseek.acquisition.base import Acquisition, chosen_by_name
from matseek.acquisition.optimize import best_first, exchanged, maximize_batch
from matseek.acquisition.state import SearchState
from matseek.checks import check, real, whole

_SPARSE = 4
"""A hypervolume improvement is looked at on every so many of a state's candidates: it costs a hundred times more."""

_AT_ONCE = 128
"""Points at which a hypervolume improvement is evaluated at once, which bounds the memory."""

_STARTS, _STEPS = 16, 40
"""Ascents to a point, all in batched calls, and their steps."""

_STARTS_OF_FRONTS = 8
"""The same for a hypervolume improvement."""


class Sampling(TypedDict):
    """The arguments that all of BoTorch's Monte-Carlo acquisitions take.

    ``sampler``: quasi-random draws of the posterior; ``objective``: the negative value, of shape ``(..., q)``;
    ``X_pending``: points asked and not yet told, shape ``(p, d)``, or None.
    """

    sampler: MCSampler
    objective: MCAcquisitionObjective
    X_pending: Tensor | None


@dataclass(frozen=True)
class MonteCarlo(Acquisition):
    """A batch one point after the other, the earlier ones held as pending (sequential greedy).

    Args:
        samples: Draws of the posterior.
    """

    samples: int = 128

    def __post_init__(self) -> None:
        check(self, samples=whole(1))

    @abstractmethod
    def function(self, state: SearchState, **sampling: Unpack[Sampling]) -> AcquisitionFunction:
        """BoTorch's function; it is maximised.

        Args:
            state: The model and what it has learnt from.
            sampling: To be handed on to BoTorch.
        """

    def made(self, state: SearchState, pending: Tensor, rng: np.random.Generator) -> AcquisitionFunction:
        """The function with a seeded sampler.

        Args:
            state: The model and what it has learnt from.
            pending: Points asked and not yet told, shape ``(p, d)``; p may be 0.
            rng: Source of the sampler's seed.
        """
        seed = int(rng.integers(2**31))
        # Some of BoTorch's constructors draw from the global generator.
        with chosen_by_name(), manual_seed(seed):
            return self.function(
                state,
                sampler=SobolQMCNormalSampler(torch.Size([self.samples]), seed=seed),
                objective=LinearMCObjective(-torch.ones(1, dtype=torch.float64)),
                X_pending=pending if len(pending) else None,
            )

    def batch(self, state: SearchState, n: int, rng: np.random.Generator) -> Tensor:
        """Choose n points one after the other."""
        chosen = state.observed[:0]
        for _ in range(n):
            function = self.made(state, torch.cat([state.pending, chosen]), rng)
            chosen = torch.cat([chosen, state.first_new(self._ranked(state, function, rng), chosen)])
        return chosen

    def _ranked(self, state: SearchState, function: AcquisitionFunction, rng: np.random.Generator) -> Tensor:
        """Points of which the first new one is taken, the best first, shape ``(m, d)``."""
        pool = best_first(function, state.pool(rng))
        points, heights = state.climb(lambda x: function(x.unsqueeze(-2)), pool[:_STARTS], _STEPS)
        return torch.cat([points[heights.argsort(descending=True)], pool])


@dataclass(frozen=True)
class Joint(MonteCarlo):
    """Mix-in, to be named before a Monte-Carlo acquisition: all points of a batch at once."""

    def batch(self, state: SearchState, n: int, rng: np.random.Generator) -> Tensor:
        """Choose n points at once."""
        function = self.made(state, state.pending, rng)
        if state.listed:
            return exchanged(function, super().batch(state, n, rng), state.pool(rng))
        points = state.allowed(maximize_batch(function, state.polytope, n, rng))
        chosen = state.observed[:0]
        for point in points:
            chosen = torch.cat([chosen, state.first_new(torch.cat([point[None], state.pool(rng)]), chosen)])
        return chosen


@dataclass(frozen=True)
class QEI(MonteCarlo):
    """Expected improvement on the least posterior mean at observed points."""

    label: ClassVar[str] = "qEI"

    def function(self, state: SearchState, **sampling: Unpack[Sampling]) -> qExpectedImprovement:
        """Of the negative value."""
        return qExpectedImprovement(state.model, best_f=-state.best_mean(), **sampling)


@dataclass(frozen=True)
class QLogEI(MonteCarlo):
    """Logarithm of a smoothed expected improvement: Ament et al., NeurIPS 2023."""

    label: ClassVar[str] = "qLogEI"

    def function(self, state: SearchState, **sampling: Unpack[Sampling]) -> qLogExpectedImprovement:
        """Of the negative value."""
        return qLogExpectedImprovement(state.model, best_f=-state.best_mean(), **sampling)


@dataclass(frozen=True)
class JointQLogEI(Joint, QLogEI):
    """The same over all points of a batch at once."""

    label: ClassVar[str] = "joint qLogEI"


@dataclass(frozen=True)
class QLogNEI(MonteCarlo):
    """Logarithm of the noisy expected improvement: Letham et al., Bayesian Analysis 14, 495 (2019); Ament et al., 2023.

    No point counts as the incumbent: the improvement is over the best of the observed points in each draw of the
    posterior, which the measured variance of each value has gone into. Points that are hardly ever the best are left
    out.
    """

    label: ClassVar[str] = "qLogNEI"

    def function(self, state: SearchState, **sampling: Unpack[Sampling]) -> qLogNoisyExpectedImprovement:
        """Of the negative value."""
        return qLogNoisyExpectedImprovement(state.model, X_baseline=state.observed, prune_baseline=True, **sampling)


@dataclass(frozen=True)
class QLogNEHVI(MonteCarlo):
    """Logarithm of the noisy expected hypervolume improvement, for several objectives under constraints on outcomes.

    Daulton, Balandat, Bakshy, NeurIPS 2021; Ament et al., NeurIPS 2023. The improvement is over the Pareto front of
    each draw at the observed points, and counts as far as the draw meets the constraints. With one objective it is the
    noisy expected improvement under constraints, see :class:`QLogNEI`. As long as no observed point is expected to meet
    them, the function is the logarithm of the probability that a point does. All starts ascend in batched calls, since
    a call costs nearly the same for one point as for many.

    Args:
        samples: Draws of the posterior.
        steps: Steps of the ascent to each point.
    """

    label: ClassVar[str] = "qLogNEHVI"
    serves_goals: ClassVar[bool] = True
    samples: int = 64
    steps: int = 15

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, steps=whole(1))

    def batch(self, state: SearchState, n: int, rng: np.random.Generator) -> Tensor:
        """Choose n points one after the other."""
        pool = state.pool(rng)[:: 1 if state.listed else _SPARSE]
        chosen = state.observed[:0]
        for _ in range(n):
            function = self.made(state, torch.cat([state.pending, chosen]), rng)

            def of_points(points: Tensor, function: AcquisitionFunction = function) -> Tensor:
                values: Tensor = function(points.unsqueeze(-2))
                return values

            with torch.no_grad():
                values = torch.cat([of_points(part) for part in torch.split(pool, _AT_ONCE)])
            starts = pool[values.topk(min(_STARTS_OF_FRONTS, len(pool))).indices]
            points, heights = state.climb(of_points, starts, self.steps)
            ranked = torch.cat([points[heights.argsort(descending=True)], pool[values.argsort(descending=True)]])
            chosen = torch.cat([chosen, state.first_new(ranked, chosen)])
        return chosen

    def function(self, state: SearchState, **sampling: Unpack[Sampling]) -> AcquisitionFunction:
        """Of the negative objectives."""
        goals, pending = state.goals, sampling["X_pending"]
        if goals is None:
            return QLogNEI(self.samples).function(state, **sampling)
        if not state.meets_constraints:
            return qLogProbabilityOfFeasibility(
                goals.model, list(goals.constraints), sampler=sampling["sampler"], X_pending=pending
            )
        constraints, m = list(goals.constraints) or None, len(goals.signs)
        if m == 1:
            weights = torch.zeros(goals.model.num_outputs, dtype=torch.float64)
            weights[0] = -1.0
            return qLogNoisyExpectedImprovement(
                goals.model,
                X_baseline=state.observed,
                sampler=sampling["sampler"],
                objective=LinearMCObjective(weights),
                constraints=constraints,
                X_pending=pending,
                prune_baseline=True,
            )
        # BoTorch would have a C++ compiler make a kernel for this processor: that takes a minute, is a warning without
        # a compiler, and waits for ever for a process that was killed while it compiled.
        logei._load_attempted = True
        return logei.qLogNoisyExpectedHypervolumeImprovement(
            goals.model,
            ref_point=-goals.reference,
            X_baseline=state.observed,
            sampler=sampling["sampler"],
            objective=WeightedMCMultiOutputObjective(-goals.signs, outcomes=list(range(m))),
            constraints=constraints,
            X_pending=pending,
            prune_baseline=True,
        )


@dataclass(frozen=True)
class QUCB(MonteCarlo):
    """Least lower confidence bound of the value, as upper bound of its negative: Wilson et al. 2018, appendix A.

    Args:
        beta: Of one point the function is minus mean plus ``sqrt(beta)`` standard deviations.
    """

    label: ClassVar[str] = "qUCB"
    beta: float = 4.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, beta=real(0))

    def function(self, state: SearchState, **sampling: Unpack[Sampling]) -> qUpperConfidenceBound:
        """Of the negative value."""
        return qUpperConfidenceBound(state.model, beta=self.beta, **sampling)
