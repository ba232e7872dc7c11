"""The only way to the truth: within the budget, written down first, failures included."""

from __future__ import annotations

import logging
import os
import time
from asyncio import CancelledError
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from matseek.core.history import History
from matseek.core.problem import Answer, Measurement, Problem
from matseek.core.records import Evaluation, Event, Proposal, Status
from matseek.core.space import Space
from matseek.errors import (
    BudgetError,
    ConfigurationError,
    ExecutorError,
    LedgerError,
    OracleError,
    ResponseError,
    error_text,
)
from matseek.evaluation.executors import Call, Caller, Outcome, SerialExecutor
from matseek.evaluation.interruption import Interruption
from matseek.evaluation.ledger import Ledger, LedgerReader
from matseek.secrets import masked

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

logger = logging.getLogger(__name__)

_FAILURES = (Exception, SystemExit, KeyboardInterrupt, GeneratorExit, CancelledError)
"""What an oracle raises when it fails. Any other BaseException is made to end a program, and does: its point waits."""


@dataclass(frozen=True, eq=False)
class Evaluator:
    """Pays for evaluations: writes a batch down, calls the truth, writes each result down as it comes.

    Args:
        problem: What is evaluated.
        ledger: Where everything is written.
        budget: Evaluations that the campaign may have in all, those already in the ledger among them.
        seed: The campaign's seed.
        executor: How the truth is called.
        on_evaluation: Told each evaluation as soon as it is written down.
        checkpoint: Where a searcher that trains keeps its state; None keeps it nowhere.
        opening: Evaluations of the campaign's first batch that no searcher chose; 0 where there are none.
        judge: Looks at everything after a run and says whether the campaign ends; None for never before the budget.
        training: Logger of a searcher's Lightning trainer; None logs no training.
        earlier: Evaluations of earlier campaigns, see :class:`matseek.core.history.History`.
    """

    problem: Problem
    ledger: Ledger
    budget: int
    seed: int = 0
    executor: Caller = field(default_factory=SerialExecutor)
    on_evaluation: Callable[[Evaluation], None] | None = None
    checkpoint: Path | None = None
    opening: int = 0
    judge: Callable[[History], bool] | None = None
    training: Logger | None = None
    earlier: tuple[Evaluation, ...] = ()
    _tried: list[int] = field(default_factory=list, init=False, repr=False)
    _patience: _Patience = field(default_factory=lambda: _Patience(), init=False, repr=False)

    @property
    def remaining(self) -> int:
        """Evaluations that may still be asked for."""
        return self.budget - self.ledger.count()

    def stops(self) -> bool:
        """Whether the campaign has reached what it was after; to be asked between runs."""
        with self.ledger.exclude_from_timing():
            return self.judge is not None and self.judge(self.history())

    def evaluations(self, *, status: Status | None = None, iteration: int | None = None) -> Sequence[Evaluation]:
        """Evaluations so far, of a status or a batch."""
        return self.ledger.evaluations(status=status, iteration=iteration)

    def note_once(self, event: Event) -> None:
        """Commit an event about a run, unless one of its kind is there: a run that is made again is the same run."""
        if not self.ledger.has_told(event.kind, event.data["run"]):
            self.ledger.note(event)

    def history(self) -> History:
        """Everything so far, as searchers see it."""
        return history_of(self.problem, self.ledger, self.seed, self.earlier)

    def ask(self, choose: Callable[[History], Proposal]) -> list[Evaluation]:
        """Have a batch chosen, check it, and write it down; nothing is evaluated yet.

        Raises:
            BudgetError: If the batch is larger than what remains of the budget.
            ValueError: If the batch holds points outside the space.
        """
        return write_down(self.ledger, self.history(), choose, limit=self.remaining)

    def evaluate(self, proposal: Proposal) -> list[Evaluation]:
        """Write a batch down that was chosen without looking at the history, and evaluate it.

        Raises:
            BudgetError: If the batch is larger than what remains of the budget.
            ValueError: If the batch holds points outside the space.
        """
        if len(proposal.points) > self.remaining:
            raise _over_budget(len(proposal.points), self.remaining)
        _require_inside(self.problem.space, proposal)
        self.ledger.write_down(proposal, 0.0)
        return self.evaluate_pending()

    def evaluate_pending(self) -> list[Evaluation]:
        """Evaluate what is written down without a result, as far as the budget goes, and return it with its results.

        Raises:
            ResponseError: If the oracle answers in a shape that the problem cannot read. What was answered is kept.
            OracleError: If it has failed ten times at the start of a run, alike, and never given a value.
            ExecutorError: If what makes the calls is gone, such as a cluster's scheduler.
            KeyboardInterrupt: After Ctrl-C; all that was answered is written down, and what was not is still pending.
        """
        pending = list(self.ledger.evaluations(status="pending"))
        settled = self.ledger.count() - len(pending)
        pending = pending[: max(self.budget - settled, 0)]
        # The ledger's own arrays stay as they are, whatever an oracle does with its point.
        calls = [Call(self.problem, e.number, e.point.copy(), self.seed) for e in pending]
        trouble: list[BaseException] = []
        with self.ledger.exclude_from_timing(), Interruption() as interruption, _folder_kept() as folder:

            def go_on() -> bool:
                """After trouble nothing new is begun, but what is under way is paid for and still written down."""
                if not trouble:
                    try:
                        self.ledger.confirm()
                    except LedgerError as error:
                        trouble.append(error)
                return not (trouble or interruption.requested)

            try:
                for index, outcome in interruption.stream(self.executor.outcomes(calls, go_on)):
                    os.chdir(folder)
                    if not interruption.explains(outcome):
                        self._take(pending[index], outcome, trouble)
            except ExecutorError as error:
                trouble.append(error)
        if interruption.requested:
            raise KeyboardInterrupt
        if trouble:
            raise trouble[0]
        batches = {e.iteration for e in pending}
        known = {e.number: e for batch in batches for e in self.ledger.evaluations(iteration=batch)}
        return [known[e.number] for e in pending]

    def _take(self, evaluation: Evaluation, outcome: Outcome, trouble: list[BaseException]) -> None:
        """Write an outcome down and tell of it; what goes wrong thereby is added to the trouble."""
        try:
            if isinstance(outcome, Event):
                self.ledger.note(outcome)
                return
            if isinstance(outcome, BaseException) and not isinstance(outcome, _FAILURES):
                trouble.append(outcome)
                return
            self._settle(evaluation, outcome)
        except (ConfigurationError, OracleError, ResponseError, LedgerError) as error:
            trouble.append(error)
            return
        if self.on_evaluation is not None and not trouble:
            try:
                self.on_evaluation(self.ledger.evaluation(evaluation.number))
            except BaseException as error:  # somebody else's, and no reason to lose what is under way
                trouble.append(error)

    def _settle(self, evaluation: Evaluation, answer: Answer) -> None:
        measurement = answer if isinstance(answer, Measurement) else _failure(answer)
        self.ledger.record([(evaluation.number, measurement)])
        if measurement.error is not None:
            logger.warning("evaluation %d failed: %s", evaluation.number, measurement.error)
        if isinstance(answer, ResponseError):
            raise ResponseError(f"evaluation {evaluation.number}: {answer}", answer.response) from answer
        if measurement.error is None:
            self._try_success(evaluation, measurement.value)
        self._patience.try_with(measurement, self.ledger)

    def _try_success(self, evaluation: Evaluation, value: float) -> None:
        """Try the problem's test of success once, on the first value: a test that raises is told before more is paid.

        Raises:
            ConfigurationError: If it raises.
        """
        if self._tried or not self.problem.has_success:
            return
        self._tried.append(evaluation.number)
        try:
            self.problem.succeeded(evaluation.point, value)
        except Exception as error:  # a user's test may raise anything
            raise ConfigurationError(
                f"the test of success of problem {self.problem.name!r} raised {type(error).__name__}: {error} on "
                f"evaluation {evaluation.number}, whose result is kept; correct the test and go on with the same ledger"
            ) from error


@dataclass(eq=False)
class _Patience:
    """Ends a run whose oracle never works.

    The rule: the first ten calls that a run finishes all fail in the same way (the error's text is the same up to its
    first colon), and the ledger holds no value at all. A run that is started again begins to count anew. NaN from a
    laboratory is an answer, not a failure of the oracle.
    """

    calls: int = 10
    _errors: list[str] = field(default_factory=list)
    _works: bool = False

    def try_with(self, measurement: Measurement, ledger: Ledger) -> None:
        """Look at the next finished call.

        Raises:
            OracleError: If it is the last that is borne.
        """
        if self._works or len(self._errors) >= self.calls:
            return
        if measurement.error is None or measurement.empty:
            self._works = True
            return
        self._errors.append(measurement.error)
        alike = len({error.partition(":")[0] for error in self._errors}) == 1
        if len(self._errors) == self.calls and alike and not ledger.evaluations(status="done"):
            raise OracleError(
                f"the oracle has failed in the first {self.calls} calls of this run and never given a value; the last "
                f"error: {measurement.error}. Mend it and run the same command again, which goes on from here"
            )


@contextmanager
def _folder_kept() -> Iterator[Path]:
    """The working folder, which an oracle may change."""
    folder = Path.cwd()
    try:
        yield folder
    finally:
        os.chdir(folder)


def history_of(problem: Problem, ledger: LedgerReader, seed: int, earlier: tuple[Evaluation, ...] = ()) -> History:
    """What a ledger tells a searcher that is asked for the next batch, and what it has begun with."""
    return History(
        space=problem.space,
        seed=seed,
        iteration=ledger.iterations() + 1,
        evaluations=ledger.evaluations(),
        events=ledger.events(),
        objective=problem.objective,
        risk=problem.risk,
        earlier=earlier,
        goals=problem.goals,
    )


def write_down(
    ledger: Ledger, history: History, choose: Callable[[History], Proposal], limit: int | None = None
) -> list[Evaluation]:
    """Have a batch chosen from a history, check it and write it down.

    Args:
        ledger: Where it is written.
        history: What the searcher may know.
        choose: The searcher's choice.
        limit: Most points that may be chosen; None for no limit.

    Returns:
        The pending evaluations.
    """
    start = time.perf_counter()
    proposal = choose(history)
    seconds = time.perf_counter() - start
    if not len(proposal.points):
        # The loop of a searcher that never proposes anything would never end.
        raise ValueError("the searcher proposed no point; ask() must choose at least one")
    if limit is not None and len(proposal.points) > limit:
        raise _over_budget(len(proposal.points), limit)
    _require_inside(history.after(proposal.events).domain, proposal)
    return ledger.write_down(proposal, seconds)


def _over_budget(points: int, limit: int) -> BudgetError:
    return BudgetError(f"{points} points are proposed but the budget leaves {limit}; raise the budget or propose fewer")


def _require_inside(domain: Space, proposal: Proposal) -> None:
    inside = domain.contains(proposal.points)
    if not inside.all():
        stray: Sequence[float] = proposal.points[~inside][0].tolist()
        raise ValueError(
            f"point {stray} lies outside the window or violates a constraint; nothing was evaluated. "
            "The searcher that proposed it must keep to history.window"
        )


def _failure(error: BaseException) -> Measurement:
    return Measurement.failed(masked(error_text(error)), error.response if isinstance(error, ResponseError) else None)
