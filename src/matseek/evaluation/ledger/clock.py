"""How long a process works on a campaign, and how much of that is the searcher's own time."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import Connection, bindparam, insert, update

from matseek.evaluation.ledger.tables import PROCESSOR, SESSIONS, THINKING

_MOMENT = 0.1
"""Seconds within which the time is not noted again: results can come in faster than that."""

_SEEN = update(SESSIONS).where(SESSIONS.c.id == bindparam("mine")).values(last_seen_at=bindparam("now"))
_SPENT, _THOUGHT = (
    update(table).where(table.c.session == bindparam("mine")).values(seconds=bindparam("spent"))
    for table in (PROCESSOR, THINKING)
)


class Clock:
    """Runs while a process works on a campaign; stands while the truth is asked. It is written with every commit."""

    def __init__(self) -> None:
        self._session_id: int | None = None
        self._processor_start = 0.0
        self._noted_before = 0.0
        self._running_since: float | None = None
        self._noted = -math.inf

    def begin(self, connection: Connection) -> None:
        """A process goes to work."""
        made = connection.execute(insert(SESSIONS).values(started_at=now(), last_seen_at=now()))
        (own,) = made.inserted_primary_key or (None,)
        for table in (PROCESSOR, THINKING):
            connection.execute(insert(table).values(session=own, seconds=0.0))
        self._session_id, self._processor_start = own, time.process_time()
        self._noted_before, self._running_since, self._noted = 0.0, time.perf_counter(), -math.inf

    def end(self) -> None:
        """The process's work is done: what it writes later is no part of it."""
        self._session_id = None

    def note(self, connection: Connection, *, always: bool = False) -> None:
        """Note the time until now.

        Args:
            connection: Of the transaction.
            always: Also if it was noted a moment ago.
        """
        moment = time.perf_counter()
        if (own := self._session_id) is not None and (always or moment - self._noted > _MOMENT):
            self._noted = moment
            connection.execute(_SEEN, {"mine": own, "now": now()})
            connection.execute(_SPENT, {"mine": own, "spent": time.process_time() - self._processor_start})
            connection.execute(_THOUGHT, {"mine": own, "spent": self._overhead()})

    @contextmanager
    def exclude_from_timing(self) -> Iterator[None]:
        """Time that is not the searcher's: the truth is asked, or a run is judged."""
        before, self._noted_before, self._running_since = self._running_since, self._overhead(), None
        try:
            yield
        finally:
            self._running_since = None if before is None else time.perf_counter()

    def _overhead(self) -> float:
        since = self._running_since
        return self._noted_before + (0.0 if since is None else time.perf_counter() - since)


def now() -> str:
    """The time as it is written down: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat()
