import numpy as np
import pytest
from ase.build import bulk

from matseek.potentials import BatchedEMT
from matseek.spaces import Lattice
from matseek.testing import check_space

COPPER = bulk("Cu", cubic=True)
OXIDE = bulk("MgO", "rocksalt", a=4.2, cubic=True)


@pytest.mark.parametrize(
    ("space", "symmetries"),
    [
        (Lattice(COPPER, "Cu3Au"), 24),
        (Lattice(COPPER * (2, 1, 1), "Cu6"), 32),
        (Lattice(OXIDE, "O3", "O"), 24),
    ],
)
def test_it_is_a_space(space, symmetries):
    check_space(space)
    assert len(space.symmetries) == symmetries


def test_symmetries_change_no_energy_and_are_one_point():
    space = Lattice(COPPER * (2, 2, 1), "Cu9Au5")
    point = space.sample_uniform(1, np.random.default_rng(0))[0]
    images = point[space.symmetries[::9]]
    energies = [r.energy for r in BatchedEMT().compute_many([space.atoms(p) for p in images])]
    assert np.ptp(energies) < 1e-9
    assert len(np.unique(space.canonical(images), axis=0)) == 1


def test_a_variant_exchanges_two_sites_and_is_another_structure():
    space, rng = Lattice(COPPER * (2, 2, 1), "Cu9Au5"), np.random.default_rng(0)
    point = space.sample_uniform(1, rng)[0]
    for _ in range(20):
        changed = space.variant(point, rng)
        assert (changed != point).sum() == 2
        assert space.contains(changed).all()
        assert not np.array_equal(space.canonical(changed), space.canonical(point))


def test_sites_that_are_not_open_keep_their_atoms_and_vacancies_are_left_out():
    space = Lattice(OXIDE, "O3", "O")
    structure = space.atoms(space.sample_uniform(1, np.random.default_rng(0))[0])
    assert structure.get_chemical_formula() == "Mg4O3"
    assert space.size == len(structure) == 7
    assert space.names[0] == "site_2"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("Cu5",), "5 atoms for 4 open sites"),
        (("Cu4",), "nothing to search"),
        (("Cu3Au", "O"), "opens 0 sites"),
        (("CuAu", [0, 9]), "must be indices from 0 to 3"),
        (("rust",), "no chemical formula"),
    ],
)
def test_what_does_not_fit_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Lattice(COPPER, *settings)
