"""Reads a ledger and changes nothing: no lock is taken, and the campaign may be running."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, func, inspect, select
from sqlalchemy.engine import URL

from matseek.core.records import Evaluation, Event, Status
from matseek.errors import LedgerMismatchError, UnknownEvaluationError
from matseek.evaluation.ledger.address import Address
from matseek.evaluation.ledger.differences import in_words
from matseek.evaluation.ledger.origins import Identity, Origin, earlier_response, read_origins
from matseek.evaluation.ledger.schema import require_readable, version_of
from matseek.evaluation.ledger.seen import Seen
from matseek.evaluation.ledger.store import Store, store_for_reading
from matseek.evaluation.ledger.tables import (
    CAMPAIGN,
    EVALUATIONS,
    ITERATIONS,
    ORIGINS,
    PROCESSOR,
    PROPERTIES,
    REVISIONS,
    SESSIONS,
    THINKING,
)
from matseek.evaluation.ledger.values import clean, to_strict, unpack, unpack_named
from matseek.identity import FINGERPRINT, differing

_CODE_DIFFERS = (
    ". Its code, a value that it reads, or a file that it is given, has changed since; where that changes no measured "
    "value, let it say itself what it is, by a method or attribute describe = lambda: {name!r}"
)

_TARGET_DIFFERS = ". To go on here with another target, name this ledger (or its run folder) as history"
"""Remedy where the objective is another one."""

_RESPONSES = 512
"""Responses that are kept in memory; 20 replicates of 421 absorbances have 67 kB."""


class LedgerReader:
    """What a ledger holds, read without changing anything; ledgers of earlier versions, too.

    Args:
        location: Path of the SQLite file, or an SQLAlchemy URL.

    Raises:
        LedgerError: If there is no ledger, or it cannot be read.
    """

    def __init__(self, location: str | Path) -> None:
        self._open(store_for_reading(Address.of(location)))

    def _open(self, store: Store) -> None:
        self._store = store
        self._tables = store.read(lambda connection: frozenset(inspect(connection).get_table_names()), "opened")
        require_readable(store.read(version_of, "opened"), store.address)
        # Spectra are large: those that were looked at last are kept.
        self._seen = Seen(
            lru_cache(maxsize=_RESPONSES)(self._response),
            lru_cache(maxsize=_RESPONSES)(self._revised_response),
            self._properties,
        )
        self._earlier = lru_cache(maxsize=_RESPONSES)(self._earlier_response)
        self._reading = Lock()

    @property
    def url(self) -> URL:
        """What SQLAlchemy connects to."""
        return self._store.address.url

    @property
    def path(self) -> Path | None:
        """The SQLite file; None in memory and on a server."""
        return self._store.address.path

    def __str__(self) -> str:
        return str(self._store.address)

    @property
    def identity(self) -> Identity | None:
        """Which campaign it holds; None as long as none has been entered."""
        row = self._store.read(lambda connection: connection.execute(select(CAMPAIGN)).first())
        return None if row is None else Identity(row.problem, row.searcher, row.seed)

    def require(self, problem: dict[str, Any], searcher: str, seed: int) -> None:
        """Make sure that the ledger is a campaign's; the code of its oracle may have changed, since nothing is asked.

        Args:
            problem: The problem's description.
            searcher: The searcher's name.
            seed: The campaign's seed.

        Raises:
            LedgerMismatchError: If the ledger holds another problem, searcher or seed, or no campaign.
        """
        known = self.identity
        if known is None:
            raise LedgerMismatchError(f"the ledger {self} holds no campaign yet; run it, or name another ledger")
        there, here = ({k: v for k, v in each.items() if k != FINGERPRINT} for each in (known.problem, problem))
        require_same(str(self), replace(known, problem=there), here, searcher, seed)

    def evaluations(self, *, iteration: int | None = None, status: Status | None = None) -> tuple[Evaluation, ...]:
        """Evaluations, by number.

        Args:
            iteration: Only those of this batch.
            status: Only those of this status.
        """
        return self._up_to_date().evaluations(iteration, status)

    def count(self) -> int:
        """How many evaluations there are, whatever came of them."""
        return self._up_to_date().count

    def iterations(self) -> int:
        """How many batches there are."""
        return self._up_to_date().iterations

    def evaluation(self, number: int) -> Evaluation:
        """One evaluation.

        Raises:
            UnknownEvaluationError: If there is none of this number.
        """
        known = self._up_to_date().numbered(number)
        if known is None:
            raise UnknownEvaluationError(f"the ledger {self} has no evaluation {number}")
        return known

    def origins(self) -> tuple[Origin, ...]:
        """The earlier campaigns that this one has begun with, as they were then; none in most ledgers."""
        if ORIGINS.name not in self._tables:
            return ()
        return self._store.read(lambda connection: read_origins(connection, self._earlier))

    def as_origin(self) -> Origin | None:
        """This campaign as the origin of another; None as long as the ledger holds none."""
        row = self._store.read(lambda connection: connection.execute(select(CAMPAIGN)).first())
        if row is None:
            return None
        settled = tuple(e for e in self.evaluations() if e.settled)
        return Origin(str(self), row.created_at, Identity(row.problem, row.searcher, row.seed), settled)

    def events(self) -> tuple[Event, ...]:
        """All events, in order."""
        return self._up_to_date().events()

    def has_told(self, kind: str, run: int) -> bool:
        """Whether there is an event of a kind about a run."""
        return self._up_to_date().has_told(kind, run)

    def seconds_asking(self) -> list[float]:
        """Seconds that the searcher needed for each batch, in order."""
        wanted = select(ITERATIONS.c.seconds_asking).order_by(ITERATIONS.c.number)
        return list(self._store.read(lambda connection: connection.scalars(wanted).all()))

    def wall_seconds(self) -> float:
        """Seconds that processes have worked on the campaign, from each one's start to the last thing it wrote."""
        wanted = select(SESSIONS.c.started_at, SESSIONS.c.last_seen_at)
        spans = self._store.read(lambda connection: connection.execute(wanted).all())
        return sum((datetime.fromisoformat(b) - datetime.fromisoformat(a)).total_seconds() for a, b in spans)

    def cpu_seconds(self) -> float:
        """Processor time of the processes that have worked on the campaign, without their children's."""
        if PROCESSOR.name not in self._tables:
            return 0.0
        wanted = select(func.sum(PROCESSOR.c.seconds))
        return float(self._store.read(lambda connection: connection.scalar(wanted)) or 0.0)

    def overhead_seconds(self) -> float | None:
        """Wall time of the processes that have worked on the campaign, without that in which the truth was asked.

        What a searcher costs beside the truth, measured from outside and alike for all: choosing, training, sampling,
        and its own record-keeping. Evaluating a batch, its results' way into the ledger and what is told of them, and
        judging runs are left out. A process that was killed counts to the last thing that it wrote.

        Returns:
            The seconds; None if a process has not noted them, as in ledgers of earlier versions.
        """
        if THINKING.name not in self._tables:
            return None
        wanted = select(THINKING.c.seconds).join(SESSIONS, SESSIONS.c.id == THINKING.c.session)

        def read(connection: Connection) -> tuple[list[float], int]:
            sessions = connection.scalar(select(func.count()).select_from(SESSIONS))
            return list(connection.scalars(wanted)), sessions or 0

        noted, sessions = self._store.read(read)
        return float(sum(noted)) if sessions and len(noted) == sessions else None

    def _response(self, number: int) -> npt.NDArray[np.floating[Any]] | None:
        wanted = select(EVALUATIONS.c.response).where(EVALUATIONS.c.number == number)
        packed = self._store.read(lambda connection: connection.scalar(wanted))
        return None if packed is None else unpack(packed)

    def _revised_response(self, revision: int) -> npt.NDArray[np.floating[Any]] | None:
        wanted = select(REVISIONS.c.response).where(REVISIONS.c.id == revision)
        packed = self._store.read(lambda connection: connection.scalar(wanted))
        return None if packed is None else unpack(packed)

    def _properties(self, number: int) -> dict[str, npt.NDArray[Any]]:
        if PROPERTIES.name not in self._tables:
            return {}
        wanted = select(PROPERTIES.c.arrays).where(PROPERTIES.c.evaluation == number)
        packed = self._store.read(lambda connection: connection.scalar(wanted))
        return {} if packed is None else unpack_named(packed)

    def _earlier_response(self, origin: int, number: int) -> npt.NDArray[np.floating[Any]] | None:
        return self._store.read(partial(earlier_response, origin, number))

    def _up_to_date(self) -> Seen:
        with self._reading:
            self._seen.take(self._store.read(self._seen.news))
        return self._seen


def require_same(ledger: str, known: Identity, problem: dict[str, Any], searcher: str, seed: int) -> None:
    """Refuse a ledger that holds another campaign.

    Args:
        ledger: The ledger, for messages.
        known: The campaign that it holds.
        problem: The description of the problem that is wanted.
        searcher: The name of the searcher that is wanted.
        seed: The seed that is wanted.

    Raises:
        LedgerMismatchError: If they differ.
    """
    there = known.problem
    keys = differing(to_strict(there), to_strict(problem))
    if keys:
        name = there.get("oracle", there.get("calculator"))
        remedy = _CODE_DIFFERS.format(name=name) if FINGERPRINT in keys else ""
        differences = "; ".join(in_words(k, there.get(k), problem.get(k)) for k in keys)
        raise LedgerMismatchError(
            f"the ledger {ledger} belongs to another problem: it holds {there.get('name')!r}, this is "
            f"{problem.get('name')!r}. Name another ledger, or restore the problem. "
            f"They differ in {differences}{remedy}{_TARGET_DIFFERS if 'objective' in keys else ''}"
        )
    if (known.searcher, known.seed) != (clean(searcher), seed):
        raise LedgerMismatchError(
            f"the ledger {ledger} holds the campaign searcher={known.searcher!r} seed={known.seed}, this is "
            f"searcher={searcher!r} seed={seed}; a ledger holds one campaign: name another ledger"
        )
