import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matseek.insight.success import SuccessRate, log_rank, round_of

FIRSTS = st.lists(st.none() | st.integers(1, 10_000), min_size=1, max_size=30)


def test_wilsons_interval_as_in_the_literature():
    # Newcombe, Stat. Med. 17, 857 (1998), table I, method 3: 81 of 263 and 0 of 20.
    assert SuccessRate([1.0] * 81 + [None] * 182).interval() == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert SuccessRate([None] * 20).interval() == pytest.approx((0.0, 0.1611), abs=1e-4)


def test_means_are_over_successes_and_medians_over_all_runs():
    rate = SuccessRate([100, None, 300, 500])
    assert (rate.runs, rate.successes, rate.rate) == (4, 3, 0.75)
    assert rate.mean_of_successes == 300
    assert rate.median == 400
    assert SuccessRate([100, None, None]).median == math.inf
    assert math.isnan(SuccessRate([None]).mean_of_successes)
    assert math.isnan(SuccessRate([]).rate)
    np.testing.assert_allclose(rate.solved_by(np.array([99, 100, 300, 1000])), [0, 0.25, 0.5, 0.75])


@given(FIRSTS)
def test_the_interval_holds_the_rate(firsts):
    rate = SuccessRate(firsts)
    low, high = rate.interval()
    assert 0 <= low <= rate.rate + 1e-12
    assert rate.rate - 1e-12 <= high <= 1
    shares = rate.solved_by(np.arange(0, 10_001, 500))
    assert (np.diff(shares) >= 0).all()
    assert shares[-1] == rate.rate


def test_log_rank_where_all_succeed_at_once_or_nobody_does():
    at_once = SuccessRate([3.0, 3.0])
    assert log_rank(at_once, 9, at_once, 9) == 1.0
    assert math.isnan(log_rank(SuccessRate([None]), 9, SuccessRate([None]), 9))


def test_a_round_is_the_batch_of_an_evaluation():
    trace = pd.DataFrame({"evaluation": [1, 2, 3, 4, 5], "iteration": [1, 1, 1, 2, 2]})
    assert [round_of(trace, n) for n in (1, 3, 4, None, 9)] == [1, 1, 2, None, None]
