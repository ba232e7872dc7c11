"""Acquisition functions of structures."""

import numpy as np
import pytest
from scipy.stats import norm

from matseek.acquisition import LogImprovement, LowerBound, Thompson

MEAN = np.array([-3.0, 0.0, 0.5, 4.0, 40.0, -50.0])
DEVIATION = np.array([0.5, 1.0, 0.1, 2.0, 1.0, 1.0])


@pytest.mark.parametrize("acquisition", [LowerBound(), LowerBound(0.0), LogImprovement(), Thompson()])
def test_slopes_are_derivatives(acquisition):
    step = 1e-6
    slopes = acquisition.slopes(MEAN, DEVIATION, 0.2)
    by_mean = (
        acquisition.slopes(MEAN + step, DEVIATION, 0.2).value - acquisition.slopes(MEAN - step, DEVIATION, 0.2).value
    )
    by_deviation = (
        acquisition.slopes(MEAN, DEVIATION + step, 0.2).value - acquisition.slopes(MEAN, DEVIATION - step, 0.2).value
    )
    np.testing.assert_allclose(slopes.by_mean, by_mean / (2 * step), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(slopes.by_deviation, by_deviation / (2 * step), rtol=1e-3, atol=1e-4)


def test_log_improvement_is_the_logarithm_of_expected_improvement():
    u = (0.2 - MEAN) / DEVIATION
    near = u > -10
    expected = np.log(DEVIATION[near] * (norm.pdf(u[near]) + u[near] * norm.cdf(u[near])))
    found = -LogImprovement().slopes(MEAN, DEVIATION, 0.2).value
    np.testing.assert_allclose(found[near], expected, rtol=1e-5)
    # Forty deviations away the improvement itself is no number any more, its logarithm is.
    assert -830 < found[4] < -790


def test_merits_of_what_is_far_too_high_are_finite_and_in_order():
    merit = LowerBound().merit(np.array([0.0, 1.0, 1e3, 1e4, 1e5]), np.full(5, 1e-3))
    assert np.isfinite(merit).all()
    assert (np.diff(merit) < 0).all()


def test_merits_rise_as_the_bound_falls():
    value = np.array([3.0, 1.0, -2.0, -1e6])
    merit = LowerBound().merit(value, np.ones(4))
    assert (np.diff(merit) > 0).all()
    assert np.isfinite(merit).all()


def test_a_negative_kappa_is_refused():
    with pytest.raises(ValueError, match="kappa"):
        LowerBound(-1.0)
