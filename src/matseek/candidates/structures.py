"""Structures by a model of their energies: what is fitted, and how its surface is searched."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from matseek.candidates.search import StructureSearch
from matseek.checks import check, of
from matseek.core.history import History
from matseek.core.records import TRAINED, Event, Proposal
from matseek.core.space import StructureSpace
from matseek.core.surface import SurfaceSurrogate

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class OnStructures:
    """Fits a model to everything that was evaluated, and evaluates what is best on its surface.

    Args:
        surrogate: The model of the energies.
        search: How its surface is searched, and a batch chosen.

    Raises:
        ValueError: If a setting is not as described.
    """

    surrogate: SurfaceSurrogate
    search: StructureSearch = field(default_factory=StructureSearch)

    def __post_init__(self) -> None:
        check(
            self,
            "structures.",
            surrogate=of(SurfaceSurrogate, "a model of energies, such as StructureGP()"),
            search=of(StructureSearch),
        )

    def check(self, space: StructureSpace) -> None:
        """Refuse a space that a generator has nothing for, before anything is paid."""
        self.search.check(space)

    def check_machine(self) -> None:
        """Refuse a model that could not be fitted on this machine.

        Raises:
            ConfigurationError: If it could not.
        """
        self.surrogate.check_machine()

    def ask(self, n: int, history: History, proposer: str, extra: FloatArray | None = None) -> Proposal:
        """Choose n structures: the first ones as long as nothing can be learnt, then the best of the surface.

        Args:
            n: How many.
            history: Everything so far.
            proposer: Who is recorded to have chosen.
            extra: Further candidates of the surface's search, shape ``(k, 3a)``.
        """
        space = history.space.as_structures()
        assert space is not None
        if len(history.tried) < self.search.start or self.surrogate.reason_to_wait(history) is not None:
            return Proposal(self.search.first(n, space, history.rng()), (self.search.first_label,) * n)
        surface = self.surrogate.fit(history)
        points = self.search.propose(n, surface, history, extra)
        predicted = surface.predict(points)
        k = int(np.argmin(predicted.mean))
        figures = {"predicted_lowest": float(predicted.mean[k]), "predicted_deviation": float(predicted.deviation[k])}
        message = (
            f"batch {history.iteration}: learnt from {len(history.done)} structures; the lowest of the batch is "
            f"predicted at {predicted.mean[k]:.4g} +- {predicted.deviation[k]:.2g} eV"
        )
        event = Event(TRAINED, message, {"run": history.iteration, "figures": figures})
        return Proposal(points, (proposer,) * n, (event,))
