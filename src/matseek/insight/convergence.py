"""How fast a search gets better."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def best_so_far(values: npt.ArrayLike) -> FloatArray:
    """Least value up to each evaluation, shape ``(n,)``; failed evaluations (NaN) change nothing."""
    array = np.asarray(values, dtype=np.float64)
    running = np.minimum.accumulate(np.where(np.isnan(array), np.inf, array))
    return np.asarray(np.where(np.isinf(running), np.nan, running))


def evaluations_to_success(successes: Iterable[bool | None]) -> int | None:
    """Number of the first successful evaluation, counted from 1; None if none did; no later one is looked at."""
    return next((i for i, success in enumerate(successes, start=1) if success), None)
