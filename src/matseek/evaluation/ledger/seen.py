"""What has been read of a ledger already: rows that have their result never change, so only what is new is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Row, bindparam, func, inspect, select

from matseek.core.records import Evaluation, Event, Status
from matseek.evaluation.ledger.tables import EVALUATIONS, EVENTS, ITERATIONS, REVISIONS

_MANY = 500
"""Evaluations without a result that are asked for one by one; beyond, everything from the first of them on is read."""

COLUMNS = tuple(c for c in EVALUATIONS.c if c is not EVALUATIONS.c.response)
"""Of an evaluation, all but its response."""

_HOW_MANY = select(
    select(func.max(EVALUATIONS.c.number)).scalar_subquery(), select(func.max(ITERATIONS.c.number)).scalar_subquery()
)
_SINCE = select(*COLUMNS).where(EVALUATIONS.c.number >= bindparam("first")).order_by(EVALUATIONS.c.number)
_NEW = (
    select(*COLUMNS)
    .where((EVALUATIONS.c.number > bindparam("last")) | EVALUATIONS.c.number.in_(bindparam("open", expanding=True)))
    .order_by(EVALUATIONS.c.number)
)
_NEW_EVENTS = select(EVENTS).where(EVENTS.c.id > bindparam("last")).order_by(EVENTS.c.id)
_NEW_REVISIONS = (
    select(*(c for c in REVISIONS.c if c is not REVISIONS.c.response))
    .where(REVISIONS.c.id > bindparam("last"))
    .order_by(REVISIONS.c.id)
)

Response = npt.NDArray[np.floating[Any]] | None
Properties = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class News:
    """What has been added to a ledger, or has got its result.

    Args:
        iterations: How many batches there are.
        evaluations: New evaluations, and those that had no result.
        revisions: New revisions of evaluations.
        events: New events.
    """

    iterations: int
    evaluations: Sequence[Row[Any]]
    revisions: Sequence[Row[Any]]
    events: Sequence[Row[Any]]


class Seen:
    """Evaluations and events that have been read.

    Args:
        respond: Reads the response of an evaluation as it was first told, by its number.
        respond_revised: Reads the response that a revision gives, by the revision's identifier.
        tell: Reads the properties of an evaluation, by its number.
    """

    def __init__(
        self,
        respond: Callable[[int], Response],
        respond_revised: Callable[[int], Response],
        tell: Callable[[int], Properties],
    ) -> None:
        self._respond, self._respond_revised, self._tell = respond, respond_revised, tell
        self._has_revisions = False
        self._forget()

    def _forget(self) -> None:
        self._evaluations: dict[int, Evaluation] = {}
        # Those whose row has no result may get one; once there is a revision, the row stays as it is.
        self._open: set[int] = set()
        self._pending: set[int] = set()
        self._of_iteration: dict[int, list[int]] = {}
        self._events: list[Event] = []
        self._told: set[tuple[str, int]] = set()
        self._last_event = 0
        self._last_revision = 0
        self._all: tuple[Evaluation, ...] | None = None
        self._all_events: tuple[Event, ...] | None = None
        self.iterations = 0

    def news(self, connection: Connection) -> News:
        """Read what is new, without keeping it: whoever reads may have to read again."""
        evaluations, iterations = connection.execute(_HOW_MANY).one()
        if (evaluations or 0) < len(self._evaluations):
            # The file is another one than before.
            self._forget()
        still = sorted(self._open)
        if len(still) > _MANY:
            result = connection.execute(_SINCE, {"first": still[0]}).all()
        else:
            result = connection.execute(_NEW, {"last": len(self._evaluations), "open": still}).all()
        # Ledgers of earlier versions that are only read have no such table.
        self._has_revisions = self._has_revisions or inspect(connection).has_table(REVISIONS.name)
        revisions: Sequence[Row[Any]] = ()
        if self._has_revisions:
            revisions = connection.execute(_NEW_REVISIONS, {"last": self._last_revision}).all()
        events = connection.execute(_NEW_EVENTS, {"last": self._last_event}).all()
        return News(iterations or 0, result, revisions, events)

    def take(self, news: News) -> None:
        """Keep what is new."""
        self.iterations = news.iterations
        for row in news.evaluations:
            if row.number not in self._evaluations:
                self._of_iteration.setdefault(row.iteration, []).append(row.number)
                self._open.add(row.number)
            elif row.status == "pending" or row.number not in self._open:
                continue
            if row.status != "pending":
                self._open.discard(row.number)
            self._keep(self.evaluation(row))
        for row in (row for row in news.revisions if row.id > self._last_revision):
            self._open.discard(row.evaluation)
            self._keep(_revised(self._evaluations[row.evaluation], row, self._respond_revised))
            self._last_revision = row.id
        for event in (row for row in news.events if row.id > self._last_event):
            self._events.append(Event(event.kind, event.message, {**event.data, "iteration": event.iteration}))
            if isinstance(run := event.data.get("run"), int):
                self._told.add((event.kind, run))
            self._last_event, self._all_events = event.id, None

    def _keep(self, evaluation: Evaluation) -> None:
        number = evaluation.number
        self._evaluations[number] = evaluation
        (self._pending.add if evaluation.status == "pending" else self._pending.discard)(number)
        self._all = None

    @property
    def count(self) -> int:
        """How many evaluations there are."""
        return len(self._evaluations)

    def has_told(self, kind: str, run: int) -> bool:
        """Whether there is an event of a kind about a run."""
        return (kind, run) in self._told

    def events(self) -> tuple[Event, ...]:
        """All events, in order."""
        if self._all_events is None:
            self._all_events = tuple(self._events)
        return self._all_events

    def evaluations(self, iteration: int | None, status: Status | None) -> tuple[Evaluation, ...]:
        """Evaluations by number, those of an iteration, of a status, or both."""
        if iteration is None and status is None:
            if self._all is None:
                self._all = tuple(self._evaluations.values())
            return self._all
        if iteration is None and status == "pending":
            # Asked for with every call: what a campaign's length does not slow down.
            return tuple(self._evaluations[n] for n in sorted(self._pending))
        numbers = self._evaluations.keys() if iteration is None else self._of_iteration.get(iteration, [])
        return tuple(e for n in numbers if status in (None, (e := self._evaluations[n]).status))

    def numbered(self, number: int) -> Evaluation | None:
        """The evaluation of a number; None where there is none."""
        return self._evaluations.get(number)

    def evaluation(self, row: Row[Any]) -> Evaluation:
        """The evaluation of a row."""
        return evaluation_of(row, self._respond, self._tell)


def _no_properties(number: int) -> Properties:  # noqa: ARG001 -- the face of what reads them
    return {}


def evaluation_of(
    row: Row[Any], respond: Callable[[int], Response], tell: Callable[[int], Properties] = _no_properties
) -> Evaluation:
    """The evaluation of a row; its arrays cannot be changed, since they are given to everybody who asks.

    Args:
        row: All columns of an evaluation but its response.
        respond: Reads the response of an evaluation by its number.
        tell: Reads its properties by its number; of earlier campaigns none are copied.
    """
    number = row.number
    return Evaluation(
        number=number,
        iteration=row.iteration,
        proposer=row.proposer,
        point=_fixed(row.point),
        status=cast("Status", row.status),
        value=float("nan") if row.value is None else row.value,
        replicates=_fixed(row.replicates),
        error=row.error,
        asked_at=datetime.fromisoformat(row.asked_at),
        finished_at=None if row.finished_at is None else datetime.fromisoformat(row.finished_at),
        load_response=(lambda: None) if row.status == "pending" else (lambda: respond(number)),
        load_properties=dict if row.status == "pending" else (lambda: tell(number)),
    )


def _revised(before: Evaluation, row: Row[Any], respond: Callable[[int], Response]) -> Evaluation:
    """What an evaluation becomes by a revision."""
    identifier = row.id
    return replace(
        before,
        point=_fixed(row.point),
        asked=None if row.asked is None else _fixed(row.asked),
        status=cast("Status", row.status),
        value=float("nan") if row.value is None else row.value,
        replicates=_fixed(row.replicates),
        error=row.error,
        finished_at=None if row.finished_at is None else datetime.fromisoformat(row.finished_at),
        load_response=before.load_response if row.same_response else (lambda: respond(identifier)),
        before=before,
    )


def _fixed(numbers: Sequence[float | None]) -> npt.NDArray[np.float64]:
    array = np.array([np.nan if v is None else v for v in numbers], dtype=np.float64)
    array.setflags(write=False)
    return array
