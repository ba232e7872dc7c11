from datetime import UTC, datetime

import numpy as np
import pytest
from ase.build import fcc111

from matseek.core.records import Evaluation
from matseek.insight.plausibility import at_least_distance, doubts, on_walls, plausibility
from matseek.spaces import Adlayer, Box, Variable

SPACE = Adlayer(fcc111("Pt", (4, 4, 2), vacuum=8), "Pt2", z=(1.5, 5.0))


def evaluation(number, point, value, forces=None):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Evaluation(
        number, 1, "rss", np.asarray(point), "done", value, np.array([value]), None, now, now, lambda: forces
    )


def at(first, second, apart=4.0):
    """Two atoms at heights above the template's highest atom."""
    top = SPACE.z_low - SPACE.z[0]
    return [1.0, 1.0, top + first, 1.0 + apart, 1.0, top + second]


def pushed(first, second):
    return np.array([[0, 0, first], [0, 0, second]], dtype=float)


@pytest.mark.parametrize(
    ("heights", "forces", "held"),
    [
        ((5.0, 3.0), None, {"upper": [1]}),
        ((3.0, 1.5), None, {"lower": [2]}),
        ((5.0, 1.5), pushed(0, 0), {"upper": [1], "lower": [2]}),
        ((5.0, 5.0), pushed(1, 2), {"upper": [1, 2]}),
        ((5.0, 5.0), pushed(-1, 0.2), {"upper": [2]}),  # the first is on its way inwards
        ((1.5, 3.0), pushed(1, 0), {}),
        ((1.5, 3.0), pushed(-1, 0), {"lower": [1]}),
        ((4.95, 3.0), pushed(0, 0), {}),  # beside a wall, and at rest there
        ((4.95, 3.0), pushed(0.3, 9), {"upper": [1]}),  # beside a wall, and pushed towards it
        ((3.0, 2.9), pushed(9, -9), {}),
    ],
)
def test_a_wall_holds_what_is_not_pulled_off_it(heights, forces, held):
    assert on_walls(SPACE, evaluation(1, at(*heights), -1.0, forces)) == held


def test_the_best_on_a_wall_is_told_with_atoms_and_remedy():
    others = [evaluation(k, at(5.0, 5.0), 0.0) for k in range(2, 5)]
    (doubt,) = doubts(SPACE, [*others, evaluation(9, at(5.0, 3.0), -1.0, pushed(0.4, 0))])
    assert doubt.about == "wall"
    assert "evaluation 9, lies on the upper wall of the confinement, 5 angstrom" in doubt.message
    assert "free atom 1." in doubt.message
    assert "z=[1.5, 7]" in doubt.message
    (doubt,) = doubts(SPACE, [evaluation(1, at(1.5, 1.5), -1.0)])
    assert "lower wall" in doubt.message
    assert "free atoms 1, 2." in doubt.message
    assert "z=[0.5, 5]" in doubt.message
    lowest = Adlayer(SPACE.template, "Pt", z=(0.0, 3.0))
    hollow = np.array([1.386, 0.8, lowest.z_low])
    (doubt,) = doubts(lowest, [evaluation(1, hollow, -1.0)])
    assert "z=[-1, 3]" in doubt.message
    assert doubts(SPACE, [*others, evaluation(9, at(3.0, 3.0), -1.0)]) == [], "only the best counts"


def test_recipes_and_campaigns_without_results_raise_no_doubt():
    box = Box([Variable("x", 0, 1)])
    assert doubts(box, [evaluation(1, [0.0], 1.0)]) == []
    assert plausibility(box, []) == {"best_on_wall": None, "lowest_at_least_distance": None, "warnings": []}
    assert doubts(SPACE, []) == []


def test_lowest_energies_at_the_least_distance_are_a_hole():
    bond = 0.6 * 2 * 1.36
    close = [evaluation(k, at(3, 3, apart=bond * 1.05), -50.0 - k) for k in range(6)]
    far = [evaluation(100 + k, at(3, 3, apart=2.7), float(k)) for k in range(14)]
    assert at_least_distance(SPACE, [*far, *close]) == 6
    (doubt,) = doubts(SPACE, [*far, *close])
    assert doubt.about == "least distance"
    assert "6 of the 10 lowest energies" in doubt.message
    assert "least_distance=0.7" in doubt.message
    assert at_least_distance(SPACE, [*far[:-1], *close]) is None, "20 are needed"
    assert doubts(SPACE, [*far, *close[:5], evaluation(50, at(3, 3, apart=bond * 1.2), -99.0)]) == []
    nitrogen = Adlayer(SPACE.template, "N2", z=(1.5, 5.0), least_distance=0.7)
    molecule = [evaluation(k, at(3, 3, apart=1.10), -9.0 - k) for k in range(20)]
    assert at_least_distance(nitrogen, molecule) == 0, "a real bond is none, however short"
    harmless = [evaluation(k, at(3, 3, apart=bond * 1.05), 50.0 + k) for k in range(12)]
    assert doubts(SPACE, [*far, *harmless]) == [], "high energies at short distances are as they should be"
