"""Recognising structures: bonds with all periodic images, isomorphic graphs, and relaxations that are counted apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import networkx as nx
import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.constraints import FixAtoms
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list
from ase.optimize import BFGS

BOND = 1.1
"""Atoms closer than this times the sum of their covalent radii are bonded."""


def bond_graph(atoms: Atoms, indices: Sequence[int], factor: float = BOND) -> nx.Graph:
    """Bonds among some atoms, periodic images included.

    Args:
        atoms: The structure.
        indices: Atoms that count.
        factor: See ``BOND``.

    Returns:
        A graph of the indices, elements as node attribute ``number``; an atom bonded to its own image has a loop.
    """
    part = atoms[list(indices)]
    radii = covalent_radii[part.numbers]
    first, second, distance = neighbor_list("ijd", part, 2 * factor * float(radii.max()))
    graph = nx.Graph()
    graph.add_nodes_from((index, {"number": int(number)}) for index, number in zip(indices, part.numbers, strict=True))
    bonded = distance < factor * (radii[first] + radii[second])
    graph.add_edges_from((indices[a], indices[b]) for a, b in zip(first[bonded], second[bonded], strict=True))
    return graph


def hexagon() -> nx.Graph:
    """Seven atoms, one in the middle of a ring of six: the wheel with twelve bonds."""
    return nx.wheel_graph(7)


@dataclass(frozen=True)
class Motif:
    """Recognises a flat cluster by its bonds.

    Args:
        graph: The bonds that are sought; elements count where its nodes have a ``number``.
        flat: Largest difference of heights in angstrom; None for any.
        factor: See ``BOND``.
    """

    graph: nx.Graph
    flat: float | None = 0.6
    factor: float = BOND

    def __call__(self, atoms: Atoms, energy: float) -> bool:  # noqa: ARG002 -- bonds alone decide
        """Whether the last atoms of a structure, as many as the motif has, are the motif."""
        count = self.graph.number_of_nodes()
        free = list(range(len(atoms) - count, len(atoms)))
        heights = atoms.positions[free, 2]
        if self.flat is not None and np.ptp(heights) >= self.flat:
            return False
        found = bond_graph(atoms, free, self.factor)
        if found.number_of_edges() != self.graph.number_of_edges():
            return False
        labelled = all("number" in data for _, data in self.graph.nodes(data=True))
        match = nx.algorithms.isomorphism.categorical_node_match("number", None) if labelled else None
        return bool(nx.is_isomorphic(found, self.graph, node_match=match))


@dataclass(frozen=True)
class Relaxed:
    """A structure after relaxation.

    Args:
        atoms: The structure, without a calculator.
        energy: In eV.
        calls: Energy-and-force calls that it took.
    """

    atoms: Atoms
    energy: float
    calls: int


def relax(
    atoms: Atoms,
    calculator: Calculator,
    free: int,
    *,
    fmax: float = 0.05,
    steps: int = 200,
    optimizer: Callable[..., Any] = BFGS,
) -> Relaxed:
    """Relax the last atoms of a structure; all others stay.

    Args:
        atoms: The structure; it is left as it is.
        calculator: Gives energy and forces.
        free: How many atoms move.
        fmax: Largest force in eV/A at which it is relaxed.
        steps: Most steps.
        optimizer: One of ``ase.optimize``.
    """
    moving = atoms.copy()
    moving.calc = calculator
    moving.set_constraint(FixAtoms(indices=range(len(atoms) - free)))
    run = optimizer(moving, logfile=None)
    run.run(fmax=fmax, steps=steps)
    energy = float(moving.get_potential_energy())
    moving.calc = None
    moving.set_constraint()
    return Relaxed(moving, energy, int(run.nsteps) + 1)


@dataclass
class AfterRelaxation:
    """Recognises what a structure relaxes to, and remembers what that cost.

    These calls belong to the observer: they are no evaluations of the search, which learns nothing from them.

    Args:
        recognise: Looks at the relaxed structure and its energy.
        calculator: Makes the calculator of the relaxations.
        free: How many atoms move.
        worth: Says from the raw structure and its energy whether it is worth a relaxation; None relaxes all.
        fmax: Largest force in eV/A at which it is relaxed.
        steps: Most steps.
    """

    recognise: Callable[[Atoms, float], bool]
    calculator: Callable[[], Calculator]
    free: int
    worth: Callable[[Atoms, float], bool] | None = None
    fmax: float = 0.05
    steps: int = 200
    calls: int = field(default=0, init=False)
    _known: dict[bytes, bool] = field(default_factory=dict, init=False, repr=False)

    def __call__(self, atoms: Atoms, energy: float) -> bool:
        """Whether the structure relaxes to what is sought; the same structure is relaxed once."""
        key = atoms.positions.tobytes()
        if key not in self._known:
            self._known[key] = self._decide(atoms, energy)
        return self._known[key]

    def _decide(self, atoms: Atoms, energy: float) -> bool:
        if self.recognise(atoms, energy):
            return True
        if self.worth is not None and not self.worth(atoms, energy):
            return False
        relaxed = relax(atoms, self.calculator(), self.free, fmax=self.fmax, steps=self.steps)
        self.calls += relaxed.calls
        return bool(self.recognise(relaxed.atoms, relaxed.energy))
