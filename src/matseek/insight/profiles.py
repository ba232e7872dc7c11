"""Searchers over several problems at once: how many times the best one's evaluations each needs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd


def expected_evaluations(table: pd.DataFrame) -> pd.Series:
    """The evaluations that a success costs on average, with those of the runs that fail: infinite where none succeeds.

    The sum of all runs' evaluations up to their success or their budget, divided by the number of successes (the
    expected running time of N. Hansen, A. Auger, S. Finck and R. Ros, INRIA report RR-6828, 2009).

    Args:
        table: Of a comparison, as :meth:`matseek.comparison.Comparison.table` gives it: columns searcher, seeds,
            budget, successes, mean_evaluations_to_success.

    Returns:
        By searcher; NaN where no run is complete or none is tested.
    """
    rows = table.set_index("searcher")
    successes = rows["successes"].astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
    means = rows["mean_evaluations_to_success"].to_numpy(dtype=np.float64)
    seeds = rows["seeds"].to_numpy(dtype=np.float64)
    spent = np.where(successes > 0, successes * means, 0.0) + (seeds - successes) * rows["budget"].to_numpy()
    tested = np.isfinite(successes) & (seeds > 0)
    cost = np.divide(spent, successes, out=np.full(len(rows), np.inf), where=tested & (successes > 0))
    return pd.Series(np.where(tested, cost, np.nan), index=rows.index)


def performance_ratios(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """How many times the evaluations of the best searcher each needs, problem by problem.

    E. D. Dolan and J. J. Moré, Math. Program. 91, 201 (2002), with :func:`expected_evaluations` as the cost. Problems
    that nobody solves are left out: they tell nobody apart.

    Args:
        tables: Of comparisons by problem, see :func:`expected_evaluations`.

    Returns:
        A row per problem and a column per searcher that is in all comparisons: 1 for the best, infinite without
        a success.

    Raises:
        ValueError: If no searcher is in all comparisons, or no problem was solved by any of them.

    Example:
        >>> one = pd.DataFrame({"searcher": ["a", "b"], "seeds": 4, "budget": 100, "successes": [4, 2],
        ...                     "mean_evaluations_to_success": [20.0, 50.0]})
        >>> performance_ratios({"valley": one}).round(2).to_dict("index")
        {'valley': {'a': 1.0, 'b': 7.5}}
    """
    costs = pd.DataFrame({problem: expected_evaluations(table) for problem, table in tables.items()}).T
    costs = costs.dropna(axis="columns")
    if costs.empty:
        raise ValueError(f"no searcher was tested in all of {sorted(tables)}; compare the same ones on every problem")
    best = costs.min(axis="columns")
    if not np.isfinite(best).any():
        raise ValueError(f"none of {sorted(tables)} was solved by any searcher; there is nothing to compare")
    solved = costs[np.isfinite(best)]
    ratios: pd.DataFrame = solved.div(best[solved.index], axis="index")
    return ratios
