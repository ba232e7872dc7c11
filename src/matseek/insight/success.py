"""How often a method succeeds, with the interval that so few runs allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import scipy  # which loads its statistics when they are first used

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SuccessRate:
    """Successes of independent runs.

    Args:
        firsts: For each run, the evaluation that first succeeded; None where none did.
    """

    firsts: Sequence[float | None]

    @property
    def runs(self) -> int:
        """Runs."""
        return len(self.firsts)

    @property
    def evaluations(self) -> list[float]:
        """Evaluations to success of the runs that succeeded, in order."""
        return sorted(f for f in self.firsts if f is not None)

    @property
    def successes(self) -> int:
        """Runs that succeeded."""
        return len(self.evaluations)

    @property
    def rate(self) -> float:
        """Share of the runs that succeeded; NaN without a run."""
        return self.successes / self.runs if self.runs else float("nan")

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Wilson's score interval of the rate (Wilson, J. Am. Stat. Assoc. 22, 209 (1927)); NaN without a run."""
        if not self.runs:
            return float("nan"), float("nan")
        result = scipy.stats.binomtest(self.successes, self.runs).proportion_ci(confidence, method="wilson")
        return float(result.low), float(result.high)

    @property
    def median(self) -> float:
        """Median evaluations to success over all runs, infinite where most have none; NaN without a run."""
        if not self.runs:
            return float("nan")
        ranked = [*self.evaluations, *[float("inf")] * (self.runs - self.successes)]
        below, above = ranked[(self.runs - 1) // 2], ranked[self.runs // 2]
        return (below + above) / 2

    @property
    def mean_of_successes(self) -> float:
        """Mean evaluations to success of the runs that succeeded, as papers give it; NaN where none did."""
        return float(np.mean(self.evaluations)) if self.evaluations else float("nan")

    def solved_by(self, evaluations: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Share of the runs that had succeeded by each number of evaluations, of the argument's shape."""
        return np.asarray(np.searchsorted(self.evaluations, evaluations, side="right") / max(self.runs, 1))


def log_rank(one: SuccessRate, budget: int, other: SuccessRate, other_budget: int) -> float:
    """Two-sided p-value that two methods need the same evaluations to success, whatever they are.

    The log-rank test (Mantel, Cancer Chemother. Rep. 50, 163 (1966)); a run without success is censored at its budget.

    Args:
        one: Runs of one method.
        budget: Evaluations that each of them might have.
        other: Runs of the other.
        other_budget: Evaluations that each of those might have.

    Returns:
        The p-value; NaN if a method has no run, or no run of either has succeeded.
    """
    if not (one.runs and other.runs and one.evaluations + other.evaluations):
        return float("nan")
    first, second = (
        scipy.stats.CensoredData(
            uncensored=np.asarray(rate.evaluations), right=np.full(rate.runs - rate.successes, float(most))
        )
        for rate, most in ((one, budget), (other, other_budget))
    )
    with np.errstate(invalid="ignore"):
        p = float(scipy.stats.logrank(first, second).pvalue)
    # Without a variance (all succeed at once) there is nothing to tell them apart by.
    return 1.0 if np.isnan(p) else p


def round_of(trace: pd.DataFrame, evaluation: float | None) -> int | None:
    """The batch that an evaluation was asked in: what counts where many are evaluated at once.

    Args:
        trace: A row per evaluation, with the columns ``evaluation`` and ``iteration``.
        evaluation: Its number; None for none.
    """
    found = trace.loc[trace["evaluation"] == evaluation, "iteration"]
    return int(found.iloc[0]) if len(found) else None
