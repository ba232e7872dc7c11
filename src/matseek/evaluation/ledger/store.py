"""The database behind a ledger: connections, transactions, and what goes wrong with them in words."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool, StaticPool

from matseek.errors import LedgerBusyError, LedgerError
from matseek.evaluation.ledger.address import Address

T = TypeVar("T")

_TRIES = 5
"""Times that a file is read again because somebody has written in between."""

_REMEDIES = {
    "readonly": "make it writable or name another ledger",
    "full": "free some space and run the same command again; nothing that was recorded is lost",
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
    """

    def __init__(self, address: Address, engine: Engine) -> None:
        self.address, self.engine = address, engine

    @classmethod
    def for_writing(cls, address: Address) -> Store:
        """The database, made where it is missing; every commit has reached the disk when it returns."""
        return cls(address, _writing(address))

    @classmethod
    def for_reading(cls, address: Address) -> Store:
        """The database, never changed: without a lock, and on media where nothing can be written."""
        if address.path is not None:
            return _File(address, address.path)
        return cls(address, create_engine(address.url).execution_options(postgresql_readonly=True))

    def run(self, deed: str, work: Callable[[Session], T]) -> T:
        """Do some work in one transaction: all of it, or none.

        Args:
            deed: What is done, for messages: ``read``, ``written``.
            work: The work.

        Raises:
            LedgerBusyError: If another process has written in between.
            LedgerError: If the database refuses.
        """
        try:
            return _once(self.engine, work)
        except IntegrityError as error:
            raise LedgerBusyError(
                f"another process has written to the ledger {self.address} in between; run the same command again"
            ) from error
        except SQLAlchemyError as error:
            raise self.explained(error, deed) from error

    def explained(self, error: Exception, deed: str) -> LedgerError:
        """What went wrong in words, with the remedy."""
        reason = self.address.discreet(str(getattr(error, "orig", error)))
        remedy = next((text for key, text in _REMEDIES.items() if key in reason), "check the file's path and rights")
        return LedgerError(f"the ledger {self.address} cannot be {deed}: {reason}; {remedy}")


def _writing(address: Address) -> Engine:
    url = address.url
    if url.get_backend_name() != "sqlite":
        return create_engine(url)
    if not address.shared:
        return create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
    engine = create_engine(url)

    @event.listens_for(engine, "connect")
    def _durable(connection: Any, _record: Any) -> None:  # noqa: ANN401 -- the driver's own type
        # A commit is one append to the write-ahead log: it stands as soon as it is written, also if the process is
        # killed right then, and with FULL it has reached the disk when it returns.
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    return engine


def _once(engine: Engine, work: Callable[[Session], T]) -> T:
    with Session(engine, expire_on_commit=False) as session, session.begin():
        return work(session)


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

    def run(self, deed: str, work: Callable[[Session], T]) -> T:
        """Read in one transaction; the work may be done several times."""
        try:
            return self._alone_or_beside(work)
        except FileNotFoundError as error:
            raise LedgerError(f"there is no ledger {self.address}; check the path") from error
        except (OSError, SQLAlchemyError) as error:
            raise self.explained(error, deed) from error

    def _alone_or_beside(self, work: Callable[[Session], T]) -> T:
        for _ in range(_TRIES):
            before, log = self._state()
            if log:
                break
            try:
                found = _once(self._alone, work)
            except DBAPIError:
                if self._state() == (before, log):
                    raise
            else:
                if self._state() == (before, log):
                    return found
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
    return create_engine("sqlite://", creator=lambda: sqlite3.connect(uri, uri=True), poolclass=NullPool)
