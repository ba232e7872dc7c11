"""How well a model predicts conditions that it has not been trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matseek.core.records import Evaluation
from matseek.core.surrogate import FittedSurrogate

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class HoldoutPredictions:
    """Responses as a model predicted them, and as they were measured afterwards.

    Args:
        evaluations: The conditions.
        predicted: Mean over the ensemble, shape ``(n, m)``.
        deviation: Standard deviation of a new measurement as the model expects it, shape ``(n, m)``.
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


def holdout_predictions(model: FittedSurrogate, evaluations: Sequence[Evaluation]) -> HoldoutPredictions:
    """Compare what a model predicts with what was measured.

    Args:
        model: A model that predicts responses, and has not been trained on these conditions.
        evaluations: Conditions; those without a whole response are left out.
    """
    pairs = [(e, m) for e in evaluations if (m := _measured(e, model.wavelengths is None)) is not None]
    size = 1 if model.wavelengths is None else model.wavelengths.size
    points = np.array([e.point for e, _ in pairs])
    return HoldoutPredictions(
        evaluations=tuple(e for e, _ in pairs),
        predicted=model.responses(points).mean(axis=0) if pairs else np.zeros((0, size)),
        deviation=model.response_deviation(points) if pairs else np.zeros((0, size)),
        measured=np.array([m for _, m in pairs]).reshape(-1, size),
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
