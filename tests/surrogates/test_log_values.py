import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matseek.problems import RecipeProblem
from matseek.spaces import Box, Variable
from matseek.surrogates import ValueGP
from matseek.surrogates.log_values import LogWarp
from matseek.testing import measured

BOX = Box([Variable("x", 0, 1), Variable("y", 0, 1)])


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30).filter(lambda v: np.ptp(v) > 1e-3))
def test_the_warp_keeps_the_order_and_is_undone(values):
    known = np.array(values)
    warp = LogWarp.of(known)
    warped = warp(known)
    assert np.isfinite(warped).all()
    assert (np.diff(warped[np.argsort(known)]) >= 0).all()
    np.testing.assert_allclose(warp.inverse(warped), known, rtol=1e-9, atol=1e-9 * np.ptp(known))


def test_variances_of_huge_values_do_not_overflow():
    values = np.array([0.0, 1e300, 2e300])
    np.testing.assert_allclose(
        LogWarp.of(values).variances(values, np.array([1e306, 1e306, np.nan]))[:2], 0, atol=1e-200
    )


def gate(points):
    """A narrow valley of 0.05 beside a plateau of exactly 1."""
    distance = np.hypot(*(np.asarray(points) - [0.6, 0.4]).T)
    return np.where(points[:, 0] > 0.75, 1.0, 0.05 + np.minimum(4 * distance**2, 0.9))


def test_the_minimum_beside_a_plateau_is_predicted():
    history = measured(RecipeProblem(BOX, gate), 60)
    fitted = ValueGP().fit(history)
    at_best = np.array([[0.6, 0.4]])
    assert fitted.mean(at_best)[0] == pytest.approx(0.05, abs=0.06)
    assert 0 < fitted.deviation(at_best)[0] < 0.2


def test_variances_are_carried_over_to_first_order():
    warp, values = LogWarp(0.0, 0.5), np.array([0.0, 1.0])
    step = 1e-6
    slope = (warp(values + step) - warp(values - step)) / (2 * step)
    np.testing.assert_allclose(warp.variances(values, np.array([0.01, 0.04])), slope**2 * [0.01, 0.04], rtol=1e-6)
