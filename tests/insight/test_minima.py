from datetime import UTC, datetime

import numpy as np

from matseek.core.records import Evaluation
from matseek.insight.minima import distinct_minima
from tests.islands import island


def evaluation(number, point, value):
    now = datetime.now(UTC)
    return Evaluation(number, number, "x", point, "done", value, np.array([value]), None, now, now, lambda: None)


def test_copies_of_a_structure_are_one_minimum():
    """Rattled, permuted, and shifted by a lattice vector of the surface."""
    space, rng = island("Cu3", size=(6, 6, 2)), np.random.default_rng(0)
    one, other = space.sample_contiguous(2, rng)
    rattled = one + 0.02 * rng.standard_normal(9)
    permuted = one.reshape(3, 3)[[1, 2, 0]].ravel()
    shifted = (one.reshape(3, 3) + np.append(space.plane[0] / 6, 0)).ravel()
    points = [one, rattled, other, permuted, shifted]
    values = [1.0, 1.05, 1.1, 1.0001, 1.0002]
    found = distinct_minima(
        space, [evaluation(k + 1, p, v) for k, (p, v) in enumerate(zip(points, values, strict=True))], 4
    )
    assert [m.best.number for m in found] == [1, 3]
    assert found[0].evaluations == (1, 2, 4, 5)


def test_energies_tell_minima_apart_and_the_list_ends():
    space, rng = island("Cu3", size=(6, 6, 2)), np.random.default_rng(1)
    one = space.sample_contiguous(1, rng)[0]
    found = distinct_minima(space, [evaluation(1, one, 1.0), evaluation(2, one + 1e-3, 3.0)], 4)
    assert [m.best.number for m in found] == [1, 2]
    assert len(distinct_minima(space, [evaluation(1, one, 1.0), evaluation(2, one + 1e-3, 3.0)], 1)) == 1
    assert distinct_minima(space, [], 4) == []
