import numpy as np
import pytest
from scipy.stats import kstest

from matseek.spaces import Box, LinearConstraint, Variable


def unit(d, constraints):
    return Box([Variable(f"x{i}", 0, 1) for i in range(d)], constraints)


def test_uniform_on_a_box():
    points = unit(3, []).sample_uniform(2000, np.random.default_rng(0))
    for j in range(3):
        assert kstest(points[:, j], "uniform").pvalue > 1e-3


def test_uniform_on_a_corner_simplex_of_one_permille():
    # The simplex x0 + ... + x5 <= 1 is 1/720 of its box; the sum of a uniform point is distributed as s^6.
    points = unit(6, [LinearConstraint({f"x{i}": 1 for i in range(6)}, upper=1)]).sample_uniform(
        2000, np.random.default_rng(1)
    )
    assert kstest(points.sum(axis=1) ** 6, "uniform").pvalue > 1e-3
    assert kstest(1 - (1 - points[:, 0]) ** 6, "uniform").pvalue > 1e-3


def test_uniform_on_a_thin_diagonal_slab():
    # 0.1 % of the box, along no axis: walks that are not rounded never get from one end to the other.
    slab = unit(4, [LinearConstraint({"x0": 1, "x1": -1}, lower=-0.0005, upper=0.0005)])
    points = slab.sample_uniform(2000, np.random.default_rng(2))
    assert slab.contains(points).all()
    assert kstest(points[:, 0], "uniform").pvalue > 1e-3
    assert kstest((points[:, 0] - points[:, 1]) / 0.001 + 0.5, "uniform").pvalue > 1e-3


@pytest.mark.parametrize(("d", "width"), [(5, 0.05), (5, 1e-3), (8, 0.03)])
def test_uniform_along_a_diagonal_needle(d, width):
    # |x_i - x_(i+1)| <= width: thin in all directions but the diagonal.
    needle = unit(d, [LinearConstraint({f"x{i}": 1, f"x{i + 1}": -1}, lower=-width, upper=width) for i in range(d - 1)])
    points = needle.sample_uniform(1500, np.random.default_rng(3))
    assert needle.contains(points).all()
    # Away from its ends the needle is a prism along the diagonal, so the mean coordinate is uniform there.
    along = points.mean(axis=1)
    inner = along[(along > d * width) & (along < 1 - d * width)]
    assert kstest(inner, "uniform", (d * width, 1 - 2 * d * width)).pvalue > 1e-3
    design = needle.sample_latin_hypercube(15, np.random.default_rng(4))
    assert np.ptp(design[:, 0]) > 0.7


def test_a_variable_that_nothing_couples_is_uniform_beside_a_constraint():
    box = unit(4, [LinearConstraint({"x0": 1, "x2": 1}, upper=1)])
    points = box.sample_uniform(2000, np.random.default_rng(5))
    assert box.contains(points).all()
    for j in (1, 3):
        assert kstest(points[:, j], "uniform").pvalue > 1e-3
    assert kstest(1 - (1 - points[:, 0]) ** 2, "uniform").pvalue > 1e-3


def test_a_cover_has_the_marginals_of_samples():
    simplex = unit(6, [LinearConstraint({f"x{i}": 1 for i in range(6)}, upper=1)]).unit_polytope
    points = simplex.cover(5000, np.random.default_rng(6))
    assert simplex.contains(points, 1e-9).all()
    # Samples of a chain are alike: compare quantiles instead of testing independence.
    quantiles = np.quantile(1 - (1 - points[:, 0]) ** 6, [0.1, 0.3, 0.5, 0.7, 0.9])
    assert np.abs(quantiles - [0.1, 0.3, 0.5, 0.7, 0.9]).max() < 0.04


def test_projection_is_the_nearest_point():
    polytope = unit(2, [LinearConstraint({"x0": 1, "x1": 1}, upper=1)]).unit_polytope
    points = polytope.project(np.array([[1.0, 1.0], [2.0, -1.0], [0.2, 0.3], [0.9, 0.4]]))
    np.testing.assert_allclose(points, [[0.5, 0.5], [1.0, 0.0], [0.2, 0.3], [0.75, 0.25]], atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_projection_is_always_feasible(seed):
    rng = np.random.default_rng(seed)
    box = unit(4, [LinearConstraint({f"x{i}": w for i, w in enumerate(rng.normal(size=4))}, upper=0.1)])
    assert box.contains(box.unnormalize(box.unit_polytope.project(3 * rng.normal(size=(200, 4))))).all()
