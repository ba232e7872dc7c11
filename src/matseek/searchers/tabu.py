"""Small changes of good points, none twice: for spaces without coordinates, such as atoms on sites."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from matseek.checks import check, real
from matseek.core.history import History
from matseek.core.records import Proposal
from matseek.core.searcher import BatchSearcher
from matseek.core.space import Space
from matseek.core.surrogate import Look

FloatArray = npt.NDArray[np.float64]

_TRIES = 200
"""Draws of a point that is new, before one that was tried is taken."""


@dataclass(frozen=True)
class TabuSearch(BatchSearcher):
    """Tabu search: a point of a batch is one small change away from a good one, and none is tried twice.

    Glover, Computers & Operations Research 13, 533 (1986); here the parents are drawn from everything evaluated, by
    Boltzmann weights at a kT that is a share of the spread of the values, so that nothing but the history is needed to
    go on. Points that a symmetry of the space carries into one another count as one.

    Args:
        batch_size: Points in a batch; None for 8. The first batch is uniform.
        warmth: kT as a share of the standard deviation of the values.

    Raises:
        ValueError: If a setting is not as described.
    """

    name: ClassVar[str] = "tabu"
    label: ClassVar[str] = "tabu search"
    look: ClassVar[Look | None] = ("#00838f", "<")
    warmth: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, warmth=real(above=0, unit="standard deviations of the values"))

    @property
    def needs_forces(self) -> bool:
        """It looks at values alone."""
        return False

    def usual_batch(self, space: Space) -> int:  # noqa: ARG002 -- the face of those that search several kinds
        """Eight."""
        return 8

    def check_space(self, space: Space) -> None:
        """Refuse a space that knows no small changes."""
        if not space.has_variants:
            raise ValueError(
                f"searcher={self.name} changes points by small steps of the space's own, and this space has none; take "
                "searcher=random, or another one that searches its coordinates or structures"
            )

    def ask(self, n: int, history: History) -> Proposal:
        """Draw n points; uniform ones before anything has a value."""
        space, rng = history.space, history.rng()
        known = {row.tobytes() for row in space.canonical(history.tried)}
        weights = self._weights(history.values)
        chosen: list[FloatArray] = []
        for _ in range(n):
            point = space.sample_uniform(1, rng)[0]
            for _ in range(_TRIES):
                if len(weights):
                    point = space.variant(history.points[rng.choice(len(weights), p=weights)], rng)
                same = space.canonical(point)[0].tobytes()
                if same not in known:
                    known.add(same)
                    break
                point = space.sample_uniform(1, rng)[0]
            chosen.append(point)
        return Proposal(np.array(chosen), (self.name,) * n)

    def _weights(self, values: FloatArray) -> FloatArray:
        """How likely each evaluated point is a parent, shape ``(n,)``; the same for all where values are alike."""
        if not len(values):
            return values
        kt = self.warmth * float(values.std())
        weights = np.exp(-(values - values.min()) / kt) if kt > 0 else np.ones(len(values))
        return np.asarray(weights / weights.sum())
