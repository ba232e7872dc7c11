"""Batches by greedy expected improvement on joint samples of the posterior at many candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from matseek.acquisition.base import Acquisition
from matseek.acquisition.state import SearchState, sampled
from matseek.checks import check, whole
from matseek.geometry.polytope import Polytope

_VERTICES = 32
"""Corners of the feasible set that are candidates of a batch."""

_EXPLORES = 15
"""Every so many evaluations one goes to the border of the feasible set, where the model knows least."""


@dataclass(frozen=True)
class Pathwise(Acquisition):
    """Greedy qEI on samples that are functions: no inner optimisation, so that a batch takes as long as a point.

    Each sample is ascended from its best candidate, which makes a candidate of its own minimum. Then the point is
    taken, one after the other, that lowers the mean over the samples of the least value so far by most: Wilson, Hutter,
    Deisenroth, NeurIPS 2018, on the joint samples of Wilson et al., ICML 2020. The incumbent of a sample is its least
    value at observed and pending points, so that noise is averaged out.

    Corners of the feasible set, and points between corners, are candidates; every fifteenth evaluation is the one of
    these where the samples differ most, so that a minimum in a corner is visited although no sample has it.

    Args:
        samples: Samples of the posterior.
        steps: Steps of the ascent of each sample.
    """

    label: ClassVar[str] = "pathwise qEI"
    samples: int = 64
    steps: int = 12

    def __post_init__(self) -> None:
        check(self, samples=whole(2), steps=whole(0))

    def batch(self, state: SearchState, n: int, rng: np.random.Generator) -> Tensor:
        """Choose n points one after the other."""
        paths = state.source.paths(self.samples, rng)
        pool = state.pool(rng)
        border = pool if state.listed else state.allowed(corners_and_edges(state.polytope, _VERTICES, rng))
        pool = pool if state.listed else torch.cat([pool, border])
        least = sampled(paths, torch.cat([state.observed, state.pending])).amin(dim=1)
        values = sampled(paths, pool)
        ascended, _ = state.climb(lambda x: -paths.each(x), pool[values.argmin(dim=1)], self.steps)
        candidates = torch.cat([ascended, pool])
        values = torch.cat([sampled(paths, ascended), values], dim=1)
        chosen = state.observed[:0]
        for place in range(n):
            improvement = (least.unsqueeze(1) - values).clamp_min(0.0).mean(dim=0)
            if (len(state.observed) + len(state.pending) + place + 1) % _EXPLORES == 0:
                score = torch.where(torch.arange(len(candidates)) >= len(candidates) - len(border), values.std(0), -1.0)
            elif improvement.max() > 0:
                score = improvement
            else:
                score = values.std(dim=0) - values.mean(dim=0)
            order = score.argsort(descending=True, stable=True)
            point = state.first_new(candidates[order], chosen)
            index = int((candidates - point).abs().amax(dim=-1).argmin())
            least = torch.minimum(least, values[:, index])
            chosen = torch.cat([chosen, point])
        return chosen


def corners_and_edges(polytope: Polytope, count: int, rng: np.random.Generator) -> Tensor:
    """Corners of a polytope, and points between two of them.

    Args:
        polytope: The feasible set.
        count: Number of random directions in which corners are looked for, and of the points between corners.
        rng: Source of all randomness.

    Returns:
        Feasible points, shape ``(m, d)`` with m at most twice ``count``.
    """
    corners = polytope.corners(count, rng)
    if not len(corners):
        return torch.as_tensor(corners)
    first, second = rng.integers(len(corners), size=(2, count))
    share = rng.random((count, 1))
    between = share * corners[first] + (1 - share) * corners[second]
    return torch.as_tensor(polytope.project(np.vstack([corners, between])))
