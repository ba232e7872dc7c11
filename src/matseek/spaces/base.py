"""What every space shows to evaluators, ledgers and tables."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd


@runtime_checkable
class Space(Protocol):
    """What may be tried: points are rows of ``dim`` numbers in stated units."""

    @property
    def dim(self) -> int:
        """Numbers of a point, d."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the coordinates with units: the columns of frames."""
        ...

    def contains(self, points: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether each point ``(n, d)`` may be evaluated, shape ``(n,)``."""
        ...

    def to_frame(self, points: npt.ArrayLike) -> pd.DataFrame:
        """Points as a table whose columns are named with units."""
        ...

    def describe(self) -> dict[str, Any]:
        """The space as plain data: two spaces are the same if these are equal."""
        ...
