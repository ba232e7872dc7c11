"""A campaign as the page reads it: nothing is locked, so that it may be asked and told elsewhere meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import RLock

import numpy as np
import numpy.typing as npt

from matseek.configuration import RunSettings, recorded_settings
from matseek.core.history import History
from matseek.core.problem import Laboratory, Problem
from matseek.core.records import Evaluation
from matseek.core.space import Space
from matseek.evaluation import LedgerReader
from matseek.record import Record
from matseek.run_folder import RunFolder
from matseek.standing import Standing

FloatArray = npt.NDArray[np.float64]
Stamp = tuple[tuple[int, int], ...]
"""Times and sizes of a campaign's files: another stamp, another state."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A campaign at one moment.

    Args:
        folder: Its run folder.
        settings: How it is set up.
        record: What is known of it.
        history: Everything so far.
        standing: How it stands; None before it has begun.
        stamp: Of which state this is.
    """

    folder: RunFolder
    settings: RunSettings
    record: Record
    history: History
    standing: Standing | None
    stamp: Stamp

    @property
    def name(self) -> str:
        """The campaign's name."""
        return self.folder.path.name

    @property
    def problem(self) -> Problem:
        """What is minimised."""
        return self.settings.problem

    @property
    def laboratory(self) -> Laboratory | None:
        """The problem as one whose results are told; None where it is only computed."""
        return self.problem.as_laboratory()

    @cached_property
    def pending(self) -> tuple[Evaluation, ...]:
        """The evaluations that wait for a result."""
        return tuple(e for e in self.evaluations if e.status == "pending")

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """All evaluations of the campaign."""
        return self.history.evaluations

    @property
    def value_name(self) -> str:
        """What the told value is called in a sentence."""
        return self.problem.told_name

    @cached_property
    def domain(self) -> Space:
        """Where recipes may lie now: windows may have been widened."""
        return self.history.domain

    def broken(self, point: FloatArray) -> list[str]:
        """Rules that a recipe, shape ``(d,)``, does not keep, in words; none where it may be asked."""
        if self.domain.contains(self.domain.as_points(point))[0]:
            return []
        space = self.domain.as_box()
        return (space.box.rules if space is not None else []) or ["it lies outside of what may be tried"]

    @cached_property
    def best(self) -> Evaluation | None:
        """The best so far; None where nothing has a value."""
        return next(iter(self.problem.ranked(self.evaluations)), None)


class CampaignView:
    """Reads a campaign when its files have changed, and keeps what was read.

    Args:
        folder: Its run folder.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._lock = RLock()
        self._snapshot: Snapshot | None = None

    def stamp(self) -> Stamp:
        """The state of the files; takes a few microseconds."""
        ledger = self.folder.ledger
        return tuple(_stamp(path) for path in (self.folder.config, ledger, ledger.with_name(f"{ledger.name}-wal")))

    def snapshot(self) -> Snapshot:
        """The campaign as it is now.

        Raises:
            MatseekError: If the folder cannot be read as a campaign.
        """
        with self._lock:
            now = self.stamp()
            known = self._snapshot
            if known is None or known.stamp != now:
                self._snapshot = self._read(known, now)
            assert self._snapshot is not None
            return self._snapshot

    def _read(self, known: Snapshot | None, now: Stamp) -> Snapshot:
        if known is not None and known.stamp[0] == now[0]:
            settings, record = known.settings, known.record
        else:
            settings = recorded_settings(self.folder.path)
            record = Record.read(settings.problem, settings.searcher, self.folder.ledger, settings.seed, settings.stop)
        standing = Standing.of(record.ledger, ranking=settings.problem.ranked)
        return Snapshot(self.folder, settings, record, record.history(), standing, now)


@dataclass(frozen=True)
class Glance:
    """How a campaign stands, from its ledger alone.

    Args:
        standing: How it stands; None before it has begun.
        maximized: Whether its values are the negatives of what was told.
    """

    standing: Standing | None
    maximized: bool

    @classmethod
    def at(cls, folder: RunFolder) -> Glance:
        """The campaign of a run folder.

        Raises:
            LedgerError: If there is a ledger that cannot be read.
        """
        if not folder.ledger.is_file():
            return cls(None, False)
        reader = LedgerReader(folder.ledger)
        identity = reader.identity
        return cls(Standing.of(reader), identity is not None and bool(identity.problem.get("maximize")))

    @property
    def best(self) -> float | None:
        """The best value, as it was told; None where nothing has a value."""
        if self.standing is None or not self.standing.best:
            return None
        value = self.standing.best[0].value
        return -value if self.maximized else value


def _stamp(path: Path) -> tuple[int, int]:
    try:
        now = path.stat()
    except FileNotFoundError:
        return 0, 0
    return now.st_mtime_ns, now.st_size
