"""Writes a ledger."""

from __future__ import annotations

import gc
import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Row, bindparam, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from matseek.core.problem import Measurement
from matseek.core.records import OWN, Evaluation, Event, Proposal
from matseek.errors import LedgerError, UnknownEvaluationError
from matseek.evaluation.ledger import rescue
from matseek.evaluation.ledger.address import Address
from matseek.evaluation.ledger.changes import Change, row_of
from matseek.evaluation.ledger.clock import Clock, now
from matseek.evaluation.ledger.copies import move_ledger
from matseek.evaluation.ledger.lock import hold_of
from matseek.evaluation.ledger.origins import Identity, Origin, write_origins
from matseek.evaluation.ledger.reader import LedgerReader, require_same
from matseek.evaluation.ledger.schema import bring_up_to_date
from matseek.evaluation.ledger.seen import News, Seen
from matseek.evaluation.ledger.store import store_for_writing
from matseek.evaluation.ledger.tables import CAMPAIGN, EVALUATIONS, EVENTS, ITERATIONS, PROPERTIES, REVISIONS
from matseek.evaluation.ledger.values import clean, pack, pack_named, to_strict
from matseek.identity import ADDED, FINGERPRINT, differing

logger = logging.getLogger(__name__)

T = TypeVar("T")

_SETTLED = ("status", "value", "replicates", "error", "finished_at", "response")
"""What a result says of an evaluation."""

_LAST_ITERATION, _LAST_EVALUATION = (select(func.max(table.c.number)) for table in (ITERATIONS, EVALUATIONS))
_REVISED = select(func.count()).select_from(REVISIONS).where(REVISIONS.c.evaluation == bindparam("number"))
_STATUS = select(EVALUATIONS.c.status).where(EVALUATIONS.c.number == bindparam("number"))
_RESULT = (
    update(EVALUATIONS)
    .where(EVALUATIONS.c.number == bindparam("which"))
    .values({c.name: bindparam(c.name) for c in EVALUATIONS.c if c.name in _SETTLED})
)


class Ledger(LedgerReader):
    """Durable record of one campaign, in SQLite or behind any SQLAlchemy URL.

    Every method that writes commits before it returns. A result that cannot be committed (a full disk) is saved
    beside the system's temporary files and taken in again when the ledger is next opened.

    Args:
        location: Path of the SQLite file, an SQLAlchemy URL, or None for a ledger in memory.

    Raises:
        LedgerError: If the ledger cannot be opened and written.
    """

    def __init__(self, location: str | Path | None) -> None:
        address = Address.of(location)
        store = store_for_writing(address)
        self._lock = hold_of(store)
        self._clock = Clock()
        self._created_at = ""
        self._known = False
        try:
            if address.path is not None:
                address.path.parent.mkdir(parents=True, exist_ok=True)
            with self.locked():
                bring_up_to_date(store)
        except (SQLAlchemyError, OSError, sqlite3.Error) as error:
            raise store.explained(error, "opened") from error
        self._open(store)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the ledger against other processes; the lock goes with the process, however that ends.

        Raises:
            LedgerBusyError: If another process holds it.
        """
        with self._lock.held():
            # Somebody else may have written before.
            self._known = False
            if self._created_at:
                self._take_in_rescued()
            yield

    def confirm(self) -> None:
        """Make sure that no other process works on the ledger; to be asked before each evaluation that is paid.

        A lock on a server goes with its connection; it is taken again where the connection was lost.

        Raises:
            LedgerBusyError: If another process has held the ledger in between.
            LedgerError: If the server does not come back.
        """
        try:
            self._lock.confirm()
        except SQLAlchemyError as error:
            raise self._store.explained(error, "locked") from error

    def _write(self, work: Callable[[Connection], T]) -> T:
        """Write, and read what that has changed in the same transaction."""

        def fenced(connection: Connection) -> tuple[T, News]:
            if self._lock.active:
                self._lock.fence(connection)
            return work(connection), self._seen.news(connection)

        self._known = False
        result, news = self._store.write(fenced)
        with self._reading:
            self._seen.take(news)
        self._known = True
        return result

    def _up_to_date(self) -> Seen:
        # As long as the ledger is held, nobody else writes.
        if not (self._known and self._lock.active):
            super()._up_to_date()
            self._known = True
        return self._seen

    def claim(self, problem: dict[str, Any], searcher: str, seed: int) -> None:
        """Enter the campaign into an empty ledger, or make sure that the ledger is this campaign's.

        Raises:
            LedgerMismatchError: If the ledger holds another problem, searcher or seed.
        """
        # As it will be read: NaN equals NaN.
        here, searcher = to_strict(problem), clean(searcher)

        def enter(connection: Connection) -> Row[Any]:
            row = connection.execute(select(CAMPAIGN)).first()
            if row is not None:
                return row
            own = {"problem": problem, "searcher": searcher, "seed": seed, "created_at": now()}
            connection.execute(insert(CAMPAIGN).values(id=1, **own))
            return connection.execute(select(CAMPAIGN)).one()

        row = self._write(enter)
        self._created_at = row.created_at
        keys = differing(to_strict(row.problem), here)
        # An oracle that never gave a value may be mended: there is nothing that its new code could mix with.
        mended = keys == [FINGERPRINT] and not self.evaluations(status="done")
        if mended or (not keys and any(key in here and key not in row.problem for key in ADDED)):
            self._write(lambda connection: connection.execute(update(CAMPAIGN).values(problem=problem)))
            known = Identity(problem, row.searcher, row.seed)
        else:
            known = Identity(row.problem, row.searcher, row.seed)
        require_same(str(self), known, problem, searcher, seed)
        self._take_in_rescued()

    def take_in(self, origins: Sequence[Origin], events: Sequence[Event]) -> None:
        """Copy earlier campaigns into a ledger that has no batch yet, with the events that tell of them.

        Args:
            origins: The campaigns; nothing is written into their own ledgers.
            events: What the record tells of them.
        """

        def write(connection: Connection) -> None:
            write_origins(connection, origins)
            _add_events(connection, _iteration(connection), events)

        self._write(write)

    def move_to(self, target: Path) -> None:
        """Rename the SQLite file of a ledger that is locked, which is not used any more after that.

        Raises:
            LedgerBusyError: If it is open elsewhere.
        """
        assert self.path is not None
        self._store.engine.dispose()
        gc.collect()  # ledgers that nobody uses any more, such as one that has just been refused, are closed
        move_ledger(self.path, target)

    def begin_session(self) -> None:
        """Note that this process goes to work."""
        self._write(self._clock.begin)

    def end_session(self) -> None:
        """Note that this process's work is done: what it writes later is no part of it."""
        self._write(partial(self._clock.note, always=True))
        self._clock.end()

    def exclude_from_timing(self) -> AbstractContextManager[None]:
        """Time that is not the searcher's: the truth is asked, or a run is judged."""
        return self._clock.exclude_from_timing()

    def write_down(self, proposal: Proposal, seconds_asking: float) -> list[Evaluation]:
        """Commit a batch before it is evaluated, with the events that belong to it.

        Args:
            proposal: The batch.
            seconds_asking: Seconds that the searcher needed.

        Returns:
            The pending evaluations, in the proposal's order.
        """

        def write(connection: Connection) -> int:
            iteration = _iteration(connection) + 1
            first = (connection.scalar(_LAST_EVALUATION) or 0) + 1
            connection.execute(insert(ITERATIONS), {"number": iteration, "seconds_asking": seconds_asking})
            rows = [
                {
                    "number": number,
                    "iteration": iteration,
                    "proposer": proposer,
                    "point": point,
                    "status": "pending",
                    "replicates": [],
                    "asked_at": now(),
                }
                for number, (point, proposer) in enumerate(zip(points, proposal.proposers, strict=True), start=first)
            ]
            if rows:
                connection.execute(insert(EVALUATIONS), rows)
            _add_events(connection, iteration, proposal.events)
            self._clock.note(connection)
            return iteration

        points = np.asarray(proposal.points, dtype=np.float64).tolist()
        return list(self._seen.evaluations(self._write(write), None))

    def record(self, results: Sequence[tuple[int, Measurement]], changes: Sequence[Change] = ()) -> None:
        """Commit results of pending evaluations and changes of others, all together or, if that fails, none.

        Args:
            results: Number of an evaluation and its measurement, each.
            changes: What else evaluations become; an event tells of each.

        Raises:
            UnknownEvaluationError: If a number was never asked, has its result already, or is another than it was when
                the change was made.
            LedgerError: If they cannot be committed; the results are then saved elsewhere, and the message says where.
        """
        try:
            settled = self._settled(results)

            def settle(connection: Connection) -> None:
                settled(connection)
                for change in changes:
                    _revise(connection, change)
                _add_events(connection, _iteration(connection), [change.event for change in changes])
                self._clock.note(connection)

            self._write(settle)
        except LedgerError as error:
            raise type(error)(f"{error}. {rescue.save(self.rescue_path, results)}") from error

    def _settled(self, results: Sequence[tuple[int, Measurement]]) -> Callable[[Connection], None]:
        """What writes results down: into the rows of evaluations, as revisions where there are some already."""
        known = self._up_to_date()

        def write(connection: Connection) -> None:
            for number, measurement in results:
                evaluation = known.numbered(number)
                if evaluation is not None and evaluation.before is not None and evaluation.status == "pending":
                    _revise(connection, Change.of_result(evaluation, measurement))
                else:
                    _settle(connection, number, measurement)

        return write

    def add(
        self,
        points: npt.ArrayLike,
        measurements: Sequence[Measurement],
        told: Event,
        results: Sequence[tuple[int, Measurement]] = (),
        changes: Sequence[Change] = (),
    ) -> None:
        """Commit points that nobody was asked for, with their results, as a batch of their own.

        Args:
            points: Shape ``(n, d)``, in the variables' units.
            measurements: The result of each.
            told: What the record tells of them.
            results: Results of pending evaluations that come with them, as for :meth:`record`.
            changes: What else evaluations become by them.
        """
        rows = np.asarray(points, dtype=np.float64)
        settled = self._settled(results)

        def write(connection: Connection) -> None:
            iteration = _iteration(connection) + 1
            first = (connection.scalar(_LAST_EVALUATION) or 0) + 1
            connection.execute(insert(ITERATIONS), {"number": iteration, "seconds_asking": 0.0})
            for number, (point, measurement) in enumerate(zip(rows.tolist(), measurements, strict=True), start=first):
                asked = {"number": number, "iteration": iteration, "proposer": OWN, "point": point}
                connection.execute(
                    insert(EVALUATIONS), {**asked, "status": "pending", "replicates": [], "asked_at": now()}
                )
                _settle(connection, number, measurement)
            settled(connection)
            for change in changes:
                _revise(connection, change)
            _add_events(connection, iteration, (told, *(change.event for change in changes)))
            self._clock.note(connection)

        self._write(write)

    def amend(self, problem: dict[str, Any], told: Event, changes: Sequence[Change]) -> None:
        """Commit another description of the campaign's problem, with what its evaluations become by it.

        Args:
            problem: The problem's new description.
            told: What the record tells of it, with the old description.
            changes: What evaluations become; the one event tells of all.
        """

        def write(connection: Connection) -> None:
            connection.execute(update(CAMPAIGN).values(problem=problem))
            for change in changes:
                _revise(connection, change)
            _add_events(connection, _iteration(connection), (told,))

        self._write(write)

    def note(self, happened: Event) -> None:
        """Commit an event that belongs to the current iteration."""
        self._write(lambda connection: _add_events(connection, _iteration(connection), (happened,)))

    @property
    def rescue_path(self) -> Path:
        """Where results go that the ledger could not take: a file of this ledger's and this campaign's own."""
        return rescue.rescue_path(self._store.address, self._created_at)

    def _take_in_rescued(self) -> None:
        """Settle what an earlier process could only save outside."""
        path = self.rescue_path
        if not self._store.address.shared or not path.exists():
            return
        results = rescue.saved(path)
        pending = [e.number for e in self.evaluations(status="pending") if e.number in results]
        self._write(self._settled([(number, results[number]) for number in pending]))
        path.unlink()
        logger.info("took in the results saved in %s", path)


def _iteration(connection: Connection) -> int:
    return connection.scalar(_LAST_ITERATION) or 0


def _settle(connection: Connection, number: int, measurement: Measurement) -> None:
    status = connection.scalar(_STATUS, {"number": number})
    if status is None:
        raise UnknownEvaluationError(
            f"evaluation {number} was never asked; tell only results of evaluations that ask() gave out"
        )
    if status != "pending":
        raise UnknownEvaluationError(
            f"evaluation {number} is {status} already and a ledger's entries are never changed; "
            "leave it out, or ask for the point again"
        )
    failed = measurement.error is not None
    connection.execute(
        _RESULT,
        {
            "which": number,
            "status": "failed" if failed else "done",
            "value": None if failed else float(measurement.value),
            "replicates": [float(v) if np.isfinite(v) else None for v in measurement.replicates],
            "error": measurement.error,
            "finished_at": now(),
            "response": None if measurement.response is None else pack(measurement.response),
        },
    )
    if measurement.properties:
        connection.execute(insert(PROPERTIES), {"evaluation": number, "arrays": pack_named(measurement.properties)})


def _revise(connection: Connection, change: Change) -> None:
    """Write down what an evaluation becomes.

    Raises:
        UnknownEvaluationError: If it has become another one since the change was made.
    """
    number, before = change.number, change.before
    count = connection.scalar(_REVISED, {"number": number}) or 0
    status = connection.scalar(_STATUS, {"number": number})
    first = before.earlier_states[-1] if before.earlier_states else before
    if count != before.changes or status != first.status:
        raise UnknownEvaluationError(
            f"evaluation {number} has been changed by somebody else in the meantime; look at it, and give the command "
            "again"
        )
    response = None if change.measurement is None else change.measurement.response
    connection.execute(insert(REVISIONS), row_of(change, now(), None if response is None else pack(response)))


def _add_events(connection: Connection, iteration: int, events: Sequence[Event]) -> None:
    if events:
        kept = (
            {"iteration": iteration, "kind": e.kind, "message": e.message, "data": dict(e.data), "happened_at": now()}
            for e in events
        )
        connection.execute(insert(EVENTS), list(kept))
