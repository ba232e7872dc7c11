"""A Gaussian process of the logarithm of the value, which looks closely where values are low."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from botorch.models import SingleTaskGP
from torch import Tensor

from matseek.acquisition.state import ValuePaths
from matseek.core.surrogate import Draws, FittedSurrogate, LeftOut, Sampler
from matseek.surrogates.gp import GaussianProcess

FloatArray = npt.NDArray[np.float64]

_SHIFT = 0.5
"""Distance of the least value from the logarithm's pole, as a fraction of the distance from it to the median."""

_LEAST_SHIFT = 1e-3
"""Least such distance, as a fraction of the range of the values."""


@dataclass(frozen=True)
class LogWarp:
    """``log(v - least + shift)``: high values are drawn together, and those near the least one are pulled apart.

    A loss that is 1 wherever a sample saturates, and falls to its minimum within a fraction of a length scale, is no
    sample of a stationary Gaussian process; its logarithm is closer to one. Jones, Schonlau, Welch, J. Glob. Optim. 13,
    455 (1998), section 2.1, transform values likewise.

    Args:
        least: The least value.
        shift: Distance of the least value from the pole, positive.
    """

    least: float
    shift: float

    @classmethod
    def of(cls, values: FloatArray) -> LogWarp:
        """The warp of values ``(n,)`` that are not all equal."""
        least = float(values.min())
        return cls(least, max(_SHIFT * (float(np.median(values)) - least), _LEAST_SHIFT * float(np.ptp(values))))

    def __call__(self, values: FloatArray) -> FloatArray:
        """Warped values, same shape."""
        return np.asarray(np.log(values - self.least + self.shift))

    def variances(self, values: FloatArray, variances: FloatArray) -> FloatArray:
        """Variances of the warped values to first order, same shape."""
        return np.asarray((np.sqrt(variances) / (values - self.least + self.shift)) ** 2)

    def inverse(self, warped: FloatArray) -> FloatArray:
        """Values of warped ones, same shape."""
        return np.asarray(np.exp(warped) - self.shift + self.least)


@dataclass(frozen=True, eq=False)
class LogGaussianProcess(FittedSurrogate):
    """A Gaussian process of warped values. Acquisitions see it as it is: what is least warped is least.

    Args:
        gp: Of the warped values.
        warp: The warp.
    """

    gp: GaussianProcess
    warp: LogWarp

    @property
    def model(self) -> SingleTaskGP:
        """BoTorch's model of the warped values."""
        return self.gp.model

    @property
    def lengthscales(self) -> Tensor:
        """Length scale of each variable in window widths, shape ``(d,)``."""
        return self.gp.lengthscales

    def paths(self, count: int, rng: np.random.Generator) -> ValuePaths:
        """Joint samples of the warped value as functions of unit coordinates."""
        return self.gp.paths(count, rng)

    def mean(self, points: npt.ArrayLike) -> FloatArray:
        """Medians of the value, shape ``(n,)``; a log-normal's mean follows its upper tail, which is not known."""
        return self.warp.inverse(self.gp.mean(points))

    def deviation(self, points: npt.ArrayLike) -> FloatArray:
        """Half of the central 68 % interval of the value, shape ``(n,)``."""
        mean, deviation = self.gp.predict(points)
        return np.asarray((self.warp.inverse(mean + deviation) - self.warp.inverse(mean - deviation)) / 2)

    def sampler(self, count: int, rng: np.random.Generator) -> Sampler:
        """Joint samples of the value."""
        warped = self.gp.sampler(count, rng)
        return lambda points: Draws(self.warp.inverse(warped(points).values))

    def left_out(self, count: int, rng: np.random.Generator) -> LeftOut:
        """Of each value that it is conditioned on."""
        warped = self.gp.left_out(count, rng)
        draws = Draws(self.warp.inverse(warped.draws.values))
        return LeftOut(warped.points, self.warp.inverse(warped.values), draws)
