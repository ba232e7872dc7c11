"""Evaluations, events and proposals as frozen values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Status = Literal["pending", "done", "failed", "withdrawn"]

WINDOW_WIDENED = "window_widened"
REFUSED = "refused"
ITERATED = "iterated"
TRAINED = "trained"
RELAXED = "relaxed"
JUDGED = "judged"
RECOGNISED = "recognised"
HISTORY = "history"
FEW_LEFT = "few_left"
HELD = "held"
OTHER_POTENTIAL = "other_potential"
CORRECTED = "corrected"
WITHDRAWN = "withdrawn"
SKIPPED = "skipped"
REPLICATED = "replicated"
RUN_OTHERWISE = "run_otherwise"
TOLD_NEW = "told_new"
AMENDED = "amended"
HANDING = "handing"
HANDED = "handed"
"""Kinds of the events that more than one part knows."""

_NUMBERS = frozenset({ITERATED, TRAINED, RELAXED, JUDGED, RECOGNISED, HANDING, HANDED})

CHANGES = frozenset({CORRECTED, WITHDRAWN, SKIPPED, REPLICATED, RUN_OTHERWISE, TOLD_NEW, AMENDED})
"""Kinds of the events after which a campaign's results are others than before."""

OPENING = "opening"
"""Who has chosen first points that no searcher chose."""

OWN = "own"
"""Who has chosen points that people told without having been asked."""

CONFIDENCE = 0.9
"""Of the upper bound by which evaluations are ranked, one-sided."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One evaluation of the truth, as the ledger holds it.

    Args:
        number: 1 for the campaign's first evaluation; 0 and less for those of earlier campaigns.
        iteration: 1 for the campaign's first batch; 0 for earlier campaigns.
        proposer: Who chose the point.
        point: Shape ``(d,)``, in the variables' units.
        status: ``pending`` (asked, not told), ``done``, ``failed``, or ``withdrawn`` (nobody learns from it).
        value: The value to minimise; NaN unless done.
        replicates: Value of each replicate, shape ``(r,)``.
        error: Why it failed or was withdrawn; None unless it did.
        asked_at: When the point was written down.
        finished_at: When the result was written down; None while pending.
        load_response: Reads the raw response from the ledger.
        asked: The point that was asked, shape ``(d,)``, where another was run; None where it was run as asked.
        before: What it was before it was last changed; None where it never was.
        load_properties: Reads from the ledger what else the oracle told.
    """

    number: int
    iteration: int
    proposer: str
    point: FloatArray
    status: Status
    value: float
    replicates: FloatArray
    error: str | None
    asked_at: datetime
    finished_at: datetime | None
    load_response: Callable[[], npt.NDArray[np.floating[Any]] | None] = field(repr=False)
    asked: FloatArray | None = None
    before: Evaluation | None = field(default=None, repr=False)
    load_properties: Callable[[], Mapping[str, npt.NDArray[Any]]] = field(repr=False, default=dict)

    @property
    def response(self) -> npt.NDArray[np.floating[Any]] | None:
        """Raw answer of the oracle, ``(m,)`` or ``(r, m)``; None where the values are all there is.

        It is read from the ledger, which keeps a few of those that were looked at last.
        """
        return self.load_response()

    @property
    def settled(self) -> bool:
        """Whether it has a result that counts; a failure is one."""
        return self.status in ("done", "failed")

    @property
    def properties(self) -> Mapping[str, npt.NDArray[Any]]:
        """What else the oracle told, by name, read from the ledger; empty where nothing was kept."""
        return self.load_properties()

    @property
    def changes(self) -> int:
        """How often it was changed after it had been written down."""
        return len(self.earlier_states)

    @cached_property
    def earlier_states(self) -> tuple[Evaluation, ...]:
        """What it was before each change, the last state first; empty where it never was changed."""
        states: list[Evaluation] = []
        state = self.before
        while state is not None:
            states.append(state)
            state = state.before
        return tuple(states)

    @cached_property
    def finite_replicates(self) -> FloatArray:
        """The replicates that gave a value."""
        return np.asarray(self.replicates[np.isfinite(self.replicates)])

    @property
    def spread(self) -> float:
        """Sample standard deviation between replicates; NaN with fewer than two."""
        if len(self.finite_replicates) < 2:
            return float("nan")
        with np.errstate(over="ignore", invalid="ignore"):  # of numbers whose squares are none
            return float(self.finite_replicates.std(ddof=1))

    @property
    def variance(self) -> float:
        """Variance of the value as the median of its replicates, ``pi/2 s^2/r``; NaN with fewer than two.

        The factor is the median's asymptotic variance for normal replicates, Kenney and Keeping, Mathematics of
        Statistics (1962), section 14.9.
        """
        return float(np.pi / 2 * self.spread**2 / max(len(self.finite_replicates), 1))

    def upper_bound(self, usual_spread: float = 0.0) -> float:
        """How bad the condition may be, as far as its replicates tell: the worse of two numbers.

        One is its value, the other the one-sided 90 % upper bound of its expected value, ``mean + t s / sqrt(r)`` with
        Student's t of ``r - 1`` degrees of freedom. A median hides the few replicates that fail; the bound shows them.

        Args:
            usual_spread: Standard deviation that is assumed where there are fewer than two replicates; with 0 the
                bound is the value.
        """
        from scipy.special import stdtrit  # takes a tenth of a second, and a ledger is read without it

        known = self.finite_replicates
        if len(known) < 2:
            return float(self.value + stdtrit(np.inf, CONFIDENCE) * usual_spread)
        with np.errstate(over="ignore", invalid="ignore"):
            margin = stdtrit(len(known) - 1, CONFIDENCE) * self.spread / math.sqrt(len(known))
            return float(np.fmax(self.value, known.mean() + margin))


@dataclass(frozen=True)
class Event:
    """Something that the campaign's record must tell besides evaluations, for example a widened window.

    Args:
        kind: What sort of thing happened.
        message: When, what and why, for people.
        data: The same for programs.
    """

    kind: str
    message: str
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def batch(self) -> int | None:
        """The batch, or the part of one, that it tells of; None where it tells of the campaign."""
        return self.data.get("run")

    @property
    def for_programs(self) -> bool:
        """Whether it is a record of numbers, which figures show, and not a sentence for people."""
        return self.kind in _NUMBERS

    def metrics(self) -> dict[str, float]:
        """The finite numbers that it tells, by name, for figures and loggers; none where it is words.

        What a searcher records by a key ``figures`` is shown, by whatever name the event has.
        """
        data = self.data
        result: Mapping[str, Any] = data.get("figures", {})
        if self.kind == REFUSED:
            result = {"acceptance": data["accepted"] / data["drawn"]} if data["drawn"] else {}
        elif self.kind == RELAXED:
            result = {"relaxed_energy": data["energy"], "relaxation_evaluations": len(data["evaluations"])}
        prefix = f"{data['criterion']}/" if "criterion" in data else ""
        return {f"{prefix}{k}": float(v) for k, v in result.items() if v is not None and math.isfinite(v)}


@dataclass(frozen=True, eq=False)
class Proposal:
    """What a searcher wants to try next.

    Args:
        points: Shape ``(n, d)``, in the variables' units.
        proposers: Who chose each point.
        events: What the record must tell about this choice.
    """

    points: FloatArray
    proposers: tuple[str, ...]
    events: tuple[Event, ...] = ()


def best_of(evaluations: Iterable[Evaluation]) -> Evaluation | None:
    """The first of :func:`ranked`; None where nothing has a value."""
    return next(iter(ranked(evaluations)), None)


def ranked(evaluations: Iterable[Evaluation]) -> list[Evaluation]:
    """Evaluations that gave a value, the best first: by :meth:`Evaluation.upper_bound`, then by value and number.

    An evaluation with fewer than two replicates is taken to scatter like the others, by the median of their spreads.
    Where nothing has replicates the order is that of the values.
    """
    done = [e for e in evaluations if e.status == "done"]
    spreads = [e.spread for e in done if len(e.finite_replicates) > 1]
    usual = float(np.median(spreads)) if spreads else 0.0
    return sorted(done, key=lambda e: (e.upper_bound(usual), e.value, e.number))


def lowest_of(evaluations: Iterable[Evaluation]) -> Evaluation | None:
    """The evaluation with the least value, of equal values the earlier one; None where nothing has a value."""
    return min((e for e in evaluations if e.status == "done"), key=lambda e: (e.value, e.number), default=None)
