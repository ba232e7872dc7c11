"""What was read of a sheet: a line for each measurement, and how it was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from matseek.results.findings import Finding
from matseek.tables import Place

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Line:
    """One measurement of a table.

    Args:
        place: Its row in the file; of a spectrum in a column, its column.
        number: The evaluation that it names; None where it is named by its recipe.
        told: The recipe that it tells, in the variables' units, by name; a category's by the value's name.
        places: Where each of these stands.
        results: Values ``()`` or spectra ``(m,)``, NaN where the measurement failed; empty where nothing was measured.
    """

    place: Place
    number: int | None
    told: Mapping[str, float | str]
    places: Mapping[str, Place]
    results: tuple[FloatArray, ...]


@dataclass(eq=False)
class Sheet:
    """What was read of one grid.

    Args:
        lines: Its measurements.
        dropped: Headings of columns that were not read.
        notes: How it was read, in words.
        refused: What speaks against taking it.
        odd: What should be asked first.
    """

    lines: list[Line] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    refused: list[Finding] = field(default_factory=list)
    odd: list[Finding] = field(default_factory=list)
