import math
import warnings
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from matseek.insight.paired import (
    AREA,
    BEST,
    EVALUATIONS,
    SUCCESS,
    Run,
    compared,
    holm,
    least_p,
    mcnemar,
    median_interval,
    signed_rank,
)

DIFFERENCES = st.lists(st.integers(-4, 4), min_size=1, max_size=7)
PVALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def by_enumeration(differences):
    """The signed-rank test by its definition: every assignment of signs to the ranks of what is not zero."""
    ranks = rankdata(np.abs(differences))[np.asarray(differences) != 0]
    signs = np.array(list(product([-1, 1], repeat=len(ranks))))
    observed = abs((np.sign([d for d in differences if d]) * ranks).sum())
    return float((np.abs(signs @ ranks) >= observed - 1e-9).mean())


@given(DIFFERENCES)
def test_signed_rank_is_exact_with_ties_and_zeros_and_knows_no_sides(differences):
    p = signed_rank(differences)
    assert p == pytest.approx(by_enumeration(differences) if any(differences) else 1.0)
    assert signed_rank([-d for d in differences]) == p
    assert p >= least_p(len(differences)) - 1e-12


def test_with_few_seeds_no_test_can_tell_anybody_apart():
    assert signed_rank(range(1, 6)) == least_p(5) == 0.0625
    assert mcnemar(0, 5) == 0.0625
    assert signed_rank(range(1, 7)) == mcnemar(6, 0) == least_p(6) == 0.03125
    assert signed_rank([0.0, 0.0]) == signed_rank([3.0]) == least_p(1) == 1.0
    assert math.isnan(signed_rank([]))


def test_mcnemar_as_a_binomial_of_the_discordant_pairs():
    assert mcnemar(1, 9) == pytest.approx(2 * (1 + 10) / 2**10)
    assert mcnemar(0, 0) == mcnemar(3, 3) == 1.0


def test_holm_as_in_the_literature():
    # Holm's procedure worked by hand: 4 x 0.005, 3 x 0.01, then the running maximum; NaN is no test.
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.02, np.nan, 0.9]), [0.04, np.nan, 0.9])
    assert holm([]).shape == (0,)


@given(PVALUES)
def test_holm_lies_between_the_p_value_and_bonferroni_and_keeps_the_order(pvalues):
    corrected = holm(pvalues)
    assert np.all(corrected >= np.array(pvalues))
    assert np.all(corrected <= np.minimum(len(pvalues) * np.array(pvalues), 1) + 1e-12)
    assert np.all(np.diff(corrected[np.argsort(pvalues)]) >= 0)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=9), st.floats(-50, 50))
def test_median_intervals_hold_the_median_and_move_with_the_values(values, shift):
    low, high = median_interval(values, resamples=200)
    assert min(values) - 1e-9 <= low <= np.median(values) + 1e-9
    assert np.median(values) - 1e-9 <= high <= max(values) + 1e-9
    moved = median_interval(np.array(values) + shift, resamples=200)
    np.testing.assert_allclose(moved, (low + shift, high + shift), atol=1e-9)


def test_median_intervals_where_there_is_nothing_to_resample_and_side_by_side():
    assert np.isnan(median_interval([1.0])).all()
    assert np.isnan(median_interval([])).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert median_interval([2.0, 2.0, 2.0]) == (2.0, 2.0)
    table = np.random.default_rng(0).random((8, 3))
    low, high = median_interval(table)
    assert low.shape == high.shape == (3,)
    np.testing.assert_array_equal(low, median_interval(table)[0])  # the same draws every time


def test_median_intervals_cover_about_as_often_as_they_say():
    draws = np.random.default_rng(1).standard_normal((15, 2000))
    low, high = median_interval(draws, resamples=500)
    assert np.mean((low <= 0) & (high >= 0)) == pytest.approx(0.94, abs=0.025)


def run(seed, values, first=None, budget=4, tested=True):
    return Run(seed, budget, np.array(values, dtype=np.float64), first, tested)


def test_pairs_are_compared_by_seed_over_the_smaller_budget():
    quick = [run(seed, [4, 2, 1, 1], first=3) for seed in range(6)]
    # The larger budget finds 0 after its fourth evaluation: that is not compared. Seed 6 has no partner.
    slow = [run(seed, [4, 4, 3, 2, 0], first=5, budget=5) for seed in range(7)]
    frame = compared({"quick": quick, "slow": slow}).set_index("measure")
    assert (frame["first"] == "quick").all()
    assert (frame["budget"] == 4).all()
    assert (frame["seeds"] == 6).all()
    assert frame["median_difference"].loc[[BEST, AREA]].tolist() == [-1.0, -1.25]
    assert frame["difference_low"].loc[[BEST, AREA]].tolist() == [-1.0, -1.25]
    assert frame[["wins", "ties", "losses"]].to_numpy().tolist() == [[6, 0, 0]] * 4
    assert frame["p"].loc[[BEST, AREA, SUCCESS]].tolist() == pytest.approx([2 / 2**6] * 3)
    assert frame["p"].loc[EVALUATIONS] < 0.001
    pd.testing.assert_series_equal(frame["p_holm"], frame["p"], check_names=False)  # one pair needs no correction


def test_exchanging_the_searchers_exchanges_wins_and_signs():
    rng = np.random.default_rng(2)
    runs = {
        name: [run(s, rng.random(4), first=int(rng.integers(1, 5)) if rng.random() < 0.7 else None) for s in range(7)]
        for name in "ab"
    }
    one = compared(runs).set_index("measure")
    other = compared({"b": runs["b"], "a": runs["a"]}).set_index("measure")
    assert one["wins"].tolist() == other["losses"].tolist()
    np.testing.assert_allclose(one["median_difference"], -other["median_difference"])
    np.testing.assert_allclose(one["p"], other["p"], rtol=1e-6)


def test_runs_without_a_value_are_left_out_and_untested_ones_not_tested():
    frame = compared(
        {
            "a": [run(0, [np.nan, np.nan], tested=False), run(1, [1, 2], tested=False)],
            "b": [run(0, [1, 2], tested=False), run(1, [np.nan, 3], tested=False)],
        }
    )
    assert frame["measure"].tolist() == [BEST, AREA]
    assert frame["seeds"].tolist() == [1, 1]
    assert frame["p"].tolist() == [1, 1]
    assert compared({"a": [run(0, [1])], "b": []}).empty
    assert "p_holm" in compared({})
