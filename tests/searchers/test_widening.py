from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from matseek import Campaign
from matseek.core.history import History
from matseek.core.records import Evaluation
from matseek.problems import LinearCombination, OutcomeConstraint, RecipeProblem
from matseek.searchers import BayesianSearcher, Widening
from matseek.spaces import Box, LinearConstraint, Variable


def campaign(optimum, *, hard=False, **options):
    space = Box(
        [Variable("x", 0, 4, unit="%", hardware=(0, 10), hard=hard), Variable("y", 0, 1)],
        [LinearConstraint({"x": 1, "y": 1}, upper=9)],
    )
    problem = RecipeProblem(space, lambda X: ((X - [optimum, 0.5]) ** 2 / [16, 1]).sum(axis=1))
    return Campaign(problem, BayesianSearcher(6, **options), seed=0)


def widenings(run):
    return [e for e in run.ledger.events() if e.kind == "window_widened"]


def test_an_optimum_beyond_the_window_is_reached():
    run = campaign(7.0).run(60)
    events = widenings(run)
    assert events
    assert {(e.data["variable"], e.data["side"]) for e in events} == {("x", "high")}
    assert "window of x widens from high=4 to 5 %" in events[0].message
    assert "proposals press against it" in events[0].message
    assert events[0].data["iteration"] > 2
    assert run.best.point[0] == pytest.approx(7, abs=0.3)
    points = run.to_frame()[["x (%)", "y"]].to_numpy()
    assert points[:, 0].max() <= 10
    assert points.sum(axis=1).max() <= 9 + 1e-9
    assert events[0].message in run.summary()["events"]


def test_an_optimum_inside_leaves_the_window():
    assert widenings(campaign(2.0).run(60)) == []


def test_not_beyond_the_hardware_and_not_without_it():
    run = campaign(12.0).run(90)
    assert 9 < run.history().window.upper[0] <= 10
    assert run.history().window.upper[1] == 1
    assert run.to_frame()["x (%)"].max() <= 10


def test_can_be_switched_off():
    run = campaign(7.0, widening=None).run(30)
    assert widenings(run) == []
    assert run.to_frame()["x (%)"].max() <= 4


def test_a_hard_window_stays_and_what_people_chose_beyond_it_counts():
    run = campaign(7.0, hard=True).run(18)
    assert widenings(run) == []
    assert run.to_frame()["x (%)"].max() <= 4
    space = run.problem.space
    assert space.reaches(np.array([[9.0, 0.5]])).all()
    assert space.widen("x", high=8).upper[0] == 4
    assert Box.from_description(space.describe()).variables == space.variables


def test_the_record_gives_the_same_windows_again(tmp_path):
    first = campaign(7.0)
    first.run(36)
    np.testing.assert_array_equal(first.history().window.upper, campaign(7.0).run(36).history().window.upper)


@pytest.mark.parametrize("value", [0, -1, 1.5])
def test_bad_rules_are_refused(value):
    with pytest.raises(ValueError, match=r"widening.share=.* must be a number in \(0, 1\]"):
        Widening(share=value)


def at(x, value, number, *, replicates=(), status="done"):
    return Evaluation(
        number=number,
        iteration=0 if number < 1 else 1,
        proposer="bayesian",
        point=np.array([x, 0.5]),
        status=status,
        value=value,
        replicates=np.array(replicates or [value]),
        error=None,
        asked_at=datetime.now(UTC),
        finished_at=None,
        load_response=lambda: None,
    )


def test_the_best_is_the_campaigns_own_that_is_feasible_and_can_be_trusted():
    space = campaign(2.0).problem.space
    at_edge = (at(4.0, 0.3, 1), at(3.99, 0.4, 2), at(2.0, 0.5, 3))
    history = History(space, 0, 2, at_edge, ())
    assert [e.data["side"] for e in Widening().events(history, "bayesian")] == ["high"]
    earlier = replace(history, earlier=(at(2.0, 0.0, 0),))
    assert len(Widening().events(earlier, "bayesian")) == 1
    inside = replace(history, evaluations=(*at_edge, at(2.0, 0.0, 4)))
    assert Widening().events(inside, "bayesian") == ()
    bound = OutcomeConstraint(LinearCombination("sum", {"x": 1}), lower=2.5)
    feasible = RecipeProblem(space, None, outcome_constraints=[bound])
    assert len(Widening().events(replace(inside, goals=feasible.goals), "bayesian")) == 1
    nothing = OutcomeConstraint(LinearCombination("sum", {"x": 1}), lower=5.0)
    none = RecipeProblem(space, None, outcome_constraints=[nothing])
    assert Widening().events(replace(inside, goals=none.goals), "bayesian") == ()
    scattered = at(2.0, 0.0, 4, replicates=[-1.0, 0.0, 1.0])
    steady = tuple(at(e.point[0], e.value, e.number, replicates=[e.value] * 3) for e in at_edge)
    assert len(Widening().events(replace(history, evaluations=(*steady, scattered)), "bayesian")) == 1
