import numpy as np
import pytest
from ase import Atoms
from ase.build import fcc111
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT

from matseek import Campaign
from matseek.potentials import BatchedEMT
from matseek.problems import StructureProblem
from matseek.problems.labelled import HELD_FORCES, labelled, properties_of
from matseek.searchers import RandomSearcher
from matseek.spaces import Adlayer, Cluster


def slab(calculator, moving=None):
    space = Adlayer(fcc111("Pt", (2, 2, 2), vacuum=6), "PtCu", z=(1.0, 4.0), moving=moving)
    return StructureProblem(space, calculator)


class Magnetic(EMT):
    """Gives a magnetic moment for each atom."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        self.results["magmoms"] = np.arange(len(self.atoms), dtype=float)


class Odd(Calculator):
    """Knows neither stress nor moments, and says so in ways of its own; forces on held atoms are not finite."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012 -- as ASE declares it

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        forces = np.zeros((len(self.atoms), 3))
        forces[0] = np.nan
        self.results = {"energy": 1.0, "forces": forces, "stress": "unknown", "magmoms": None}


@pytest.mark.parametrize("calculator", [EMT, BatchedEMT])
@pytest.mark.parametrize("moving", [None, 1.0])
def test_what_is_kept_is_what_the_calculator_says_of_the_whole_structure(calculator, moving):
    problem = slab(calculator, moving)
    campaign = Campaign(problem, RandomSearcher(), seed=0).run(2)
    for e in campaign.ledger.evaluations():
        atoms = labelled(problem.space, e)
        fresh = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc, calculator=EMT())
        forces = atoms.get_forces(apply_constraint=False)
        assert e.response.shape == (problem.space.size, 3)
        np.testing.assert_allclose(forces, fresh.get_forces(), rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(atoms.get_stress(), fresh.get_stress(), atol=1e-12)
        assert e.properties[HELD_FORCES].dtype == np.float32


def test_moments_are_kept():
    problem = slab(Magnetic)
    campaign = Campaign(problem, RandomSearcher(), seed=0).run(1)
    atoms = labelled(problem.space, campaign.best)
    np.testing.assert_array_equal(atoms.get_magnetic_moments(), np.arange(10))


def test_what_is_no_stress_or_moment_fails_no_evaluation():
    problem = slab(Odd)
    campaign = Campaign(problem, RandomSearcher(), seed=0).run(1)
    assert campaign.best.status == "done"
    assert dict(campaign.best.properties) == {}
    assert set(labelled(problem.space, campaign.best).calc.results) == {"energy"}


def test_a_cluster_has_no_held_atoms():
    problem = StructureProblem(Cluster("Pt3"), EMT)
    campaign = Campaign(problem, RandomSearcher(), seed=0).run(1)
    assert HELD_FORCES not in campaign.best.properties
    np.testing.assert_array_equal(labelled(problem.space, campaign.best).get_forces(), campaign.best.response)


def test_a_stress_tensor_is_kept_in_voigts_order():
    tensor = np.array([[1.0, 6, 5], [6, 2, 4], [5, 4, 3]])
    told = properties_of(np.zeros((0, 3)), tensor, np.ones(7), 2)
    np.testing.assert_array_equal(told["stress"], [1, 2, 3, 4, 5, 6])
    assert told.keys() == {"stress"}, "seven moments of two atoms are none"
