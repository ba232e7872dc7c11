"""What a campaign wants to be told by a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matseek.core.space import Coordinate
from matseek.results.headings import Headings

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Asking:
    """What a campaign wants to be told.

    Args:
        variables: The variables of its recipes.
        quantity: Name of the value, where values are told.
        unit: Unit of the value; empty for a pure number.
        wavelengths: In nm, shape ``(m,)``, where spectra are told; else None.
        resampling: Whether spectra on other wavelengths are interpolated.
    """

    variables: Sequence[Coordinate]
    quantity: str = "value"
    unit: str = ""
    wavelengths: FloatArray | None = None
    resampling: bool = False

    @property
    def headings(self) -> Headings:
        """Finds what columns are."""
        return Headings(self.variables, self.quantity, self.wavelengths is not None)

    @property
    def wanted(self) -> str:
        """The columns that are wanted, in words."""
        names = ", ".join(repr(v.label) for v in self.variables)
        results = f"a column {self.quantity!r}" if self.wavelengths is None else "a column for each wavelength"
        return f"a column 'evaluation' with the numbers that were asked (or the columns {names}), and {results}"
