from functools import partial

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.stress import full_3x3_to_voigt_6_stress

from matseek.core.potential import BatchedCalculator
from matseek.core.problem import potential_name
from matseek.library.platinum import platinum_adatom
from matseek.potentials.chgnet import CHGNet
from matseek.problems import StructureProblem
from matseek.spaces import Adlayer
from tests.potentials.optional import optional

pytestmark = optional("chgnet")


@pytest.fixture(scope="module")
def chgnet():
    return CHGNet(batch_size=2)


def test_many_at_once_are_as_one_by_one(chgnet):
    assert isinstance(chgnet, BatchedCalculator)
    many = [fcc111("Pt", (1, 1, 3), vacuum=6), bulk("Cu"), bulk("Pt")]
    for atoms, (energy, forces, *_) in zip(many, chgnet.compute_many(many), strict=True):
        assert energy == pytest.approx(chgnet.get_potential_energy(atoms), abs=1e-4)
        np.testing.assert_allclose(forces, chgnet.get_forces(atoms), atol=1e-4)


def test_platinum_binds_as_it_should(chgnet):
    # -6.06 eV an atom by the calculations that it was trained on (Materials Project, mp-126).
    assert chgnet.get_potential_energy(bulk("Pt", a=3.97)) == pytest.approx(-6.06, abs=0.1)


def test_a_structure_without_a_cell_is_refused(chgnet):
    with pytest.raises(ValueError, match="cell of three vectors"):
        chgnet.get_potential_energy(Atoms("Pt"))


def test_an_adatom_is_bound_to_the_step_and_calculated_as_chgnets_own_calculator_does(chgnet):
    from chgnet.model.dynamics import CHGNetCalculator

    space = platinum_adatom().space
    hollow = np.array([0.236, 0.382]) @ space.template.cell.array[:2, :2]
    top = space.template.positions[:, 2].max()
    held = [space.atoms(np.array([*hollow, top + height])) for height in (0.5, 4.0)]
    low = Atoms(held[0].numbers, held[0].positions, cell=held[0].cell, pbc=True)
    (near, forces, *_), (far, *_) = chgnet.compute_many(held)
    assert near < far - 1
    theirs = CHGNetCalculator(use_device="cpu")
    assert near == pytest.approx(theirs.get_potential_energy(low), abs=1e-4)
    np.testing.assert_allclose(forces, theirs.get_property("forces", low), atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"version": "9"}, "version='9' is unknown; choose one of"), ({"batch_size": 0}, "batch_size=0 must be")],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        CHGNet(**settings)


def test_a_slab_whose_next_image_is_near_is_refused():
    """CHGNet takes every face for periodic: with little vacuum the free atom is bonded to the slab's image above."""
    slab = fcc111("Pt", (1, 1, 2), vacuum=3)
    slab = slab.repeat((2, 2, 1))
    with pytest.raises(ValueError, match="CHGNet takes the third cell vector for a period"):
        StructureProblem(Adlayer(slab, "Pt", z=(1.5, 3.0)), CHGNet).require_oracle()
    slab.center(vacuum=8, axis=2)
    StructureProblem(Adlayer(slab, "Pt", z=(1.5, 3.0)), CHGNet).require_oracle()


def test_an_unknown_element_is_refused_by_name(chgnet):
    with pytest.raises(ValueError, match=r"CHGNet does not know \['Po'\]"):
        chgnet.get_potential_energy(bulk("Po", "sc", a=3.3))


def test_one_at_a_time_on_a_cpu_unless_told_otherwise(chgnet):
    assert (CHGNet().batch_size, chgnet.batch_size) == (1, 2)


def test_stress_and_moments_are_chgnets_own_and_no_other_energies():
    from chgnet.model.dynamics import CHGNetCalculator

    atoms = bulk("Fe", a=2.7)
    (ours,) = CHGNet(stress=True).compute_many([atoms])
    theirs = CHGNetCalculator(use_device="cpu")
    expected = full_3x3_to_voigt_6_stress(theirs.get_property("stress", atoms))
    np.testing.assert_allclose(ours.stress, expected, atol=1e-5)
    np.testing.assert_allclose(ours.magmoms, theirs.get_property("magmoms", atoms), atol=1e-4)
    assert np.abs(ours.stress[:3]).min() > 1e-3
    assert potential_name(partial(CHGNet, stress=True)) == potential_name(CHGNet)
