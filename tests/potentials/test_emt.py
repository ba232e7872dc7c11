import pickle

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT
from ase.neighborlist import neighbor_list
from ase.optimize import BFGS
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from matseek.core.potential import BatchedCalculator
from matseek.library.platinum import platinum_heptamer
from matseek.potentials import BatchedEMT
from matseek.potentials.emt import CUTOFF, ELEMENTS

OURS = BatchedEMT()


@st.composite
def structures(draw):
    """Any elements and periodicity; cells thinner than the cutoff, and atoms outside of their cell."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(1, 12))
    cell = np.diag(rng.uniform(2.5, 12, 3)) + rng.uniform(-1, 1, (3, 3))
    symbols = draw(st.lists(st.sampled_from(ELEMENTS), min_size=count, max_size=count))
    pbc = draw(st.tuples(st.booleans(), st.booleans(), st.booleans()))
    return Atoms(symbols, positions=rng.uniform(-4, 14, (count, 3)), cell=cell, pbc=pbc)


def largest_difference(atoms):
    """Of energies, forces and stress from ASE's, relative where atoms nearly overlap."""
    theirs = EMT()
    a = [atoms_of(theirs, atoms) for atoms_of in (energies, forces, stress)]
    b = [atoms_of(OURS, atoms) for atoms_of in (energies, forces, stress)]
    return max(np.abs(x - y).max() / max(1.0, np.abs(x).max()) for x, y in zip(a, b, strict=True))


def energies(calculator, atoms):
    return calculator.get_property("energies", atoms)


def forces(calculator, atoms):
    return calculator.get_forces(atoms)


def stress(calculator, atoms):
    return calculator.get_stress(atoms)


@settings(max_examples=60, deadline=None)
@given(structures())
def test_it_agrees_with_ase_on_any_structure(atoms):
    assert largest_difference(atoms) < 1e-10


@pytest.mark.parametrize("element", ELEMENTS)
def test_every_element_agrees_in_a_crystal_and_alone(element):
    crystal = bulk(element, "fcc", a=4.0) * (2, 2, 2)
    crystal.rattle(0.1, seed=1)
    assert largest_difference(crystal) < 1e-10
    alone = Atoms(element)
    assert OURS.get_potential_energy(alone) == EMT().get_potential_energy(alone)
    np.testing.assert_array_equal(OURS.get_forces(alone), 0.0)


def test_many_at_once_are_as_one_by_one_whatever_their_sizes():
    many = [fcc111("Pt", (2, 2, 2), vacuum=6), bulk("Cu") * (3, 3, 3), Atoms("AuAg", [[0, 0, 0], [0, 0, 2.7]])]
    for place, atoms in enumerate(many):
        atoms.rattle(0.1, seed=place)
    found = OURS.compute_many(many)
    assert isinstance(OURS, BatchedCalculator)
    for atoms, told in zip(many, found, strict=True):
        assert told.energy == OURS.get_potential_energy(atoms)
        np.testing.assert_array_equal(told.forces, OURS.get_forces(atoms))


def test_elements_without_parameters_are_refused_by_name():
    with pytest.raises(ValueError, match=r"no parameters for \['Fe', 'Zn'\]; it knows .*'Pt'"):
        OURS.get_potential_energy(Atoms("PtFeZn", np.eye(3) * 3))


@pytest.mark.parametrize(
    ("atoms", "message"),
    [
        (Atoms(), "no atoms"),
        (Atoms("Pt2", [[0, 0, 0], [0, 0, np.nan]]), "finite"),
        (Atoms("Pt", cell=[0, 5, 5], pbc=True), r"pbc=\[True, True, True\] needs cell vectors"),
        (Atoms("Pt", cell=[[5, 0, 0], [9, 0, 0], [0, 0, 5]], pbc=True), "coplanar"),
    ],
)
def test_structures_without_a_meaning_are_refused(atoms, message):
    with pytest.raises(ValueError, match=message):
        OURS.get_potential_energy(atoms)


def test_atoms_in_one_place_have_no_finite_forces_and_spoil_no_batch():
    good = Atoms("Pt2", [[0, 0, 0], [0, 0, 2.7]])
    spoilt, kept = OURS.compute_many([Atoms("Pt2", np.zeros((2, 3))), good])
    assert not np.isfinite(spoilt.forces).all()
    assert kept.energy == OURS.get_potential_energy(good)


@settings(max_examples=20, deadline=None)
@given(structures(), st.integers(0, 2**32 - 1))
def test_forces_are_the_slope_of_the_energy(atoms, seed):
    step = 1e-5
    lengths = neighbor_list("d", atoms, CUTOFF + 1)
    assume(not (np.abs(lengths - CUTOFF) < 100 * step).any())  # w has a small step where it ends
    direction = np.random.default_rng(seed).standard_normal((len(atoms), 3))
    ends = [atoms.copy(), atoms.copy()]
    for end, sign in zip(ends, (1, -1), strict=True):
        end.positions += sign * step * direction
    ahead, behind = (found.energy for found in OURS.compute_many(ends))
    force = OURS.get_forces(atoms)
    tolerance = 1e-4 * max(1.0, np.abs(force).max()) * len(atoms)
    assert (behind - ahead) / (2 * step) == pytest.approx((force * direction).sum(), abs=tolerance)


def test_a_relaxation_ends_where_ases_does():
    ends = []
    for calculator in (EMT(), pickle.loads(pickle.dumps(BatchedEMT))()):
        atoms = fcc111("Pt", (3, 3, 2), vacuum=6) + Atoms("Pt", [[3.0, 1.9, 11.0]])
        atoms.calc = calculator
        BFGS(atoms, logfile=None).run(fmax=0.01, steps=200)
        ends.append(atoms.positions)
    np.testing.assert_allclose(*ends, atol=1e-6)


def test_a_problem_has_the_same_energies_with_either():
    points = platinum_heptamer().space.sample_contiguous(3, np.random.default_rng(0))
    for point in points:
        theirs, ours = (platinum_heptamer(c).measure(point, np.random.default_rng()) for c in (EMT, BatchedEMT))
        assert ours.value == pytest.approx(theirs.value, abs=1e-9)
        np.testing.assert_allclose(ours.response, theirs.response, atol=1e-9)
