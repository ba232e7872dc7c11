"""Several objectives and constraints on outcomes."""

import warnings
from functools import partial

import numpy as np
import pytest
import torch
from botorch.acquisition.multi_objective import logei
from botorch.test_functions.multi_objective import BraninCurrin
from botorch.utils.multi_objective.hypervolume import Hypervolume
from botorch.utils.multi_objective.pareto import is_non_dominated

from matseek import Campaign
from matseek.acquisition import QLogNEHVI
from matseek.problems import Derived, FurtherObjective, LinearCombination, OutcomeConstraint, RecipeProblem
from matseek.searchers import BayesianSearcher, LatinHypercube, NetworkSearcher, RandomSearcher, TwoStepSearcher
from matseek.spaces import Box, LinearConstraint, Variable
from matseek.testing import check_acquisition, check_searcher, measured

BOTH = BraninCurrin().double()
UNIT = Box([Variable("a", 0, 1), Variable("b", 0, 1)])
CURRIN = Derived("currin", lambda point, response: BOTH(torch.tensor(point)[None])[0, 1])
REFERENCE = torch.tensor([-18.0, -6.0], dtype=torch.float64)
"""BoTorch's, for the negative functions."""


def branin_currin(**more):
    return RecipeProblem(UNIT, lambda X: BOTH(torch.tensor(X))[:, 0].numpy(), name="branin_currin", **more)


def volume(campaign):
    found = -torch.tensor(campaign.problem.goals.costs(campaign.ledger.evaluations()))
    return Hypervolume(REFERENCE).compute(found[is_non_dominated(found)])


def test_the_front_of_branin_and_currin_is_found_sooner_than_at_random():
    problem = branin_currin(further_objectives=[FurtherObjective(CURRIN)])
    quick = QLogNEHVI(samples=32, steps=4)
    chosen = Campaign(problem, BayesianSearcher(4, several=quick), seed=0).run(20)
    drawn = Campaign(problem, RandomSearcher(4), seed=0).run(20)
    assert volume(chosen) > 25 > 1.2 * volume(drawn)
    assert len(chosen.pareto_front()) > 3
    assert logei._C is None, "nothing was compiled"


def disk(X):
    return ((X - [0.8, 0.8]) ** 2).sum(axis=1)


def test_constraints_on_outcomes_are_learnt_and_kept():
    sum_of = LinearCombination("sum", {"a": 1, "b": 1})
    space = Box([Variable("a", 0, 1), Variable("b", 0, 1)], [LinearConstraint({"a": 1, "b": -1}, upper=0.3)])
    problem = RecipeProblem(space, disk, outcome_constraints=[OutcomeConstraint(sum_of, upper=1.0)])
    campaign = Campaign(problem, BayesianSearcher(4, several=QLogNEHVI(samples=32)), seed=0).run(16)
    best = campaign.best
    assert best.point.sum() <= 1
    assert best.value < 0.2  # the best that meets the constraint is 2 * 0.3^2 = 0.18
    assert campaign.lowest.number == best.number or campaign.lowest.point.sum() > 1
    assert problem.space.contains([e.point for e in campaign.ledger.evaluations()]).all()


def test_a_point_that_meets_the_constraints_is_looked_for_where_none_is_known():
    ring = Derived("distance", lambda point, response: float(np.hypot(*(point - 0.93))))
    rule = OutcomeConstraint(ring, upper=0.06)
    problem = RecipeProblem(UNIT, disk, outcome_constraints=[rule])
    campaign = Campaign(problem, BayesianSearcher(3, several=QLogNEHVI(samples=16, steps=3)), seed=0).run(3)
    state = BayesianSearcher().state(campaign.history())
    assert not state.meets_constraints
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        campaign.run(9)
    assert len(campaign.history().feasible) > 0  # a hundredth of the square meets it


def test_the_acquisition_is_certified_with_and_without_goals():
    both = branin_currin(
        further_objectives=[FurtherObjective(CURRIN, maximize=True)],
        outcome_constraints=[OutcomeConstraint(CURRIN, lower=5.0)],
    )
    single = branin_currin(outcome_constraints=[OutcomeConstraint(CURRIN, lower=-1.0, upper=5.0)])
    for problem in (both, single):
        check_acquisition(QLogNEHVI(samples=4), measured(problem, 6), n=2)


def test_the_searcher_is_certified_on_several_objectives_under_a_constraint():
    problem = branin_currin(
        further_objectives=[FurtherObjective(LinearCombination("sum", {"a": 1, "b": 1}))],
        outcome_constraints=[OutcomeConstraint(CURRIN, upper=10.0)],
    )
    check_searcher(partial(BayesianSearcher, 3, several=QLogNEHVI(samples=4, steps=2)), problem, budget=5)


def test_the_goals_of_a_state_are_those_of_the_problem():
    problem = branin_currin(
        further_objectives=[
            FurtherObjective(CURRIN, maximize=True),
            FurtherObjective(Derived("flat", lambda p, r: 1.0)),
        ],
        outcome_constraints=[OutcomeConstraint(LinearCombination("sum", {"a": 1, "b": 1}), lower=0.5, upper=1.5)],
    )
    history = measured(problem, 8)
    goals = BayesianSearcher().state(history).goals
    assert goals.signs.tolist() == [1, -1]  # an outcome that never varies is left out
    assert goals.model.num_outputs == 3
    scale = float(np.std(history.points.sum(axis=1)))
    draws = torch.tensor([[0.0, 0.0, 1.6 / scale], [0.0, 0.0, 0.4 / scale], [0.0, 0.0, 1.0 / scale]]).double()
    assert [[bool(rule(draw) <= 0) for rule in goals.constraints] for draw in draws] == [
        [False, True],
        [True, False],
        [True, True],
    ]
    # The reference lies beyond the measured front in both objectives.
    costs = problem.goals.costs(problem.goals.front(history.evaluations))[:, :2]
    scales = np.array([np.std(history.values), np.std(problem.goals.table(history.evaluations)[:, 0])])
    assert (goals.reference.numpy() > (costs / scales).max(axis=0) - 1e-9).all()


def test_objectives_that_were_never_measured_together_wait():
    left = Derived("left", lambda point, response: float(point[0]) if point[0] < 0.5 else np.nan)
    right = Derived("right", lambda point, response: float(point[1]) if point[0] >= 0.5 else np.nan)
    problem = branin_currin(further_objectives=[FurtherObjective(left), FurtherObjective(right)])
    assert BayesianSearcher().state(measured(problem, 8)).goals is None


def test_an_acquisition_of_one_value_is_refused_for_several():
    with pytest.raises(ValueError, match="several=qLogEI looks at one value"):
        BayesianSearcher(several="qlogei")


@pytest.mark.parametrize("searcher", [NetworkSearcher(), TwoStepSearcher()])
def test_who_sees_the_value_alone_refuses(searcher):
    problem = branin_currin(further_objectives=[FurtherObjective(CURRIN)])
    with pytest.raises(ValueError, match=r"also wants least currin; take searcher=bayesian, lhs or random"):
        Campaign(problem, searcher, seed=0).run(60)
    assert len(Campaign(problem, LatinHypercube(5), seed=0).run(5).ledger.evaluations()) == 5


def test_an_acquisition_of_one_value_is_refused_where_several_goals_are_wanted():
    problem = branin_currin(further_objectives=[FurtherObjective(CURRIN)])
    with pytest.raises(ValueError, match=r"acquisition=qLogEI looks at one value.*as searcher.several, or leave"):
        Campaign(problem, BayesianSearcher(4, acquisition="qlogei"), seed=0).run(8)
    BayesianSearcher(4, acquisition="qlogei").check_problem(branin_currin())
