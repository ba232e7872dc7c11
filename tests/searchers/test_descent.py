from datetime import UTC, datetime

import numpy as np
import pytest
from ase.build import fcc111

from matseek.core.records import Evaluation
from matseek.searchers.descent import Descent, offset, relaxations
from matseek.spaces import Adlayer

SPACE = Adlayer(fcc111("Pt", (3, 3, 2), vacuum=12), "Pt2", z=(1.0, 5.0))


def evaluated(number, point, value=1.0, forces=None, status="done", iteration=1, proposer="any"):
    now = datetime.now(UTC)
    response = np.ones((SPACE.size, 3)) if forces is None else forces
    return Evaluation(
        number, iteration, proposer, point, status, value, np.array([value]), None, now, now, lambda: response
    )


def descent(**settings):
    start = SPACE.sample_contiguous(1, np.random.default_rng(0))[0]
    given = {"optimizer": "BFGS", "fmax": 0.05, "most_steps": 10} | settings
    return Descent(0, SPACE, start, **given)


def test_offsets_are_to_the_nearest_image():
    (a,) = SPACE.sample_contiguous(1, np.random.default_rng(1))
    b = a.reshape(-1, 3) + np.array([0.1, -0.2, 0.3])
    b[0, :2] += SPACE.plane[0] - 2 * SPACE.plane[1]
    np.testing.assert_allclose(offset(SPACE, b.ravel(), a), [[0.1, -0.2, 0.3]] * 2, atol=1e-12)


def test_it_goes_on_from_where_the_ledger_says_it_was():
    """Another machine's last digits count: from the same evaluations both go to the same place."""
    mine, other = descent(), descent()
    there = SPACE.wrap(mine.point + 3e-8)[0]
    mine.take(evaluated(1, there))
    other._atoms.positions[-2:] += 3e-8
    other.take(evaluated(1, other.point))
    np.testing.assert_allclose(offset(SPACE, mine.point, other.point), 0, atol=1e-13)


def test_it_ends_in_a_minimum_by_failure_and_when_it_takes_too_long():
    for forces, status, most, ended in [
        (np.zeros((2, 3)), "done", 10, "converged"),
        (np.ones((2, 3)), "failed", 10, "failed"),
        (np.ones((2, 3)), "done", 1, "given up"),
        (np.ones((2, 3)), "done", 10, ""),
    ]:
        walk = descent(most_steps=most, before=(7, 8))
        walk.take(evaluated(9, walk.point, forces=forces, status=status))
        assert walk.ended == ended
        assert walk.arrived == (ended in ("converged", "given up"))
        assert walk.event().data["evaluations"] == [7, 8, 9]


def test_it_ends_where_the_space_refuses_the_next_step():
    walk = descent(most_steps=100)
    for number in range(1, 100):
        apart = offset(SPACE, walk.point[:3], walk.point[3:])[0]
        walk.take(evaluated(number, walk.point, forces=np.array([-apart, apart])))
        if walk.ended:
            break
        assert SPACE.refusals(walk.point) == [""]
    assert walk.ended.startswith("overlap of free atom 1 with free atom 2")
    assert not walk.arrived


@pytest.mark.parametrize("told", [[], [0]])
def test_evaluations_under_way_are_relaxations_too(told):
    walk = descent()
    walk.take(evaluated(1, walk.point, forces=np.zeros((2, 3))))
    known = [evaluated(n, walk.point, iteration=i) for n, i in ((1, 1), (2, 1), (3, 2), (4, 2))]
    known.append(evaluated(5, walk.point, iteration=3, proposer="opening"))
    found = relaxations(known, [walk.event() for _ in told])
    numbers = [[e.number for e in each] for each in found]
    assert numbers == ([[1], [2, 4], [3], [5]] if told else [])
