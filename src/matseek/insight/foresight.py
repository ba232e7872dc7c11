"""How well a network foresees conditions that it has not been taught."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matseek.evaluation import Evaluation
from matseek.models import SpectrumNet

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Foresight:
    """Responses as a network predicted them, and as they were measured afterwards.

    Args:
        evaluations: The conditions.
        predicted: Mean over the ensemble, shape ``(n, m)``.
        deviation: Standard deviation over the ensemble, shape ``(n, m)``.
        measured: Median over the replicates, shape ``(n, m)``.
    """

    evaluations: tuple[Evaluation, ...]
    predicted: FloatArray
    deviation: FloatArray
    measured: FloatArray

    @property
    def cosines(self) -> FloatArray:
        """Cosine similarity of each prediction and measurement, shape ``(n,)``; NaN for single values."""
        if self.measured.shape[1] < 2:
            return np.full(len(self.measured), np.nan)
        return np.array([spectral_cosine(p, m) for p, m in zip(self.predicted, self.measured, strict=True)])

    @property
    def squared_errors(self) -> FloatArray:
        """Mean squared error of each prediction, shape ``(n,)``."""
        return np.asarray(np.square(self.predicted - self.measured).mean(axis=1))


def foresee(net: SpectrumNet, evaluations: Sequence[Evaluation]) -> Foresight:
    """Compare what a network says with what was measured.

    Args:
        net: A network that has not been taught these conditions.
        evaluations: Conditions; those without a whole response are left out.
    """
    pairs = [(e, m) for e in evaluations if (m := _measured(e, net.wavelengths is None)) is not None]
    points = np.array([e.point for e, _ in pairs]).reshape(-1, net.space.dim)
    members = net.predict(points) if pairs else np.zeros((net.members, 0, net.sizes[-1]))
    return Foresight(
        evaluations=tuple(e for e, _ in pairs),
        predicted=members.mean(axis=0),
        deviation=members.std(axis=0),
        measured=np.array([m for _, m in pairs]).reshape(-1, net.sizes[-1]),
    )


def spectral_cosine(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Cosine similarity of two spectra, shape ``(m,)`` each; NaN where one is all zero or not finite."""
    p, q = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    norms = float(np.linalg.norm(p) * np.linalg.norm(q))
    return float(p @ q) / norms if norms > 0 else float("nan")


def _measured(e: Evaluation, scalar: bool) -> FloatArray | None:
    """Median of the replicates that were measured completely, shape ``(m,)``; None without any."""
    if e.status != "done":
        return None
    if scalar:
        return np.array([e.value])
    if e.response is None:
        return None
    replicates = np.atleast_2d(np.asarray(e.response, dtype=np.float64))
    whole = replicates[np.isfinite(replicates).all(axis=1)]
    return np.median(whole, axis=0) if len(whole) else None
