import numpy as np
import pytest
from ase import Atoms
from ase.calculators.lj import LennardJones
from ase.cluster import Icosahedron

from matseek.potentials import ClusterLennardJones
from matseek.testing import check_potential


def rattled(symbols, seed):
    rng = np.random.default_rng(seed)
    places = 2.0 * np.stack(np.meshgrid(*[np.arange(3)] * 3), axis=-1).reshape(-1, 3)
    chosen = places[rng.permutation(27)[: len(Atoms(symbols))]]
    return Atoms(symbols, chosen + rng.normal(0, 0.15, chosen.shape))


def test_it_keeps_the_contract_of_a_potential():
    check_potential(ClusterLennardJones, [rattled("Ar4", 0), rattled("Ar3Pt3", 1)])


def test_it_is_ase_without_the_cutoff():
    atoms = rattled("Ar9", 2)
    theirs = LennardJones(epsilon=0.3, sigma=1.8, rc=1e4)
    ours = ClusterLennardJones(epsilon=0.3, sigma=1.8)
    assert ours.get_potential_energy(atoms) == pytest.approx(theirs.get_potential_energy(atoms), abs=1e-9)
    np.testing.assert_allclose(ours.get_forces(atoms), theirs.get_forces(atoms), atol=1e-9)


def test_without_a_sigma_bonds_are_as_long_as_the_covalent_radii_say():
    for symbols, length in (("Ar2", 2.12), ("PtAr", 2.42)):
        pair = Atoms(symbols, [[0, 0, 0], [0, 0, length]])
        assert ClusterLennardJones(epsilon=0.2).get_potential_energy(pair) == pytest.approx(-0.2)
        np.testing.assert_allclose(ClusterLennardJones().get_forces(pair), 0, atol=1e-9)


def test_the_icosahedron_of_13_atoms_has_44_epsilon_at_its_best_size():
    shell = Icosahedron("Ar", 2, latticeconstant=2.12 * 2**0.5)
    sizes = np.linspace(0.9, 1.1, 201)
    energies = [
        ClusterLennardJones().get_potential_energy(Atoms(shell.numbers, shell.positions * size)) for size in sizes
    ]
    assert min(energies) == pytest.approx(-44.3268, abs=2e-3)


@pytest.mark.parametrize(
    ("atoms", "message"),
    [
        (Atoms("Ar2", [[0, 0, 0], [0, 0, 2]], cell=[9, 9, 9], pbc=(True, False, False)), "not periodic; take ase"),
        (Atoms(), "no atoms"),
        (Atoms("Ar", [[np.nan, 0, 0]]), "finite"),
    ],
)
def test_what_is_no_cluster_is_refused(atoms, message):
    with pytest.raises(ValueError, match=message):
        ClusterLennardJones().get_potential_energy(atoms)


@pytest.mark.parametrize("wrong", [{"epsilon": 0.0}, {"sigma": -1.0}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ClusterLennardJones(**wrong)
