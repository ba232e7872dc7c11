from dataclasses import replace

import numpy as np
import pytest

from matseek.core.goals import FurtherObjective, Goals, OutcomeConstraint
from matseek.problems import Derived, LinearCombination
from matseek.spaces import Box, Variable
from tests.core.test_history import evaluation as some

SPACE = Box([Variable("x", 0, 10), Variable("y", 0, 10)])
X, Y = (LinearCombination(name, {name[-1]: 1}) for name in ("used_x", "used_y"))


def goals_of(*objectives, constraints=()):
    return Goals.on(SPACE, None, objectives, constraints)


def evaluation(number, value, x=0.0, y=0.0):
    return replace(some(number, 1), value=value, point=np.array([x, y]))


EVALUATIONS = [
    evaluation(1, 3.0, x=1, y=1),
    evaluation(2, 2.0, x=2, y=2),
    evaluation(3, 2.0, x=3, y=3),  # as evaluation 2, and worse in x
    evaluation(4, 1.0, x=4, y=9),
    some(5, 1, "failed"),
]


def test_a_front_holds_what_nothing_betters():
    goals = goals_of(FurtherObjective(X))
    assert [e.number for e in goals.front(EVALUATIONS)] == [4, 2, 1]
    most = goals_of(FurtherObjective(X, maximize=True))
    assert [e.number for e in most.front(EVALUATIONS)] == [4]
    np.testing.assert_array_equal(most.costs(EVALUATIONS[:2]), [[3, -1], [2, -2]])
    assert [e.number for e in goals_of().front(EVALUATIONS)] == [4]


def test_constraints_hold_of_what_was_measured():
    goals = goals_of(FurtherObjective(X), constraints=(OutcomeConstraint(Y, lower=2, upper=5),))
    assert goals.feasible(EVALUATIONS).tolist() == [False, True, True, False, False]
    assert [e.number for e in goals.front(EVALUATIONS)] == [2]
    assert [o.name for o in goals.outcomes] == ["used_x", "used_y"]
    assert goals.of(EVALUATIONS[3]) == {"used_x": 4, "used_y": 9}
    assert np.isnan(goals.table(EVALUATIONS)[4]).all()


def test_an_outcome_that_is_missing_meets_nothing():
    missing = Derived("missing", lambda point, response: float("nan"))
    goals = goals_of(constraints=(OutcomeConstraint(missing, upper=5),))
    assert not goals.feasible(EVALUATIONS).any()
    assert goals_of(FurtherObjective(missing)).front(EVALUATIONS) == []


def test_nothing_is_wanted_by_default():
    assert not Goals()
    assert Goals().feasible(EVALUATIONS).tolist() == [True] * 4 + [False]
    assert Goals().table(EVALUATIONS).shape == (5, 0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OutcomeConstraint(X), "has no bound"),
        (lambda: OutcomeConstraint(X, lower=2, upper=1), "swap them"),
        (lambda: FurtherObjective("used_x"), "outcome="),
        (lambda: goals_of(FurtherObjective(X), FurtherObjective(X, maximize=True)), "give each outcome one objective"),
        (
            lambda: goals_of(FurtherObjective(X), constraints=(OutcomeConstraint(replace(Y, name="used_x"), upper=1),)),
            "two outcomes are called 'used_x'",
        ),
        (lambda: goals_of(FurtherObjective(LinearCombination("z", {"z": 1}))), r"\['z'\], but the variables are"),
    ],
)
def test_goals_that_mean_nothing_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
