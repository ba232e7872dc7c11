from collections import Counter

import numpy as np
import pytest
from ase.cluster import Octahedron
from ase.data import covalent_radii

from matseek.candidates import symmetry
from matseek.candidates.symmetry import symmetrised
from matseek.geometry.point_groups import point_groups
from matseek.spaces import Cluster

GROUPS = point_groups()


def distances(positions):
    apart = np.linalg.norm(positions[:, None] - positions, axis=-1)
    return np.sort(apart, axis=1)


def alike(positions, numbers):
    """How many atoms have a twin: another one of their element with the same distances to all others."""
    rows = np.column_stack([numbers * 100.0, distances(positions)])
    apart = np.abs(rows[:, None] - rows).max(axis=-1) + 9.0 * np.eye(len(rows))
    return int((apart.min(axis=1) < 1e-6).sum())


@pytest.mark.parametrize("formula", ["Ar2", "Pt3", "Pt13", "Ar38", "Pt6Cu7", "Au10Pd3Cu"])
def test_elements_stay_where_they_are_listed_and_atoms_are_taken_apart(formula):
    space = Cluster(formula)
    radii = covalent_radii[space.numbers]
    for seed in range(40):
        rng = np.random.default_rng(seed)
        start = space.sample_contiguous(1, rng)[0].reshape(-1, 3)
        before = start.copy()
        made = symmetrised(start, space.numbers, rng)
        assert made.shape == start.shape
        assert np.isfinite(made).all()
        np.testing.assert_array_equal(start, before)
        apart = np.linalg.norm(made[:, None] - made, axis=-1) / (radii[:, None] + radii) + 9.0 * np.eye(len(made))
        assert apart.min() > 0.79


@pytest.mark.parametrize("name", ["C2", "C3v", "D4", "D5h", "Td", "Oh"])
def test_each_matrix_maps_the_orbits_onto_themselves(name, monkeypatch):
    orbits = []
    take = symmetry._Growth._take

    def recorded(self, places, number):
        orbits.append((places, number, self._single))
        take(self, places, number)

    monkeypatch.setattr(symmetry, "point_groups", lambda: {name: GROUPS[name]})
    monkeypatch.setattr(symmetry._Growth, "_take", recorded)
    space = Cluster("Pt30Cu8")
    in_orbits = []
    for seed in range(8):
        orbits.clear()
        rng = np.random.default_rng(seed)
        symmetrised(space.sample_contiguous(1, rng)[0].reshape(-1, 3), space.numbers, rng)
        assert Counter({78: 30, 29: 8}) == sum((Counter({k: len(places)}) for places, k, _ in orbits), Counter())
        positions = np.concatenate([places for places, _, single in orbits if not single])
        numbers = np.concatenate([np.full(len(places), k) for places, k, single in orbits if not single])
        in_orbits.append(len(positions))
        for matrix in GROUPS[name]:
            apart = np.linalg.norm((positions @ matrix.T)[:, None] - positions, axis=-1)
            assert (apart.min(axis=1) < 1e-6).all()
            assert (numbers[apart.argmin(axis=1)] == numbers).all()
    assert np.mean(in_orbits) > 20


def test_a_symmetric_cluster_can_stay_as_it_is():
    """The truncated octahedron has fourfold and threefold axes through its centre: some draws give it back."""
    atoms = Octahedron("Ar", 4, 1, latticeconstant=2**0.5 * 2 * covalent_radii[18])
    wanted = distances(atoms.positions)
    kept = 0
    for seed in range(60):
        made = symmetrised(atoms.positions, atoms.numbers, np.random.default_rng(seed))
        found = np.sort(distances(made).ravel())
        kept += np.allclose(found, np.sort(wanted.ravel()), atol=1e-6)
    assert 2 <= kept < 60


def test_random_clusters_become_symmetric():
    space = Cluster("Ar38")
    twins = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        start = space.sample_contiguous(1, rng)[0].reshape(-1, 3)
        assert alike(start, space.numbers) == 0
        twins.append(alike(symmetrised(start, space.numbers, rng), space.numbers))
    assert np.mean(twins) > 19
