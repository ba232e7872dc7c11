"""The Gaussian process of structures."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from matseek.surrogates import StructureGP
from matseek.surrogates.directional import DirectionalKernel
from tests.islands import Constant, Overlapping, evaluated, island_problem


@pytest.fixture(scope="module")
def history():
    return evaluated(island_problem(), 12)


def near(history, count=4, reach=0.1):
    """Structures beside those that are known."""
    rng = np.random.default_rng(1)
    return history.points[:count] + reach * rng.standard_normal((count, history.space.dim))


@pytest.mark.parametrize("smoothness", ["matern", "rbf"])
def test_covariances_of_derivatives_are_derivatives_of_covariances(smoothness):
    groups, scales = torch.tensor([0, 0, 1, 1]), torch.tensor([1.5, 0.7], dtype=torch.float64)
    kernel = DirectionalKernel(groups, smoothness, scales).double()
    generator = torch.Generator().manual_seed(0)
    x, y, u, v = torch.randn(4, 4, generator=generator, dtype=torch.float64)

    def row(point, direction=None):
        along = torch.zeros(4, dtype=torch.float64) if direction is None else direction
        flag = torch.tensor([0.0 if direction is None else 1.0], dtype=torch.float64)
        return torch.cat([point, along, flag])[None]

    def value(a, b):
        return kernel(row(x + a * u), row(y + b * v)).to_dense()[0, 0]

    a, b = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    (by_b,) = torch.autograd.grad(value(a, b), b, create_graph=True)
    (by_both,) = torch.autograd.grad(by_b, a)
    torch.testing.assert_close(kernel(row(x), row(y, v)).to_dense()[0, 0], by_b)
    torch.testing.assert_close(kernel(row(x, u), row(y, v)).to_dense()[0, 0], by_both)
    torch.testing.assert_close(kernel(row(y, v), row(x, u)).to_dense()[0, 0], by_both)


@pytest.mark.parametrize("smoothness", ["matern", "rbf"])
def test_a_derivative_at_a_point_and_the_value_there_are_uncorrelated(smoothness):
    """The same point twice: no derivative of the kernel is singular there."""
    kernel = DirectionalKernel(torch.tensor([0, 0]), smoothness, torch.ones(1, dtype=torch.float64)).double()
    rows = torch.tensor([[1.0, 2, 0, 0, 0], [1.0, 2, 1, 0, 1]], dtype=torch.float64)
    covariance = kernel(rows).to_dense()
    assert torch.isfinite(covariance).all()
    assert covariance[0, 1].abs() < 1e-8
    assert covariance[1, 1] > 0.9


@pytest.mark.parametrize("settings", [{}, {"forces": False}, {"kernel": "rbf"}])
def test_gradients_are_those_of_the_prediction(history, settings):
    surface = StructureGP(**settings).fit(history)
    # Beside a known structure the deviation is a small difference of large numbers, which a step would not resolve.
    x, step = near(history, reach=0.4), 1e-4
    prediction = surface.predict(x)
    for k in range(x.shape[1]):
        e = np.zeros(x.shape[1])
        e[k] = step
        up, down = surface.predict(x + e), surface.predict(x - e)
        np.testing.assert_allclose(prediction.mean_gradient[:, k], (up.mean - down.mean) / (2 * step), atol=2e-4)
        slope = (up.deviation - down.deviation) / (2 * step)
        np.testing.assert_allclose(prediction.deviation_gradient[:, k], slope, atol=1e-2 * np.abs(slope).max() + 1e-4)


def test_it_knows_what_it_was_told(history):
    surface = StructureGP().fit(history)
    low = np.argsort(history.values)[:6]
    prediction = surface.predict(history.points[low])
    spread = np.std(history.values)
    assert np.abs(prediction.mean - history.values[low]).max() < 0.05 * spread
    forces = np.array([history.done[k].response.ravel() for k in low])
    assert np.abs(prediction.mean_gradient + forces).max() < 0.15 * np.abs(forces).max()


def test_forces_tell_of_the_surroundings(history):
    """Beside known structures the energy is predicted better with forces than without."""
    problem = island_problem()
    x = near(history, 8, 0.15)
    truth = np.array([m.value for m in problem.measure_many(x)])
    errors = [np.abs(StructureGP(forces=on).fit(history).mean(x) - truth).mean() for on in (True, False)]
    assert errors[0] < 0.7 * errors[1]


def test_it_is_less_sure_farther_away(history):
    surface = StructureGP().fit(history)
    near_by, far = (surface.deviation(near(history, 6, reach)) for reach in (0.01, 1.0))
    assert np.median(near_by) < 0.3 * np.median(far)


def test_draws_have_the_posterior_s_moments(history):
    surface = StructureGP().fit(history)
    x = near(history, 3, 0.5)
    rng = np.random.default_rng(0)
    draws = np.array([surface.draw(x, rng) for _ in range(4000)])
    prediction = surface.predict(x)
    np.testing.assert_allclose(draws.mean(axis=0), prediction.mean, atol=4 * prediction.deviation.max() / 60)
    np.testing.assert_allclose(draws.std(axis=0), prediction.deviation, rtol=0.08)


def test_energies_of_a_million_do_not_hide_the_others():
    history = evaluated(island_problem(calculator=Overlapping), 16)
    usual = history.values < 1e5
    assert 2 < usual.sum() < 16
    surface = StructureGP().fit(history)
    found = surface.mean(history.points[usual])
    assert np.abs(found - history.values[usual]).max() < 5.0


def test_equal_energies_and_recipes_wait(history, box):
    constant = evaluated(island_problem(calculator=Constant), 3)
    assert StructureGP().reason_to_wait(constant) == "it needs two energies that differ"
    with pytest.raises(ValueError, match="two energies that differ; evaluate more"):
        StructureGP().fit(constant)
    assert StructureGP().reason_to_wait(replace(history, space=box)) == "it learns from structures"


def test_the_observations_are_bounded(history):
    """Of more than it takes, it learns from the best and from some that cover the space."""
    few = StructureGP(most_rows=10).fit(history)
    assert np.isfinite(few.mean(history.points)).all()
    best = history.points[[history.values.argmin()]]
    assert abs(few.mean(best)[0] - history.values.min()) < np.std(history.values)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"kernel": "cubic"}, "kernel"), ({"energy_noise": 0}, "energy_noise"), ({"descriptor": "soap"}, "descriptor")],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        StructureGP(**settings)
