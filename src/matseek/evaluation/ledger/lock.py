"""Holds a ledger against other processes."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from matseek.errors import LedgerBusyError
from matseek.evaluation.ledger.address import Address


class FileHold:
    """A lock in a file: beside an SQLite file, and in the folder of temporary files for a server.

    Args:
        address: Where the ledger lies.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._lock = FileLock(str(_lock_path(address)))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the ledger; the lock goes with the process, however that ends.

        Raises:
            LedgerBusyError: If another process holds it.
        """
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise LedgerBusyError(
                f"another process is at work on the ledger {self._address}; wait until it ends, or name another ledger"
            ) from error
        try:
            yield
        finally:
            self._lock.release()


def _lock_path(address: Address) -> Path:
    if address.path is not None:
        return address.path.with_name(address.path.name + ".lock")
    # Servers have no file to lie beside; a unique evaluation number still guards them across machines.
    place = hashlib.sha256(str(address).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"matseek-{place}.lock"
