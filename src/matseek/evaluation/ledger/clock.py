"""How long a process works on a campaign, and how much of that is the searcher's own time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import update
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
        if (mine := self._session_id) is not None:
            spent, thought = time.process_time() - self._processor_start, self._seconds_thinking()
            session.execute(update(SessionRow).where(SessionRow.id == mine).values(last_seen_at=now()))
            session.execute(update(ProcessorRow).where(ProcessorRow.session == mine).values(seconds=spent))
            session.execute(update(ThinkingRow).where(ThinkingRow.session == mine).values(seconds=thought))

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
