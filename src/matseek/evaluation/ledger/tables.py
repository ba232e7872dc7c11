"""A ledger's tables."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ForeignKey, LargeBinary
from sqlalchemy.orm import DeclarativeBase, Mapped, deferred, mapped_column

from matseek.evaluation.ledger.values import StrictJson, Words


class Base(DeclarativeBase):
    """Base of all tables."""

    type_annotation_map = {str: Words}  # noqa: RUF012 -- SQLAlchemy reads it from the class


class LedgerRow(Base):
    """The ledger itself: how its tables are laid out, and who has held it last."""

    __tablename__ = "matseek_ledger"
    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int]
    holder: Mapped[str | None]


class CampaignRow(Base):
    """The one campaign of this ledger: who it belongs to."""

    __tablename__ = "campaign"
    id: Mapped[int] = mapped_column(primary_key=True)
    problem: Mapped[dict[str, Any]] = mapped_column(StrictJson)
    searcher: Mapped[str]
    seed: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[str]


class SessionRow(Base):
    """One process's work on the campaign, from its start to the last thing that it wrote."""

    __tablename__ = "sessions"
    id: Mapped[int] = mapped_column(primary_key=True)
    started_at: Mapped[str]
    last_seen_at: Mapped[str]


class ProcessorRow(Base):
    """Processor time of one process's work, until the last thing that it wrote."""

    __tablename__ = "processor"
    session: Mapped[int] = mapped_column(ForeignKey("sessions.id"), primary_key=True)
    seconds: Mapped[float]


class ThinkingRow(Base):
    """Wall time of one process's work without what was set aside, until the last thing that it wrote."""

    __tablename__ = "thinking"
    session: Mapped[int] = mapped_column(ForeignKey("sessions.id"), primary_key=True)
    seconds: Mapped[float]


class IterationRow(Base):
    """One batch."""

    __tablename__ = "iterations"
    number: Mapped[int] = mapped_column(primary_key=True)
    seconds_asking: Mapped[float]


class EvaluationRow(Base):
    """One evaluation; its response is read only when asked for."""

    __tablename__ = "evaluations"
    number: Mapped[int] = mapped_column(primary_key=True)
    iteration: Mapped[int] = mapped_column(ForeignKey("iterations.number"))
    proposer: Mapped[str]
    point: Mapped[list[float]] = mapped_column(StrictJson)
    status: Mapped[str]
    value: Mapped[float | None]
    replicates: Mapped[list[float | None]] = mapped_column(StrictJson)
    error: Mapped[str | None]
    asked_at: Mapped[str]
    finished_at: Mapped[str | None]
    response: Mapped[bytes | None] = deferred(mapped_column(LargeBinary))


class EventRow(Base):
    """One event of the record."""

    __tablename__ = "events"
    id: Mapped[int] = mapped_column(primary_key=True)
    iteration: Mapped[int]
    kind: Mapped[str]
    message: Mapped[str]
    data: Mapped[dict[str, Any]] = mapped_column(StrictJson)
    happened_at: Mapped[str]
