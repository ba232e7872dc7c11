import dataclasses

import numpy as np
import pytest
import torch

from matseek import Campaign
from matseek.acquisition import SearchState, TopShare
from matseek.problems import RecipeProblem
from matseek.searchers import BayesianSearcher
from matseek.spaces import Pool, Variable

LINE = torch.linspace(0, 1, 21, dtype=torch.float64).unsqueeze(-1)
SQUARE = Pool([Variable("x", 0, 1), Variable("y", 0, 1)], [[i / 9, j / 9] for i in range(10) for j in range(10)])


class Known:
    """Samples that agree but for two candidates: 0.2 is the least of all in one sample of four, 1.0 in none."""

    def paths(self, count, rng):
        self.lucky = torch.arange(count) % 4 == 0
        return self

    def __call__(self, x):
        values = (x[:, 0] - 0.6).abs().expand(len(self.lucky), -1).clone()
        values[:, (x[:, 0] - 0.2).abs() < 1e-9] = torch.where(self.lucky, -1.0, 1.0).to(x.dtype).unsqueeze(-1)
        return values


@pytest.fixture
def line():
    return SearchState(
        model=None,
        lengthscales=torch.ones(1),
        polytope=Pool([Variable("x", 0, 1)], LINE.numpy()).unit_polytope,
        observed=LINE[:1],
        pending=LINE[:0],
        tried=LINE[:1],
        periodic=torch.zeros(1, dtype=torch.bool),
        source=Known(),
        candidates=LINE[1:],
        listed=True,
    )


def batch(state, n, **settings):
    return (
        TopShare(**{"by_rank": 1, **settings})
        .batch(state, n, np.random.default_rng(0))
        .flatten()
        .numpy()
        .round(6)
        .tolist()
    )


def test_the_order_is_that_of_the_share_of_samples(line):
    """Of 21 candidates two are the best ones: 0.6 in all samples; 0.2 in a quarter, and 0.55 or 0.65 in the others."""
    first, second, third, fourth = batch(line, 4, share=0.1)
    assert first == 0.6
    assert {second, third, fourth} >= {0.2}
    assert {second, third, fourth} <= {0.2, 0.55, 0.65}


def test_those_that_are_never_among_the_best_follow_in_the_order_of_their_mean(line):
    assert batch(line, 2, share=0.01) == [0.6, 0.2]
    assert set(batch(line, 4, share=0.01)[2:]) == {0.55, 0.65}


def test_measured_and_pending_candidates_take_places_and_are_not_chosen_again(line):
    waiting = dataclasses.replace(line, pending=LINE[12:13], candidates=torch.cat([LINE[1:12], LINE[13:]]))
    assert batch(waiting, 1, share=0.01) == [0.2], "0.6 is pending: it is the best one of three quarters of the samples"
    assert 0.6 not in batch(waiting, 5, share=0.1)


def test_what_was_measured_often_and_may_be_measured_again_takes_one_place(line):
    again = dataclasses.replace(line, observed=LINE[12:13].repeat(20, 1), tried=LINE[:0], candidates=LINE)
    assert set(batch(again, 3, share=0.15)) == {0.6, 0.55, 0.65}, "0.2 is among the best three in a quarter only"


def test_few_values_are_made_at_once_since_each_may_be_that_of_a_whole_spectrum(line):
    asked = []

    class Watched(Known):
        def __call__(self, x):
            asked.append(len(x))
            return super().__call__(x)

    many = torch.linspace(0, 1, 5000, dtype=torch.float64).unsqueeze(-1)
    assert len(batch(dataclasses.replace(line, source=Watched(), candidates=many), 2)) == 2
    assert max(asked) * TopShare().samples <= 2**15


@pytest.mark.parametrize("measure", [lambda X: X[:, 0], lambda X: np.ones(len(X))], ids=["values", "nothing to learn"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_list_shorter_than_a_batch_may_be_repeated(count, measure):
    pool = Pool([Variable("x", 0, 1)], np.linspace(0, 1, count)[:, None])
    campaign = Campaign(RecipeProblem(pool, measure, name="few"), BayesianSearcher(4, repeats=True), seed=0).run(10)
    evaluations = campaign.ledger.evaluations()
    assert len(evaluations) == 10
    assert len({tuple(e.point) for e in evaluations}) == count
    differ = np.ptp(campaign.history().values) > 0
    assert {e.proposer for e in evaluations[count:]} == {"bayesian" if differ else "lhs"}


def test_two_of_five_go_by_rank_and_three_by_expected_improvement(line):
    """After 0.6 only 0.2 may improve; by rank 0.55 and 0.65 come before it."""
    assert batch(line, 2, by_rank=0) == [0.6, 0.2]
    assert batch(line, 2, share=0.15)[1] in {0.55, 0.65}
    five = batch(line, 5, by_rank=0.4, share=0.15)
    assert (five[0], five[2]) == (0.6, 0.2), "with one that is known they are evaluations 2 and 4"
    assert {five[1], five[3]} == {0.55, 0.65}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"share": 0}, "share=0 must be"),
        ({"share": 1.5}, "share=1.5 must be"),
        ({"by_rank": -0.1}, "by_rank=-0.1 must be"),
        ({"samples": 1}, "samples=1 must be a whole number of at least 2"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        TopShare(**settings)


def test_more_of_the_best_are_found_than_by_chance_and_the_same_seed_repeats():
    problem = RecipeProblem(SQUARE, lambda X: ((X - [0.8, 0.3]) ** 2).sum(axis=1), name="square")
    points = [
        np.array(
            [e.point for e in Campaign(problem, BayesianSearcher(5), seed=1, opening=5).run(25).ledger.evaluations()]
        )
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*points)
    best = np.argsort(((SQUARE.candidates - [0.8, 0.3]) ** 2).sum(axis=1))[:5]
    found = (np.abs(points[0][:, None] - SQUARE.candidates[best]).max(axis=2) < 1e-9).any(axis=0)
    assert found.all(), "25 of 100 candidates hold all five best ones"
