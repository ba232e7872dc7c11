"""The network proposes what it predicts to be best; here with networks small enough to train in a second."""

import numpy as np
import pytest
import torch

from matseek import Campaign
from matseek.core.history import History
from matseek.core.records import Event
from matseek.errors import ResponseError
from matseek.problems import RecipeProblem, SpectralMatch
from matseek.searchers import LatinHypercube, NetworkSearcher, RandomSearcher
from matseek.searchers.network import best_of_grid, lower_confidence_bound
from matseek.spaces import Box, LinearConstraint, Variable
from matseek.surrogates.learning import Network
from matseek.surrogates.spectrum_net import SpectrumNet
from matseek.surrogates.training import Training
from tests.conftest import Counting

WAVELENGTHS = np.linspace(400, 700, 12)
QUICK = Training(members=2, hidden=(32, 32), epochs=60, batch_size=8, learning_rate=1e-2)
SETTINGS = {"batch_size": 5, "training": QUICK, "starts": 16, "levels": 9, "least": 6}


def band(points):
    """A band whose place follows the first variable and whose height follows the second; ``(n, 12)``."""
    a, b = np.asarray(points)[:, 0, None], np.asarray(points)[:, 1, None]
    return (0.8 + 0.2 * b) * np.exp(-(((WAVELENGTHS - 450 - 20 * a) / 50) ** 2))


def droplets(points, rng):
    """Four droplets with a little noise."""
    return band(points)[:, None] * rng.normal(1, 0.01, (len(points), 4, 1))


@pytest.fixture
def spectral(box):
    return RecipeProblem(box, droplets, SpectralMatch(WAVELENGTHS, band([[5.0, 0.0]])[0]), name="band")


@pytest.fixture
def history(spectral):
    return Campaign(spectral, RandomSearcher(20), seed=0).run(20).history()


@pytest.mark.parametrize("search_by", ["gradient", "grid"])
def test_spends_the_budget_exactly_within_the_constraints_and_never_twice(problem, search_by):
    campaign = Campaign(problem, NetworkSearcher(**SETTINGS, search_by=search_by), seed=1).run(17)
    frame = campaign.to_frame()
    assert len(problem.oracle.points) == len(frame) == 17
    assert problem.space.contains(problem.oracle.points).all()
    np.testing.assert_array_equal(frame["proposer"], ["lhs"] * 10 + ["network"] * 7)
    unit = problem.space.normalize(problem.oracle.points)
    assert (np.abs(unit[:, None] - unit[None]).max(axis=2) + np.eye(17)).min() > 1e-4
    assert campaign.summary()["events"][0] == (
        "the network does not propose in batch 2: it needs 6 conditions with a response to learn from, there are 5"
    )


@pytest.mark.parametrize("search_by", ["gradient", "grid"])
def test_the_same_history_gives_the_same_feasible_batch_that_keeps_apart(history, search_by):
    searcher = NetworkSearcher(**SETTINGS, search_by=search_by)
    one, two = searcher.ask(6, history), searcher.ask(6, history)
    np.testing.assert_array_equal(one.points, two.points)
    assert one.proposers == ("network",) * 6
    assert history.window.contains(one.points).all()
    unit = history.window.normalize(one.points)
    assert (np.linalg.norm(unit[:, None] - unit[None], axis=2) + np.eye(6)).min() >= searcher.spacing
    other = History(history.space, 9, history.iteration, history.evaluations, (), history.objective)
    assert not np.array_equal(searcher.ask(6, other).points, one.points)


def test_proposals_are_better_than_what_they_learnt_from(spectral):
    history = Campaign(spectral, LatinHypercube(45), seed=0).run(45).history()
    losses = spectral.objective(band(NetworkSearcher(**SETTINGS).ask(5, history).points))
    assert np.median(losses) < 0.02 < np.quantile(history.values, 0.1)


def test_the_ascent_is_at_least_as_good_as_the_grid(history):
    searcher = NetworkSearcher(**SETTINGS)
    net = Network(searcher.training).fit(history).net
    window = history.window
    score = lower_confidence_bound(net, window, history.objective, searcher.kappa)
    points, values = best_of_grid(score, window, levels=9, chunk=100, keep=50)
    assert window.contains(window.unnormalize(points)).all()
    assert (np.diff(values) >= 0).all()
    best = torch.as_tensor(window.normalize(searcher.propose(net, 1, history)))
    assert float(score(best).detach()) <= values[0] + 1e-6


@pytest.mark.parametrize("chunk", [7, 10_000])
def test_the_grid_is_exhaustive_whatever_the_chunk(box, chunk):
    def score(unit):
        return (unit - 0.9).square().sum(dim=1)

    points, values = best_of_grid(score, box, levels=6, chunk=chunk, keep=40)
    axis = np.linspace(0, 1, 6)
    every = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    every = every[box.contains(box.unnormalize(every))]
    assert 0 < len(every) < 6**3
    np.testing.assert_allclose(values, np.sort(((every - 0.9) ** 2).sum(axis=1))[:40], atol=1e-12)
    np.testing.assert_allclose(((points - 0.9) ** 2).sum(axis=1), values)


def test_the_lower_bound_is_mean_less_spread_and_differentiable(box):
    net = SpectrumNet(box, members=3, hidden=(8,))
    unit = torch.rand(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    values = net.predict(box.unnormalize(unit.detach()))[..., 0]
    bound = lower_confidence_bound(net, box, None, kappa=2.0)(unit)
    np.testing.assert_allclose(bound.detach(), values.mean(axis=0) - 2 * values.std(axis=0), atol=1e-5)
    (gradient,) = torch.autograd.grad(bound.sum(), unit)
    assert (gradient != 0).any(dim=1).all()
    alone = SpectrumNet(box, members=1, hidden=(8,))
    np.testing.assert_allclose(
        lower_confidence_bound(alone, box, None, kappa=2.0)(unit).detach(),
        alone.predict(box.unnormalize(unit.detach()))[0, :, 0],
        atol=1e-5,
    )


def test_a_scalar_response_is_searched_too(problem):
    searcher = NetworkSearcher(**{**SETTINGS, "batch_size": 10, "training": Training(members=3, epochs=250)})
    frame = Campaign(problem, searcher, seed=1).run(30).to_frame()
    medians = frame.groupby("iteration")["value"].median()
    assert medians[3] < medians[1] / 2


def test_it_searches_the_widened_window(history):
    box = Box(
        [Variable("a", 0, 4, hardware=(0, 10)), *history.space.variables[1:]],
        history.space.constraints,
    )
    widened = Event("window_widened", "", {"variable": "a", "side": "high", "to": 10})
    seen = tuple(e for e in history.evaluations if e.point[0] < 4)
    narrow = History(box, 0, 2, seen, (), history.objective)
    searcher = NetworkSearcher(**SETTINGS, widening=None)
    assert searcher.ask(5, narrow).points[:, 0].max() <= 4
    wide = searcher.ask(5, narrow.after((widened,)))
    assert wide.points[:, 0].max() > 4
    assert not box.contains(wide.points).all()


def test_one_variable_and_constraints_that_leave_a_plane():
    line = RecipeProblem(Box([Variable("x", 0, 1)]), lambda X: (X[:, 0] - 0.3) ** 2)
    frame = Campaign(line, NetworkSearcher(**SETTINGS), seed=0).run(15).to_frame()
    assert np.diff(np.sort(frame["x"])).min() > 1e-4
    space = Box([Variable(n, 0, 1) for n in "xyz"], [LinearConstraint({"x": 1, "y": 1, "z": 1}, lower=1, upper=1)])
    oracle = Counting(lambda X: ((X - 0.2) ** 2).sum(axis=1))
    Campaign(RecipeProblem(space, oracle), NetworkSearcher(**SETTINGS), seed=0).run(15)
    np.testing.assert_allclose(np.sum(oracle.points, axis=1), 1)


def test_nan_in_one_droplet_of_many_costs_that_droplet_only(box, spectral):
    def flawed(points, rng):
        spectra = droplets(points, rng)
        spectra[:, 1, 3] = np.nan
        return spectra

    problem = RecipeProblem(box, flawed, spectral.objective)
    campaign = Campaign(problem, NetworkSearcher(**SETTINGS), seed=0).run(15)
    assert campaign.summary()["failed"] == 0
    assert list(campaign.to_frame()["proposer"])[10:] == ["network"] * 5
    assert np.isfinite(campaign.to_frame()["value"]).all()


@pytest.mark.parametrize("constant", [np.ones(12), band([[5.0, 0.0]])[0]])
def test_constant_spectra_are_explored_and_explained(box, spectral, constant):
    problem = RecipeProblem(box, lambda X: np.repeat(constant[None], len(X), axis=0), spectral.objective)
    campaign = Campaign(problem, NetworkSearcher(**SETTINGS), seed=0).run(15)
    assert set(campaign.to_frame()["proposer"]) == {"lhs"}
    assert "at least two recipes that answer differently" in campaign.summary()["events"][1]


def test_an_oracle_that_always_fails_is_survived(box):
    campaign = Campaign(RecipeProblem(box, lambda X: [np.nan]), NetworkSearcher(**SETTINGS), seed=0).run(12)
    assert campaign.summary()["failed"] == 12


def test_responses_of_another_length_than_the_objective_are_refused(history):
    other = SpectralMatch(WAVELENGTHS[:-2], band([[5.0, 0.0]])[0][:-2])
    wrong = History(history.space, 0, 2, history.evaluations, (), other)
    with pytest.raises(ResponseError, match="has 12 absorbances per spectrum, but there are 10 wavelengths"):
        NetworkSearcher(**SETTINGS).ask(5, wrong)


def test_another_problems_network_is_refused(history):
    searcher = NetworkSearcher(**SETTINGS)
    with pytest.raises(ValueError, match="trained for another problem"):
        searcher.propose(SpectrumNet(history.space, members=1), 5, history)


def test_a_grid_that_no_machine_can_hold_is_refused():
    space = Box([Variable(f"x{i}", 0, 1) for i in range(12)])
    problem = RecipeProblem(space, lambda X: X.sum(axis=1))
    history = Campaign(problem, LatinHypercube(10), seed=0).run(10).history()
    with pytest.raises(ValueError, match=r"levels=20 in 12 variables has 4e\+15 points; lower levels"):
        NetworkSearcher(**{**SETTINGS, "levels": 20}, search_by="grid").ask(5, history)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"search_by": "magic"}, "search_by='magic' is unknown"),
        ({"levels": 1}, "levels=1"),
        ({"chunk": 0}, "chunk=0"),
        ({"starts": 1.5}, "starts=1.5"),
        ({"kappa": -1}, "kappa=-1"),
        ({"batch_size": 0}, "batch_size=0"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        NetworkSearcher(**options)
