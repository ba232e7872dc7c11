import numpy as np
import pytest

from matseek import Campaign
from matseek.configuration import run_settings
from matseek.problems import RecipeProblem
from matseek.searchers import BayesianSearcher, LatinHypercube, NetworkSearcher, Stage, TwoStepSearcher
from matseek.spaces import Box, Variable
from matseek.surrogates.training import Training

NETWORK = NetworkSearcher(training=Training(members=2, hidden=(16,), epochs=20, learning_rate=1e-2), starts=8, least=4)
SCHEDULE = (Stage(1, ("lhs",)), Stage(2, ("bayesian",)), Stage(3, ("bayesian", "network")))


def two_step(**options):
    return TwoStepSearcher(**{"batch_size": 5, "schedule": SCHEDULE, "network": NETWORK, **options})


def counts(campaign):
    """Points of each proposer in each run, in their order."""
    frame = campaign.to_frame()
    return [
        list(run.groupby("proposer", sort=False).size().items()) for _, run in frame.groupby("iteration", sort=True)
    ]


def test_split_runs_share_a_batch_and_spend_the_budget_exactly(problem):
    campaign = Campaign(problem, two_step(), seed=0).run(22)
    assert counts(campaign) == [
        [("lhs", 5)],
        [("bayesian", 5)],
        [("bayesian", 3), ("network", 2)],
        [("bayesian", 3), ("network", 2)],
        [("bayesian", 1), ("network", 1)],
    ]
    assert len(problem.oracle.points) == 22
    assert problem.space.contains(problem.oracle.points).all()
    unit = problem.space.normalize(problem.oracle.points)
    assert (np.abs(unit[:, None] - unit[None]).max(axis=2) + np.eye(22)).min() > 1e-4, "nobody repeats the other"


def test_full_runs_give_each_a_batch_and_spend_the_budget_exactly(problem):
    campaign = Campaign(problem, two_step(side_by_side="full"), seed=0).run(27)
    assert counts(campaign) == [
        [("lhs", 5)],
        [("bayesian", 5)],
        [("bayesian", 5), ("network", 5)],
        [("bayesian", 4), ("network", 3)],
    ]


def test_a_campaign_that_is_cut_off_goes_on_with_the_same_points(problem, tmp_path):
    whole = Campaign(problem, two_step(), seed=3).run(15).to_frame()
    for budget in (5, 10, 15):
        parts = Campaign(problem, two_step(), ledger=tmp_path / "ledger.db", seed=3).run(budget).to_frame()
    columns = ["proposer", *problem.space.labels]
    assert parts[columns].equals(whole[columns])


def test_the_network_sees_what_its_neighbour_proposes_as_pending(problem):
    history = Campaign(problem, two_step(), seed=0).run(10).history()
    proposal = two_step().ask(5, history)
    seen = history.with_pending(proposal)
    np.testing.assert_array_equal(seen.pending, proposal.points)
    assert len(seen.tried) == 15
    np.testing.assert_array_equal(seen.values, history.values)


def test_bayesian_optimisation_goes_on_while_the_network_cannot_learn(problem):
    waiting = NetworkSearcher(training=NETWORK.training, least=12, starts=8)
    campaign = Campaign(problem, two_step(network=waiting), seed=0).run(20)
    assert counts(campaign)[2:] == [[("bayesian", 5)], [("bayesian", 3), ("network", 2)]]
    assert campaign.summary()["events"][0] == (
        "the network does not propose in batch 3: it needs 12 conditions with a response to learn from, there are 10"
    )


def test_a_network_alone_and_in_vain_leaves_its_turn_to_bayesian_optimisation(box):
    schedule = (Stage(1, ("lhs",)), Stage(2, ("network",)))
    campaign = Campaign(RecipeProblem(box, lambda X: [np.nan]), two_step(schedule=schedule), seed=0).run(10)
    assert campaign.summary()["failed"] == 10


def test_the_laboratory_may_ask_for_any_number(problem):
    campaign = Campaign(problem, two_step(schedule=(Stage(1, ("lhs", "bayesian")),)), seed=0)
    assert len(campaign.ask(1).points) == 1
    assert len(campaign.ask(4).points) == 4


def test_bayesian_optimisation_within_is_the_same_as_alone(problem):
    alone = Campaign(problem, BayesianSearcher(5), seed=0).run(10).to_frame()
    within = Campaign(problem, two_step(bayesian=BayesianSearcher(batch_size=15)), seed=0).run(10).to_frame()
    assert list(within["proposer"]) == ["lhs"] * 5 + ["bayesian"] * 5
    np.testing.assert_array_equal(within[list(problem.space.labels)], alone[list(problem.space.labels)])


def test_the_papers_schedule_is_a_config():
    default = run_settings(["searcher=two_step", "budget=135"]).searcher
    assert default == TwoStepSearcher()
    assert [stage.first_batch for stage in default.schedule] == [1, 2, 7]
    paper = run_settings(["experiment=two_step_paper"])
    assert paper.budget == 6 * 15 + 3 * 30
    assert paper.searcher.side_by_side == "full"
    assert paper.searcher.network.training == Training(
        members=1, epochs=1000, learning_rate=1e-3, rows="droplets", holdout=0.0, patience=0
    )
    assert run_settings(["searcher=network"]).searcher == NetworkSearcher()
    tuned = run_settings(["searcher=two_step", "searcher.network.kappa=2", "searcher.bayesian.kernel=isotropic"])
    assert (tuned.searcher.network.kappa, tuned.searcher.bayesian.kernel) == (2, "isotropic")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: two_step(schedule=()), "schedule"),
        (lambda: two_step(schedule=(Stage(2, ("lhs",)),)), "the first is 1"),
        (lambda: two_step(schedule=(Stage(1, ("lhs",)), Stage(1, ("bayesian",)))), "they must rise"),
        (lambda: two_step(side_by_side="both"), "side_by_side='both' is unknown"),
        (lambda: Stage(1, ("magic",)), "proposers.*'magic' is unknown"),
        (lambda: Stage(1, ("lhs", "lhs")), "each once"),
        (lambda: Stage(0, ("lhs",)), "first_batch=0"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_spectra_are_not_modelled_where_there_are_none(problem):
    with pytest.raises(ValueError, match="answers with a single value"):
        Campaign(problem, two_step(bayesian=BayesianSearcher(model="spectra"))).run(10)
    assert problem.oracle.points == []


def test_only_the_models_that_choose_on_a_problem_are_listed(problem, spectral_problem, quick_two_step):
    listed = {
        name: [s.name for s in searcher.surrogates_on(on)]
        for name, searcher, on in (
            ("spectra", BayesianSearcher(), spectral_problem),
            ("named", BayesianSearcher(model="loss"), spectral_problem),
            ("values", BayesianSearcher(), problem),
            ("side by side", quick_two_step, spectral_problem),
            ("values side by side", quick_two_step, problem),
        )
    }
    assert listed == {
        "spectra": ["spectra"],
        "named": ["gp"],
        "values": ["gp"],
        "side by side": ["spectra", "network"],
        "values side by side": ["gp", "network"],
    }


def test_a_batch_that_is_asked_is_as_large_as_the_one_that_is_run(problem):
    """Without a number, a laboratory is asked for what a run would evaluate: each proposer's whole batch."""
    campaign = Campaign(problem, two_step(batch_size=4, side_by_side="full", schedule=(Stage(1, ("lhs", "bayesian")),)))
    assert len(campaign.ask().points) == 8
    assert len(Campaign(problem, two_step(batch_size=4)).ask().points) == 4


def test_there_is_room_where_every_proposer_of_the_stage_may_repeat():
    problem = RecipeProblem(Box([Variable("x", 0, 2, step=1)]), lambda X: X[:, 0])
    history = Campaign(problem, LatinHypercube(2), seed=0).run(2).history()
    again = BayesianSearcher(repeats=True)
    stages = (Stage(1, ("bayesian",)),), (Stage(1, ("bayesian", "network")),)
    alone, beside = (two_step(schedule=schedule, bayesian=again, batch_size=1) for schedule in stages)
    assert alone.room(history) is None
    assert beside.room(history) == 1
    assert two_step(schedule=stages[0], batch_size=1).room(history) == 1
    assert len(Campaign(problem, alone, seed=0).run(6).ledger.evaluations()) == 6
