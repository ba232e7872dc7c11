"""Energies and forces as they are learnt: low ones as they are, high ones compressed, the repulsion taken off."""

import numpy as np
import pytest
from ase.build import fcc111

from matseek.descriptors import Repulsion
from matseek.spaces import Adlayer
from matseek.surrogates.structure_data import median_distance, targets

SPACE = Adlayer(fcc111("Pt", (2, 2, 2), vacuum=6), "Pt2", z=(1.0, 4.0))


@pytest.fixture
def points():
    return SPACE.sample_uniform(6, np.random.default_rng(0))


def test_low_energies_are_learnt_as_they_are_and_high_ones_keep_their_order(points):
    energies = np.array([1.0, 1.5, 2.0, 2.5, 1e3, 1e6])
    repulsion = Repulsion().prepare(SPACE)
    found = targets(points, energies, np.ones((6, 6)), repulsion)
    pushed, push = repulsion.energies(points)
    compressed = found.energies + found.strength * pushed
    np.testing.assert_allclose(compressed[:4], energies[:4])
    assert energies[3] < compressed[4] < compressed[5] < 100
    slopes = -(found.gradients + found.strength * push)
    np.testing.assert_allclose(slopes[:4], 1.0)
    assert 0 < slopes[5].max() < slopes[4].min() < 1


def test_the_slope_of_what_is_compressed_is_that_of_the_forces(points):
    repulsion, h = Repulsion().prepare(SPACE), 1e-4

    def compressed(energy):
        energies = np.array([1.0, 1.5, 2.0, 2.5, 2.6, energy])
        found = targets(points, energies, np.ones((6, 6)), repulsion)
        pushed, push = repulsion.energies(points)
        return (
            found.energies[5] + found.strength * pushed[5],
            -(found.gradients[5] + found.strength * push[5])[0],
        )

    slope = (compressed(50 + h)[0] - compressed(50 - h)[0]) / (2 * h)
    assert slope == pytest.approx(compressed(50)[1], rel=1e-5)


def test_unknown_forces_stay_unknown_and_equal_low_energies_have_a_scale(points):
    forces = np.full((6, 6), np.nan)
    forces[0] = 0.0
    found = targets(points, np.array([1.0, 1, 1, 1, 1, 2]), forces, Repulsion().prepare(SPACE))
    assert np.isfinite(found.gradients).all(axis=1).tolist() == [True] + [False] * 5
    assert np.isfinite(found.energies).all()
    assert found.scale > 0 < found.strength


def test_distances_of_descriptors_have_a_median_and_like_ones_none():
    assert median_distance(np.array([[0.0], [1.0], [3.0]])) == 2.0
    assert median_distance(np.zeros((3, 2))) == 1.0
