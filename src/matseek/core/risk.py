"""The contract of a risk measure: by which statistic the replicates of a condition become its value."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


class Risk(ABC):
    """A statistic of measured replicates that looks at the bad ones: the value that a campaign then minimises."""

    @property
    @abstractmethod
    def label(self) -> str:
        """What the statistic is called beside the value, such as ``90 % quantile``."""

    @abstractmethod
    def of(self, replicates: FloatArray) -> float:
        """The statistic of finite replicates, shape ``(r,)``, r at least 1."""

    @abstractmethod
    def variance(self, replicates: FloatArray) -> float:
        """Sampling variance of the statistic, estimated from finite replicates, shape ``(r,)``; NaN below two."""

    @abstractmethod
    def describe(self) -> str:
        """A name that is the same in every process and differs where two measures do."""
