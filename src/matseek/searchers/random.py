"""Search without learning: the yardsticks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from matseek.core.history import History
from matseek.core.records import Proposal
from matseek.core.searcher import BatchSearcher, require_box
from matseek.core.space import Space
from matseek.core.surrogate import Look


@dataclass(frozen=True)
class RandomSearcher(BatchSearcher):
    """Feasible points, uniformly distributed; structures without overlaps.

    A single free atom is drawn in its chart (:mod:`matseek.spaces.chart`): uniformly in plane, and in height over the
    room that is there.
    """

    name: ClassVar[str] = "random"
    label: ClassVar[str] = "random"
    look: ClassVar[Look | None] = ("#8f6c33", "X")
    serves_goals: ClassVar[bool] = True
    serves_molecules: ClassVar[bool] = True

    @property
    def needs_forces(self) -> bool:
        """It looks at no answer."""
        return False

    def ask(self, n: int, history: History) -> Proposal:
        """Draw n points."""
        points = history.uniform(n)
        return Proposal(points, (self.name,) * len(points))


@dataclass(frozen=True)
class LatinHypercube(BatchSearcher):
    """Each batch a feasible Latin hypercube."""

    name: ClassVar[str] = "lhs"
    label: ClassVar[str] = "Latin hypercube"
    look: ClassVar[Look | None] = ("#8c8c8c", "o")
    serves_goals: ClassVar[bool] = True

    def check_space(self, space: Space) -> None:
        """Refuse what has no coordinates to be stratified."""
        require_box(self.name, space)

    def ask(self, n: int, history: History) -> Proposal:
        """Draw a hypercube of n points."""
        points = history.hypercube(n)
        return Proposal(points, (self.name,) * len(points))
