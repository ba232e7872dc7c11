"""Batches of structures by local penalization in the metric of the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import log_ndtr

from matseek.checks import check, real

FloatArray = npt.NDArray[np.float64]

_SAME = 1e-3
"""Structures at less than this distance in the model's metric are the same one."""

_SHORT = 1e-2
"""Distances below which slopes between two structures are not looked at."""


@dataclass(frozen=True)
class StructurePenalty:
    """Local penalization (Gonzalez et al., AISTATS 2016) over a pool of structures.

    With a Lipschitz constant L of the model's mean and a lower bound M of the energy, a structure x_j that is asked
    for excludes a ball of radius ``(mu_j - M) / L``; a structure at distance d of it counts by the probability
    ``Phi((L d - mu_j + M) / sigma_j)`` that it lies outside. Distances are those between the model's features, in which
    permutations, periodic images and symmetric copies coincide.

    Args:
        duplicates: Distance below which two structures are the same one.

    Raises:
        ValueError: If the setting is out of its range.
    """

    duplicates: float = _SAME

    def __post_init__(self) -> None:
        check(self, "penalty.", duplicates=real(0, 1e3))

    def choose(
        self,
        count: int,
        merit: FloatArray,
        features: FloatArray,
        mean: FloatArray,
        deviation: FloatArray,
        known: FloatArray,
        avoided: FloatArray,
    ) -> list[int]:
        """Which structures of a pool make the batch, in the order of choice; fewer than wanted where they run out.

        Args:
            count: Structures of the batch.
            merit: Logarithm of how good each is, shape ``(m,)``; minus infinity for what may not be chosen.
            features: Of the pool, shape ``(m, D)``.
            mean: Expected energies in eV, shape ``(m,)``.
            deviation: Their standard deviations, shape ``(m,)``.
            known: Features of everything that was tried, shape ``(k, D)``: it is not tried again.
            avoided: Features of what is pending or has failed, shape ``(p, D)``: it is penalised like a chosen one.
        """
        log_merit = np.where(distances(features, known).min(axis=1, initial=np.inf) > self.duplicates, merit, -np.inf)
        slope = _steepest(features, mean)
        lowest = float((mean - 2 * deviation).min())
        for row in distances(features, avoided).T:
            nearest = int(row.argmin())
            log_merit = log_merit + _outside(row, mean[nearest], deviation[nearest], slope, lowest)
        chosen: list[int] = []
        for _ in range(count):
            k = int(np.argmax(log_merit))
            if not np.isfinite(log_merit[k]):
                break
            chosen.append(k)
            away = distances(features, features[[k]])[:, 0]
            log_merit = log_merit + _outside(away, mean[k], deviation[k], slope, lowest)
            log_merit[away <= self.duplicates] = -np.inf
        return chosen


def distances(a: FloatArray, b: FloatArray) -> FloatArray:
    """Euclidean distances of rows ``(m, D)`` and ``(k, D)``, shape ``(m, k)``."""
    squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None] - 2 * a @ b.T
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))


def _steepest(features: FloatArray, mean: FloatArray) -> float:
    """Lipschitz constant of the mean: the steepest slope between two structures of the pool; 1 without any."""
    away = distances(features, features)
    apart = away > _SHORT
    slopes = np.abs(mean[:, None] - mean[None])[apart] / away[apart]
    return max(float(slopes.max(initial=0.0)), 1e-9)


def _outside(away: FloatArray, mean: float, deviation: float, slope: float, lowest: float) -> FloatArray:
    """Logarithm of the probability to lie outside the ball of a structure, shape ``(m,)``."""
    return np.asarray(log_ndtr((slope * away - mean + lowest) / deviation))
