"""What evaluations become after they have been written down: corrected, withdrawn, run otherwise than asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from matseek.core.problem import Measurement
from matseek.core.records import Evaluation, Event, Status

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Change:
    """What one evaluation becomes; what it was stays in the ledger.

    Args:
        kind: Kind of the event that tells of it, such as :data:`matseek.core.records.CORRECTED`.
        before: The evaluation as it is.
        point: The point from now on, shape ``(d,)``, in the variables' units.
        asked: The point that was asked, where another was run; None where it was run as asked.
        status: The status from now on.
        measurement: The result from now on; None where that stays what it is, or there is none.
        error: Why it is withdrawn; None where it is not.
        message: What changes and why, for people.
        data: The same for programs, with the old values.
    """

    kind: str
    before: Evaluation
    point: FloatArray
    asked: FloatArray | None
    status: Status
    measurement: Measurement | None
    message: str
    data: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None

    @classmethod
    def of_result(cls, before: Evaluation, measurement: Measurement) -> Change:
        """The result of an evaluation that was changed while it had none."""
        status: Status = "done" if measurement.error is None else "failed"
        return cls("told", before, before.point, before.asked, status, measurement, "")

    @property
    def number(self) -> int:
        """The evaluation's."""
        return self.before.number

    @property
    def event(self) -> Event:
        """What the record tells of it."""
        return Event(self.kind, self.message, {"evaluation": self.number, **self.data})


def row_of(change: Change, moment: str, packed: bytes | None) -> dict[str, Any]:
    """The columns of a revision.

    Args:
        change: The change.
        moment: When it is written down, as the ledger writes times.
        packed: The new response as bytes; None where there is none.
    """
    before, new = change.before, change.measurement
    result: dict[str, Any] = {
        "evaluation": change.number,
        "kind": change.kind,
        "point": change.point.tolist(),
        "asked": None if change.asked is None else change.asked.tolist(),
        "status": change.status,
    }
    if change.status in ("pending", "withdrawn"):
        finished = None if change.status == "pending" else moment
        return {**result, "value": None, "replicates": [], "error": change.error, "finished_at": finished,
                "same_response": 0, "response": None}  # fmt: skip
    if new is None:
        finished = moment if before.finished_at is None else before.finished_at.isoformat()
        value = before.value if np.isfinite(before.value) else None
        return {**result, "value": value, "replicates": _told(before.replicates), "error": before.error,
                "finished_at": finished, "same_response": 1, "response": None}  # fmt: skip
    return {**result, "value": None if new.error is not None else float(new.value),
            "replicates": _told(new.replicates), "error": new.error, "finished_at": moment,
            "same_response": 0, "response": packed}  # fmt: skip


def _told(replicates: FloatArray) -> list[float | None]:
    return [float(v) if np.isfinite(v) else None for v in replicates]
