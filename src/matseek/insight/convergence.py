"""How fast a search gets better."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from matseek.core.records import ITERATED, Event

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]


def best_so_far(values: npt.ArrayLike) -> FloatArray:
    """Least value up to each evaluation, shape ``(n,)``; failed evaluations (NaN) change nothing."""
    array = np.asarray(values, dtype=np.float64)
    running = np.minimum.accumulate(np.where(np.isnan(array), np.inf, array))
    return np.asarray(np.where(np.isinf(running), np.nan, running))


def best_curve(values: npt.ArrayLike, budget: int) -> FloatArray:
    """Best value so far after each of 1 .. budget evaluations, shape ``(budget,)``.

    A failed evaluation (NaN) counts and changes nothing. A run that has ended keeps its best: it was ended because
    nothing more was wanted. Before its first value a run has that value, so that curves are finite from the start;
    they are NaN throughout where there is no value.

    Args:
        values: Of a run, in the order of its evaluations, shape ``(n,)``; those after the budget are left out.
        budget: Evaluations, at least 1.
    """
    best = best_so_far(np.asarray(values, dtype=np.float64)[:budget])
    known = np.flatnonzero(np.isfinite(best))
    if not len(known):
        return np.full(budget, np.nan)
    curve = np.append(best, np.full(budget - len(best), best[-1]))
    curve[: known[0]] = best[known[0]]
    return curve


def area_under_best(values: npt.ArrayLike, budget: int) -> float:
    """Area under the best-so-far curve over 1 .. budget evaluations, divided by the budget: the mean of the curve.

    It has the value's unit, and is what a run had on average while it went on: of two runs with the same end, the one
    that was there earlier has the lower area. See :func:`best_curve` for failures and for runs that ended early.

    Args:
        values: Of a run, in the order of its evaluations, shape ``(n,)``.
        budget: Evaluations, at least 1; areas compare over the same budget only.

    Returns:
        The area; NaN without a value.
    """
    return float(best_curve(values, budget).mean())


def iteration_table(events: Iterable[Event]) -> pd.DataFrame:
    """What was noted of each iteration, a row each: ``iteration``, ``kt`` in eV, ``effective_sample_size``, energies.

    Args:
        events: Of a ledger; empty tables where none tells of an iteration.
    """
    import pandas as pd

    return pd.DataFrame([{"iteration": e.data["run"], **e.data["figures"]} for e in events if e.kind == ITERATED])
