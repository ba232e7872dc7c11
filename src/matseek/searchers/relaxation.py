"""Random structure search: random placements, each relaxed to the nearest minimum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

import numpy as np
import numpy.typing as npt
from ase.calculators.singlepoint import SinglePointCalculator
from ase.filters import Filter

from matseek.checks import check, one_of, real, whole
from matseek.core.records import RELAXED, Evaluation, Event, Proposal
from matseek.core.searcher import Evaluator, Searcher
from matseek.core.space import Space, StructureSpace
from matseek.problems.motifs import OPTIMIZERS

FloatArray = npt.NDArray[np.float64]
Placement = Literal["uniform", "contiguous"]

_ON_A_WALL = 1e-6
"""Atoms this near to a wall, in angstrom, lie on it: relaxations put them there exactly."""


@dataclass(frozen=True)
class RandomStructureSearch(Searcher):
    """Relaxes random structures; every call of the calculator on the way is an evaluation.

    Pickard and Needs, J. Phys. Condens. Matter 23, 053201 (2011). Relaxations advance side by side: a batch in the
    ledger is one call for each. When one ends the next placement takes its place. An event tells which evaluations
    belong to it. Where a campaign has an opening, the first relaxations begin at its points. A campaign that was killed
    walks through what the ledger holds and goes on from there.

    What leaves the confinement is put back onto its wall. An atom on a wall that is pushed outwards slides along it,
    and the relaxation has converged when the forces that are left are small.

    Args:
        concurrent: Relaxations side by side.
        placement: ``uniform``: each atom anywhere in cell and confinement; ``contiguous``: each at a bond's distance of
            one placed before. Without overlaps either way.
        optimizer: ``BFGS``, ``LBFGS`` or ``FIRE`` of ASE.
        fmax: Largest force in eV/A at which a structure is relaxed; what pushes an atom against a wall does not count.
        most_steps: Evaluations after which a relaxation is given up.

    Raises:
        ValueError: If a setting is out of its range.
    """

    name: ClassVar[str] = "rss"
    label: ClassVar[str] = "random structure search"
    concurrent: int = 8
    placement: Placement = "uniform"
    optimizer: str = "BFGS"
    fmax: float = 0.05
    most_steps: int = 200

    def __post_init__(self) -> None:
        check(
            self,
            concurrent=whole(1, 10_000),
            placement=one_of(get_args(Placement)),
            optimizer=one_of(OPTIMIZERS),
            fmax=real(above=0, unit="eV/A"),
            most_steps=whole(1),
        )

    def check_space(self, space: Space) -> None:
        """Refuse what is no structure."""
        if space.as_structures() is None:
            raise ValueError(
                f"searcher=rss relaxes structures, and this problem's points have the coordinates "
                f"{list(space.names[:4])}; take searcher=lhs or searcher=bayesian"
            )

    def search(self, evaluator: Evaluator) -> None:
        """Relax until the budget is spent."""
        self.check_space(evaluator.problem.space)
        space = evaluator.problem.space.as_structures()
        assert space is not None
        evaluator.evaluate_pending()
        walks = _Walks(self, space, evaluator)
        iteration, ended = int(evaluator.opening > 0), True
        while True:
            iteration += 1
            batch = list(evaluator.evaluations(iteration=iteration))
            if not batch:
                room = evaluator.remaining
                # Looking back at everything takes time: once per relaxation is enough.
                if room <= 0 or (ended and evaluator.stops()):
                    return
                points = walks.points[:room]
                batch = evaluator.evaluate(Proposal(points, (self.name,) * len(points)))
            ended = walks.take(batch)


@dataclass(eq=False)
class _Walk:
    """One relaxation.

    Args:
        number: 0 for the campaign's first.
        space: Free atoms and template.
        start: Where it begins, shape ``(3 n,)``.
        settings: The searcher.
    """

    number: int
    space: StructureSpace
    start: FloatArray
    settings: RandomStructureSearch
    evaluations: list[int] = field(default_factory=list)
    energy: float = float("nan")
    ended: str = ""

    def __post_init__(self) -> None:
        self._atoms = self.space.atoms(self.start)
        # The template would only make the optimiser's matrices larger.
        free = range(len(self.space.template), len(self._atoms))
        self._optimizer = OPTIMIZERS[self.settings.optimizer](Filter(self._atoms, indices=free), logfile=None)

    @property
    def point(self) -> FloatArray:
        """Where it is, shape ``(3 n,)``."""
        return np.asarray(self.space.wrap(self._atoms.positions[-self.space.size :].reshape(1, -1))[0])

    def take(self, evaluation: Evaluation) -> None:
        """Learn what an evaluation gave, and move on."""
        self.evaluations.append(evaluation.number)
        if evaluation.status != "done" or evaluation.response is None:
            self.ended = "failed"
            return
        self.energy = evaluation.value
        forces = np.zeros((len(self._atoms), 3))
        forces[-self.space.size :] = evaluation.response
        held = self._held(forces[-self.space.size :])
        forces[-self.space.size :, 2][held] = 0.0
        if float(np.linalg.norm(forces, axis=1).max()) <= self.settings.fmax:
            self.ended = "converged"
            return
        if len(self.evaluations) >= self.settings.most_steps:
            self.ended = "given up"
            return
        self._atoms.calc = SinglePointCalculator(self._atoms, energy=self.energy, forces=forces)
        height = self._atoms.positions[-self.space.size :, 2].copy()
        self._optimizer.step()
        # What leaves the confinement is put back onto its wall; what is held there stays on it.
        z = self._atoms.positions[-self.space.size :, 2].clip(self.space.z_low, self.space.z_high)
        self._atoms.positions[-self.space.size :, 2] = np.where(held, height, z)
        reason = self.space.refusals(self.point)[0]
        if reason:
            self.ended = reason

    def _held(self, forces: FloatArray) -> npt.NDArray[np.bool_]:
        """Atoms on a wall of the confinement whose forces ``(n, 3)`` point out of it, shape ``(n,)``."""
        return np.asarray(self.space.walls(self.point, reach=_ON_A_WALL)[0] * forces[:, 2] > 0)

    def event(self) -> Event:
        """What the record tells of it."""
        spent = len(self.evaluations)
        message = f"relaxation {self.number + 1}: {self.ended} after {spent} evaluations, {self.energy:.4f} eV"
        figures = {"relaxation": self.number + 1, "evaluations": self.evaluations, "ended": self.ended}
        return Event(RELAXED, message, {"run": self.number + 1, "energy": self.energy, **figures})


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
        if e.proposer != RandomStructureSearch.name:
            walks.append((e,))
        else:
            under_way.setdefault(e.number - first[e.iteration], []).append(e)
    return sorted([*walks, *map(tuple, under_way.values())], key=lambda walk: walk[0].number)


class _Walks:
    """Relaxations side by side."""

    def __init__(self, settings: RandomStructureSearch, space: StructureSpace, evaluator: Evaluator) -> None:
        self._settings, self._space, self._evaluator = settings, space, evaluator
        self._begun = 0
        self._opening = evaluator.evaluations(iteration=1) if evaluator.opening else ()
        self._walks = [self._next() for _ in range(settings.concurrent)]

    @property
    def points(self) -> FloatArray:
        """Where they are, shape ``(concurrent, 3 n)``."""
        return np.array([walk.point for walk in self._walks])

    def take(self, batch: list[Evaluation]) -> bool:
        """Give each its evaluation, in order; what has ended makes room for the next. Says whether any has."""
        ended = False
        for place, evaluation in enumerate(batch):
            walk = self._walks[place]
            walk.take(evaluation)
            if walk.ended:
                ended = True
                self._evaluator.note_once(walk.event())
                self._walks[place] = self._next()
        return ended

    def _next(self) -> _Walk:
        """The next relaxation, past those that end with the opening's own evaluation."""
        while self._begun < len(self._opening):
            first = self._opening[self._begun]
            walk = self._walk(first.point)
            walk.take(first)
            if not walk.ended:
                return walk
            self._evaluator.note_once(walk.event())
        rng = np.random.default_rng([self._evaluator.seed, self._begun])
        place = self._space.sample_uniform if self._settings.placement == "uniform" else self._space.sample_contiguous
        return self._walk(place(1, rng)[0])

    def _walk(self, start: FloatArray) -> _Walk:
        walk = _Walk(self._begun, self._space, start, self._settings)
        self._begun += 1
        return walk
