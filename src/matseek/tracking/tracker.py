"""Follows a ledger: what it holds is logged once, whatever ends the process and whenever it goes on."""

from __future__ import annotations

import json
import logging
import math
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from matseek.core.records import Evaluation
from matseek.evaluation import Ledger
from matseek.files import write_text
from matseek.tracking.outcome import CampaignOutcome, IterationState
from matseek.tracking.settings import STEP, Label, Tracking
from matseek.tracking.sweeps import trial_id

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

logger = logging.getLogger(__name__)


@dataclass
class _Logged:
    """What has been logged, as ``tracking.json`` keeps it."""

    id: str
    evaluations: int = 0
    events: int = 0
    steps: int = -1
    rows: int = 0
    shown: int = 0


class Tracker:
    """Hands a ledger's figures to a Lightning logger, each once.

    What was logged is written down before it is logged: a process that is killed leaves out what the logger had not yet
    written (W&B: the last half second), and nothing is logged twice. Nothing that goes wrong here costs an evaluation:
    it is told once, and the campaign goes on untracked.

    Args:
        tracking: Where to.
        label: What the run is called; its id is replaced by the one that is known in its folder.
        ledger: The campaign's.
        state: What the campaign has after an iteration, by its number; None where there is nothing to keep.
    """

    def __init__(
        self, tracking: Tracking, label: Label, ledger: Ledger, state: Callable[[int], IterationState | None]
    ) -> None:
        self._tracking, self._ledger, self._state = tracking, ledger, state
        self._path = label.folder / tracking.kind / "tracking.json"
        self._label = label
        self._logged: _Logged | None = None
        self._logger: Logger | None = None
        self._waiting: dict[int, Evaluation] = {}
        self._best = math.nan
        self._broken = False

    @property
    def training(self) -> Logger:
        """A logger for a Lightning trainer: the same run, with the trainer's own steps."""
        from matseek.tracking.training_logger import TrainingLogger

        return TrainingLogger(self.log_training, self._tracking.watched)

    def telling(self, other: Callable[[Evaluation], None] | None) -> Callable[[Evaluation], None]:
        """Told an evaluation, tells the tracker and somebody else."""

        def tell(evaluation: Evaluation) -> None:
            self.evaluated(evaluation)
            if other is not None:
                other(evaluation)

        return tell

    def begin(self, budget: int = 0) -> None:
        """Go on where an earlier process has ended, and log what it has missed.

        Args:
            budget: Where it is not spent yet, the logger is opened now, so that no method is charged with that.
        """
        self._safely(lambda: self._begin(budget))
        self.follow()

    def evaluated(self, evaluation: Evaluation) -> None:
        """Log an evaluation as soon as all before it are there."""
        self._safely(lambda: self._take(evaluation))

    def follow(self) -> None:
        """Log what is new in the ledger."""
        self._safely(self._follow)

    def log_training(
        self, metrics: Mapping[str, float], step: int, distributions: Mapping[str, npt.NDArray[np.float32]]
    ) -> None:
        """Log figures of a training step, once: steps that are made again after a kill are the same steps."""
        self._safely(lambda: self._train(metrics, step, distributions))

    def show(self, make: Callable[[], CampaignOutcome]) -> None:
        """Show what the campaign came to, once for a state of it, and close.

        Args:
            make: Makes the outcome; what goes wrong in it is the tracker's trouble, too.
        """
        if self._logged is None:
            self.begin()
        self.follow()
        self._safely(lambda: self._show(make))
        self.close()

    def close(self, *, failed: bool = False) -> None:
        """Write everything that is still to be written; logging again goes on with the same run."""
        opened, self._logger = self._logger, None
        if opened is not None:
            self._safely(lambda: self._tracking.close(opened, failed=failed))

    def _begin(self, budget: int) -> None:
        evaluations, events = self._ledger.evaluations(), self._ledger.events()
        logged = self._read()
        # A ledger that is behind what was logged is another campaign's: the folder was cleared in part.
        if logged is None or logged.evaluations > len(evaluations) or logged.events > len(events):
            logged = _Logged(trial_id() or uuid.uuid4().hex[:8])
        self._logged = logged
        self._label = replace(self._label, id=logged.id)
        known = [e.value for e in evaluations[: logged.evaluations] if e.status == "done"]
        self._best = min(known, default=math.nan)
        self._waiting.clear()
        if any(e.status == "pending" for e in evaluations) or len(evaluations) < budget:
            _ = self._open

    def _take(self, evaluation: Evaluation) -> None:
        logged = self._known
        self._waiting[evaluation.number] = evaluation
        while (e := self._waiting.pop(logged.evaluations + 1, None)) is not None:
            logged.evaluations += 1
            self._log(self._of_evaluation(e), e.number)

    def _follow(self) -> None:
        logged, evaluations = self._known, self._ledger.evaluations()
        for e in evaluations[logged.evaluations :]:
            if e.status == "pending":
                break
            self._take(e)
        last = {e.iteration: e.number for e in evaluations}
        fresh = self._ledger.events()[logged.events :]
        newest = next((event for event in reversed(fresh) if event.metrics()), None)
        for event in fresh:
            logged.events += 1
            figures = event.metrics()
            if figures:
                iteration = event.data["iteration"]
                number = last.get(iteration, 0)
                self._log({"evaluation": number, "iteration": iteration, **figures}, number)
                if event is newest and (state := self._state(iteration)) is not None:
                    self._tracking.iterated(self._open, self._label, state)

    def _train(
        self, metrics: Mapping[str, float], step: int, distributions: Mapping[str, npt.NDArray[np.float32]]
    ) -> None:
        logged = self._known
        if step > logged.steps:
            logged.steps = step
            # Trackings that watch nothing need not know of distributions.
            watched = (distributions,) if distributions else ()
            self._tracking.log(self._open, {**metrics, STEP: step}, step, self._next_row(), *watched)

    def _show(self, make: Callable[[], CampaignOutcome]) -> None:
        logged = self._known
        if logged.shown < logged.evaluations:
            logged.shown = logged.evaluations
            self._tracking.show(self._open, self._label, make(), self._next_row())

    @property
    def _known(self) -> _Logged:
        if self._logged is None:
            raise RuntimeError("nothing is logged before begin()")
        return self._logged

    @property
    def _open(self) -> Logger:
        """The logger, begun when there is something to log."""
        if self._logger is None:
            self._logger = self._tracking.open(self._label)
        return self._logger

    def _log(self, figures: Mapping[str, float], step: int) -> None:
        row = self._next_row()
        self._tracking.log(self._open, figures, step, row)

    def _next_row(self) -> int:
        """The next row, noted as logged."""
        row = self._known.rows
        self._known.rows += 1
        self._write()
        return row

    def _of_evaluation(self, e: Evaluation) -> dict[str, float]:
        figures: dict[str, float] = {"evaluation": e.number, "iteration": e.iteration}
        if e.status == "done":
            self._best = e.value if math.isnan(self._best) else min(self._best, e.value)
            figures["value"] = e.value
        if not math.isnan(self._best):
            figures["best_value"] = self._best
        return figures

    def _read(self) -> _Logged | None:
        return _Logged(**json.loads(self._path.read_text())) if self._path.is_file() else None

    def _write(self) -> None:
        write_text(self._path, json.dumps(asdict(self._known)))

    def _safely(self, deed: Callable[[], None]) -> None:
        if self._broken:
            return
        try:
            deed()
        except Exception as error:
            self._broken = True
            message = f"{type(error).__name__}: {error}"
            logger.warning("logger=%s failed (%s); the campaign goes on without it", self._tracking.kind, message)


@contextmanager
def following(tracker: Tracker | None, budget: int) -> Iterator[Tracker | None]:
    """Follow a campaign while it runs; it stays open for what the campaign came to, unless the campaign was cut off."""
    if tracker is None:
        yield None
        return
    tracker.begin(budget)
    try:
        yield tracker
    except BaseException:
        tracker.close(failed=True)
        raise
    tracker.follow()
