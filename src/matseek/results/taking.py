"""What a table would add to a campaign, with what speaks against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from matseek.core.problem import Measurement
from matseek.core.records import CORRECTED, REPLICATED, RUN_OTHERWISE
from matseek.errors import ResponseError, UnknownEvaluationError
from matseek.evaluation.ledger import Change
from matseek.results.findings import Finding, counted
from matseek.results.taken import Taken

FloatArray = npt.NDArray[np.float64]

_SHOWN = 10
"""Findings that an error lists."""


@dataclass(frozen=True, eq=False)
class Taking:
    """What a table of results would add to a campaign.

    Nothing has been written down: the command line and the page show it, ask where something is odd, and give it to
    :meth:`matseek.Campaign.tell`.

    Args:
        source: Name of the file or folder.
        taken: Results that are new, in the order of the evaluations' numbers, conditions never asked at the end.
        known: Evaluations whose results are recorded already and are told again, unchanged.
        waiting: Evaluations of the table without a result, which stay pending.
        rows: Rows with a new result.
        dropped: Columns that were not read.
        notes: How the table was read.
        odd: What should be asked before it is taken.
        refused: Why it is not taken; empty where it is.
        superseded: Evaluations that are told again as they were before they were changed; they stay as they are.
    """

    source: str
    taken: tuple[Taken, ...]
    known: tuple[int, ...]
    waiting: tuple[int, ...]
    rows: int
    dropped: tuple[str, ...]
    notes: tuple[str, ...]
    odd: tuple[Finding, ...]
    refused: tuple[Finding, ...]
    superseded: tuple[int, ...] = ()

    @cached_property
    def summary(self) -> str:
        """What is taken, in one line."""
        if self.refused:
            return f"{self.source}: refused, nothing is taken"
        replicates = [len(t.response) for t in self.taken if not t.failed]
        kinds = [c.kind for c in self.changes]
        parts = [
            counted(self.rows, "row"),
            counted(len(self.taken), "condition"),
            f"{_range(replicates)} {'replicate' if replicates and max(replicates) == 1 else 'replicates'} each"
            if replicates
            else "",
            counted(sum(t.failed for t in self.taken), "failure"),
            f"{len(self.new)} never asked" if self.new else "",
            f"{kinds.count(RUN_OTHERWISE)} run otherwise than asked" if RUN_OTHERWISE in kinds else "",
            f"{kinds.count(REPLICATED)} with more replicates" if REPLICATED in kinds else "",
            f"{kinds.count(CORRECTED)} corrected" if CORRECTED in kinds else "",
            f"{len(self.waiting)} left open" if self.waiting else "",
            f"{len(self.known)} known already" if self.known else "",
            f"{len(self.superseded)} as before their correction, passed over" if self.superseded else "",
            f"not read: {', '.join(self.dropped)}" if self.dropped else "no column dropped",
        ]
        told = ", ".join(part for part in parts if part)
        how = f" ({'; '.join(dict.fromkeys(self.notes))})" if self.notes else ""
        return f"{self.source}: {told}{how}"

    @property
    def results(self) -> list[tuple[int, Measurement]]:
        """First results of evaluations that wait for one, run as asked, by number."""
        return [(t.number, t.measurement) for t in self.taken if t.number is not None and t.change is None]

    @property
    def changes(self) -> list[Change]:
        """What evaluations become: run otherwise, with more replicates, or corrected."""
        return [t.change for t in self.taken if t.change is not None]

    @property
    def new(self) -> list[tuple[FloatArray, Measurement]]:
        """Points that nobody was asked for, with their results."""
        return [(t.point, t.measurement) for t in self.taken if t.number is None]

    def require(self) -> Taking:
        """Itself.

        Raises:
            UnknownEvaluationError: If a result belongs to nothing that was asked, or another is recorded already.
            ResponseError: If anything else speaks against taking it.
        """
        if self.refused:
            lines = [str(finding) for finding in self.refused[:_SHOWN]]
            if len(self.refused) > _SHOWN:
                lines.append(f"and {len(self.refused) - _SHOWN} more")
            raise (UnknownEvaluationError if self.refused[0].identity else ResponseError)("\n".join(lines))
        return self


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low}" if low == high else f"{low}-{high}"
