"""Search without learning: the yardsticks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from matseek.evaluation import History, Proposal
from matseek.searchers.base import BatchSearcher


@dataclass(frozen=True)
class RandomSearcher(BatchSearcher):
    """Feasible points, uniformly distributed."""

    name: ClassVar[str] = "random"

    def ask(self, n: int, history: History) -> Proposal:
        """Draw n points."""
        return Proposal(history.domain.sample_uniform(n, history.rng()), (self.name,) * n)


@dataclass(frozen=True)
class LatinHypercube(BatchSearcher):
    """Each batch a feasible Latin hypercube."""

    name: ClassVar[str] = "lhs"

    def ask(self, n: int, history: History) -> Proposal:
        """Draw a hypercube of n points."""
        return Proposal(history.window.sample_latin_hypercube(n, history.rng()), (self.name,) * n)
