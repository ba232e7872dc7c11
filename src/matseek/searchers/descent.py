"""One local relaxation, step by step, within what the space allows."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from ase.calculators.singlepoint import SinglePointCalculator
from ase.filters import Filter

from matseek.core.records import OPENING, RELAXED, Evaluation, Event
from matseek.core.space import StructureSpace
from matseek.problems.motifs import OPTIMIZERS

FloatArray = npt.NDArray[np.float64]

_ON_A_WALL = 1e-6
"""Atoms this near to a wall, in angstrom, lie on it: relaxations put them there exactly."""


@dataclass(eq=False)
class Descent:
    """One relaxation.

    What leaves the confinement is put back onto its wall. An atom on a wall that is pushed outwards slides along it,
    and the relaxation has converged when the forces that are left are small. It ends where a call fails or the space
    refuses the next structure.

    Args:
        number: 0 for the campaign's first.
        space: Free atoms and template.
        start: Where it begins, shape ``(3 n,)``.
        optimizer: ``BFGS``, ``LBFGS`` or ``FIRE`` of ASE.
        fmax: Largest force in eV/A at which it has converged; what pushes an atom against a wall does not count.
        most_steps: Evaluations after which it is given up.
        before: Numbers of evaluations that led to its start.
    """

    number: int
    space: StructureSpace
    start: FloatArray
    optimizer: str
    fmax: float
    most_steps: int
    before: Sequence[int] = ()
    energy: float = field(default=float("nan"), init=False)
    ended: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self._numbers: list[int] = []
        self._atoms = self.space.atoms(self.start)
        # What is at rest would only make the optimiser's matrices larger.
        free = range(len(self.space.template), len(self._atoms))
        self._optimizer = OPTIMIZERS[self.optimizer](Filter(self._atoms, indices=free), logfile=None)
        self.forces = np.zeros((self.space.size, 3))

    @property
    def point(self) -> FloatArray:
        """Where it is, shape ``(3 n,)``."""
        return np.asarray(self.space.wrap(self._atoms.positions[-self.space.size :].reshape(1, -1))[0])

    @property
    def evaluations(self) -> list[int]:
        """Numbers of its evaluations, and of those that led to its start."""
        return [*self.before, *self._numbers]

    @property
    def arrived(self) -> bool:
        """Whether it ended at a structure with an energy: in a minimum, or on the way when it was given up."""
        return self.ended in {"converged", "given up"}

    def take(self, evaluation: Evaluation) -> None:
        """Learn what an evaluation gave, and move on."""
        self._numbers.append(evaluation.number)
        if evaluation.status != "done" or evaluation.response is None:
            self.ended = "failed"
            return
        free = self._atoms.positions[-self.space.size :]
        # What the ledger holds was perhaps computed on another machine, whose last digits differ.
        free += offset(self.space, evaluation.point, self.point)
        self.energy, self.forces = evaluation.value, np.asarray(evaluation.response, dtype=np.float64)
        forces = np.zeros((len(self._atoms), 3))
        left = self._sliding(self.forces)
        normal = self.forces - left
        forces[-self.space.size :] = left
        if float(np.linalg.norm(forces, axis=1).max()) <= self.fmax:
            self.ended = "converged"
            return
        if len(self._numbers) >= self.most_steps:
            self.ended = "given up"
            return
        self._atoms.calc = SinglePointCalculator(self._atoms, energy=self.energy, forces=forces)
        before = free.copy()
        self._optimizer.step()
        self.ended = self.space.astray(self.point)[0]
        if self.ended:
            return
        # An atom that is held by a wall stays on it; what leaves the confinement is put back onto its wall. What
        # molecules bear is not a wall of one atom.
        normal[self.space.bodies.together.sum(axis=1) > 1] = 0.0
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-300)
        step = self._atoms.positions[-self.space.size :] - before
        step -= (step * normal).sum(axis=1, keepdims=True) * normal
        self._atoms.positions[-self.space.size :] = self.space.confine((before + step).reshape(1, -1)).reshape(-1, 3)
        self.ended = self.space.refusals(self.point)[0]

    def _sliding(self, forces: FloatArray) -> FloatArray:
        """Forces ``(n, 3)`` without what points out of a wall on which its atom lies: no wall yields."""
        return self.space.slide(self.point, forces.reshape(1, -1), _ON_A_WALL).reshape(-1, 3)

    def event(self) -> Event:
        """What the record tells of it."""
        return relaxed(self.number, self.evaluations, self.energy, self.ended)


def relaxed(number: int, evaluations: Sequence[int], energy: float, ended: str) -> Event:
    """What the record tells of a relaxation.

    Args:
        number: 0 for the campaign's first.
        evaluations: The numbers of its evaluations.
        energy: The last, in eV; NaN without any.
        ended: Why it ended.
    """
    message = f"relaxation {number + 1}: {ended} after {len(evaluations)} evaluations, {energy:.4f} eV"
    figures = {"relaxation": number + 1, "evaluations": list(evaluations), "ended": ended}
    return Event(RELAXED, message, {"run": number + 1, "energy": energy, **figures})


def offset(space: StructureSpace, a: FloatArray, b: FloatArray) -> FloatArray:
    """``a - b`` of two structures ``(3 n,)``, each atom by the nearest image, shape ``(n, 3)``, in angstrom.

    Exact where it is shorter than half of the cell; longer ones remain longer than any tolerance.
    """
    return space.nearest_images(np.asarray((np.asarray(a) - np.asarray(b)).reshape(-1, 3)))


Chain = Generator[FloatArray, Evaluation, None]
"""An algorithm that asks for one structure after the other: it yields points ``(3 n,)`` and is sent evaluations."""


def relaxations(evaluations: Sequence[Evaluation], ended: Sequence[Event]) -> list[tuple[Evaluation, ...]]:
    """The evaluations of each relaxation in order, by the first; those still under way are among them.

    Args:
        evaluations: All of a campaign, by number.
        ended: Its events of kind ``RELAXED``; without any there are no relaxations.
    """
    if not ended:
        return []
    known = {e.number: e for e in evaluations}
    walks = [tuple(known[number] for number in event.data["evaluations"]) for event in ended]
    over = {e.number for walk in walks for e in walk}
    first = {e.iteration: e.number for e in reversed(evaluations)}
    # Side by side, a relaxation keeps its place in the batch until it ends; where it was opened stands alone.
    under_way: dict[int, list[Evaluation]] = {}
    for e in evaluations:
        if e.number in over:
            continue
        if e.proposer == OPENING:
            walks.append((e,))
        else:
            under_way.setdefault(e.number - first[e.iteration], []).append(e)
    return sorted([*walks, *map(tuple, under_way.values())], key=lambda walk: walk[0].number)
