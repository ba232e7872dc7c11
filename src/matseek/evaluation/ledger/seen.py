"""What has been read of a ledger already: what has its result never changes, so only the rest is read again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Row, bindparam, func, select

from matseek.core.records import Evaluation, Event, Status
from matseek.evaluation.ledger.tables import EVALUATIONS, EVENTS, ITERATIONS

_MANY = 500
"""Pending evaluations that are asked for one by one; beyond, everything from the first of them on is read."""

COLUMNS = tuple(c for c in EVALUATIONS.c if c is not EVALUATIONS.c.response)
"""Of an evaluation, all but its response."""

_HOW_MANY = select(
    select(func.max(EVALUATIONS.c.number)).scalar_subquery(), select(func.max(ITERATIONS.c.number)).scalar_subquery()
)
_SINCE = select(*COLUMNS).where(EVALUATIONS.c.number >= bindparam("first")).order_by(EVALUATIONS.c.number)
_NEW = (
    select(*COLUMNS)
    .where((EVALUATIONS.c.number > bindparam("last")) | EVALUATIONS.c.number.in_(bindparam("pending", expanding=True)))
    .order_by(EVALUATIONS.c.number)
)
_NEW_EVENTS = select(EVENTS).where(EVENTS.c.id > bindparam("last")).order_by(EVENTS.c.id)

Response = npt.NDArray[np.floating[Any]] | None


@dataclass(frozen=True)
class News:
    """What has been added to a ledger, or has got its result.

    Args:
        iterations: How many batches there are.
        evaluations: New evaluations, and those that were pending.
        events: New events.
    """

    iterations: int
    evaluations: Sequence[Row[Any]]
    events: Sequence[Row[Any]]


class Seen:
    """Evaluations and events that have been read.

    Args:
        respond: Reads the response of an evaluation.
    """

    def __init__(self, respond: Callable[[int], Response]) -> None:
        self._respond = respond
        self._forget()

    def _forget(self) -> None:
        self._evaluations: dict[int, Evaluation] = {}
        self._pending: set[int] = set()
        self._of_iteration: dict[int, list[int]] = {}
        self._events: list[Event] = []
        self._told: set[tuple[str, int]] = set()
        self._last_event = 0
        self._all: tuple[Evaluation, ...] | None = None
        self._all_events: tuple[Event, ...] | None = None
        self.iterations = 0

    def news(self, connection: Connection) -> News:
        """Read what is new, without keeping it: whoever reads may have to read again."""
        evaluations, iterations = connection.execute(_HOW_MANY).one()
        if (evaluations or 0) < len(self._evaluations):
            # The file is another one than before.
            self._forget()
        pending = sorted(self._pending)
        if len(pending) > _MANY:
            result = connection.execute(_SINCE, {"first": pending[0]}).all()
        else:
            result = connection.execute(_NEW, {"last": len(self._evaluations), "pending": pending}).all()
        return News(iterations or 0, result, connection.execute(_NEW_EVENTS, {"last": self._last_event}).all())

    def take(self, news: News) -> None:
        """Keep what is new."""
        self.iterations = news.iterations
        for row in news.evaluations:
            if row.number not in self._evaluations:
                self._of_iteration.setdefault(row.iteration, []).append(row.number)
            elif row.status == "pending" or row.number not in self._pending:
                continue
            self._evaluations[row.number] = self.evaluation(row)
            (self._pending.add if row.status == "pending" else self._pending.discard)(row.number)
            self._all = None
        for event in (row for row in news.events if row.id > self._last_event):
            self._events.append(Event(event.kind, event.message, {**event.data, "iteration": event.iteration}))
            if isinstance(run := event.data.get("run"), int):
                self._told.add((event.kind, run))
            self._last_event, self._all_events = event.id, None

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
        numbers = self._evaluations.keys() if iteration is None else self._of_iteration.get(iteration, [])
        if status == "pending":
            return tuple(self._evaluations[n] for n in sorted(self._pending.intersection(numbers)))
        return tuple(e for n in numbers if status in (None, (e := self._evaluations[n]).status))

    def settled(self, number: int) -> Evaluation | None:
        """An evaluation that is known to have its result."""
        return None if number in self._pending else self._evaluations.get(number)

    def evaluation(self, row: Row[Any]) -> Evaluation:
        """The evaluation of a row."""
        return evaluation_of(row, self._respond)


def evaluation_of(row: Row[Any], respond: Callable[[int], Response]) -> Evaluation:
    """The evaluation of a row; its arrays cannot be changed, since they are given to everybody who asks.

    Args:
        row: All columns of an evaluation but its response.
        respond: Reads the response of an evaluation by its number.
    """
    number = row.number
    point = np.array(row.point, dtype=np.float64)
    replicates = np.array([np.nan if v is None else v for v in row.replicates], dtype=np.float64)
    for array in (point, replicates):
        array.setflags(write=False)
    return Evaluation(
        number=number,
        iteration=row.iteration,
        proposer=row.proposer,
        point=point,
        status=cast("Status", row.status),
        value=float("nan") if row.value is None else row.value,
        replicates=replicates,
        error=row.error,
        asked_at=datetime.fromisoformat(row.asked_at),
        finished_at=None if row.finished_at is None else datetime.fromisoformat(row.finished_at),
        load_response=(lambda: None) if row.status == "pending" else (lambda: respond(number)),
    )
