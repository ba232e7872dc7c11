"""Small islands for tests of structures: a few free atoms on a small copper face, and energies that cost nothing."""

import numpy as np
from ase.build import fcc111
from ase.calculators.calculator import Calculator, all_changes

from matseek import Campaign
from matseek.potentials import BatchedEMT
from matseek.problems import StructureProblem
from matseek.searchers import RandomSearcher
from matseek.spaces import Adlayer


def island(free="Cu3", size=(3, 3, 2), z=(1.0, 4.0)):
    return Adlayer(fcc111("Cu", size, vacuum=6), free, z=z)


def island_problem(free="Cu3", calculator=BatchedEMT, **settings):
    return StructureProblem(island(free, **settings), calculator)


def evaluated(problem, n=12, seed=0):
    """A history of random structures."""
    return Campaign(problem, RandomSearcher(n), seed=seed).run(n).history()


class Constant(Calculator):
    """Every structure has the same energy."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": 1.0, "forces": np.zeros((len(self.atoms), 3))}


class Twisted(Calculator):
    """EMT, of which some structures have other results; one structure at a time."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        (result,) = BatchedEMT().compute_many([self.atoms])
        self.results = {"energy": self.energy(result.energy), "forces": result.forces}


class Overlapping(Twisted):
    """Structures with an atom that lies low have energies of a million eV."""

    def energy(self, energy):
        height = self.atoms.positions[:, 2]
        return 1e6 if height[-3:].min() < height[:-3].max() + 1.8 else energy


class Hole(Twisted):
    """Structures with two free atoms closer than 2 angstrom have an energy far below everything."""

    def energy(self, energy):
        near = self.atoms[-3:].get_all_distances(mic=True)[np.triu_indices(3, 1)].min() < 2
        return -1e4 if near else energy


class Failing(Twisted):
    """Structures whose first free atom lies in the left half of the cell fail."""

    def energy(self, energy):
        if self.atoms.get_scaled_positions()[-3, 0] < 0.5:
            raise RuntimeError("no convergence")
        return energy
