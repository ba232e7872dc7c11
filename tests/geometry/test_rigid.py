"""Rigid bodies: shapes are kept, projections are the nearest, and loose particles are as they were."""

import numpy as np
import pytest
from ase.build import molecule
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from matseek.geometry.rigid import RigidBodies, longest

CO, WATER = molecule("CO").positions, molecule("H2O").positions
PLANE = np.array([[6.0, 0.0], [3.0, 5.2]])
BODIES = RigidBodies(((0, 1), (2, 3, 4), (5,)), (CO, WATER, np.zeros((1, 3))), PLANE)


def structure(seed=0):
    rng = np.random.default_rng(seed)
    x = np.concatenate([CO, WATER + np.array([3.0, 2.0, 1.0]), [[1.0, 1.0, 5.0]]])
    return BODIES.turned(x, rng), rng


def test_turning_keeps_shapes_and_centres_and_is_uniform():
    x, rng = structure()
    assert BODIES.strain(x).max() < 1e-12
    turned = np.array([BODIES.turned(x, rng) for _ in range(1000)])
    assert BODIES.centres(turned) == pytest.approx(np.broadcast_to(BODIES.centres(x), (1000, 3, 3)))
    axis = turned[:, 1] - turned[:, 0]
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    assert np.abs(axis.mean(axis=0)).max() < 0.08  # 1/sqrt(3 * 1000) = 0.018
    assert axis.T @ axis / 1000 == pytest.approx(np.eye(3) / 3, abs=0.06)
    only = BODIES.turned(x, rng, [0])
    assert np.array_equal(only[2:], x[2:])
    assert not np.allclose(only[:2], x[:2])


def test_bodies_are_gathered_from_any_images():
    x, rng = structure()
    moved = x.copy()
    moved[:, :2] += rng.integers(-2, 3, (6, 2)) @ PLANE
    gathered = BODIES.gathered(moved)
    assert BODIES.strain(moved).max() < 1e-9
    for rows in ([0, 1], [2, 3, 4]):
        shift = gathered[rows] - x[rows]
        assert np.allclose(shift, shift[0])


def test_the_nearest_positions_of_whole_bodies_are_found():
    x, rng = structure()
    bent = x + rng.normal(0, 0.1, x.shape)
    snapped = BODIES.snapped(bent)
    assert BODIES.strain(snapped).max() < 1e-12
    assert BODIES.snapped(snapped) == pytest.approx(snapped)

    def distance(v):
        water = Rotation.from_rotvec(v[:3]).apply(WATER) + v[3:]
        return ((water - bent[2:5]) ** 2).sum()

    best = min(minimize(distance, [*rng.normal(size=3), *bent[2:5].mean(axis=0)]).fun for _ in range(5))
    assert ((snapped[2:5] - bent[2:5]) ** 2).sum() == pytest.approx(best, rel=1e-5)
    assert np.array_equal(snapped[5], bent[5])


def test_a_mirrored_body_is_another_one():
    chiral = np.array([[0.0, 0, 0], [1.0, 0, 0], [0, 1.3, 0], [0, 0, 1.7]])
    bodies = RigidBodies(((0, 1, 2, 3),), (chiral,))
    assert bodies.strain(chiral).max() < 1e-12
    assert bodies.strain(chiral * [1, 1, -1]).max() > 0.3


def test_forces_on_bodies_keep_shapes_to_first_order_force_and_torque():
    x, rng = structure()
    forces = rng.normal(size=x.shape)
    along = BODIES.along(x, forces)
    assert BODIES.strain(x + 1e-4 * along).max() < 1e-7 < BODIES.strain(x + 1e-4 * forces).max()
    assert BODIES.along(x, along) == pytest.approx(along)
    for rows in ([0, 1], [2, 3, 4]):
        arms = x[rows] - x[rows].mean(axis=0)
        assert along[rows].sum(axis=0) == pytest.approx(forces[rows].sum(axis=0))
        assert np.cross(arms, along[rows]).sum(axis=0) == pytest.approx(np.cross(arms, forces[rows]).sum(axis=0))
    assert np.array_equal(along[5], forces[5])


def test_forces_take_no_particle_through_its_wall():
    x, rng = structure()
    forces = rng.normal(size=(200, *x.shape))
    walls = rng.integers(-1, 2, (200, 6))
    many = np.broadcast_to(x, forces.shape)
    held = BODIES.along(many, forces, walls)
    assert (walls * held[..., 2]).max() < 1e-9
    assert BODIES.strain(many + 1e-4 * held).max() < 1e-7
    # What is left still is downhill, and nothing is held that would move inwards.
    assert ((held * forces).sum(axis=(1, 2)) >= -1e-12).all()
    inwards = -np.sign(BODIES.along(many, forces)[..., 2]).astype(int)
    assert BODIES.along(many, forces, inwards) == pytest.approx(BODIES.along(many, forces))


def test_bodies_are_put_back_between_walls_as_a_whole():
    x, _ = structure()
    low, high = 0.3, 2.5
    inside = BODIES.confined(x, low, high)
    assert BODIES.strain(inside).max() < 1e-12
    assert inside[:, 2].min() == pytest.approx(low, abs=1e-12)
    assert inside[:, 2].max() == pytest.approx(high, abs=1e-12)
    assert BODIES.confined(x, -9, 9) == pytest.approx(x)
    tall = BODIES.confined(x, 0.0, 0.01)
    assert BODIES.strain(tall).max() < 1e-12
    assert tall[:, 2].max() > 0.01


def test_loose_particles_are_as_without_bodies():
    rng = np.random.default_rng(0)
    x, loose = rng.normal(size=(3, 4, 3)), RigidBodies.loose(4)
    for same in (loose.gathered(x), loose.snapped(x), loose.centres(x), loose.along(x, x), loose.carried(x * 2, x)):
        assert np.array_equal(same, x)
    assert np.array_equal(loose.turned(x[0], rng), x[0])
    assert loose.molecules == ()
    assert not loose.strain(x).any()
    assert loose.kinds(np.array([78, 29, 78, 8])).tolist() == [2, 1, 2, 0]


def test_kinds_tell_molecules_by_their_elements():
    bodies = RigidBodies(((0, 1), (2, 3), (4,), (5, 6)), (CO, CO, np.zeros((1, 3)), CO))
    assert bodies.kinds(np.array([6, 8, 6, 8, 8, 8, 1])).tolist() == [0, 0, 1, 2]
    assert longest(WATER) == pytest.approx(1.52, abs=0.05)
