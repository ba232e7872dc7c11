import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matseek.insight.convergence import area_under_best, best_curve, best_so_far

VALUES = st.lists(st.floats(-100, 100) | st.just(float("nan")), min_size=1, max_size=12).filter(
    lambda values: not np.isnan(values).all()
)


def test_best_so_far_skips_failures():
    np.testing.assert_array_equal(best_so_far([np.nan, 3, np.nan, 4, 1]), [np.nan, 3, 3, 3, 1])
    assert best_so_far([]).shape == (0,)


def test_curves_begin_with_the_first_value_and_runs_that_have_ended_keep_their_best():
    np.testing.assert_array_equal(best_curve([np.nan, 3, 1, np.nan], 6), [3, 3, 1, 1, 1, 1])
    np.testing.assert_array_equal(best_curve([4, 3, 1], 2), [4, 3])
    assert area_under_best([np.nan, 3, 1, np.nan], 6) == pytest.approx(10 / 6)
    assert np.isnan(best_curve([np.nan, np.nan, 5], 2)).all()
    assert np.isnan(area_under_best([], 3))


@given(VALUES, st.integers(0, 12), st.floats(-50, 50), st.floats(0.1, 10))
def test_areas_lie_between_best_and_first_and_follow_the_values_scale(values, more, shift, scale):
    budget = len(values) + more
    area, first = area_under_best(values, budget), next(v for v in values if not np.isnan(v))
    assert np.nanmin(values) - 1e-9 <= area <= first + 1e-9
    assert area_under_best(scale * np.array(values) + shift, budget) == pytest.approx(scale * area + shift, abs=1e-8)


@given(VALUES, st.data())
def test_a_better_value_never_makes_an_area_larger(values, data):
    place = data.draw(st.sampled_from([i for i, v in enumerate(values) if not np.isnan(v)]))
    better = [v - 1.0 if i == place else v for i, v in enumerate(values)]
    assert area_under_best(better, len(values)) <= area_under_best(values, len(values)) + 1e-9
    longer = [area_under_best(values, budget) for budget in range(len(values), len(values) + 5)]
    assert np.all(np.diff(longer) <= 1e-9)  # what is gone on with is at least as good
