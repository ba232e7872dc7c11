import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from matseek.core.records import best_of, lowest_of, ranked
from tests.core.test_history import evaluation as some


def evaluation(number, *replicates):
    return replace(some(number, 1), value=float(np.median(replicates)), replicates=np.array(replicates))


def test_the_upper_bound_is_that_of_the_mean_or_the_value():
    e = evaluation(1, 0.1, 0.3, 0.8, np.nan)
    low = stats.ttest_1samp([0.1, 0.3, 0.8], 0).confidence_interval(0.8)  # two-sided 80 % is one-sided 90 %
    assert e.upper_bound() == pytest.approx(low.high)
    assert replace(e, value=7.0).upper_bound() == 7.0
    assert evaluation(2, 0.4).upper_bound() == 0.4
    assert evaluation(2, 0.4).upper_bound(0.1) == pytest.approx(0.4 + 0.1 * stats.norm.ppf(0.9))


def test_a_low_median_with_failing_replicates_is_not_the_best():
    lucky, steady = evaluation(1, *[0.19] * 19, 1.0), evaluation(2, *np.linspace(0.195, 0.2, 20))
    assert [e.number for e in ranked([lucky, steady])] == [2, 1]
    assert (best_of([lucky, steady]).number, lowest_of([lucky, steady]).number) == (2, 1)


def test_without_replicates_the_order_is_that_of_the_values():
    single = [evaluation(k, v) for k, v in enumerate((0.3, 0.1, 0.1, 0.2), start=1)]
    assert [e.number for e in ranked(single)] == [2, 3, 4, 1]
    assert lowest_of(single).number == 2
    assert best_of([some(1, 1, "failed")]) is None
    assert lowest_of([]) is None


def test_a_single_value_beside_replicates_is_taken_to_scatter_like_them():
    steady, single = evaluation(1, *[0.15, 0.25] * 10), evaluation(2, 0.19)
    assert [e.number for e in ranked([steady, single])] == [1, 2]
    assert math.isfinite(best_of([replace(steady, value=1e308, replicates=np.array([1e308, -1e308]))]).value)
