"""The durable record of a campaign: a batch is written down before anyone evaluates it or learns from it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout
from sqlalchemy import JSON, Engine, ForeignKey, LargeBinary, create_engine, event, func, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, deferred, mapped_column
from sqlalchemy.pool import StaticPool

from matseek.errors import LedgerBusyError, LedgerError, LedgerMismatchError, UnknownEvaluationError
from matseek.evaluation.history import Evaluation, Event, Proposal, Status
from matseek.problems.base import Measurement

logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float64]


_LONGEST = 300
"""Characters of a value in a message; a template has thousands."""


class _Base(DeclarativeBase):
    pass


class _CampaignRow(_Base):
    """The one campaign of this ledger: who it belongs to."""

    __tablename__ = "campaign"
    id: Mapped[int] = mapped_column(primary_key=True)
    problem: Mapped[dict[str, Any]] = mapped_column(JSON)
    searcher: Mapped[str]
    seed: Mapped[int]
    created_at: Mapped[str]


class _SessionRow(_Base):
    """One process's work on the campaign, from its start to the last thing that it wrote."""

    __tablename__ = "sessions"
    id: Mapped[int] = mapped_column(primary_key=True)
    started_at: Mapped[str]
    last_seen_at: Mapped[str]


class _ProcessorRow(_Base):
    """Processor time of one process's work, until the last thing that it wrote."""

    __tablename__ = "processor"
    session: Mapped[int] = mapped_column(ForeignKey("sessions.id"), primary_key=True)
    seconds: Mapped[float]


class _ThinkingRow(_Base):
    """Wall time of one process's work without what was set aside, until the last thing that it wrote."""

    __tablename__ = "thinking"
    session: Mapped[int] = mapped_column(ForeignKey("sessions.id"), primary_key=True)
    seconds: Mapped[float]


class _IterationRow(_Base):
    """One batch."""

    __tablename__ = "iterations"
    number: Mapped[int] = mapped_column(primary_key=True)
    seconds_asking: Mapped[float]


class _EvaluationRow(_Base):
    """One evaluation; its response is read only when asked for."""

    __tablename__ = "evaluations"
    number: Mapped[int] = mapped_column(primary_key=True)
    iteration: Mapped[int] = mapped_column(ForeignKey("iterations.number"))
    proposer: Mapped[str]
    point: Mapped[list[float]] = mapped_column(JSON)
    status: Mapped[str]
    value: Mapped[float | None]
    replicates: Mapped[list[float | None]] = mapped_column(JSON)
    error: Mapped[str | None]
    asked_at: Mapped[str]
    finished_at: Mapped[str | None]
    response: Mapped[bytes | None] = deferred(mapped_column(LargeBinary))


class _EventRow(_Base):
    """One event of the record."""

    __tablename__ = "events"
    id: Mapped[int] = mapped_column(primary_key=True)
    iteration: Mapped[int]
    kind: Mapped[str]
    message: Mapped[str]
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    happened_at: Mapped[str]


class Ledger:
    """Durable record of one campaign, in SQLite or behind any SQLAlchemy URL.

    Every method that writes commits before it returns. A result that cannot be committed (a full disk) is saved
    beside the system's temporary files and taken in again when the ledger is next opened.

    Args:
        location: Path of the SQLite file, an SQLAlchemy URL, or None for a ledger in memory.

    Raises:
        LedgerError: If the ledger cannot be opened and written.
    """

    def __init__(self, location: str | Path | None) -> None:
        try:
            self.url = _url(location)
            self._engine = _engine(self.url)
        except (ArgumentError, ImportError, NoSuchModuleError) as error:
            raise LedgerError(
                f"ledger={str(location)!r} cannot be used: {error}; give a path, or a URL whose driver is installed"
            ) from error
        # A ledger in memory is seen by one process alone, and needs no lock.
        self._lock = FileLock(str(self._lock_path())) if self._shared else None
        self._session_id: int | None = None
        self._processor_start = 0.0
        self._thought = 0.0
        self._thinking_since: float | None = None
        self._created_at = ""
        try:
            if self.path is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.locked():
                _Base.metadata.create_all(self._engine)
        except (SQLAlchemyError, OSError) as error:
            raise self._explain(error, "opened") from error

    @property
    def path(self) -> Path | None:
        """The SQLite file; None in memory and on a server."""
        return _file_of(self.url)

    def _lock_path(self) -> Path:
        if self.path is not None:
            return self.path.with_name(self.path.name + ".lock")
        # Servers have no file to lie beside; a unique evaluation number still guards them across machines.
        return Path(tempfile.gettempdir()) / f"matseek-{self._digest()}.lock"

    @property
    def _shared(self) -> bool:
        return self.url.database not in (None, "", ":memory:")

    def _digest(self) -> str:
        text = str(self.path.resolve()) if self.path else self.url.render_as_string()
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __str__(self) -> str:
        return str(self.path or self.url)

    def _explain(self, error: Exception, deed: str) -> LedgerError:
        reason = str(getattr(error, "orig", error))
        remedies = {
            "readonly": "make it writable or name another ledger",
            "full": "free some space and run the same command again; nothing that was recorded is lost",
            "unable to open": "check that the folder exists and may be written",
            "not a database": "it is some other file; name another ledger",
            "malformed": "restore it from a copy, or name another ledger",
            "no such column": "it is some other program's database; name another ledger",
            "locked": "another program holds it; close that and run the same command again",
        }
        remedy = next((text for key, text in remedies.items() if key in reason), "check the file's path and rights")
        return LedgerError(f"the ledger {self} cannot be {deed}: {reason}; {remedy}")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the ledger against other processes; the lock goes with the process, however that ends.

        Raises:
            LedgerBusyError: If another process holds it.
        """
        if self._lock is None:
            yield
            return
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise LedgerBusyError(
                f"another process is at work on the ledger {self}; wait until it ends, or name another ledger"
            ) from error
        except OSError as error:
            raise self._explain(error, "locked") from error
        try:
            if self._created_at:
                self._take_in_rescued()
            yield
        finally:
            self._lock.release()

    @contextmanager
    def _transaction(self, deed: str) -> Iterator[Session]:
        try:
            with Session(self._engine, expire_on_commit=False) as session, session.begin():
                yield session
        except IntegrityError as error:
            raise LedgerBusyError(
                f"another process has written to the ledger {self} in between; run the same command again"
            ) from error
        except SQLAlchemyError as error:
            raise self._explain(error, deed) from error

    def claim(self, problem: dict[str, Any], searcher: str, seed: int) -> None:
        """Enter the campaign into an empty ledger, or make sure that the ledger is this campaign's.

        Raises:
            LedgerMismatchError: If the ledger holds another problem, searcher or seed.
        """
        problem = json.loads(json.dumps(problem))
        with self._transaction("claimed") as session:
            row = session.get(_CampaignRow, 1)
            if row is None:
                row = _CampaignRow(id=1, problem=problem, searcher=searcher, seed=seed, created_at=_now())
                session.add(row)
            self._created_at = row.created_at
            if row.problem != problem:
                keys = [key for key in sorted({*row.problem, *problem}) if row.problem.get(key) != problem.get(key)]
                differences = "; ".join(
                    f"{k}: {_short(row.problem.get(k))} there, {_short(problem.get(k))} here" for k in keys
                )
                raise LedgerMismatchError(
                    f"the ledger {self} belongs to another problem: it holds {row.problem.get('name')!r}, this is "
                    f"{problem.get('name')!r}. Name another ledger, or restore the problem. "
                    f"They differ in {differences}"
                )
            if (row.searcher, row.seed) != (searcher, seed):
                raise LedgerMismatchError(
                    f"the ledger {self} holds the campaign searcher={row.searcher!r} seed={row.seed}, this is "
                    f"searcher={searcher!r} seed={seed}; a ledger holds one campaign: name another ledger"
                )
        self._take_in_rescued()

    def begin_session(self) -> None:
        """Note that this process goes to work."""
        with self._transaction("written") as session:
            row = _SessionRow(started_at=_now(), last_seen_at=_now())
            session.add(row)
            session.flush()
            session.add(_ProcessorRow(session=row.id, seconds=0.0))
            session.add(_ThinkingRow(session=row.id, seconds=0.0))
            self._session_id, self._processor_start = row.id, time.process_time()
            self._thought, self._thinking_since = 0.0, time.perf_counter()

    def end_session(self) -> None:
        """Note that this process's work is done: what it writes later is no part of it."""
        with self._transaction("written") as session:
            self._touch(session)
        self._session_id = None

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Time that is not the searcher's: the truth is asked, or a run is judged."""
        before, self._thought, self._thinking_since = self._thinking_since, self._seconds_thinking(), None
        try:
            yield
        finally:
            self._thinking_since = None if before is None else time.perf_counter()

    def _seconds_thinking(self) -> float:
        since = self._thinking_since
        return self._thought + (0.0 if since is None else time.perf_counter() - since)

    def write_down(self, proposal: Proposal, seconds_asking: float) -> list[Evaluation]:
        """Commit a batch before it is evaluated, with the events that belong to it.

        Args:
            proposal: The batch.
            seconds_asking: Seconds that the searcher needed.

        Returns:
            The pending evaluations, in the proposal's order.
        """
        with self._transaction("written") as session:
            iteration = self._iteration(session) + 1
            first = (session.scalar(select(func.max(_EvaluationRow.number))) or 0) + 1
            session.add(_IterationRow(number=iteration, seconds_asking=seconds_asking))
            session.flush()
            rows = [
                _EvaluationRow(
                    number=first + i,
                    iteration=iteration,
                    proposer=proposer,
                    point=[float(x) for x in point],
                    status="pending",
                    value=None,
                    replicates=[],
                    error=None,
                    asked_at=_now(),
                    finished_at=None,
                    response=None,
                )
                for i, (point, proposer) in enumerate(zip(proposal.points, proposal.proposers, strict=True))
            ]
            session.add_all(rows)
            self._add_events(session, iteration, proposal.events)
            self._touch(session)
        return [self._evaluation(row) for row in rows]

    def record(self, results: Sequence[tuple[int, Measurement]]) -> None:
        """Commit results of pending evaluations, all together or, if that fails, none.

        Args:
            results: Number of an evaluation and its measurement, each.

        Raises:
            UnknownEvaluationError: If a number was never asked, or has its result already.
            LedgerError: If they cannot be committed; they are then saved elsewhere, and the message says where.
        """
        try:
            with self._transaction("written") as session:
                for number, measurement in results:
                    self._settle(session, number, measurement)
                self._touch(session)
        except LedgerBusyError:
            raise
        except LedgerError as error:
            raise LedgerError(f"{error}. {self._rescue(results)}") from error

    def _settle(self, session: Session, number: int, measurement: Measurement) -> None:
        row = session.get(_EvaluationRow, number)
        if row is None:
            raise UnknownEvaluationError(
                f"evaluation {number} was never asked; tell only results of evaluations that ask() gave out"
            )
        if row.status != "pending":
            raise UnknownEvaluationError(
                f"evaluation {number} is {row.status} already and a ledger's entries are never changed; "
                "leave it out, or ask for the point again"
            )
        row.status = "failed" if measurement.error is not None else "done"
        row.value = None if measurement.error is not None else float(measurement.value)
        row.replicates = [float(v) if np.isfinite(v) else None for v in measurement.replicates]
        row.error = measurement.error
        row.finished_at = _now()
        row.response = None if measurement.response is None else _pack(measurement.response)

    def note(self, happened: Event) -> None:
        """Commit an event that belongs to the current iteration."""
        with self._transaction("written") as session:
            self._add_events(session, self._iteration(session), (happened,))

    def evaluations(self, *, iteration: int | None = None, status: Status | None = None) -> tuple[Evaluation, ...]:
        """Evaluations, by number.

        Args:
            iteration: Only those of this batch.
            status: Only those of this status.
        """
        wanted = select(_EvaluationRow).order_by(_EvaluationRow.number)
        if iteration is not None:
            wanted = wanted.where(_EvaluationRow.iteration == iteration)
        if status is not None:
            wanted = wanted.where(_EvaluationRow.status == status)
        with self._transaction("read") as session:
            return tuple(self._evaluation(row) for row in session.scalars(wanted).all())

    def count(self) -> int:
        """How many evaluations there are, whatever came of them."""
        with self._transaction("read") as session:
            return session.scalar(select(func.count()).select_from(_EvaluationRow)) or 0

    def evaluation(self, number: int) -> Evaluation:
        """One evaluation.

        Raises:
            UnknownEvaluationError: If there is none of this number.
        """
        with self._transaction("read") as session:
            row = session.get(_EvaluationRow, number)
            if row is None:
                raise UnknownEvaluationError(f"the ledger {self} has no evaluation {number}")
            return self._evaluation(row)

    def events(self) -> tuple[Event, ...]:
        """All events, in order."""
        with self._transaction("read") as session:
            rows = session.scalars(select(_EventRow).order_by(_EventRow.id)).all()
            return tuple(Event(r.kind, r.message, {**r.data, "iteration": r.iteration}) for r in rows)

    def seconds_asking(self) -> list[float]:
        """Seconds that the searcher needed for each batch, in order."""
        with self._transaction("read") as session:
            return list(session.scalars(select(_IterationRow.seconds_asking).order_by(_IterationRow.number)))

    def wall_seconds(self) -> float:
        """Seconds that processes have worked on the campaign, from each one's start to the last thing it wrote."""
        with self._transaction("read") as session:
            spans = session.execute(select(_SessionRow.started_at, _SessionRow.last_seen_at)).all()
        return sum((datetime.fromisoformat(b) - datetime.fromisoformat(a)).total_seconds() for a, b in spans)

    def cpu_seconds(self) -> float:
        """Processor time of the processes that have worked on the campaign, without their children's."""
        with self._transaction("read") as session:
            return float(session.scalar(select(func.sum(_ProcessorRow.seconds))) or 0.0)

    def seconds_thinking(self) -> float | None:
        """Wall time of the processes that have worked on the campaign, without that in which the truth was asked.

        What a searcher costs beside the truth, measured from outside and alike for all: choosing, training, sampling,
        and its own record-keeping. Evaluating a batch, its results' way into the ledger and what is told of them, and
        judging runs are left out. A process that was killed counts to the last thing that it wrote.

        Returns:
            The seconds; None if a process has not noted them, as in ledgers of earlier versions.
        """
        with self._transaction("read") as session:
            noted = session.scalars(
                select(_ThinkingRow.seconds).join(_SessionRow, _SessionRow.id == _ThinkingRow.session)
            ).all()
            sessions = session.scalar(select(func.count()).select_from(_SessionRow)) or 0
        return float(sum(noted)) if sessions and len(noted) == sessions else None

    def _response(self, number: int) -> npt.NDArray[np.floating[Any]] | None:
        with self._transaction("read") as session:
            packed = session.scalar(select(_EvaluationRow.response).where(_EvaluationRow.number == number))
        return None if packed is None else _unpack(packed)

    def _evaluation(self, row: _EvaluationRow) -> Evaluation:
        number = row.number
        return Evaluation(
            number=number,
            iteration=row.iteration,
            proposer=row.proposer,
            point=np.array(row.point, dtype=np.float64),
            status=cast("Status", row.status),
            value=float("nan") if row.value is None else row.value,
            replicates=np.array([np.nan if v is None else v for v in row.replicates], dtype=np.float64),
            error=row.error,
            asked_at=datetime.fromisoformat(row.asked_at),
            finished_at=None if row.finished_at is None else datetime.fromisoformat(row.finished_at),
            load_response=lambda: self._response(number),
        )

    @staticmethod
    def _iteration(session: Session) -> int:
        return session.scalar(select(func.max(_IterationRow.number))) or 0

    @staticmethod
    def _add_events(session: Session, iteration: int, events: Sequence[Event]) -> None:
        session.add_all(
            _EventRow(iteration=iteration, kind=e.kind, message=e.message, data=dict(e.data), happened_at=_now())
            for e in events
        )

    def _touch(self, session: Session) -> None:
        if self._session_id is not None:
            row = session.get(_SessionRow, self._session_id)
            assert row is not None
            row.last_seen_at = _now()
            spent = session.get(_ProcessorRow, self._session_id)
            assert spent is not None
            spent.seconds = time.process_time() - self._processor_start
            thought = session.get(_ThinkingRow, self._session_id)
            assert thought is not None
            thought.seconds = self._seconds_thinking()

    @property
    def rescue_path(self) -> Path:
        """Where results go that the ledger could not take: a file of this ledger's and this campaign's own."""
        born = hashlib.sha256(self._created_at.encode()).hexdigest()[:8]
        return Path(tempfile.gettempdir()) / f"matseek-rescue-{self._digest()}-{born}.jsonl"

    def _rescue(self, results: Sequence[tuple[int, Measurement]]) -> str:
        """Save results outside the ledger; says where they are."""
        numbers = [number for number, _ in results]
        try:
            with self.rescue_path.open("a") as file:
                file.write("\n")  # an earlier line that was cut short must not swallow this one
                for number, m in results:
                    packed = None if m.response is None else base64.b64encode(_pack(m.response)).decode()
                    entry = [number, m.value, [float(v) for v in m.replicates], packed, m.error]
                    file.write(json.dumps(entry) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            logger.error("results of evaluations %s could not be saved anywhere: %s", numbers, results)
            return f"The results of evaluations {numbers} could not be saved elsewhere either ({error}): see the log"
        return (
            f"The results of evaluations {numbers} are safe in {self.rescue_path} "
            "and will be taken in when the campaign goes on"
        )

    def _take_in_rescued(self) -> None:
        """Settle what an earlier process could only save outside."""
        if not self._shared or not self.rescue_path.exists():
            return
        pending = {e.number for e in self.evaluations() if e.status == "pending"}
        with self._transaction("written") as session:
            for line in filter(None, self.rescue_path.read_text().splitlines()):
                try:
                    number, value, replicates, packed, error = json.loads(line)
                except ValueError:
                    logger.warning("a line of %s was cut short and is left out: %s", self.rescue_path, line[:80])
                    continue
                if number in pending:
                    response = None if packed is None else _unpack(base64.b64decode(packed))
                    self._settle(session, number, Measurement(value, np.array(replicates), response, error))
                    pending.discard(number)
        self.rescue_path.unlink()
        logger.info("took in the results saved in %s", self.rescue_path)


def _short(value: object) -> str:
    """A value as text that a message can hold."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def sqlite_path(location: str | Path | None) -> Path | None:
    """The file of a ledger that is named by a path or a URL; None in memory and on a server."""
    return _file_of(_url(location))


def _file_of(url: URL) -> Path | None:
    database = url.database
    if url.get_backend_name() == "sqlite" and database and not database.startswith((":memory:", "file:")):
        return Path(database)
    return None


def _url(location: str | Path | None) -> URL:
    if location is None:
        return make_url("sqlite://")
    text = str(location)
    # Absolute, so that ledger and lock stay where they are if the program changes its folder.
    return make_url(text) if "://" in text else URL.create("sqlite", database=str(Path(text).absolute()))


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url)
    if url.database in (None, "", ":memory:"):
        return create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
    engine = create_engine(url)

    @event.listens_for(engine, "connect")
    def _durable(connection: Any, _record: Any) -> None:  # noqa: ANN401 -- the driver's own type
        # A commit is one append to the write-ahead log: it stands as soon as it is written, also if the process is
        # killed right then, and with FULL it has reached the disk when it returns.
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    return engine


def _pack(array: npt.NDArray[np.floating[Any]]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _unpack(packed: bytes) -> npt.NDArray[np.floating[Any]]:
    return cast("npt.NDArray[np.floating[Any]]", np.load(io.BytesIO(packed), allow_pickle=False))


def _now() -> str:
    return datetime.now(UTC).isoformat()
