import numpy as np
import pytest
import torch
from botorch.models import SingleTaskGP

from matseek.surrogates.foresight import surprise

OUTCOMES = 3


def model_of(noise):
    generator = torch.Generator().manual_seed(0)
    X = torch.rand(12, 2, generator=generator, dtype=torch.float64)
    Y = torch.randn(12, OUTCOMES, generator=generator, dtype=torch.float64)
    Y = (Y - Y.mean(dim=0)) / Y.std(dim=0)
    return SingleTaskGP(X, Y, train_Yvar=noise, outcome_transform=None).eval().requires_grad_(False)


def later(model, factor, noise):
    """Measurements whose errors have so many times the variance that the model predicts, and noise."""
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(500, 2, generator=generator, dtype=torch.float64)
    posterior = model.posterior(x)
    errors = torch.randn(posterior.mean.shape, generator=generator, dtype=torch.float64)
    return x, posterior.mean + errors * (factor * posterior.variance + noise).sqrt()


@pytest.mark.parametrize("factor", [0.5, 1.0, 9.0])
def test_the_factor_is_that_of_the_errors(factor):
    model = model_of(torch.full((12, OUTCOMES), 0.01, dtype=torch.float64))
    x, targets = later(model, factor, 0.04)
    noise = torch.full_like(targets, 0.04)
    assert surprise(model, x, targets, noise, OUTCOMES) == pytest.approx(factor, rel=0.15)


def test_noise_that_has_been_learnt_is_no_surprise():
    model = model_of(None)
    own = float(model.likelihood.noise[0])
    x, targets = later(model, 4.0, own)
    assert surprise(model, x, targets, None, OUTCOMES) == pytest.approx(4.0, rel=0.15)


def test_only_the_first_outcomes_are_judged_and_a_few_errors_do_not_count():
    model = model_of(torch.full((12, OUTCOMES), 0.01, dtype=torch.float64))
    x, targets = later(model, 1.0, 0.0)
    targets[:, 2] += 100.0
    targets[:20, :2] += 1e4
    found = surprise(model, x, targets, torch.zeros_like(targets), 2)
    assert found == pytest.approx(1.0, rel=0.3)
    assert np.isfinite(found)
