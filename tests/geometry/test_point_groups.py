import numpy as np
import pytest
from ase.cluster import Icosahedron, Octahedron

from matseek.geometry.point_groups import orbit, point_groups

ORDERS = {"Cs": 2, "Ci": 2, "T": 12, "Td": 24, "Th": 24, "O": 24, "Oh": 48, "I": 60, "Ih": 120}
ORDERS |= {f"C{k}": k for k in range(2, 7)} | {f"D{k}": 2 * k for k in range(2, 7)}
ORDERS |= {f"{name}{k}{tail}": n * k for k in range(2, 7) for name, tail, n in (("C", "v", 2), ("C", "h", 2))}
ORDERS |= {f"D{k}h": 4 * k for k in range(2, 7)}


def test_each_group_has_the_order_of_its_symbol():
    assert {name: len(group) for name, group in point_groups().items()} == ORDERS


@pytest.mark.parametrize("name", ORDERS)
def test_they_are_groups_of_orthogonal_matrices(name):
    group = point_groups()[name]
    np.testing.assert_allclose(group @ group.transpose(0, 2, 1), np.tile(np.eye(3), (len(group), 1, 1)), atol=1e-12)
    np.testing.assert_array_equal(group[0], np.eye(3))
    products = (group[:, None] @ group).reshape(-1, 9)
    away = np.abs(products[:, None] - group.reshape(-1, 9)).max(axis=-1).min(axis=1)
    assert away.max() < 1e-9, "closed"
    proper = np.linalg.det(group) > 0
    assert proper.all() == (name in {"T", "O", "I"} or name[1:].isdigit())
    assert proper.sum() in {len(group), len(group) // 2}


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("seed", range(5))
def test_an_orbit_is_its_own_image_and_its_size_divides_the_order(name, seed):
    group = point_groups()[name]
    place = np.random.default_rng(seed).normal(0, 1.5, 3)
    places = orbit(place, group, 1.0)
    assert len(group) % len(places) == 0
    for matrix in group:
        apart = np.linalg.norm((places @ matrix.T)[:, None] - places, axis=-1)
        assert apart.min(axis=0).max() < 1e-6
    distances = np.linalg.norm(places[1:] - places[0], axis=1)
    assert (distances > 1e-3).all()


def test_known_clusters_are_made_of_their_groups_orbits():
    for name, atoms, orbits in (("Ih", Icosahedron("Ar", 2), [1, 12]), ("Oh", Octahedron("Ar", 4, 1), [6, 8, 24])):
        places = atoms.positions - atoms.positions.mean(axis=0)
        group = point_groups()[name]
        found = []
        for place in places:
            images = orbit(place, group, 0.5)
            found.append(len(images))
            assert np.linalg.norm(images[:, None] - places, axis=-1).min(axis=1).max() < 1e-6
        assert sorted(found) == sorted(size for size in orbits for _ in range(size))


def test_what_lies_beside_an_axis_is_put_onto_it():
    places = orbit(np.array([0.1, 0.2, 3.0]), point_groups()["C5v"], 1.0)
    np.testing.assert_allclose(places, [[0, 0, 3.0]], atol=1e-12)
    centre = orbit(np.array([0.1, -0.1, 0.1]), point_groups()["Oh"], 1.0)
    np.testing.assert_allclose(centre, [[0, 0, 0]], atol=1e-12)
