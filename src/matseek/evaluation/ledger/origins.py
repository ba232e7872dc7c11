"""Earlier campaigns whose evaluations a ledger holds as a copy, so that it needs their own ledgers no more."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, insert, select

from matseek.core.records import Evaluation
from matseek.evaluation.ledger.seen import evaluation_of
from matseek.evaluation.ledger.tables import EARLIER, ORIGINS
from matseek.evaluation.ledger.values import clean, pack, unpack

_COLUMNS = tuple(c for c in EARLIER.c if c is not EARLIER.c.response)

Response = npt.NDArray[np.floating[Any]] | None


@dataclass(frozen=True)
class Identity:
    """Which campaign a ledger holds.

    Args:
        problem: The problem's description.
        searcher: The searcher's name.
        seed: The campaign's seed.
    """

    problem: dict[str, Any]
    searcher: str
    seed: int


@dataclass(frozen=True, eq=False)
class Origin:
    """An earlier campaign, and what it has measured.

    Args:
        ledger: Where its ledger lay, without a password.
        begun: When it was entered into its ledger, in UTC: with this two campaigns are told apart.
        campaign: Which campaign it was.
        evaluations: Its evaluations that have a result, failures among them, numbered as in its own ledger.
    """

    ledger: str
    begun: str
    campaign: Identity
    evaluations: tuple[Evaluation, ...]

    @cached_property
    def digest(self) -> str:
        """Differs where points, values or responses do."""
        result = hashlib.sha256()
        for e in self.evaluations:
            response = e.response
            for part in (
                f"{e.number} {e.status}".encode(),
                e.point.tobytes(),
                np.float64(e.value).tobytes(),
                e.replicates.tobytes(),
                b"" if response is None else pack(response),
            ):
                result.update(part)
        return result.hexdigest()[:16]


def write_origins(connection: Connection, origins: Sequence[Origin]) -> None:
    """Copy earlier campaigns into a ledger that holds none."""
    known = 0
    for identifier, origin in enumerate(origins, start=1):
        campaign = origin.campaign
        row = {
            "id": identifier,
            "ledger": origin.ledger,
            "begun": origin.begun,
            "problem": campaign.problem,
            "searcher": campaign.searcher,
            "seed": campaign.seed,
        }
        connection.execute(insert(ORIGINS).values(row))
        for e in origin.evaluations:
            known += 1
            connection.execute(insert(EARLIER).values(id=known, origin=identifier, **_row(e)))


def read_origins(connection: Connection, respond: Callable[[int, int], Response]) -> tuple[Origin, ...]:
    """The earlier campaigns that a ledger holds.

    Args:
        connection: The ledger's.
        respond: Reads a response by the origin's identifier and the evaluation's number.
    """
    result = []
    for row in connection.execute(select(ORIGINS).order_by(ORIGINS.c.id)).all():
        wanted = select(*_COLUMNS).where(EARLIER.c.origin == row.id).order_by(EARLIER.c.id)
        evaluations = tuple(evaluation_of(e, partial(respond, row.id)) for e in connection.execute(wanted).all())
        result.append(Origin(row.ledger, row.begun, Identity(row.problem, row.searcher, row.seed), evaluations))
    return tuple(result)


def earlier_response(origin: int, number: int, connection: Connection) -> Response:
    """The response of an evaluation of an earlier campaign, by its number there."""
    wanted = select(EARLIER.c.response).where((EARLIER.c.origin == origin) & (EARLIER.c.number == number))
    packed = connection.scalar(wanted)
    return None if packed is None else unpack(packed)


def _row(e: Evaluation) -> dict[str, Any]:
    response = e.response
    return {
        "number": e.number,
        "iteration": e.iteration,
        "proposer": e.proposer,
        "point": e.point.tolist(),
        "status": e.status,
        "value": e.value if np.isfinite(e.value) else None,
        "replicates": [float(v) if np.isfinite(v) else None for v in e.replicates],
        "error": None if e.error is None else clean(e.error),
        "asked_at": e.asked_at.isoformat(),
        "finished_at": None if e.finished_at is None else e.finished_at.isoformat(),
        "response": None if response is None else pack(response),
    }
