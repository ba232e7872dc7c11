"""How much the median spectrum of a condition, and its value, would differ if it were measured again: a bootstrap.

Efron, Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 6. The usual ``pi/2 s^2/r`` is the variance of the
median of normal replicates. A median spectrum is taken wavelength by wavelength, which adds noise in directions in
which no replicate differs; and where some replicates saturate, the deviation of their values says little of the median.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matseek.core.objective import Objective
from matseek.core.risk import Risk

FloatArray = npt.NDArray[np.float64]

_TIMES = 32
"""Resamples: a standard deviation is known to an eighth."""


@dataclass(frozen=True, eq=False)
class Resampled:
    """What a condition would have given with other replicates.

    Args:
        medians: Median spectra, shape ``(b, m)``.
        values: Its value, shape ``(b,)``.
        offsets: By how much that differs from the objective on the median spectrum, shape ``(b,)``.
    """

    medians: FloatArray
    values: FloatArray
    offsets: FloatArray


def resampled(spectra: FloatArray, objective: Objective, risk: Risk | None, rng: np.random.Generator) -> Resampled:
    """Draw replicates with replacement.

    Args:
        spectra: Replicate spectra of a condition, shape ``(r, m)``, finite.
        objective: What the problem makes of a spectrum.
        risk: By which statistic the values of replicates become that of the condition; None for their median.
        rng: Source of all randomness.
    """
    drawn = rng.integers(len(spectra), size=(_TIMES, len(spectra)))
    medians = np.median(spectra[drawn], axis=1)
    values = np.asarray(objective(spectra))[drawn]
    own = np.median(values, axis=1) if risk is None else np.array([risk.of(row) for row in values])
    return Resampled(medians, own, own - np.asarray(objective(medians)))


def variance(drawn: FloatArray, replicates: int) -> FloatArray:
    """Variance between resamples ``(b, ...)``, without the bias of the bootstrap; NaN of a single replicate."""
    if replicates < 2:
        return np.full(drawn.shape[1:], np.nan)
    return np.asarray(drawn.var(axis=0, ddof=1) * replicates / (replicates - 1))
