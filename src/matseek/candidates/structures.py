"""Structures by a model of their energies: what is fitted, and how its surface is searched."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from matseek.candidates.search import StructureSearch
from matseek.checks import check, of, optional, real
from matseek.core.history import History
from matseek.core.records import TRAINED, Event, Proposal
from matseek.core.space import StructureSpace
from matseek.core.surface import SurfaceSurrogate

FloatArray = npt.NDArray[np.float64]

_FORCES = "true forces"
"""Who has chosen a structure along the forces of the one before."""

_LONGEST = 0.2
"""How far an atom is moved along its force at most, in angstrom."""


@dataclass(frozen=True)
class OnStructures:
    """Fits a model to everything that was evaluated, and evaluates what is best on its surface.

    Args:
        surrogate: The model of the energies.
        search: How its surface is searched, and a batch chosen.
        force_step: Whether a structure that the model has chosen, and that is the best so far, is followed by one that
            lies further along its true forces: displacement per force in A^2/eV, no atom farther than 0.2 angstrom
            (the second step of Bisbo and Hammer, Phys. Rev. B 105, 245404 (2022)). None leaves it out.

    Raises:
        ValueError: If a setting is not as described.
    """

    surrogate: SurfaceSurrogate
    search: StructureSearch = field(default_factory=StructureSearch)
    force_step: float | None = None

    def __post_init__(self) -> None:
        check(
            self,
            "structures.",
            surrogate=of(SurfaceSurrogate, "a model of energies, such as StructureGP()"),
            search=of(StructureSearch),
            force_step=optional(real(above=0, high=10, unit="A^2/eV")),
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
        step = self._along_the_forces(history, space, proposer)
        if len(step) == n:
            return Proposal(step, (_FORCES,))
        surface = self.surrogate.fit(history)
        points = self.search.propose(n - len(step), surface, history, extra)
        predicted = surface.predict(points)
        k = int(np.argmin(predicted.mean))
        figures = {"predicted_lowest": float(predicted.mean[k]), "predicted_deviation": float(predicted.deviation[k])}
        message = (
            f"batch {history.iteration}: learnt from {len(history.done)} structures; the lowest of the batch is "
            f"predicted at {predicted.mean[k]:.4g} +- {predicted.deviation[k]:.2g} eV"
        )
        event = Event(TRAINED, message, {"run": history.iteration, "figures": figures})
        proposers = (*(_FORCES,) * len(step), *(proposer,) * len(points))
        return Proposal(np.concatenate([step, points]), proposers, (event,))

    def _along_the_forces(self, history: History, space: StructureSpace, proposer: str) -> FloatArray:
        """The structure that follows the last one along its true forces, shape ``(1, 3a)``; ``(0, 3a)`` without one."""
        nothing = np.zeros((0, space.dim))
        if not history.evaluations:
            return nothing
        last = history.evaluations[-1]
        if self.force_step is None or last.proposer != proposer or last.status != "done" or last.response is None:
            return nothing
        if last.value > history.values.min():
            return nothing
        step = self.force_step * np.asarray(last.response, dtype=np.float64).reshape(-1, 3)
        longest = float(np.linalg.norm(step, axis=1).max())
        moved = last.point.reshape(-1, 3) + step * min(1.0, _LONGEST / max(longest, 1e-12))
        point = space.wrap(space.confine(moved.reshape(1, -1)))
        return nothing if space.refusals(point)[0] else point
