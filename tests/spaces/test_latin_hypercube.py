import time

import numpy as np
import pytest

from matseek.spaces import Box, LinearConstraint, Variable


@pytest.mark.parametrize("n", [1, 2, 15, 60])
def test_every_stratum_of_a_box_holds_one_point(n):
    box = Box([Variable("x", 2, 4), Variable("y", -5, 5), Variable("z", 0, 1e-3)])
    strata = np.floor(box.normalize(box.sample_latin_hypercube(n, np.random.default_rng(n))) * n)
    for j in range(box.dim):
        np.testing.assert_array_equal(np.sort(strata[:, j]), np.arange(n))


@pytest.mark.parametrize("seed", range(5))
def test_the_silver_recipes_are_covered_under_their_constraint(seed):
    box = Box(
        [
            Variable("Ag", 4, 45),
            Variable("pva", 10, 40),
            Variable("tsc", 0.5, 30),
            Variable("seed", 0.5, 20),
            Variable("flow", 200, 1000),
        ],
        [LinearConstraint({"Ag": 1, "pva": 1, "tsc": 1, "seed": 1}, upper=90)],
    )
    n = 15
    rng = np.random.default_rng(seed)
    points, reference = box.sample_latin_hypercube(n, rng), box.sample_uniform(20_000, rng)
    assert box.contains(points).all()
    np.testing.assert_array_equal(np.sort(np.floor(box.normalize(points)[:, 4] * n)), np.arange(n))
    for j in range(4):
        quantiles = np.array([(reference[:, j] < x).mean() for x in points[:, j]])
        # Strata are those of the feasible marginal, known here only through samples: allow what that blurs.
        assert np.abs(np.sort(quantiles) - (np.arange(n) + 0.5) / n).max() < 0.85 / n


@pytest.mark.parametrize("constrained", [0, 4, 20])
def test_twenty_variables_take_less_than_a_second(constrained):
    rules = [LinearConstraint({f"x{i}": 1 for i in range(constrained)}, upper=0.4 * constrained)] if constrained else []
    box = Box([Variable(f"x{i}", 0, 1) for i in range(20)], rules)
    began = time.process_time()
    points = box.sample_latin_hypercube(15, np.random.default_rng(0))
    # Twice what is wanted: a loaded machine's clock of processor time runs on while caches are cold.
    assert time.process_time() - began < 2
    assert box.contains(points).all()


def test_a_sliver_is_covered_from_end_to_end():
    box = Box(
        [Variable("x", 0, 1), Variable("y", 0, 1)], [LinearConstraint({"x": 1, "y": -1}, lower=-0.0005, upper=0.0005)]
    )
    points = box.sample_latin_hypercube(20, np.random.default_rng(0))
    assert box.contains(points).all()
    assert len(set(np.floor(points[:, 0] * 20))) >= 15
