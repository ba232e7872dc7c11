"""A ledger's tables."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Double, ForeignKey, Integer, LargeBinary, MetaData, Table

from matseek.evaluation.ledger.values import StrictJson, Words

METADATA = MetaData()

LEDGER = Table(
    "matseek_ledger",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("holder", Words),
)
"""The ledger itself: how its tables are laid out, and who has held it last."""

CAMPAIGN = Table(
    "campaign",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("problem", StrictJson, nullable=False),
    Column("searcher", Words, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("created_at", Words, nullable=False),
)
"""The one campaign of this ledger: who it belongs to."""

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("started_at", Words, nullable=False),
    Column("last_seen_at", Words, nullable=False),
)
"""One process's work on the campaign, from its start to the last thing that it wrote."""

PROCESSOR = Table(
    "processor",
    METADATA,
    Column("session", ForeignKey("sessions.id"), primary_key=True),
    Column("seconds", Double, nullable=False),
)
"""Processor time of one process's work, until the last thing that it wrote."""

THINKING = Table(
    "thinking",
    METADATA,
    Column("session", ForeignKey("sessions.id"), primary_key=True),
    Column("seconds", Double, nullable=False),
)
"""Wall time of one process's work without what was set aside, until the last thing that it wrote."""


def _of_an_evaluation() -> list[Column[Any]]:
    """What a row tells of an evaluation, whosever it is."""
    return [
        Column("proposer", Words, nullable=False),
        Column("point", StrictJson, nullable=False),
        Column("status", Words, nullable=False),
        Column("value", Double),
        Column("replicates", StrictJson, nullable=False),
        Column("error", Words),
        Column("asked_at", Words, nullable=False),
        Column("finished_at", Words),
        Column("response", LargeBinary),
    ]


ITERATIONS = Table(
    "iterations",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("seconds_asking", Double, nullable=False),
)
"""One batch."""

EVALUATIONS = Table(
    "evaluations",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("iteration", ForeignKey("iterations.number"), nullable=False),
    *_of_an_evaluation(),
)
"""One evaluation; its response is read only when asked for."""

REVISIONS = Table(
    "revisions",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("evaluation", ForeignKey("evaluations.number"), nullable=False),
    Column("kind", Words, nullable=False),
    Column("point", StrictJson, nullable=False),
    Column("asked", StrictJson, nullable=False),
    Column("status", Words, nullable=False),
    Column("value", Double),
    Column("replicates", StrictJson, nullable=False),
    Column("error", Words),
    Column("finished_at", Words),
    Column("same_response", Integer, nullable=False),
    Column("response", LargeBinary),
)
"""What an evaluation became after it had been written down; the row of the evaluation, and earlier ones, stay as they
are. ``asked`` is null where the point was run as asked; ``same_response`` is 1 where the response stays what it was."""

PROPERTIES = Table(
    "properties",
    METADATA,
    Column("evaluation", ForeignKey("evaluations.number"), primary_key=True, autoincrement=False),
    Column("arrays", LargeBinary, nullable=False),
)
"""What else the oracle told of an evaluation: arrays by name, kept for others."""

ORIGINS = Table(
    "origins",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("ledger", Words, nullable=False),
    Column("begun", Words, nullable=False),
    Column("problem", StrictJson, nullable=False),
    Column("searcher", Words, nullable=False),
    Column("seed", BigInteger, nullable=False),
)
"""One earlier campaign whose evaluations this one begins with."""

EARLIER = Table(
    "earlier",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("origin", ForeignKey("origins.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("iteration", Integer, nullable=False),
    *_of_an_evaluation(),
)
"""One evaluation of an earlier campaign, as that campaign's ledger holds it."""

EVENTS = Table(
    "events",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("iteration", Integer, nullable=False),
    Column("kind", Words, nullable=False),
    Column("message", Words, nullable=False),
    Column("data", StrictJson, nullable=False),
    Column("happened_at", Words, nullable=False),
)
"""One event of the record."""
