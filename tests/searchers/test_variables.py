"""Every searcher on variables of a laboratory: steps, categories, logarithms, lists; refusals; what is held."""

from dataclasses import replace

import numpy as np
import pytest

from matseek import Campaign
from matseek.errors import InfeasibleSpaceError, NoPointsLeftError
from matseek.godiff import ActiveChoice, GODiffSearcher
from matseek.problems import RecipeProblem
from matseek.searchers import BayesianSearcher, LatinHypercube, NetworkSearcher, RandomSearcher, TwoStepSearcher
from matseek.searchers.two_step import Stage
from matseek.spaces import Box, Category, LinearConstraint, Pool, Variable
from matseek.surrogates.training import Training

FRACTIONS = {"a": 1, "b": 1, "c": 1}
MIXED = Box(
    [
        *(Variable(name, 0, 80, "%", step=0.5) for name in FRACTIONS),
        Variable("c0", 1e-4, 1e-1, "M", log=True),
        Category("ligand", ("PVP", "citrate", "CTAB")),
        Variable("T", 25, 25, "C"),
    ],
    [LinearConstraint(FRACTIONS, 100, 100)],
)
LISTED = Pool(
    [Variable("x", 0, 1), Variable("y", 0, 1), Category("solvent", ("water", "DMF"))],
    np.column_stack([np.random.default_rng(0).random((24, 2)), np.arange(24) % 2]),
)
COUNTED = Box([Variable("n", 0, 5, step=1), Category("ligand", ("PVP", "citrate", "CTAB"))])
PLAIN = Box([Variable("x", 0, 1), Variable("y", 0, 1)], [LinearConstraint({"x": 1, "y": 1}, upper=1.5)])

TINY = NetworkSearcher(training=Training(members=1, epochs=3), least=4)
SEARCHERS = {
    "random": RandomSearcher(),
    "lhs": LatinHypercube(),
    "bayesian": BayesianSearcher(),
    "penalized": BayesianSearcher(acquisition="local_penalization"),
    "qlogei": BayesianSearcher(acquisition="qlogei"),
    "joint": BayesianSearcher(acquisition="qlogei_joint"),
    "network": TINY,
    "two_step": TwoStepSearcher(schedule=(Stage(1, ("lhs",)), Stage(2, ("bayesian", "network"))), network=TINY),
}


def bowl(points):
    return ((np.asarray(points, dtype=np.float64) - 1.3) ** 2).sum(axis=1)


def points_of(campaign):
    return np.array([e.point for e in campaign.ledger.evaluations()])


def problem(space):
    return RecipeProblem(space, bowl, name="bowl")


@pytest.mark.parametrize("name", SEARCHERS)
@pytest.mark.parametrize("space", [MIXED, LISTED, COUNTED], ids=["mixed", "listed", "counted"])
def test_proposals_may_be_tried_and_never_repeat(space, name):
    if name == "joint" and space is MIXED:
        pytest.skip("BoTorch's joint ascent over a constrained box takes a minute")
    campaign = Campaign(problem(space), replace(SEARCHERS[name], batch_size=5), seed=1).run(15)
    points = points_of(campaign)
    assert len(points) == 15
    assert space.contains(points).all()
    assert len(np.unique(np.round(points, 9), axis=0)) == 15


@pytest.mark.parametrize("name", ["random", "lhs", "bayesian", "joint", "network"])
def test_a_list_ends_when_each_point_has_been_tried(name, tmp_path):
    searcher, ledger = replace(SEARCHERS[name], batch_size=7), tmp_path / "ledger.db"
    campaign = Campaign(problem(COUNTED), searcher, ledger, seed=0).run(30)
    assert len(np.unique(points_of(campaign), axis=0)) == len(points_of(campaign)) == 18
    assert campaign.stopped_by == "no_points_left"
    events = [e.message for e in campaign.ledger.events()]
    assert any("has 4 of 7 points: no more are left" in message for message in events)
    assert events[-1] == "every point that may be tried has been tried: 18 evaluations"
    assert Campaign(problem(COUNTED), searcher, ledger, seed=0).run(30).stopped_by == "no_points_left"


def test_repeats_go_on_after_the_last_point():
    searcher = BayesianSearcher(batch_size=6, repeats=True)
    assert len(points_of(Campaign(problem(COUNTED), searcher, seed=0).run(24))) == 24


def test_an_opening_of_a_list_holds_distinct_points():
    campaign = Campaign(problem(LISTED), RandomSearcher(batch_size=6), seed=3, opening=12).run(24)
    assert len(np.unique(points_of(campaign), axis=0)) == 24


def test_a_diffusion_of_recipes_draws_what_may_be_tried_and_refuses_lists():
    with pytest.raises(ValueError, match="has 24 points in all"):
        Campaign(problem(LISTED), GODiffSearcher())
    history = Campaign(problem(MIXED), RandomSearcher(batch_size=6), seed=0).run(6).history()
    samples = MIXED.sample_uniform(8, np.random.default_rng(1))
    proposal = ActiveChoice(uniform=4).ask(4, history, "godiff", samples)
    assert MIXED.contains(proposal.points).all()


@pytest.mark.parametrize("name", ["random", "lhs", "bayesian", "qlogei", "network"])
@pytest.mark.parametrize(
    ("space", "fixed"),
    [
        (MIXED, {"a": 30, "c0": 1e-2, "ligand": "citrate"}),
        (LISTED, {"solvent": "DMF"}),
        (PLAIN, {"x": 0.25}),
    ],
    ids=["mixed", "listed", "plain"],
)
def test_what_is_fixed_for_a_batch_stays_there(space, fixed, name):
    campaign = Campaign(problem(space), replace(SEARCHERS[name], batch_size=5), seed=0)
    campaign.run(8)
    batch = campaign.ask(4, fixed=fixed)
    assert space.contains(batch.points).all()
    frame = space.to_frame(batch.points)
    for key, value in fixed.items():
        (label,) = (v.label for v in space.variables if v.name == key)
        assert set(frame[label]) == {value}
    assert len(np.unique(points_of(campaign), axis=0)) == 12
    assert f"batch 3 holds {next(iter(fixed))} = " in campaign.ledger.events()[-1].message
    campaign.tell(batch.with_responses(bowl(batch.points)))
    assert len(campaign.ask(2).points) == 2


def test_everything_may_be_held():
    campaign = Campaign(problem(PLAIN), BayesianSearcher(batch_size=4), seed=0).run(8)
    batch = campaign.ask(1, fixed={"x": 0.5, "y": 0.75})
    np.testing.assert_array_equal(batch.points, [[0.5, 0.75]])


@pytest.mark.parametrize(
    ("fixed", "error", "message"),
    [
        ({"z": 1}, ValueError, r"no variables \['z'\]"),
        ({"x": 2}, ValueError, "its window is"),
        ({"x": 0.9, "y": 0.9}, InfeasibleSpaceError, "held at"),
        ({"x": "PVP"}, ValueError, "must be a number"),
    ],
)
def test_what_cannot_be_held_is_refused_before_anything_is_written(fixed, error, message):
    campaign = Campaign(problem(PLAIN), RandomSearcher(batch_size=2), seed=0)
    with pytest.raises(error, match=message):
        campaign.ask(2, fixed=fixed)
    assert not campaign.ledger.evaluations()


def test_a_list_that_is_used_up_says_so():
    campaign = Campaign(problem(LISTED), RandomSearcher(batch_size=12), seed=0).run(24)
    with pytest.raises(NoPointsLeftError, match="every point that may be tried has been tried: 24 evaluations"):
        campaign.ask(1)


def test_windows_widen_in_steps():
    space = Box(
        [Variable("x", 0, 1, step=0.1, hardware=(-0.05, 2.03)), Variable("c", 1e-3, 1e-2, log=True, hardware=(1e-3, 1))]
    )
    far = RecipeProblem(space, lambda p: np.abs(p[:, 0] - 2) + np.abs(np.log10(p[:, 1])), name="far")
    campaign = Campaign(far, BayesianSearcher(batch_size=4), seed=0).run(48)
    points = points_of(campaign)
    assert points[:, 0].max() == pytest.approx(2.0)
    assert points[:, 1].max() > 0.1
    np.testing.assert_allclose(points[:, 0] * 10, np.rint(points[:, 0] * 10), atol=1e-9)
