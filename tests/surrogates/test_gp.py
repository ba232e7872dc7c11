import warnings

import numpy as np
import pytest
import torch
from gpytorch.kernels import MaternKernel, ScaleKernel
from scipy.stats import spearmanr

from matseek.library.measured import MeasuredDroplets
from matseek.library.silver_problems import silver_space
from matseek.surrogates.gp import GaussianProcess, informative, quiet_numerics, representative
from tests.conftest import bowl


@pytest.fixture
def data(box):
    points = box.sample_latin_hypercube(40, np.random.default_rng(0))
    return points, bowl(points)


@pytest.mark.parametrize("kernel", ["ard", "isotropic"])
@pytest.mark.parametrize("noise", [np.nan, 1e-6])
def test_learns_a_bowl(box, data, kernel, noise):
    points, values = data
    gp = GaussianProcess.fit(box, points, values, np.full(len(values), noise), kernel=kernel)
    new = box.sample_uniform(100, np.random.default_rng(1))
    mean, deviation = gp.predict(new)
    assert spearmanr(mean, bowl(new)).statistic > 0.97
    assert (np.abs(mean - bowl(new)) < 4 * deviation + 0.02).mean() > 0.9


def test_kernels_are_as_named(box, data):
    points, values = data
    ard = GaussianProcess.fit(box, points, values, np.full(40, np.nan))
    kernel = ard.model.covar_module
    assert isinstance(kernel, MaternKernel)
    assert kernel.nu == 2.5
    assert kernel.ard_num_dims == 3
    assert ard.lengthscales.shape == (3,)
    isotropic = GaussianProcess.fit(box, points, values, np.full(40, np.nan), kernel="isotropic").model.covar_module
    assert isinstance(isotropic, ScaleKernel)
    assert isotropic.base_kernel.lengthscale.numel() == 1
    assert ard.model.train_inputs[0].dtype == torch.float64


def test_measured_noise_is_used(box, data):
    points, values = data
    variances = np.linspace(1e-4, 1e-2, 40)
    variances[3] = np.nan
    gp = GaussianProcess.fit(box, points, values, variances)
    noise = gp.model.likelihood.noise * (gp.scale * gp.model.outcome_transform.stdvs.squeeze()) ** 2
    filled = np.where(np.isnan(variances), np.nanmedian(variances), variances)
    np.testing.assert_allclose(noise.detach().numpy(), filled, rtol=1e-6)


def test_replicates_without_scatter_do_not_break_it(box, data):
    points, values = data
    mean, _ = GaussianProcess.fit(box, points, values, np.zeros(40)).predict(points)
    np.testing.assert_allclose(mean, values, atol=0.02)


def test_the_same_fit_twice(box, data):
    points, values = data
    before = torch.get_rng_state()
    first, second = (GaussianProcess.fit(box, points, values, np.full(40, np.nan)) for _ in range(2))
    np.testing.assert_array_equal(first.predict(points)[0], second.predict(points)[0])
    assert torch.equal(torch.get_rng_state(), before), "the global generator is left alone"


def test_nothing_to_learn_is_refused(box):
    with pytest.raises(ValueError, match="teach a GP nothing"):
        GaussianProcess.fit(box, np.zeros((2, 3)), np.ones(2), np.full(2, np.nan))
    with pytest.raises(ValueError, match="kernel='rbf' is unknown"):
        GaussianProcess.fit(box, np.eye(3), np.arange(3.0), np.full(3, np.nan), kernel="rbf")


def test_cross_validates_on_the_measured_droplets(droplets_csv):
    # Measured elsewhere with the same kernel: Spearman 0.96 and mean absolute error 0.038 in 10-fold cross-validation.
    droplets = MeasuredDroplets.read(droplets_csv)
    space = silver_space(hardware=False)
    folds = np.random.default_rng(0).permutation(len(droplets.medians)) % 10
    predicted = np.empty(len(folds))
    for fold in range(10):
        train = folds != fold
        gp = GaussianProcess.fit(
            space, droplets.conditions[train], droplets.medians[train], np.full(train.sum(), np.nan)
        )
        predicted[~train] = gp.predict(droplets.conditions[~train])[0]
    assert spearmanr(predicted, droplets.medians).statistic > 0.93
    assert np.abs(predicted - droplets.medians).mean() < 0.05


@pytest.mark.parametrize("kernel", ["ard", "isotropic"])
@pytest.mark.parametrize("noise", [np.nan, 1e-4])
def test_the_mean_alone_is_that_of_the_posterior(box, data, kernel, noise):
    points, values = data
    gp = GaussianProcess.fit(box, points, 3 + 10 * values, np.full(len(values), noise), kernel=kernel)
    new = box.sample_uniform(50, np.random.default_rng(1))
    alone = gp.mean(new)  # before predict() has filled any cache
    np.testing.assert_allclose(alone, gp.predict(new)[0], rtol=1e-9)
    assert gp.mean(box.sample_uniform(30_000, np.random.default_rng(2))).shape == (30_000,)


def test_too_many_observations_are_represented_by_the_best_and_by_a_cover():
    X = np.random.default_rng(0).random((400, 2))
    values = ((X - 0.25) ** 2).sum(axis=1)
    kept = representative(X, values, most=60)
    assert len(kept) == len(set(kept.tolist())) == 60
    assert set(np.argsort(values)[:30]) <= set(kept.tolist())
    hole = np.linalg.norm(X[:, None] - X[kept], axis=-1).min(axis=1).max()
    assert hole < 0.25
    assert representative(X, values, most=400).tolist() == list(range(400))


def test_repeated_points_are_represented_without_repetition():
    X = np.zeros((10, 3))
    assert len(set(representative(X, np.arange(10.0), most=6).tolist())) == 6


@pytest.mark.parametrize(
    ("values", "answer"),
    [([], False), ([1.0], False), ([0.3, 0.3 * (1 + 2e-16)], False), ([0.0, 0.0], False), ([1e6, 1e6 + 1e-3], True)],
)
def test_values_that_differ_by_rounding_are_not_informative(values, answer):
    assert informative(values) is answer


def test_an_ascent_that_botorch_restarts_is_no_warning():
    message = "Optimization failed in `gen_candidates_scipy` with the following warning(s): ABNORMAL"
    with quiet_numerics():
        warnings.warn(message, RuntimeWarning, stacklevel=1)
    with pytest.warns(RuntimeWarning, match="something else"), quiet_numerics():
        warnings.warn("something else", RuntimeWarning, stacklevel=1)
