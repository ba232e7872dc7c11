"""What a structure is: bond graphs, motifs, and recognition before or after a local relaxation."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import networkx as nx
import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.constraints import FixAtoms
from ase.data import covalent_radii
from ase.filters import Filter
from ase.neighborlist import neighbor_list
from ase.optimize import BFGS, FIRE, LBFGS

from matseek.checks import check, of, one_of, optional, real, whole
from matseek.problems.calculators import CALCULATORS, CalculatorFactory, calculator_factory
from matseek.problems.success import SuccessTest, criterion, lowest_known, passes, success_test

logger = logging.getLogger(__name__)

_LAYER = math.sqrt(2 / 3)
"""Height of a close-packed layer, in bonds."""

_WIDEST_GAP = 105.0
"""Between bonds of an inner atom seen from above, in degrees: half-way between a square island's 90 and a rim's 120."""

OPTIMIZERS = {"BFGS": BFGS, "FIRE": FIRE, "LBFGS": LBFGS}
"""Local optimisers of ASE that call the calculator once per step."""

_BOND_FACTOR = real(above=0, high=5)


def free_indices(atoms: Atoms) -> npt.NDArray[np.int64]:
    """Indices of the free atoms of a structure that :meth:`matseek.spaces.Adlayer.atoms` has made.

    They are those that the boolean array ``free`` names, as where atoms of the template move; else those that no
    ``FixAtoms`` holds.
    """
    return np.flatnonzero(atoms.arrays["free"]) if atoms.has("free") else moving_indices(atoms)


def moving_indices(atoms: Atoms) -> npt.NDArray[np.int64]:
    """Indices of the atoms that no ``FixAtoms`` holds: the free ones, and those of the template that move."""
    held = [c.index for c in atoms.constraints if isinstance(c, FixAtoms)]
    return np.setdiff1d(np.arange(len(atoms)), np.concatenate([*held, np.empty(0, dtype=int)]))


def bond_graph(atoms: Atoms, indices: Sequence[int] | npt.NDArray[np.int64], factor: float = 1.1) -> nx.Graph[int]:
    """Bonds between some atoms of a structure.

    Two atoms are bonded below ``factor`` times the sum of their covalent radii. Every periodic image counts: an atom
    bonded to its own image has a self-loop, and the attribute ``bonds`` of an edge says through how many images the
    two are bonded.

    Args:
        atoms: The structure, with cell and periodicity.
        indices: The atoms to look at; they are the graph's nodes, with their atomic ``number``.
        factor: Longest bond, as a multiple of the sum of the covalent radii.
    """
    chosen = np.asarray(indices, dtype=np.int64)
    part = atoms[chosen]
    first, second = neighbor_list("ij", part, factor * covalent_radii[part.numbers])
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from((int(i), {"number": int(number)}) for i, number in zip(chosen, part.numbers, strict=True))
    for i, j in zip(chosen[first].tolist(), chosen[second].tolist(), strict=True):
        if i <= j:
            count = graph.edges[i, j]["bonds"] + 1 if graph.has_edge(i, j) else 1
            graph.add_edge(i, j, bonds=count)
    return graph


def matches(graph: nx.Graph[int], motif: nx.Graph[int]) -> bool:
    """Whether a bond graph is isomorphic to a motif, whatever its elements; bonds count with their number."""
    alike = nx.algorithms.isomorphism.numerical_edge_match("bonds", 1)
    return bool(nx.is_isomorphic(graph, motif, edge_match=alike))


def same_island(graph: nx.Graph[int], motif: nx.Graph[int]) -> bool:
    """Whether a bond graph is isomorphic to a motif, elements included; bonds count with their number."""
    bonds = nx.algorithms.isomorphism.numerical_edge_match("bonds", 1)
    elements = nx.algorithms.isomorphism.numerical_node_match("number", 0)
    return bool(nx.is_isomorphic(graph, motif, node_match=elements, edge_match=bonds))


def hexagonal_heptamer() -> nx.Graph[int]:
    """Six atoms in a ring around a seventh, each bonded to its neighbours and the centre: 12 bonds."""
    return nx.wheel_graph(7)


@dataclass(frozen=True, eq=False)
class RelaxedStructure:
    """Where a relaxation ended.

    Args:
        atoms: The structure, without calculator.
        energy: Its energy in eV.
        calls: Calls of the calculator that the relaxation took.
        begun: Energy of the structure that it began with, in eV.
    """

    atoms: Atoms
    energy: float
    calls: int
    begun: float


@dataclass(frozen=True)
class Relaxation:
    """A local relaxation by an ASE optimiser; atoms held by ``FixAtoms`` stay where they are.

    Args:
        optimizer: ``BFGS``, ``FIRE`` or ``LBFGS``.
        fmax: Largest force at which it ends, eV/angstrom.
        max_steps: Steps after which it ends in any case.

    Raises:
        ValueError: If a setting is not as described.
    """

    optimizer: str = "BFGS"
    fmax: float = 0.05
    max_steps: int = 200

    def __post_init__(self) -> None:
        check(self, optimizer=one_of(OPTIMIZERS), fmax=real(above=0, unit="eV/angstrom"), max_steps=whole(1))

    def relax(self, atoms: Atoms, calculator: BaseCalculator) -> RelaxedStructure:
        """Relax a copy of a structure; exceptions of the calculator pass through.

        Args:
            atoms: Where to begin; not changed.
            calculator: Gives energies and forces.
        """
        relaxed: Atoms = atoms.copy()
        relaxed.calc = calculator
        begun = float(relaxed.get_potential_energy())  # the optimiser's first call has it then
        # Held atoms would only make the optimiser's matrices larger.
        moving = Filter(relaxed, indices=moving_indices(relaxed))
        optimizer = OPTIMIZERS[self.optimizer](moving, logfile=None)
        optimizer.run(fmax=self.fmax, steps=self.max_steps)
        energy = float(relaxed.get_potential_energy())
        relaxed.calc = None
        return RelaxedStructure(relaxed, energy, optimizer.nsteps + 1, begun)


def surrounded(atoms: Atoms, indices: Sequence[int] | npt.NDArray[np.int64], factor: float = 1.1) -> set[int]:
    """The inner atoms of an island: seen from above, bonds leave them in all directions.

    Successive bonds are 60 degrees apart inside a hexagonal island and 90 inside a square one; an atom of the rim has
    a gap of at least 120.

    Args:
        atoms: The structure, with cell and periodicity.
        indices: The island's atoms.
        factor: Longest bond, as a multiple of the sum of the covalent radii.
    """
    chosen = np.asarray(indices, dtype=np.int64)
    part = atoms[chosen]
    first, bonds = neighbor_list("iD", part, factor * covalent_radii[part.numbers])
    angles = np.degrees(np.arctan2(bonds[:, 1], bonds[:, 0]))
    inner = set()
    for place, index in enumerate(chosen.tolist()):
        around = np.sort(angles[first == place])
        if len(around) and np.diff(around, append=around[0] + 360).max() < _WIDEST_GAP:
            inner.add(index)
    return inner


def is_one_layer(
    atoms: Atoms, indices: Sequence[int] | npt.NDArray[np.int64], inner: Collection[int], z_range: float
) -> bool:
    """Whether an island is a single layer: its rim is flat, its inner atoms nearer to it than to a second layer.

    How far an inner atom rises above its neighbours (or sinks) is the potential's: in a relaxed platinum heptamer by
    0.14 angstrom with EMT, by 0.70 with SevenNet-0. The next close-packed layer lies sqrt(2/3) bonds higher, 2.2
    angstrom for platinum; a bond is the sum of two covalent radii. Half of that, 1.1 angstrom, tells them apart.

    Args:
        atoms: The structure.
        indices: The island's atoms.
        inner: Those among them that are not of the rim.
        z_range: The heights of the rim's atoms differ by less than this, in angstrom.
    """
    chosen = np.asarray(indices, dtype=np.int64)
    height = atoms.positions[:, 2]
    # A layer without end has no rim: all of it must be flat then.
    rim = height[[i for i in chosen.tolist() if i not in inner] or chosen]
    if np.ptp(rim) >= z_range:
        return False
    bond = 2 * float(covalent_radii[atoms.numbers[chosen]].mean())
    return all(abs(height[i] - rim.mean()) < _LAYER * bond / 2 for i in inner)


@dataclass(frozen=True)
class Heptamer:
    """Recognises a hexagonal heptamer: seven free atoms in one layer whose bond graph is the wheel.

    The six atoms of the rim are flat; the centre may rise out of them (or sink) as far as :func:`is_one_layer` allows,
    so that it does not matter which potential relaxed it.

    Args:
        z_range: The heights of the rim's six atoms differ by less than this, in angstrom.
        factor: Longest bond, as a multiple of the sum of the covalent radii.
    """

    z_range: float = 0.6
    factor: float = 1.1

    def __post_init__(self) -> None:
        check(self, z_range=real(above=0, unit="angstrom"), factor=_BOND_FACTOR)

    @property
    def criterion(self) -> str:
        """What it asks for."""
        return f"seven free atoms have the bonds of a hexagon with its centre, the rim flat within {self.z_range:g} A"

    def __call__(self, atoms: Atoms, energy: float) -> bool:  # noqa: ARG002 -- the face of a test of success
        """Whether the structure's free atoms are one; the energy does not matter."""
        free = free_indices(atoms)
        if len(free) != 7:
            return False
        height = np.sort(atoms.positions[free, 2])
        if min(height[5] - height[0], height[6] - height[1]) >= self.z_range:
            return False  # no six of the seven are flat; bonds would take longer to find
        graph = bond_graph(atoms, free, self.factor)
        if not matches(graph, hexagonal_heptamer()):
            return False
        return is_one_layer(atoms, free, {i for i, bonds in graph.degree() if bonds == 6}, self.z_range)


@dataclass(frozen=True, eq=False)
class Island:
    """Recognises an island by a known one: the same bonds between the same elements, and about as flat.

    Sites are not distinguished: an island in fcc hollows is the one in hcp hollows, as for :class:`Heptamer`. Inner
    atoms may rise out of the rim, or sink, as far as :func:`is_one_layer` allows.

    Args:
        known: The known structure, its free atoms not held by ``FixAtoms``.
        slack: How much less flat its rim may be than all of the known one, in angstrom.
        factor: Longest bond, as a multiple of the sum of the covalent radii.
    """

    known: Atoms
    slack: float = 0.4
    factor: float = 1.1

    def __post_init__(self) -> None:
        check(self, known=of(Atoms), slack=real(0, unit="angstrom"), factor=_BOND_FACTOR)

    @property
    def criterion(self) -> str:
        """What it asks for."""
        return "the free atoms have the bonds of the lowest island known and are about as flat"

    def __call__(self, atoms: Atoms, energy: float) -> bool:  # noqa: ARG002 -- the face of a test of success
        """Whether the structure's free atoms are such an island; the energy does not matter."""
        free = free_indices(atoms)
        if len(free) != len(self._motif) or not same_island(bond_graph(atoms, free, self.factor), self._motif):
            return False
        flat = self._height + self.slack
        if np.ptp(atoms.positions[free, 2]) <= flat:
            return True
        return is_one_layer(atoms, free, surrounded(atoms, free, self.factor), flat)

    @cached_property
    def _motif(self) -> nx.Graph[int]:
        return bond_graph(self.known, free_indices(self.known), self.factor)

    @cached_property
    def _height(self) -> float:
        return float(np.ptp(self.known.positions[free_indices(self.known), 2]))


@dataclass(frozen=True, eq=False)
class AsLowAs:
    """Whether a relaxed structure's energy is that of a known one relaxed by the same calculator, or below.

    Args:
        known: The known structure.
        calculator: Zero-argument callable that makes an ASE calculator.
        relaxation: How the known one is relaxed.
        tolerance: By how much the energy may be above, in eV.
    """

    known: Atoms
    calculator: CalculatorFactory
    relaxation: Relaxation
    tolerance: float = 0.02

    def __post_init__(self) -> None:
        rules = {"known": of(Atoms), "calculator": calculator_factory, "relaxation": of(Relaxation)}
        check(self, **rules, tolerance=real(0, unit="eV"))

    @property
    def criterion(self) -> str:
        """What it asks for."""
        return f"the energy is at most {self.tolerance:g} eV above that of the lowest structure known"

    @cached_property
    def energy(self) -> float:
        """Of the known structure, relaxed, in eV."""
        with CALCULATORS.lent(self.calculator) as calculator:
            return self.relaxation.relax(self.known, calculator).energy

    @property
    def lowest_known(self) -> float:
        """That energy."""
        return self.energy

    def __call__(self, atoms: Atoms, energy: float) -> bool:  # noqa: ARG002 -- the face of a test of success
        """Whether the energy is that low."""
        return energy < self.energy + self.tolerance


@dataclass(frozen=True)
class ReachesEnergy:
    """Whether a structure's energy is a known lowest one, or below; its atoms do not matter.

    Args:
        energy: The lowest energy known, in eV.
        tolerance: By how much the energy may be above, in eV.
    """

    energy: float
    tolerance: float = 0.01

    def __post_init__(self) -> None:
        check(self, energy=real(unit="eV"), tolerance=real(0, unit="eV"))

    @property
    def criterion(self) -> str:
        """What it asks for."""
        return f"the energy is at most {self.tolerance:g} eV above {self.energy:.6g} eV"

    @property
    def lowest_known(self) -> float:
        """That energy."""
        return self.energy

    def __call__(self, atoms: Atoms, energy: float) -> bool:  # noqa: ARG002 -- the face of a test of success
        """Whether the energy is that low."""
        return energy <= self.energy + self.tolerance


class AfterRelaxation:
    """Recognises a structure by what it relaxes to. Calls of the calculator are counted here: they are no evaluations.

    What was recognised once is remembered. A relaxation that fails recognises nothing.

    Args:
        recognition: What the relaxed structure and its energy in eV must pass.
        calculator: Zero-argument callable that makes an ASE calculator.
        relaxation: How to relax.
        before: Cheap test that a structure and its energy must pass to be relaxed at all; None for no such test.

    Attributes:
        calls: Calls of the calculator so far.
        differs: Largest difference so far between an energy that it was given and the one that its calculator gives of
            the same structure, in eV: a calculator that is not deterministic shows here.
    """

    def __init__(
        self,
        recognition: SuccessTest,
        calculator: CalculatorFactory,
        relaxation: Relaxation | None = None,
        before: SuccessTest | None = None,
    ) -> None:
        self.recognition = success_test("recognition", recognition)
        self.calculator = calculator_factory("calculator", calculator)
        self.relaxation = optional(of(Relaxation))("relaxation", relaxation) or Relaxation()
        self.before = optional(success_test)("before", before)
        self.calls = 0
        self.differs = 0.0
        self._found: dict[bytes, bool] = {}

    @property
    def criterion(self) -> str:
        """What it asks for of the relaxed structure."""
        return criterion(self.recognition)

    @property
    def lowest_known(self) -> float | None:
        """The lowest energy that the recognition knows, in eV."""
        return lowest_known(self.recognition)

    def __call__(self, atoms: Atoms, energy: float) -> bool:
        """Whether what a structure relaxes to is recognised."""
        key = atoms.numbers.tobytes() + atoms.positions.tobytes()
        if key not in self._found:
            self._found[key] = self._recognised(atoms, energy)
        return self._found[key]

    def _recognised(self, atoms: Atoms, energy: float) -> bool:
        if self.before is not None and not passes(self.before, atoms, energy):
            return False
        try:
            with CALCULATORS.lent(self.calculator) as calculator:
                relaxed = self.relaxation.relax(atoms, calculator)
        except Exception as error:  # a calculator may raise anything, and a report must still be written
            logger.warning("a relaxation for recognition failed: %s: %s", type(error).__name__, error)
            return False
        self.calls += relaxed.calls
        if np.isfinite(relaxed.begun) and np.isfinite(energy):
            self.differs = max(self.differs, abs(relaxed.begun - energy))
        return bool(np.isfinite(relaxed.energy)) and passes(self.recognition, relaxed.atoms, relaxed.energy)
