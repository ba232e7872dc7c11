from dataclasses import replace

import numpy as np
import pytest
import torch

from matseek.errors import ResponseError
from matseek.problems import ColourMatch, CVaR, RecipeProblem, SpectralMatch
from matseek.spaces import Box, Variable
from matseek.surrogates import SpectraGP, calibrated
from matseek.surrogates.spectral_basis import SpectralBasis
from matseek.testing import measured

SPACE = Box([Variable("x", 0, 1), Variable("y", 0, 1)])
WAVELENGTHS = np.arange(380.0, 801.0, 3.0)


def laboratory(points, rng=None):
    """Two bands that move and grow; eight droplets with noise in their strength."""
    x, y = np.asarray(points, dtype=float).T[..., None]
    spectra = (0.3 + x) * np.exp(-(((WAVELENGTHS - 480 - 150 * y) / 50) ** 2)) + 0.2
    if rng is None:
        return spectra
    return spectra[:, None] * np.exp(0.03 * rng.standard_normal((len(spectra), 8, 1)))


MATCH = SpectralMatch(WAVELENGTHS, laboratory([[0.7, 0.4]])[0])
PROBLEM = RecipeProblem(SPACE, laboratory, MATCH)


@pytest.fixture(scope="module")
def history():
    return measured(PROBLEM, 24)


@pytest.fixture(scope="module")
def fitted(history):
    return SpectraGP().fit(history)


POINTS = SPACE.sample_uniform(60, np.random.default_rng(5))


def test_spectra_and_values_are_predicted(fitted):
    truth = laboratory(POINTS)
    assert np.sqrt(((fitted.responses(POINTS)[0] - truth) ** 2).mean()) < 0.03
    assert np.abs(fitted.mean(POINTS) - MATCH(truth)).mean() < 0.03
    assert fitted.responses(POINTS).shape == (1, 60, WAVELENGTHS.size)


@pytest.mark.parametrize("droplets", [True, False], ids=["replicates", "single spectra"])
def test_of_many_conditions_some_give_the_hyperparameters_and_all_are_known(monkeypatch, droplets):
    monkeypatch.setattr(calibrated, "MOST_MAXIMISED", 12)
    problem = PROBLEM if droplets else RecipeProblem(SPACE, lambda points: laboratory(points), MATCH)
    fitted = SpectraGP().fit(measured(problem, 24))
    assert fitted.gp.train_targets.shape[-1] == 24
    assert np.abs(fitted.mean(POINTS) - MATCH(laboratory(POINTS))).mean() < 0.04


def test_the_value_is_differentiable_from_recipe_to_loss(fitted):
    x = torch.tensor([[0.4, 0.35], [0.5, 0.6]], dtype=torch.float64, requires_grad=True)
    paths = fitted.paths(2, np.random.default_rng(0))
    assert torch.autograd.gradcheck(paths.each, (x,), eps=1e-5, atol=1e-4)


def test_intervals_cover_what_is_measured_next(fitted):
    new = MATCH(laboratory(POINTS))
    low, high = np.quantile(fitted.sampled_values(POINTS, 256), [0.05, 0.95], axis=0)
    assert np.mean((new > low - 0.01) & (new < high + 0.01)) > 0.7


def test_the_noise_of_a_value_is_that_of_its_replicates(history, fitted):
    """Added to the spectra and to the offset, it would be larger by what cancels."""
    point = history.done[0].point[None]
    noiseless, noisy = (fitted.sampled_values(point, 2000, noisy=noisy).var() for noisy in (False, True))
    typical = np.exp(np.mean(np.log(np.maximum(history.variances, 1e-7))))
    assert typical / 6 < noisy - noiseless < 6 * typical


def surprising(monkeypatch, latest):
    """Spread where a third band grows, of which the last conditions alone have told."""

    def growing(points):
        x = np.asarray(points)[:, :1]
        return laboratory(points) + 3 * np.clip(x - 0.5, 0, None) * np.exp(-(((WAVELENGTHS - 720) / 30) ** 2))

    monkeypatch.setattr(calibrated, "_LATEST", latest)
    history = measured(RecipeProblem(SPACE, growing, MATCH), 36)
    order = sorted(history.done, key=lambda e: e.point[0])
    fitted = SpectraGP().fit(replace(history, evaluations=tuple(order[:30])))
    return fitted.sampled_spectra([[0.97, 0.5]]).std(axis=0).mean()


def test_the_latest_conditions_tell_how_far_the_next_predictions_err(monkeypatch):
    assert surprising(monkeypatch, 15) > 1.5 * surprising(monkeypatch, 100)


def test_acquisitions_choose_by_the_model_as_it_was_learnt(monkeypatch, history):
    away = np.array([[0.0, 1.0], [1.0, 0.0]])
    paths, deviations = [], []
    monkeypatch.setattr(calibrated, "_LATEST", 12)
    for factor in (1.0, 9.0):
        monkeypatch.setattr(calibrated, "surprise", lambda *_, factor=factor: factor)
        fitted = SpectraGP().fit(history)
        deviations.append(fitted.deviation(away))
        paths.append(fitted.paths(8, np.random.default_rng(0))(torch.as_tensor(away)))
    assert (deviations[1] > 1.3 * deviations[0]).all()
    torch.testing.assert_close(paths[0], paths[1], rtol=0, atol=0)


def test_what_lies_outside_the_components_is_unsure_away_from_data(history):
    near = replace(history, evaluations=tuple(e for e in history.evaluations if e.point[1] < 0.5))
    fitted = SpectraGP().fit(near)
    inside, away = ([[0.5, 0.2]], [[0.5, 0.95]])
    spread = [fitted.sampled_spectra(p).std(axis=0).mean() for p in (inside, away)]
    assert spread[1] > 3 * spread[0]


def test_a_colour_is_an_objective_too():
    problem = RecipeProblem(SPACE, laboratory, ColourMatch(WAVELENGTHS, "#b08090"))
    fitted = SpectraGP().fit(measured(problem, 16))
    assert np.abs(fitted.mean(POINTS) - problem.objective(laboratory(POINTS))).mean() < 0.05


def test_a_risk_measure_of_the_replicates_is_learnt_as_an_offset():
    problem = RecipeProblem(SPACE, laboratory, MATCH, risk=CVaR(0.5))
    history = measured(problem, 24)
    fitted = SpectraGP().fit(history)
    medians = MATCH(np.median([e.response for e in history.done], axis=1))
    assert (history.values - medians).mean() > 0.003
    assert fitted.offset_scale > 0
    assert np.mean(fitted.mean(history.points) - history.values) == pytest.approx(0, abs=0.02)


def test_single_spectra_without_replicates_will_do():
    problem = RecipeProblem(SPACE, lambda points: laboratory(points), MATCH)
    fitted = SpectraGP().fit(measured(problem, 12))
    assert np.isfinite(fitted.deviation(POINTS)).all()


def test_what_cannot_be_learnt_is_said(history):
    assert "differ" in SpectraGP().reason_to_wait(replace(history, evaluations=history.evaluations[:1]))
    values = measured(RecipeProblem(SPACE, lambda points: points.sum(axis=1)), 5)
    assert "responses are values" in SpectraGP().reason_to_wait(values)
    other = SpectralMatch(WAVELENGTHS[::2], laboratory([[0.7, 0.4]])[0][::2])
    with pytest.raises(ResponseError, match="evaluation 1 has 141 absorbances"):
        SpectraGP().fit(replace(history, objective=other))


def test_a_basis_gives_measured_spectra_back():
    spectra = laboratory(SPACE.sample_uniform(20, np.random.default_rng(3)))
    basis = SpectralBasis.fit(spectra, np.random.default_rng(0))
    back = basis.spectra(torch.as_tensor(basis.scores(spectra))).numpy()
    np.testing.assert_allclose(back, spectra, atol=0.02)
    np.testing.assert_allclose(basis.directions.T @ basis.directions, np.eye(basis.directions.shape[1]), atol=1e-9)


@pytest.mark.parametrize("shape", [(2, 141), (3, 2), (12, 3)])
def test_a_basis_of_few_spectra_or_few_wavelengths(shape):
    spectra = np.random.default_rng(0).random(shape)
    basis = SpectralBasis.fit(spectra, np.random.default_rng(0))
    assert torch.isfinite(basis.spectra(torch.as_tensor(basis.scores(spectra)))).all()
    assert len(basis.sizes) == basis.directions.shape[1] <= shape[1]
