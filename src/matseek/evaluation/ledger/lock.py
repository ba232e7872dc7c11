"""Holds a ledger against other processes."""

from __future__ import annotations

import hashlib
import tempfile
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import Connection, inspect, select, text, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from matseek.errors import LedgerBusyError, LedgerError
from matseek.evaluation.ledger.address import Address
from matseek.evaluation.ledger.store import Store
from matseek.evaluation.ledger.tables import LEDGER

_SPACE = 0x6D617473
"""First half of an advisory lock's key; the second is the number of the schema in its database."""

_PAUSE = 0.5
"""Seconds between two tries to take a lost lock again."""


class Hold(ABC):
    """Keeps other processes from working on a ledger; the lock goes with the process, however that ends.

    Args:
        store: The ledger's database.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._depth = 0

    @property
    def active(self) -> bool:
        """Whether the ledger is held."""
        return self._depth > 0

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the ledger.

        Raises:
            LedgerBusyError: If another process holds it.
            LedgerError: If it cannot be locked at all.
        """
        if not self.active:
            try:
                self.take()
            except (SQLAlchemyError, OSError) as error:
                raise self.store.explained(error, "opened") from error
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self.active:
                self.leave()

    @abstractmethod
    def take(self) -> None:
        """Take the lock."""

    @abstractmethod
    def leave(self) -> None:
        """Give the lock back."""

    def confirm(self) -> None:  # noqa: B027 -- most locks cannot be lost
        """Make sure, where that can change, that the ledger is still held; asked before an evaluation is paid.

        Raises:
            LedgerBusyError: If another process has held it in between.
        """

    def fence(self, connection: Connection) -> None:  # noqa: B027 -- most locks cannot be lost
        """Make sure, where that can change, that nobody else writes beside this transaction.

        Raises:
            LedgerBusyError: If another process has held the ledger in between.
        """

    def busy(self, told: str = "another process is at work on") -> LedgerBusyError:
        """What is raised when somebody else holds the ledger."""
        return LedgerBusyError(f"{told} the ledger {self.store.address}; wait until it ends, or name another ledger")


def hold_of(store: Store) -> Hold:
    """The lock that goes with a database."""
    if store.address.url.get_backend_name() == "postgresql":
        return AdvisoryLock(store)
    return LockFile(store) if store.address.shared else Alone(store)


class Alone(Hold):
    """A ledger in memory is seen by one process alone, and needs no lock."""

    @property
    def active(self) -> bool:
        """Always."""
        return True

    def take(self) -> None:
        """Nothing to take."""

    def leave(self) -> None:
        """Nothing to leave."""


class LockFile(Hold):
    """A lock in a file: beside an SQLite file, whatever it is called, else in the folder of temporary files."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._lock = FileLock(str(_lock_path(store.address)))

    def take(self) -> None:
        """Take the lock."""
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise self.busy() from error

    def leave(self) -> None:
        """Give the lock back."""
        self._lock.release()


class AdvisoryLock(Hold):
    """PostgreSQL's advisory lock on the ledger's schema, whatever the URL is called.

    It lives as long as a connection of its own. A connection that was lost is made again, and the lock with it; a word
    in the ledger that whoever takes the lock writes there tells whether somebody else has held it in between.

    Args:
        store: The server.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._word = uuid.uuid4().hex
        self._connection: Connection | None = None

    def take(self) -> None:
        """Take the lock, and say so in the ledger."""
        if not self.store.patiently(self._try):
            raise self.busy()
        self.store.patiently(self._sign)

    def leave(self) -> None:
        """Give the lock back: it goes with its connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(DBAPIError):
                connection.close()

    def confirm(self) -> None:
        """Take the lock again if its connection was lost."""
        if self.active:
            try:
                assert self._connection is not None
                self._connection.execute(text("SELECT 1"))
            except (DBAPIError, AssertionError):
                self._take_again()

    def fence(self, connection: Connection) -> None:
        """Refuse to write after somebody else; whoever takes the lock now waits for this transaction."""
        if connection.scalar(select(LEDGER.c.holder).with_for_update(read=True)) != self._word:
            raise self._overtaken()

    def _take_again(self) -> None:
        self.leave()
        end = time.monotonic() + self.store.address.patience
        # The server may hold the lost connection, and the lock with it, for a while.
        while not self.store.patiently(self._try):
            if time.monotonic() > end:
                raise self._overtaken()
            time.sleep(_PAUSE)
        holder = self.store.read(lambda connection: connection.scalar(select(LEDGER.c.holder)))
        if holder != self._word:
            self.leave()
            raise self._overtaken()

    def _try(self) -> bool:
        connection = self.store.aside.connect()
        try:
            key = "(SELECT oid FROM pg_namespace WHERE nspname = current_schema())::bigint"
            # An oid has 32 bits without a sign, a key's half has one.
            taken = connection.scalar(text(f"SELECT pg_try_advisory_lock({_SPACE}, ({key} - 2147483648)::int)"))
        except BaseException:
            connection.close()
            raise
        if taken is None:
            connection.close()
            raise LedgerError(
                f"the ledger {self.store.address} names a schema (search_path) that its database does not have; make "
                "it with CREATE SCHEMA, or name another"
            )
        if taken:
            self._connection = connection
        else:
            connection.close()
        return bool(taken)

    def _sign(self) -> None:
        assert self._connection is not None
        if inspect(self._connection).has_table(LEDGER.name):
            self._connection.execute(update(LEDGER).values(holder=self._word))

    def _overtaken(self) -> LedgerBusyError:
        return self.busy("the connection was lost, and another process has taken")


def _lock_path(address: Address) -> Path:
    if address.path is not None:
        return address.path.with_name(address.path.name + ".lock")
    place = hashlib.sha256(str(address).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"matseek-{place}.lock"
