"""Risk measures of the empirical distribution of a condition's replicates.

The replicates were measured, so the statistics are those of the sample and no posterior is drawn. BoTorch's ``VaR`` and
``CVaR`` are the same measures for draws of a model's posterior under perturbed inputs, which no oracle here has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betainc

from matseek.checks import check, real
from matseek.core.risk import Risk

FloatArray = npt.NDArray[np.float64]

_LEVEL = real(above=0, below=1, unit="a share of the replicates")


@dataclass(frozen=True)
class Quantile(Risk):
    """Value at risk: the value that a share of the replicates stays below.

    Between two replicates it is interpolated (definition 7 of Hyndman and Fan, Am. Stat. 50, 361 (1996), which
    spreadsheets call PERCENTILE.INC), so that the level 0.5 is the median.

    Args:
        level: The share, between 0 and 1.
    """

    level: float = 0.9

    def __post_init__(self) -> None:
        check(self, level=_LEVEL)

    @property
    def label(self) -> str:
        """For example ``90 % quantile``."""
        return f"{100 * self.level:g} % quantile"

    def of(self, replicates: FloatArray) -> float:
        """The quantile of the replicates, shape ``(r,)``."""
        return float(np.quantile(replicates, self.level))

    def variance(self, replicates: FloatArray) -> float:
        """Exact bootstrap variance of a sample quantile, Maritz and Jarrett, J. Am. Stat. Assoc. 73, 194 (1978).

        The weights of the order statistics are those of Harrell and Davis, Biometrika 69, 635 (1982).
        """
        n = len(replicates)
        if n < 2:
            return float("nan")
        edges = betainc(self.level * (n + 1), (1 - self.level) * (n + 1), np.arange(n + 1) / n)
        away = np.sort(replicates) - np.mean(replicates)
        weights = np.diff(edges)
        return float(max(weights @ away**2 - (weights @ away) ** 2, 0.0))

    def describe(self) -> str:
        """Name and level."""
        return f"Quantile({self.level!r})"


@dataclass(frozen=True)
class CVaR(Risk):
    """Conditional value at risk: the mean of the worst share of the replicates.

    A replicate that lies partly in the worst share counts by that part: Rockafellar and Uryasev, J. Bank. Finance 26,
    1443 (2002), proposition 8.

    Args:
        level: One minus the share: 0.9 is the mean of the worst tenth.
    """

    level: float = 0.9

    def __post_init__(self) -> None:
        check(self, level=_LEVEL)

    @property
    def label(self) -> str:
        """For example ``mean of the worst 10 %``."""
        return f"mean of the worst {100 * (1 - self.level):.4g} %"

    def of(self, replicates: FloatArray) -> float:
        """Mean of the worst share of the replicates, shape ``(r,)``."""
        n = len(replicates)
        share = np.clip(np.arange(1, n + 1) / n - self.level, 0.0, 1 / n)
        return float(share @ np.sort(replicates) / share.sum())

    def variance(self, replicates: FloatArray) -> float:
        """Asymptotic variance of the estimate, Trindade et al., J. Bank. Finance 31, 3524 (2007), theorem 2.

        ``Var(max(X - q, 0)) / ((1 - level)^2 r)`` with the quantile q of the level.
        """
        n = len(replicates)
        if n < 2:
            return float("nan")
        excess = np.maximum(replicates - np.quantile(replicates, self.level), 0.0)
        return float(excess.var(ddof=1) / ((1 - self.level) ** 2 * n))

    def describe(self) -> str:
        """Name and level."""
        return f"CVaR({self.level!r})"
