import numpy as np
import pytest
import torch
from botorch.models import SingleTaskGP

from matseek.spaces import Box, Variable
from matseek.surrogates.gp import GaussianProcess
from matseek.surrogates.left_out import left_out_errors
from matseek.surrogates.log_values import LogGaussianProcess, LogWarp

SPACE = Box([Variable("a", 0, 10), Variable("b", -1, 1)])


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    points = SPACE.sample_uniform(14, rng)
    values = 3.0 + np.sin(points[:, 0]) + points[:, 1] ** 2 + 0.05 * rng.standard_normal(14)
    return points, values


def test_it_is_what_the_model_says_without_the_condition(data):
    points, values = data
    gp = GaussianProcess.fit(SPACE, points, values, np.full(14, 0.0025))
    left = gp.left_out(4000, np.random.default_rng(1))
    np.testing.assert_allclose(left.points, points, rtol=1e-9)
    np.testing.assert_allclose(left.values, values, rtol=1e-9)
    errors, deviation = (x.detach() for x in left_out_errors(gp.model))
    X, Y = gp.model.train_inputs[0], gp.model.train_targets
    noise = gp.model.likelihood.noise.detach()
    for i in (0, 5, 13):
        others = torch.arange(14) != i
        without = SingleTaskGP(
            X[others],
            Y[others, None],
            train_Yvar=noise[others, None],
            covar_module=gp.model.covar_module,
            mean_module=gp.model.mean_module,
            outcome_transform=None,
        ).eval()
        with torch.no_grad():
            posterior = without.posterior(X[i : i + 1])
        wanted = float((posterior.variance[0, 0] + noise[i]).sqrt())
        assert float(deviation[0, i]) == pytest.approx(wanted, rel=1e-6)
        assert float(errors[0, i]) == pytest.approx(float(Y[i] - posterior.mean[0, 0]) / wanted, rel=1e-5, abs=1e-8)
        unit = gp.model.outcome_transform.stdvs.item() * gp.scale
        assert np.std(left.draws.values[:, i]) == pytest.approx(wanted * unit, rel=0.06)


def test_logarithms_are_taken_back(data):
    points, values = data
    warp = LogWarp.of(values)
    gp = LogGaussianProcess(GaussianProcess.fit(SPACE, points, warp(values), np.full(14, np.nan)), warp)
    left = gp.left_out(50, np.random.default_rng(1))
    np.testing.assert_allclose(left.values, values, rtol=1e-9)
    assert (left.draws.values > values.min() - warp.shift).all()


def test_samples_of_a_gaussian_process_are_its_posterior(data):
    points, values = data
    gp = GaussianProcess.fit(SPACE, points, values, np.full(14, 0.0025))
    places = SPACE.sample_uniform(5, np.random.default_rng(2))
    mean, deviation = gp.predict(places)
    drawn = gp.sampler(4000, np.random.default_rng(3))(places).values
    np.testing.assert_allclose(drawn.mean(axis=0), mean, atol=0.08 * values.std())
    np.testing.assert_allclose(drawn.std(axis=0), deviation, rtol=0.2, atol=0.02 * values.std())
