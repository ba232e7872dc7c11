"""The result of one condition, as a table tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matseek.core.problem import Measurement
from matseek.evaluation.ledger import Change
from matseek.tables import Place

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Taken:
    """The result of one condition.

    Args:
        number: The evaluation; None of a condition that nobody was asked for.
        response: Values ``(r,)`` or spectra ``(r, m)`` of its replicates; NaN where a measurement failed.
        measurement: What the problem makes of it.
        places: Where each replicate stands.
        told: The recipe that the table tells, in the variables' units, by name; empty where it tells none.
        point: The recipe that was run, shape ``(d,)``.
        change: What the evaluation becomes, where it has a result already or another recipe was run; else None.
    """

    number: int | None
    response: FloatArray
    measurement: Measurement
    places: tuple[Place, ...]
    told: Mapping[str, float | str]
    point: FloatArray
    change: Change | None = None

    @property
    def failed(self) -> bool:
        """Whether it has no value."""
        return self.measurement.error is not None

    @property
    def name(self) -> str:
        """The condition in a sentence."""
        return "a new condition" if self.number is None else f"evaluation {self.number}"
