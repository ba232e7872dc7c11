"""How long a process works on a campaign, and how much of that is the searcher's own time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from matseek.evaluation.ledger.tables import ProcessorRow, SessionRow, ThinkingRow


class Clock:
    """Runs while a process works on a campaign; stands while the truth is asked. It is written with every commit."""

    def __init__(self) -> None:
        self._session_id: int | None = None
        self._processor_start = 0.0
        self._thought = 0.0
        self._thinking_since: float | None = None

    def begin(self, session: Session) -> None:
        """A process goes to work."""
        row = SessionRow(started_at=now(), last_seen_at=now())
        session.add(row)
        session.flush()
        session.add(ProcessorRow(session=row.id, seconds=0.0))
        session.add(ThinkingRow(session=row.id, seconds=0.0))
        self._session_id, self._processor_start = row.id, time.process_time()
        self._thought, self._thinking_since = 0.0, time.perf_counter()

    def end(self) -> None:
        """The process's work is done: what it writes later is no part of it."""
        self._session_id = None

    def note(self, session: Session) -> None:
        """Note the time until now."""
        if self._session_id is not None:
            session.get_one(SessionRow, self._session_id).last_seen_at = now()
            session.get_one(ProcessorRow, self._session_id).seconds = time.process_time() - self._processor_start
            session.get_one(ThinkingRow, self._session_id).seconds = self._seconds_thinking()

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


def now() -> str:
    """The time as it is written down: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat()
