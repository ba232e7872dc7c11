"""The face that every space shows to problems, the record and reports."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]


@runtime_checkable
class Space(Protocol):
    """What may be tried: points are float64 arrays of shape ``(m, d)`` whose columns have names and units."""

    @property
    def dim(self) -> int:
        """Number of coordinates of a point, d."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coordinates."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """Names with units: the columns of frames."""
        ...

    def describe(self) -> dict[str, Any]:
        """The space as plain data: two spaces are the same if these are equal."""
        ...

    def contains(self, points: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether each point of ``(m, d)`` lies in the space, shape ``(m,)``; NaN is never contained."""
        ...

    def as_points(self, points: npt.ArrayLike) -> FloatArray:
        """Points as a float64 array of shape ``(m, d)``.

        Raises:
            ValueError: If the shape is another one.
        """
        ...

    def sample_uniform(self, m: int, rng: np.random.Generator) -> FloatArray:
        """Points that may be evaluated, uniformly distributed, shape ``(m, d)``."""
        ...

    def to_frame(self, points: npt.ArrayLike) -> pd.DataFrame:
        """Points as a table whose columns are named with units."""
        ...
