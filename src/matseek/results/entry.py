"""What is about to be written into a campaign's ledger, as a preview shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from matseek.core.problem import Measurement
from matseek.evaluation.ledger import Change
from matseek.results.findings import Finding


@runtime_checkable
class Entry(Protocol):
    """A preview: nothing is written until it is given to :meth:`matseek.Campaign.tell`."""

    @property
    def summary(self) -> str:
        """What is taken, in one line."""
        ...

    @property
    def odd(self) -> tuple[Finding, ...]:
        """What should be asked before it is taken."""
        ...

    @property
    def refused(self) -> tuple[Finding, ...]:
        """Why it is not taken; empty where it is."""
        ...

    @property
    def results(self) -> Sequence[tuple[int, Measurement]]:
        """First results of evaluations that wait for one, by number."""
        ...

    @property
    def changes(self) -> Sequence[Change]:
        """What evaluations become."""
        ...

    @property
    def new(self) -> Sequence[tuple[npt.NDArray[np.float64], Measurement]]:
        """Points that nobody was asked for, with their results."""
        ...

    @property
    def source(self) -> str:
        """Where it comes from, in words."""
        ...

    def require(self) -> Entry:
        """Itself.

        Raises:
            UnknownEvaluationError: If a result belongs to nothing that was asked, or another is recorded already.
            ResponseError: If anything else speaks against taking it.
        """
        ...
