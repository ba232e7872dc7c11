"""Searchers over several problems."""

import numpy as np
import pandas as pd
import pytest

from matseek.insight.profiles import expected_evaluations, performance_ratios
from matseek.report.figures.profiles import performance_profile


def table(**rows):
    """By searcher: successes of 4, and the mean evaluations to success, of 100."""
    return pd.DataFrame(
        {
            "searcher": list(rows),
            "seeds": 4,
            "budget": 100,
            "successes": pd.array([r[0] for r in rows.values()], dtype="Int64"),
            "mean_evaluations_to_success": [r[1] for r in rows.values()],
        }
    )


def test_a_success_costs_what_the_runs_that_fail_have_spent_too():
    cost = expected_evaluations(table(a=(4, 20.0), b=(2, 50.0), c=(0, np.nan), d=(pd.NA, np.nan)))
    assert cost["a"] == pytest.approx(20)
    assert cost["b"] == pytest.approx((2 * 50 + 2 * 100) / 2)
    assert np.isinf(cost["c"])
    assert np.isnan(cost["d"])


def test_ratios_are_to_the_best_of_each_problem_that_somebody_solves():
    easy, hard, none = (
        table(a=(4, 20.0), b=(4, 40.0)),
        table(a=(0, np.nan), b=(1, 60.0)),
        table(a=(0, np.nan), b=(0, np.nan)),
    )
    ratios = performance_ratios({"easy": easy, "hard": hard, "none": none})
    assert ratios.index.tolist() == ["easy", "hard"]
    assert ratios.loc["easy"].tolist() == pytest.approx([1, 2])
    assert ratios.loc["hard"].tolist() == [np.inf, 1.0]
    with pytest.raises(ValueError, match="no searcher was tested in all of"):
        performance_ratios({"easy": easy, "other": table(c=(4, 20.0))})
    with pytest.raises(ValueError, match="solved by any searcher"):
        performance_ratios({"none": none})


def test_the_profile_ends_at_what_each_solves():
    ax = performance_profile({"easy": table(a=(4, 20.0), b=(4, 40.0)), "hard": table(a=(0, np.nan), b=(1, 60.0))}).axes[
        0
    ]
    curves = {line.get_label(): line for line in ax.get_lines()}
    assert curves["a"].get_ydata().tolist() == [0.5, 0.5, 0.5]
    assert curves["b"].get_ydata().tolist() == [0.5, 0.5, 1.0, 1.0]
