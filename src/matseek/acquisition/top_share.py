"""Batches for lists of candidates: by the probability of being among the best, and by expected improvement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from matseek.acquisition.base import Acquisition
from matseek.acquisition.state import SearchState, sampled
from matseek.checks import check, real, whole


@dataclass(frozen=True)
class TopShare(Acquisition):
    """Two of five candidates are those most often among the best, the others are chosen by greedy qEI.

    Both are counted over joint samples of the posterior at all candidates of a list, measured ones and new ones. A
    sample has its own best tenth; the candidate that is in it most often is taken, which is the one-step policy of
    Jiang, Malkomes, Converse, Shofner, Moseley, Garnett, "Efficient nonmyopic active search", ICML 2017, for a rank in
    place of a class. Greedy qEI is that of :class:`~matseek.acquisition.Pathwise`.

    Expected improvement begins with candidates far from all others. Lists that laboratories have measured are dense
    where earlier searches have found something: there the probability finds more, and where the best candidates lie at
    the ends of their ranges, improvement does (docs/experiments.md, "Lists of candidates").

    Of a box the candidates are random points and points around the best ones.

    Args:
        share: Share of the candidates that are the best ones; at least one candidate is.
        by_rank: Share of the evaluations that go to those most often among the best.
        samples: Samples of the posterior.
    """

    label: ClassVar[str] = "probability of the best, and qEI"
    share: float = 0.1
    by_rank: float = 0.4
    samples: int = 512

    def __post_init__(self) -> None:
        check(self, share=real(above=0, high=1), by_rank=real(0, 1), samples=whole(2))

    def batch(self, state: SearchState, n: int, rng: np.random.Generator) -> Tensor:
        """Choose n points one after the other."""
        pool = state.pool(rng)
        paths = state.source.paths(self.samples, rng)
        known = torch.cat([state.observed, state.pending])
        everything = torch.cat([pool, known])
        # One that was measured several times, or may be measured again, takes one place among the best.
        first = np.unique(everything.numpy(), axis=0, return_index=True)[1]
        first.sort()
        pool, everything = pool[first[first < len(pool)]], everything[first]
        values, least = (sampled(paths, points) for points in (everything, known))
        least = least.amin(dim=1)
        best = values.topk(max(1, round(self.share * len(everything))), dim=1, largest=False).indices
        times = torch.bincount(best.flatten(), minlength=len(everything))[: len(pool)]
        values = values[:, : len(pool)]
        by_rank = torch.as_tensor(np.lexsort([values.mean(dim=0).numpy(), -times.numpy()]))
        chosen = pool[:0]
        for number in range(len(known), len(known) + n):
            improvement = (least.unsqueeze(1) - values).clamp_min(0.0).mean(dim=0)
            ranked = int((number + 1) * self.by_rank) > int(number * self.by_rank)
            order = by_rank if ranked or improvement.max() <= 0 else improvement.argsort(descending=True, stable=True)
            point = state.first_new(pool[order], chosen)
            least = torch.minimum(least, values[:, int((pool - point).abs().amax(dim=-1).argmin())])
            chosen = torch.cat([chosen, point])
        return chosen
