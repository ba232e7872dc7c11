"""Search without learning: the yardsticks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from matseek.evaluation import History, Proposal
from matseek.searchers.base import BatchSearcher, require_box
from matseek.spaces import Space


@dataclass(frozen=True)
class RandomSearcher(BatchSearcher):
    """Feasible points, uniformly distributed; structures without overlaps.

    A single free atom is drawn in its chart (:mod:`matseek.spaces.chart`): uniformly in plane, and in height over the
    room that is there.
    """

    name: ClassVar[str] = "random"

    def ask(self, n: int, history: History) -> Proposal:
        """Draw n points."""
        return Proposal(history.domain.sample_uniform(n, history.rng()), (self.name,) * n)


@dataclass(frozen=True)
class LatinHypercube(BatchSearcher):
    """Each batch a feasible Latin hypercube."""

    name: ClassVar[str] = "lhs"

    def check_space(self, space: Space) -> None:
        """Refuse what has no coordinates to be stratified."""
        require_box(self.name, space)

    def ask(self, n: int, history: History) -> Proposal:
        """Draw a hypercube of n points."""
        return Proposal(history.window.sample_latin_hypercube(n, history.rng()), (self.name,) * n)
