import numpy as np
import pytest

from matseek import Campaign
from matseek.insight.holdout import holdout_predictions, spectral_cosine
from matseek.problems import RecipeProblem
from matseek.searchers import LatinHypercube
from matseek.surrogates.learning import Network
from tests.conftest import QUICK, bands


def test_predictions_are_those_of_the_network_and_measurements_the_medians(spectral_problem):
    rng = np.random.default_rng(0)

    def droplets(points):
        spectra = bands(points)[:, None] + 0.01 * rng.standard_normal((1, 5, 43))
        spectra[0, 0, 3] = np.nan
        return spectra

    problem = RecipeProblem(spectral_problem.space, droplets, spectral_problem.objective)
    history = Campaign(problem, LatinHypercube(8)).run(16).history()
    net = Network(QUICK).fit(history.until(1))
    seen = holdout_predictions(net, history.done[8:])
    assert seen.predicted.shape == seen.measured.shape == seen.deviation.shape == (8, 43)
    np.testing.assert_allclose(
        seen.predicted[2], net.responses(history.done[10].point[None]).mean(axis=0)[0], atol=1e-6
    )
    whole = np.asarray(history.done[10].response)[1:]
    np.testing.assert_allclose(seen.measured[2], np.median(whole, axis=0))
    assert seen.squared_errors[2] == pytest.approx(np.mean((seen.predicted[2] - seen.measured[2]) ** 2))
    assert seen.cosines[2] == pytest.approx(spectral_cosine(seen.predicted[2], seen.measured[2]))


def test_single_values_have_no_cosine(problem):
    history = Campaign(problem, LatinHypercube(8)).run(8).history()
    seen = holdout_predictions(Network(QUICK).fit(history), history.done)
    assert np.isnan(seen.cosines).all()
    np.testing.assert_allclose(seen.measured[:, 0], history.values)


def test_nothing_measured_gives_nothing(problem):
    history = Campaign(problem, LatinHypercube(8)).run(8).history()
    assert holdout_predictions(Network(QUICK).fit(history), []).evaluations == ()


def test_cosine_of_nothing_is_undefined():
    assert np.isnan(spectral_cosine(np.zeros(3), np.ones(3)))
    assert spectral_cosine([1, 2], [2, 4]) == pytest.approx(1.0)
