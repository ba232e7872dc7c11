"""The contract that every batch searcher keeps."""

from dataclasses import replace

import numpy as np
import pytest

from matseek import Campaign, plugins
from matseek.acquisition import QEI, QUCB
from matseek.errors import BudgetError
from matseek.problems import RecipeProblem, SpectralMatch
from matseek.searchers import BayesianSearcher, LatinHypercube, RandomSearcher
from matseek.searchers.bayesian import SUBSET
from matseek.spaces import Box, LinearConstraint, Variable
from tests.conftest import Counting, bowl
from tests.shipped import shipped

SEARCHERS = [RandomSearcher(5), LatinHypercube(5)] + [
    BayesianSearcher(5, acquisition=name) for name in shipped(plugins.ACQUISITIONS)
]


def label(searcher):
    return getattr(searcher, "acquisition", searcher.name)


@pytest.mark.parametrize("searcher", SEARCHERS, ids=label)
def test_spends_the_budget_exactly_within_the_constraints(problem, searcher):
    campaign = Campaign(problem, replace(searcher, batch_size=3), seed=1).run(7)
    frame = campaign.to_frame()
    assert len(problem.oracle.points) == len(frame) == 7
    assert problem.space.contains(problem.oracle.points).all()
    np.testing.assert_array_equal(frame["iteration"], [1] * 3 + [2] * 3 + [3])
    unit = problem.space.normalize(problem.oracle.points)
    apart = np.abs(unit[:, None] - unit[None]).max(axis=2) + np.eye(7)
    assert apart.min() > 1e-4, "no recipe is proposed twice"


@pytest.mark.parametrize("searcher", SEARCHERS[:4], ids=label)
def test_the_same_seed_gives_the_same_campaign(problem, searcher):
    frames = [
        Campaign(problem, searcher, seed=seed).run(10).to_frame()[list(problem.space.labels)] for seed in (3, 3, 4)
    ]
    assert frames[0].equals(frames[1])
    assert not frames[0].equals(frames[2])


@pytest.mark.parametrize("searcher", SEARCHERS[:4], ids=label)
def test_survives_failures_and_constant_values(box, searcher):
    def hostile(points):
        if points[0, 0] > 5:
            raise RuntimeError("clogged")
        return np.full(len(points), 2.0)

    campaign = Campaign(RecipeProblem(box, hostile), searcher, seed=0).run(15)
    assert campaign.summary()["evaluations"] == 15
    assert campaign.summary()["failed"] > 0


@pytest.mark.parametrize("searcher", SEARCHERS[:4], ids=label)
def test_survives_an_oracle_that_always_fails(box, searcher):
    campaign = Campaign(RecipeProblem(box, lambda X: [np.nan]), searcher, seed=0).run(10)
    assert campaign.summary()["failed"] == 10
    assert campaign.summary()["best_value"] is None


@pytest.mark.parametrize("kind", [RandomSearcher, LatinHypercube, BayesianSearcher])
@pytest.mark.parametrize("size", [0, -1, 2.5])
def test_bad_batch_sizes_are_refused(kind, size):
    with pytest.raises(ValueError, match="batch_size=.* must be a whole number"):
        kind(batch_size=size)


def test_a_batch_larger_than_the_budget_is_refused_before_anything_is_paid(problem):
    with pytest.raises(BudgetError, match="batch_size=15 is larger than budget=10; lower the batch size"):
        Campaign(problem, LatinHypercube(15)).run(10)
    assert problem.oracle.points == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"acquisition": "magic"}, "acquisition='magic' is unknown; choose one of .*'qei'"),
        ({"acquisition": QEI}, r"acquisition=.* must be an acquisition .* not a class; call it: QEI\(...\)"),
        ({"acquisition": 3}, "acquisition=3 must be an acquisition or the name of one"),
        ({"kernel": "rbf"}, "kernel='rbf'"),
        ({"repeats": "abc"}, "repeats='abc'"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        BayesianSearcher(**options)


@pytest.mark.parametrize(
    ("acquisition", "title"),
    [
        (None, "Bayesian"),
        ("local_penalization", "Bayesian, LogEI"),
        ("local_penalization_ei", "Bayesian, EI"),
        ("qlogei_joint", "Bayesian, joint qLogEI"),
        (QUCB(beta=9.0), "Bayesian, qUCB"),
    ],
)
def test_people_read_the_acquisitions_label(acquisition, title):
    assert BayesianSearcher(acquisition=acquisition).title == title


def test_learning_beats_chance(problem):
    best = {s.name: Campaign(problem, s, seed=0).run(40).best.value for s in (RandomSearcher(10), BayesianSearcher(10))}
    assert best["bayesian"] < 1e-3 < best["random"]


def test_every_point_is_feasible_where_the_optimum_lies_on_the_constraint():
    # The unconstrained minimum (1, 1, ...) violates the sum; every proposal must keep to it all the same.
    space = Box(
        [Variable(f"x{i}", 0, 1) for i in range(4)], [LinearConstraint({f"x{i}": 1 for i in range(4)}, upper=1.5)]
    )
    asked = []
    for seed in range(3):
        oracle = Counting(lambda X: ((X - 1) ** 2).sum(axis=1))
        campaign = Campaign(RecipeProblem(space, oracle), BayesianSearcher(15), seed=seed).run(60)
        asked.extend(oracle.points)
        assert campaign.best.point.sum() > 1.45, "the optimum on the face is found"
    assert len(asked) == 180
    assert space.contains(np.array(asked)).all()


def test_repeats_only_if_asked_for():
    space = Box([Variable("x", 0, 1)])
    problem = RecipeProblem(space, lambda X: (X[:, 0] - 0.0) ** 2)
    for repeats in (False, True):
        frame = Campaign(problem, BayesianSearcher(5, repeats=repeats), seed=0).run(40).to_frame()
        gaps = np.diff(np.sort(frame["x"]))
        assert (gaps.min() < 1e-3) == repeats


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_the_scale_of_the_values_changes_nothing(box, scale):
    points = [
        Campaign(RecipeProblem(box, lambda X, s=s: bowl(X) * s), BayesianSearcher(5), seed=0)
        .run(15)
        .to_frame()["a (%)"]
        for s in (1.0, scale)
    ]
    np.testing.assert_allclose(points[0], points[1], atol=1e-3)


def test_a_feasible_part_smaller_than_the_spacing_still_holds_different_recipes():
    space = Box([Variable(n, 0, 1) for n in "xyz"], [LinearConstraint(dict.fromkeys("xyz", 1), upper=1e-4)])
    frame = Campaign(RecipeProblem(space, lambda X: X[:, 0]), BayesianSearcher(8), seed=0).run(24).to_frame()
    points = frame[["x", "y", "z"]].to_numpy() / 1e-4
    assert (np.abs(points[:, None] - points[None]).max(axis=2) + np.eye(24)).min() > 1e-4


def test_failures_are_kept_away_from():
    def half_fails(points):
        return np.where(points[:, 0] < 0.5, np.nan, points[:, 0])

    space = Box([Variable("x", 0, 1), Variable("y", 0, 1)])
    frame = Campaign(RecipeProblem(space, half_fails), BayesianSearcher(6), seed=0).run(36).to_frame()
    assert frame["value"].min() < 0.6


def test_the_record_says_when_the_model_learns_from_a_part(problem, monkeypatch):
    for module in ("matseek.searchers.bayesian", "matseek.surrogates.gp"):
        monkeypatch.setattr(f"{module}.MOST_OBSERVATIONS", 12)
    monkeypatch.setattr("matseek.surrogates.gp.representative.__defaults__", (12,))
    campaign = Campaign(problem, BayesianSearcher(batch_size=6)).run(budget=30)
    told = [event for event in campaign.ledger.events() if event.kind == SUBSET]
    assert [event.data["observations"] for event in told] == [18]
    assert "the best ones" in told[0].message


def test_of_spectra_a_smaller_part_is_taken_and_told(spectral_problem, monkeypatch):
    for module in ("matseek.searchers.bayesian", "matseek.surrogates.spectral_gp"):
        monkeypatch.setattr(f"{module}.MOST_SPECTRA", 8)
    campaign = Campaign(spectral_problem, BayesianSearcher(batch_size=6)).run(budget=18)
    (told,) = (event for event in campaign.ledger.events() if event.kind == SUBSET)
    assert (told.data["observations"], told.data["kept"]) == (12, 8)


def test_one_variable_and_many():
    for d in (1, 12):
        space = Box([Variable(f"x{i}", 0, 1) for i in range(d)])
        campaign = Campaign(RecipeProblem(space, lambda X: ((X - 0.3) ** 2).sum(1)), BayesianSearcher(6), seed=0).run(
            24
        )
        values = campaign.to_frame()["value"]
        assert values[6:].min() < values[:6].min()


def test_the_bowl_is_a_bowl():
    assert bowl([[3, 0.5, 600]]) == 0


def test_saturated_spectra_tell_where_they_saturate_less():
    at = np.arange(400.0, 701.0, 10.0)
    band = np.exp(-(((at - 540) / 40) ** 2))
    box = Box([Variable(name, 0, 1) for name in "abc"])
    problem = RecipeProblem(box, lambda X: 8 * np.exp(-0.8 * X.sum(axis=1))[:, None] * band, SpectralMatch(at, band))
    campaign = Campaign(problem, BayesianSearcher(4), seed=1).run(8)
    values = np.array([e.value for e in campaign.ledger.evaluations()])
    assert (values[:4] == 1).all(), "the hypercube saturates altogether"
    assert (values[4:] < 1).any()
