import numpy as np
import pytest
import torch
from botorch.acquisition import ExpectedImprovement, LogExpectedImprovement, PosteriorMean, UpperConfidenceBound
from botorch.optim import optimize_acqf
from botorch.utils.sampling import manual_seed
from scipy.stats import norm

from matseek.acquisition import LocalPenalization, lipschitz_constant
from matseek.acquisition.local_penalization import log_acquisition, moments

pytestmark = pytest.mark.filterwarnings("ignore::botorch.exceptions.NumericsWarning")


def base_of(kind, state):
    if kind in (ExpectedImprovement, LogExpectedImprovement):
        return kind(state.model, best_f=state.best_mean(), maximize=False)
    return kind(state.model, 2.0, maximize=False) if kind is UpperConfidenceBound else kind(state.model)


def penalized(state, kind=LogExpectedImprovement, k=3, lipschitz=2.0):
    centers = torch.rand(k, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return LocalPenalization(base_of(kind, state), centers, lipschitz, state.best_mean(), state.lengthscales)


def points(n, seed=2):
    return torch.rand(n, 1, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", [ExpectedImprovement, LogExpectedImprovement, UpperConfidenceBound, PosteriorMean])
def test_agrees_with_the_paper(state, kind):
    function, X = penalized(state, kind), points(6)
    with torch.no_grad():
        mean, variance = (t.numpy() for t in moments(state.model, function.centers))
        values = base_of(kind, state)(X).numpy()
        result = function(X).numpy()
    if kind is LogExpectedImprovement:
        expected = values
    elif kind is ExpectedImprovement:
        expected = np.log(np.maximum(values, np.finfo(float).tiny))
    else:
        expected = np.log(np.log1p(np.exp(values)))
    for j, center in enumerate(function.centers.numpy()):
        distance = np.linalg.norm((X[:, 0].numpy() - center) / state.lengthscales.numpy(), axis=1)
        radius = (mean[j] - float(state.best_mean())) / 2.0
        expected = expected + norm.logcdf((distance - radius) * 2.0 / np.sqrt(variance[j]))
    np.testing.assert_allclose(result, expected, rtol=1e-8)


@pytest.mark.parametrize("kind", [ExpectedImprovement, LogExpectedImprovement])
def test_gradient(state, kind):
    X = state.observed[state.observed.sum(-1).argsort()[:4]].unsqueeze(-2) + 0.03
    assert torch.autograd.gradcheck(penalized(state, kind), (X.requires_grad_(True),), atol=1e-4, rtol=1e-3)


def test_batched_equals_one_by_one(state):
    function, X = penalized(state), points(12)
    together = function(X)
    np.testing.assert_allclose(
        together.detach(), torch.stack([function(x[None]).squeeze() for x in X]).detach(), rtol=1e-9
    )
    assert function(X.reshape(3, 4, 1, 3)).shape == (3, 4)


def test_without_centers_it_is_the_base(state):
    base = base_of(LogExpectedImprovement, state)
    function = LocalPenalization(base, state.observed[:0], 1.0, 0.0)
    torch.testing.assert_close(function(points(5)), base(points(5)))


def test_penalises_at_the_centers_and_hardly_far_away(state):
    function = penalized(state, lipschitz=50.0, k=1)
    at, far = function.centers, function.centers + 0.5
    assert function.log_penalty(at).item() < -0.5
    assert function.log_penalty(far).item() == pytest.approx(0, abs=1e-6)


def test_pending_points_count_as_centers(state):
    """BoTorch's way of naming pending points gives what naming them as centers gives; the next call replaces them."""
    base, X = base_of(LogExpectedImprovement, state), points(7)
    pending = points(2, seed=5)[:, 0]
    rest = (2.0, state.best_mean(), state.lengthscales)
    function = penalized(state)
    centers, before = function.centers.clone(), function(X)
    function.set_X_pending(pending)
    torch.testing.assert_close(function(X), LocalPenalization(base, torch.cat([centers, pending]), *rest)(X))
    assert (function(X) < before).any()
    function.set_X_pending(pending[:1])
    torch.testing.assert_close(function(X), LocalPenalization(base, torch.cat([centers, pending[:1]]), *rest)(X))
    function.set_X_pending(None)
    torch.testing.assert_close(function(X), before)
    with pytest.raises(ValueError, match="one row of 3 coordinates per point"):
        function.set_X_pending(points(2))


def test_botorchs_sequential_optimiser_spreads_a_batch(state):
    function = LocalPenalization(
        base_of(LogExpectedImprovement, state), state.observed[:0], 5.0, -2.0, state.lengthscales
    )
    bounds = torch.tensor([[0.0] * 3, [1.0] * 3], dtype=torch.float64)
    with manual_seed(0):
        batch, _ = optimize_acqf(function, bounds, q=3, num_restarts=4, raw_samples=64, sequential=True)
    apart = torch.pdist(batch / state.lengthscales)
    assert apart.min() > 0.05, "without penalties every point of the batch is the same"


def test_finite_where_expected_improvement_is_zero(state):
    # At measured points EI underflows: its log must not be minus infinity, nor its gradient NaN.
    x = state.observed.unsqueeze(-2).clone().requires_grad_(True)
    value = log_acquisition(base_of(ExpectedImprovement, state), x)
    assert torch.isfinite(value).all()
    assert torch.isfinite(torch.autograd.grad(value.sum(), x)[0]).all()


def test_gradient_is_finite_at_a_center(state):
    function = penalized(state)
    x = function.centers.unsqueeze(-2).clone().requires_grad_(True)
    assert torch.isfinite(torch.autograd.grad(function(x).sum(), x)[0]).all()


def test_lipschitz_constant_must_be_positive(state):
    with pytest.raises(ValueError, match="lipschitz=0 must be positive"):
        penalized(state, lipschitz=0.0)


def test_lipschitz_constant_bounds_the_slope_over_the_feasible_set(state):
    rng = np.random.default_rng(0)
    L = lipschitz_constant(
        state.model,
        state.polytope,
        torch.tensor(state.polytope.sample(500, rng)),
        state.lengthscales,
        rng,
    )
    X = torch.tensor(state.polytope.sample(4000, np.random.default_rng(9)), requires_grad=True)
    (gradient,) = torch.autograd.grad(moments(state.model, X)[0].sum(), X)
    steepest = (gradient * state.lengthscales).norm(dim=-1).max()
    assert 0.97 * steepest < L < 2 * steepest


def test_a_ball_is_wrapped_where_a_coordinate_is_periodic(state):
    base = base_of(LogExpectedImprovement, state)
    centers = torch.tensor([[0.02, 0.5, 0.5]], dtype=torch.float64)
    across, beside = (torch.tensor([[x, 0.5, 0.5]], dtype=torch.float64) for x in (0.97, 0.07))
    wrapped = LocalPenalization(base, centers, 5.0, -2.0, periodic=torch.tensor([True, False, False]))
    plain = LocalPenalization(base, centers, 5.0, -2.0)
    torch.testing.assert_close(wrapped.log_penalty(across), plain.log_penalty(beside))
    assert wrapped.log_penalty(across) < plain.log_penalty(across) - 0.1
    torch.testing.assert_close(wrapped.log_penalty(beside.flip(-1)), plain.log_penalty(beside.flip(-1)))
