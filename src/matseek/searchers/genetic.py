"""A genetic algorithm: relaxed structures are crossed and mutated, the fittest have the most offspring."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from matseek.checks import check, real, whole
from matseek.core.problem import Problem
from matseek.core.space import StructureSpace
from matseek.core.surrogate import Look
from matseek.errors import ConfigurationError
from matseek.searchers.basin_hopping import confined
from matseek.searchers.descent import Chain, Descent
from matseek.searchers.relaxing import Relaxer, RelaxingSearcher

FloatArray = npt.NDArray[np.float64]

_TRIES = 20
"""Offspring drawn for one that the space does not refuse; each is tried a thousand times for its own distances."""


@dataclass(frozen=True)
class GeneticSearch(RelaxingSearcher):
    """Crosses and mutates what has been relaxed; every call of the calculator on the way is an evaluation.

    Vilhelmsen and Hammer, J. Chem. Phys. 141, 044711 (2014), with the operators and the comparator of the package
    ase-ga: crossover by a cutting plane (Deaven and Ho, Phys. Rev. Lett. 75, 288 (1995)), and as mutations rattling,
    mirroring, and exchange of elements; molecules are crossed, rattled and exchanged as a whole, and rotated instead of
    mirrored (Zhu et al., Acta Cryst. B 68, 215 (2012)). The first structures are the campaign's opening, and random
    ones until there are as many as the population has members. From then on each relaxation begins with one offspring
    and enters the population as soon as it has ended, so that relaxations side by side wait for nothing. A relaxation
    that fails, or runs into what the space refuses, has no offspring. Of structures that are the same one is kept.

    Args:
        concurrent: Relaxations side by side.
        placement: Of the first structures, as for :class:`matseek.searchers.RandomStructureSearch`.
        optimizer: ``BFGS``, ``LBFGS`` or ``FIRE`` of ASE.
        fmax: Largest force in eV/A at which a structure is relaxed.
        most_steps: Evaluations after which a relaxation is given up; its last structure counts as relaxed.
        population: Members of the population.
        mutation: Share of the offspring that are mutants of one parent; the others have two.

    Raises:
        ValueError: If a setting is out of its range.
    """

    name: ClassVar[str] = "genetic"
    label: ClassVar[str] = "genetic algorithm"
    look: ClassVar[Look | None] = ("#1b7837", "d")
    serves_molecules: ClassVar[bool] = True
    most_steps: int = 100
    population: int = 10
    mutation: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, population=whole(2, 10_000), mutation=real(0, 1))

    def check_problem(self, problem: Problem) -> None:
        """Refuse what is no structure, and a machine without the operators."""
        super().check_problem(problem)
        _require_operators()

    def chains(self, relaxer: Relaxer) -> Sequence[Chain]:
        """Relaxations side by side, of one population."""
        population = _Population(relaxer.space, self.population)
        return [self._chain(relaxer, population) for _ in range(self.concurrent)]

    def _chain(self, relaxer: Relaxer, population: _Population) -> Chain:
        while True:
            if relaxer.begun < len(relaxer.opening):
                first = relaxer.opening[relaxer.begun]
                ended = yield from relaxer.relax(first.point, first)
            else:
                ended = yield from relaxer.relax(self._next(relaxer, population))
            if ended.arrived:
                population.add(ended)

    def _next(self, relaxer: Relaxer, population: _Population) -> FloatArray:
        """Where the next relaxation begins: at an offspring, as soon as there have been enough parents."""
        rng = np.random.default_rng([relaxer.seed, relaxer.begun])
        if relaxer.begun >= self.population:
            offspring = population.offspring(self.mutation, rng)
            if offspring is not None:
                return offspring
        return relaxer.place(rng)


def _require_operators() -> None:
    try:
        import ase_ga  # noqa: F401 -- a dependency that installations of earlier versions lack
    except ImportError as error:
        raise ConfigurationError("searcher=genetic needs the package ase-ga: pip install 'ase-ga>=1.0.3'") from error


@dataclass(eq=False)
class _Member:
    """A relaxed structure.

    Args:
        point: The structure, shape ``(3 n,)``.
        atoms: Its free atoms, with their energy, in the template's cell.
        energy: In eV.
        alike: Structures found so far that are the same.
        parent_of: Offspring so far.
    """

    point: FloatArray
    atoms: Atoms
    energy: float
    alike: int
    parent_of: int = 0


@dataclass(eq=False)
class _Population:
    """The best different structures so far, and how offspring are made of them.

    Args:
        space: Free atoms and template.
        size: Members at most.
    """

    space: StructureSpace
    size: int
    members: list[_Member] = field(default_factory=list)
    seen: list[Atoms] = field(default_factory=list)

    def __post_init__(self) -> None:
        from ase_ga.standard_comparators import InteratomicDistanceComparator
        from ase_ga.utilities import closest_distances_generator

        self._alone = self.space.placements
        self._same = InteratomicDistanceComparator(n_top=self._alone.size, mic=True).looks_like
        numbers = sorted(set(self._alone.numbers.tolist()))
        self._least = closest_distances_generator(numbers, self.space.least_distance)
        # Operators see the free atoms alone: overlaps with the template are the space's to refuse.
        self._nothing = Atoms(cell=self.space.template.cell, pbc=self.space.pbc)
        # Operators keep together what has one tag.
        bodies = self._alone.bodies
        self._tags = bodies.owner if bodies.molecules else np.zeros(self._alone.size, dtype=int)

    def add(self, ended: Descent) -> None:
        """Take a relaxed structure in, if it is among the best and no better one is the same."""
        free = self.space.free_of(ended.point).reshape(-1, 3)
        atoms = Atoms(self._alone.numbers, free, tags=self._tags, cell=self._nothing.cell, pbc=self._nothing.pbc)
        atoms.calc = SinglePointCalculator(atoms, energy=ended.energy)
        member = _Member(ended.point, atoms, ended.energy, sum(bool(self._same(atoms, other)) for other in self.seen))
        self.seen.append(atoms)
        for twin in [m for m in self.members if self._same(atoms, m.atoms)]:
            if twin.energy <= member.energy:
                twin.alike += 1
                return
            self.members.remove(twin)
        self.members = sorted([*self.members, member], key=lambda m: m.energy)[: self.size]

    def fitness(self) -> FloatArray:
        """Probabilities of the members to be parents.

        Vilhelmsen and Hammer, Phys. Rev. Lett. 108, 126101 (2012): ``(1 - tanh(2 rho - 1)) / 2`` with rho from 0 for
        the lowest energy to 1 for the highest, over ``sqrt(1 + offspring) sqrt(1 + alike)``.
        """
        energies = np.array([m.energy for m in self.members])
        width = float(np.ptp(energies))
        rho = (energies - energies.min()) / width if width > 0 else np.zeros(len(energies))
        history = [math.sqrt((1 + m.parent_of) * (1 + m.alike)) for m in self.members]
        weights = (1 - np.tanh(2 * rho - 1)) / 2 / np.array(history)
        return np.asarray(weights / weights.sum())

    def offspring(self, mutation: float, rng: np.random.Generator) -> FloatArray | None:
        """A structure ``(3 n,)`` made of one or two members that the space does not refuse; None where there is none.

        Args:
            mutation: Probability of a mutant.
            rng: Source of randomness.
        """
        if not self.members:
            return None
        for _ in range(_TRIES):
            crossed = len(self.members) > 1 and len(self._alone.bodies) > 1 and rng.random() >= mutation
            chances = self.fitness()
            chosen = rng.choice(len(self.members), size=2 if crossed else 1, replace=False, p=chances)
            parents = [self.members[int(i)] for i in chosen]
            made = self._operator(crossed, rng)(*(p.atoms.copy() for p in parents))
            if made is None:
                continue
            free = confined(self._alone, np.asarray(made.positions, dtype=np.float64))
            # Moving atoms of the template are those of the first parent.
            point = np.asarray(self.space.with_free(parents[0].point, free)[0])
            if not self.space.refusals(point)[0]:
                for parent in parents:
                    parent.parent_of += 1
                return point
        return None

    def _operator(self, crossed: bool, rng: np.random.Generator) -> Callable[..., Atoms | None]:
        """What makes one structure, or None, of parents."""
        from ase_ga.cutandsplicepairing import CutAndSplicePairing
        from ase_ga.standardmutations import MirrorMutation, PermutationMutation, RattleMutation, RotationalMutation

        n, own = self._alone.size, np.random.RandomState(int(rng.integers(2**32)))  # what ase-ga draws from
        bodies, least = self._alone.bodies, self._least
        molecules = bool(bodies.molecules)
        kinds: list[Callable[..., Atoms | None]] = [RattleMutation(least, n, use_tags=molecules, rng=own).mutate]
        if molecules:
            kinds.append(RotationalMutation(least, n, rng=own).mutate)
        elif n > 1:
            kinds.append(MirrorMutation(least, n, rng=own).mutate)
        if len(set(bodies.kinds(self._alone.numbers).tolist())) > 1:
            kinds.append(PermutationMutation(n, use_tags=molecules, blmin=least if molecules else None, rng=own).mutate)
        crossover: Callable[..., Atoms | None] = CutAndSplicePairing(
            self._nothing, n, least, use_tags=molecules, rng=own
        ).cross
        return crossover if crossed else kinds[int(rng.integers(len(kinds)))]
