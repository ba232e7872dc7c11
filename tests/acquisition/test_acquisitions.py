import dataclasses
import inspect
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from botorch.acquisition import (
    ExpectedImprovement,
    LogExpectedImprovement,
    PosteriorMean,
    UpperConfidenceBound,
    qLogNoisyExpectedImprovement,
    qSimpleRegret,
)
from botorch.acquisition.objective import LinearMCObjective
from botorch.sampling import SobolQMCNormalSampler

from matseek import Campaign
from matseek.acquisition import (
    EI,
    QEI,
    QUCB,
    UCB,
    JointQLogEI,
    LocallyPenalized,
    LogEI,
    MonteCarlo,
    Pathwise,
    QLogEI,
    QLogNEI,
    SearchState,
)
from matseek.configuration import run_settings
from matseek.plugins import ACQUISITIONS
from matseek.problems import RecipeProblem
from matseek.searchers import BayesianSearcher
from matseek.spaces import Box, Variable
from matseek.surrogates.gp import GaussianProcess

pytestmark = [
    pytest.mark.filterwarnings("ignore::botorch.exceptions.NumericsWarning"),
    pytest.mark.filterwarnings("ignore::linear_operator.utils.warnings.NumericalWarning"),
]

PENALIZED = [LogEI(), EI(), UCB()]
SEQUENTIAL = [QEI(), QLogEI(), QLogNEI(), QUCB()]
ANALYTIC = [*PENALIZED, *SEQUENTIAL, JointQLogEI()]
ALL = [*ANALYTIC, Pathwise()]


def label(acquisition):
    return acquisition.label


def state_of(box, points, values, variances):
    gp = GaussianProcess.fit(box, points, values, variances)
    observed = torch.tensor(box.normalize(points))
    periodic = torch.as_tensor(box.periodic)
    return SearchState(gp.model, gp.lengthscales, box.unit_polytope, observed, observed[:0], observed, periodic, gp)


@pytest.fixture(scope="module")
def plane():
    """Two variables, values with two valleys, little noise."""
    box = Box([Variable("x", 0, 1), Variable("y", 0, 1)])
    points = box.sample_latin_hypercube(14, np.random.default_rng(2))
    return state_of(box, points, np.sin(6 * points[:, 0]) + 2 * (points[:, 1] - 0.4) ** 2, np.full(14, 1e-4))


@pytest.fixture(scope="module")
def ring():
    """One periodic variable whose least value is where its ends meet."""
    box = Box([Variable("angle", 0, 1, periodic=True)])
    points = np.array([[0.17], [0.31], [0.44], [0.58], [0.72], [0.84]])
    return state_of(box, points, -np.cos(2 * np.pi * points[:, 0]), np.full(6, 1e-5))


GRID = torch.cartesian_prod(*[torch.linspace(0, 1, 101, dtype=torch.float64)] * 2)


@pytest.mark.parametrize("acquisition", ALL, ids=label)
def test_repeatable(plane, acquisition):
    """No randomness but the generator's."""
    first, second = (acquisition.batch(plane, 2, np.random.default_rng(5)) for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=0)


# Under a constraint BoTorch maximises by SLSQP, which takes seconds; a sequential and a joint batch stand for all.
@pytest.mark.parametrize("acquisition", [*PENALIZED, QLogNEI(samples=16), JointQLogEI(samples=16)], ids=label)
def test_feasible_and_new(state, acquisition):
    n = 8 if acquisition in PENALIZED else 2
    first = acquisition.batch(state, n, np.random.default_rng(5))
    assert first.shape == (n, 3)
    assert (first.numpy() @ state.polytope.A.T <= state.polytope.b + 1e-9).all()
    apart = torch.cdist(first, torch.cat([first, state.tried]), p=torch.inf)
    apart[:, :n].fill_diagonal_(1)
    assert apart.min() > 1e-3


@pytest.mark.parametrize("acquisition", PENALIZED, ids=label)
def test_the_first_point_goes_for_the_minimum(state, box, acquisition):
    point = box.unnormalize(acquisition.batch(state, 1, np.random.default_rng(0)).numpy())
    assert np.abs((point - [3, 0.5, 600]) / [10, 2, 800]).max() < 0.2


def expected(acquisition, state):
    """What a single point is worth by a formula that has no samples of ours, of points ``(n, 1, d)``."""
    best = state.best_mean()
    if isinstance(acquisition, EI | QEI):
        return ExpectedImprovement(state.model, best, maximize=False)
    if isinstance(acquisition, UCB | QUCB):
        return UpperConfidenceBound(state.model, acquisition.beta, maximize=False)
    if isinstance(acquisition, QLogNEI):
        return qLogNoisyExpectedImprovement(
            state.model,
            state.observed,
            SobolQMCNormalSampler(torch.Size([1024]), seed=1),
            LinearMCObjective(-torch.ones(1, dtype=torch.float64)),
            prune_baseline=False,
        )
    return LogExpectedImprovement(state.model, best, maximize=False)


@pytest.mark.parametrize("acquisition", ANALYTIC, ids=label)
def test_no_point_of_a_grid_is_worth_more(plane, acquisition):
    worth = expected(acquisition, plane)
    chosen = acquisition.batch(plane, 1, np.random.default_rng(1))
    with torch.no_grad():
        values, value = worth(GRID.unsqueeze(-2)), worth(chosen.unsqueeze(-2)).item()
    spread = values.max() - values.quantile(0.9)
    assert value > values.max() - 0.05 * spread, "5 % of what the best tenth differs by, for 128 samples"


@pytest.mark.parametrize("acquisition", SEQUENTIAL, ids=label)
def test_no_second_point_of_a_grid_is_worth_more(plane, acquisition):
    """The function that knows a pending point is maximised where it is greatest, which is elsewhere."""
    pending = acquisition.batch(plane, 1, np.random.default_rng(1))
    waiting = dataclasses.replace(plane, pending=pending)
    chosen = acquisition.batch(waiting, 1, np.random.default_rng(4))
    function = acquisition.made(plane, pending, np.random.default_rng(4))
    with torch.no_grad():
        values, value = function(GRID.unsqueeze(-2)), function(chosen.unsqueeze(-2)).item()
    assert value > values.max() - 1e-3 * (values.max() - values.quantile(0.9))
    assert (chosen - pending).norm() > 0.02


def test_no_pair_of_a_grid_is_worth_more_than_a_joint_batch(ring):
    acquisition = JointQLogEI()
    pair = acquisition.batch(ring, 2, np.random.default_rng(3))
    function = acquisition.made(ring, ring.pending, np.random.default_rng(3))
    pairs = torch.combinations(torch.linspace(0, 1, 80, dtype=torch.float64), 2).unsqueeze(-1)
    with torch.no_grad():
        assert function(pair[None]).item() > function(pairs).max() - 1e-3


@pytest.mark.parametrize("acquisition", ALL, ids=label)
def test_pending_points_are_kept_away_from(plane, acquisition):
    free = acquisition.batch(plane, 1, np.random.default_rng(0))
    other = acquisition.batch(dataclasses.replace(plane, pending=free), 1, np.random.default_rng(0))
    assert ((other - free) / plane.lengthscales).norm() > 1e-2, "the point is not among those tried: only pending"


@pytest.mark.parametrize("acquisition", PENALIZED, ids=label)
def test_balls_reach_across_the_ends_of_a_period(ring, acquisition):
    for place in (0.01, 0.99):
        pending = torch.tensor([[place]], dtype=torch.float64)
        batch = acquisition.batch(dataclasses.replace(ring, pending=pending), 3, np.random.default_rng(0))
        offset = batch - pending
        assert (offset - offset.round()).abs().min() > 0.02


def test_candidates_and_spacing_go_around_a_period(ring):
    observed = torch.tensor([[0.005]], dtype=torch.float64)
    state = dataclasses.replace(ring, observed=observed, tried=observed)
    local = state.pool(np.random.default_rng(0))[1024:]
    assert ((local > 0.9).any(), (local < 0.1).any(), ((local >= 0) & (local <= 1)).all()) == (True, True, True)
    far, near = torch.tensor([[0.5]], dtype=torch.float64), torch.tensor([[0.9999]], dtype=torch.float64)
    assert state.distance(near, far).item() == pytest.approx(0.0051)
    assert state.first_new(torch.cat([near, far]), torch.tensor([[0.0005]], dtype=torch.float64)) == 0.5


@pytest.mark.parametrize("acquisition", [QLogNEI(), LogEI(), QUCB()], ids=label)
def test_measured_noise_is_used(acquisition):
    """A single low value draws the next point if it is exact, and does not if its replicates scatter."""
    box = Box([Variable("x", 0, 1)])
    points = np.linspace(0.05, 0.95, 10)[:, None]
    values = (points[:, 0] - 0.75) ** 2
    values[1] -= 0.6
    outlier, chosen = points[1, 0], []
    for variance in (1e-6, 4.0):
        variances = np.full(10, 1e-6)
        variances[1] = variance
        chosen.append(acquisition.batch(state_of(box, points, values, variances), 1, np.random.default_rng(0)).item())
    assert abs(chosen[0] - outlier) < 0.12
    assert abs(chosen[1] - 0.75) < 0.12


def test_the_level_of_the_values_changes_no_bound(plane):
    """Energies have no zero of their own."""
    points = plane.observed.numpy()
    values = np.sin(6 * points[:, 0]) + 2 * (points[:, 1] - 0.4) ** 2
    box = Box([Variable("x", 0, 1), Variable("y", 0, 1)])
    batches = [
        UCB().batch(state_of(box, points, values + level, np.full(14, 1e-4)), 5, np.random.default_rng(0))
        for level in (0.0, -4000.0)
    ]
    torch.testing.assert_close(batches[0], batches[1], rtol=0, atol=1e-3)


def test_more_beta_explores_farther_from_what_is_known(plane):
    for kind in (UCB, QUCB):
        near, far = (kind(beta=b).batch(plane, 1, np.random.default_rng(0)) for b in (0.01, 400.0))
        assert torch.cdist(far, plane.observed).min() > torch.cdist(near, plane.observed).min()


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (UCB, {"beta": -1}, "beta=-1 must be a finite number of at least 0"),
        (QUCB, {"beta": float("nan")}, "beta=nan must be"),
        (QEI, {"samples": 0}, "samples=0 must be a whole number of at least 1"),
    ],
)
def test_bad_settings_are_refused(kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind(**options)


@dataclass(frozen=True)
class SimpleRegret(MonteCarlo):
    """Least expected value."""

    label: ClassVar[str] = "qSR"

    def function(self, state, **sampling):
        return qSimpleRegret(state.model, **sampling)


@dataclass(frozen=True)
class LeastMean(LocallyPenalized):
    """Least posterior mean, spread by local penalization."""

    label: ClassVar[str] = "least mean"

    def function(self, state):
        return PosteriorMean(state.model, maximize=False)


@pytest.mark.parametrize("kind", [SimpleRegret, LeastMean])
def test_anybodys_acquisition_is_used_by_its_name(kind, offer):
    assert len(inspect.getsource(kind).splitlines()) < 15
    offer(ACQUISITIONS, "theirs", f"{__name__}:{kind.__name__}")
    settings = run_settings(["problem=laboratory", "searcher=bayesian", "searcher.acquisition=theirs"])
    assert settings.searcher.title == f"Bayesian, {kind.label}"
    problem = RecipeProblem(Box([Variable("x", 0, 1), Variable("y", 0, 1)]), lambda X: ((X - 0.3) ** 2).sum(1))
    frame = Campaign(problem, BayesianSearcher(5, acquisition="theirs"), seed=0).run(8).to_frame()
    assert frame["value"][5:].min() < frame["value"][:5].median()


def test_one_with_settings_comes_from_a_config():
    settings = run_settings(["problem=laboratory", "searcher=bayesian_ucb", "searcher.acquisition.beta=9"])
    assert settings.searcher == BayesianSearcher(model="loss", acquisition=UCB(beta=9.0))
