"""The database behind a ledger: connections, transactions, and what goes wrong with them in words."""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar, cast
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool, StaticPool

from matseek.errors import LedgerBusyError, LedgerError
from matseek.evaluation.ledger.address import Address

logger = logging.getLogger(__name__)

T = TypeVar("T")

_TRIES = 5
"""Times that a file is read again because somebody has written in between."""

_PAUSES = (0.1, 5.0)
"""Seconds before a lost server is first tried again, and the longest pause; each is twice the one before."""

_LOST = ("08", "57P", "53300")
"""SQLSTATEs of a server that is not there at present (08: connection, 57P: shutdown, 53300: too many connections)."""

_UNKNOWN = -1
"""Instead of a transaction's number, on servers that do not tell it."""

_SETTINGS = {
    "client_encoding": "utf8",
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""libpq's: any server's text is text, and a connection that hangs is noticed in a minute; the URL may say otherwise."""

_REMEDIES = {
    "readonly": "make it writable or name another ledger",
    "read-only": "make it writable or name another ledger",
    "full": "free some space and run the same command again; nothing that was recorded is lost",
    "No space left": "free some space and run the same command again; nothing that was recorded is lost",
    "unable to open": "check that the folder exists and may be written",
    "not a database": "it is some other file; name another ledger",
    "malformed": "restore it from a copy, or name another ledger",
    "no such column": "it is some other program's database; name another ledger",
    "locked": "another program holds it; close that and run the same command again",
}


class Store:
    """A database, and transactions on it.

    Args:
        address: Where it lies.
        engine: Its connections.

    Attributes:
        aside: For a connection outside of transactions.
    """

    remedy = "check the file's path and rights"

    def __init__(self, address: Address, engine: Engine) -> None:
        self.address, self.engine, self.aside = address, engine, engine
        # Connections are closed with the ledger, not whenever they are found, and never by a forked child that ends.
        weakref.finalize(self, engine.dispose).atexit = False

    def read(self, work: Callable[[Connection], T], deed: str = "read") -> T:
        """Read in one transaction; the work may be done several times.

        Args:
            work: The work.
            deed: What is done, for messages.

        Raises:
            LedgerError: If the database refuses.
        """
        return self._spoken(partial(_once, self.engine, work), deed)

    def write(self, work: Callable[[Connection], T], deed: str = "written") -> T:
        """Write in one transaction: all of it, or nothing, and never twice; the work may be done several times.

        Args:
            work: The work.
            deed: What is done, for messages.

        Raises:
            LedgerBusyError: If another process has written in between.
            LedgerError: If the database refuses.
        """
        return self._spoken(partial(_once, self.engine, work), deed)

    def patiently(self, attempt: Callable[[], T]) -> T:
        """Do something, and again where a database can be lost and come back."""
        return attempt()

    def explained(self, error: Exception, deed: str) -> LedgerError:
        """What went wrong in words, with the remedy."""
        reason = self.address.discreet(str(getattr(error, "orig", error))).strip()
        remedy = next((message for key, message in _REMEDIES.items() if key in reason), self.remedy)
        return LedgerError(f"the ledger {self.address} cannot be {deed}: {reason}; {remedy}")

    def _spoken(self, attempt: Callable[[], T], deed: str) -> T:
        try:
            return attempt()
        except IntegrityError as error:
            raise LedgerBusyError(
                f"another process has written to the ledger {self.address} in between; run the same command again"
            ) from error
        except (SQLAlchemyError, OSError) as error:
            raise self.explained(error, deed) from error


def store_for_writing(address: Address) -> Store:
    """The database, made where it is missing; every commit has reached the disk when it returns."""
    url = address.url
    if url.get_backend_name() != "sqlite":
        return Server(address)
    if not address.shared:
        kept = {"check_same_thread": False}
        return Store(address, _engine(url, poolclass=StaticPool, connect_args=kept))
    engine = _engine(url)

    @event.listens_for(engine, "connect")
    def _durable(connection: Any, _record: Any) -> None:  # noqa: ANN401 -- the driver's own type
        # A commit is one append to the write-ahead log: it stands as soon as it is written, also if the process is
        # killed right then, and with FULL it has reached the disk when it returns.
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    return Store(address, engine)


def store_for_reading(address: Address) -> Store:
    """The database, never changed: without a lock, and on media where nothing can be written."""
    if address.path is not None:
        return _File(address, address.path)
    return Server(address, postgresql_readonly=True)


def _engine(url: Any, **settings: Any) -> Engine:  # noqa: ANN401
    return create_engine(url, json_serializer=partial(json.dumps, allow_nan=False), **settings)


def _once(engine: Engine, work: Callable[[Connection], T]) -> T:
    with engine.begin() as connection:
        return work(connection)


class Server(Store):
    """A database server, which may be lost and come back.

    Once it has answered it is waited for, and the transaction that was lost is made again. Whether a commit that was
    not answered has landed is asked for (PostgreSQL's ``txid_status``), so that nothing is written twice.

    Args:
        address: Where it lies.
        options: Options of every transaction.
    """

    remedy = "check that the server runs, and the URL's host, database and rights"

    def __init__(self, address: Address, **options: Any) -> None:  # noqa: ANN401 -- SQLAlchemy's own
        settings: dict[str, Any] = {"connect_args": _settings(address), "pool_pre_ping": True}
        super().__init__(address, _engine(address.url, **settings).execution_options(**options))
        self.aside = _engine(address.url, **settings, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        self._postgres = address.url.get_backend_name() == "postgresql"
        self._answered = False

    def read(self, work: Callable[[Connection], T], deed: str = "read") -> T:
        """Read in one transaction."""
        return self._spoken(lambda: self.patiently(lambda: _once(self.engine, work)), deed)

    def write(self, work: Callable[[Connection], T], deed: str = "written") -> T:
        """Write in one transaction, once."""
        commit = _Commit(self.engine, work, asked=self._postgres)
        return self._spoken(lambda: self.patiently(commit.attempt), deed)

    def patiently(self, attempt: Callable[[], T]) -> T:
        """Do something, and again when the server was lost and has come back."""
        end = time.monotonic() + self.address.patience
        for tries, pause in enumerate(_pauses()):
            try:
                result = attempt()
            except DBAPIError as error:
                left = end - time.monotonic()
                if not (self._answered and _is_lost(error)) or left <= 0:
                    raise
                if not tries:
                    reason = self.address.discreet(str(error.orig)).strip()
                    logger.warning("%s does not answer (%s); it is tried again for %.0f s", self.address, reason, left)
                time.sleep(min(pause, left))
            else:
                if tries:
                    logger.warning("%s answers again", self.address)
                self._answered = True
                return result
        raise AssertionError("pauses have no end")


class _Commit(Generic[T]):
    """One transaction that is written once, however often it is attempted.

    Args:
        engine: The server.
        work: What is written.
        asked: Whether the server can be asked what came of a transaction.
    """

    def __init__(self, engine: Engine, work: Callable[[Connection], T], *, asked: bool) -> None:
        self._engine, self._work, self._asked = engine, work, asked
        self._result: T | None = None
        self._open: int | None = None

    def attempt(self) -> T:
        """Write, unless an earlier attempt has."""
        if self._open is not None and self._landed(self._open):
            return cast("T", self._result)
        self._open = None
        with self._engine.begin() as connection:
            self._result = result = self._work(connection)
            self._open = connection.scalar(text("SELECT txid_current_if_assigned()")) if self._asked else _UNKNOWN
        return result

    def _landed(self, transaction: int) -> bool:
        if transaction == _UNKNOWN:
            raise LedgerError(
                "the server was lost in a commit and cannot say whether it has landed; look at the ledger"
            )
        with self._engine.connect() as connection:
            status = connection.scalar(text("SELECT txid_status(:id)"), {"id": transaction})
        if status == "in progress":
            # The server has not noticed yet that the connection is gone: ask again.
            raise OperationalError("txid_status", None, ConnectionError("the last commit is still under way"))
        return bool(status == "committed")


def _settings(address: Address) -> dict[str, str]:
    url = address.url
    if url.get_driver_name() not in ("psycopg", "psycopg2"):
        return {}
    return {key: value for key, value in _SETTINGS.items() if key not in url.query}


def _is_lost(error: DBAPIError) -> bool:
    if error.connection_invalidated:
        return True
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    return isinstance(error, OperationalError) and (state is None or str(state).startswith(_LOST))


def _pauses() -> Iterator[float]:
    pause, longest = _PAUSES
    while True:
        yield pause
        pause = min(2 * pause, longest)


class _File(Store):
    """An SQLite file that is only read.

    Beside a writer SQLite needs the write-ahead log and its shared memory, and makes them where they are missing. So a
    file without a log is read as it stands, and once more if a writer has come in between. On media where nothing can
    be written a log that nobody has taken in is read from a copy.

    Args:
        address: Where it lies.
        path: The file.
    """

    def __init__(self, address: Address, path: Path) -> None:
        name = quote(str(path))
        super().__init__(address, _at(f"file:{name}?mode=ro"))
        self._path, self._alone = path, _at(f"file:{name}?mode=ro&immutable=1")

    def read(self, work: Callable[[Connection], T], deed: str = "read") -> T:
        """Read in one transaction; the work may be done several times."""
        try:
            return self._spoken(lambda: self._alone_or_beside(work), deed)
        except LedgerError:
            if self._path.exists():
                raise
            raise LedgerError(f"there is no ledger {self.address}; check the path") from None

    def _alone_or_beside(self, work: Callable[[Connection], T]) -> T:
        for _ in range(_TRIES):
            before, log = self._state()
            if log:
                break
            try:
                result = _once(self._alone, work)
            except DBAPIError:
                if self._state() == (before, log):
                    raise
            else:
                if self._state() == (before, log):
                    return result
        try:
            return _once(self.engine, work)
        except OperationalError:
            with tempfile.TemporaryDirectory() as folder:
                copy = Path(folder) / self._path.name
                for suffix in ("", "-wal"):
                    there = self._path.with_name(self._path.name + suffix)
                    if there.exists():
                        shutil.copyfile(there, copy.with_name(copy.name + suffix))
                return _once(_at(f"file:{quote(str(copy))}"), work)

    def _state(self) -> tuple[tuple[int, ...], int]:
        """What changes when somebody writes, and the size of the write-ahead log."""
        file = self._path.stat()
        log = self._path.with_name(f"{self._path.name}-wal")
        try:
            size = log.stat().st_size
        except FileNotFoundError:
            size = 0
        return (file.st_ino, file.st_size, file.st_mtime_ns), size


def _at(uri: str) -> Engine:
    return _engine("sqlite://", creator=lambda: sqlite3.connect(uri, uri=True), poolclass=NullPool)
