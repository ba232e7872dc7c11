"""A campaign: one problem, one searcher, one seed, one ledger, one budget."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from matseek import checks
from matseek.checks import function, of, optional, whole
from matseek.core.history import History
from matseek.core.problem import Laboratory, Problem
from matseek.core.records import CHANGES, HELD, JUDGED, OPENING, RECOGNISED, RELAXED, Evaluation, Event, Proposal
from matseek.core.searcher import Searcher, open_with
from matseek.errors import (
    BudgetError,
    ConfigurationError,
    LedgerMismatchError,
    ResponseError,
    UnknownEvaluationError,
)
from matseek.evaluation import Evaluator, Ledger
from matseek.evaluation.batch import Batch
from matseek.evaluation.earlier import set_aside, sources_of, take_in
from matseek.evaluation.evaluator import write_down
from matseek.evaluation.executors import Executor, SerialExecutor
from matseek.evaluation.ledger import sqlite_path
from matseek.insight.plausibility import doubts
from matseek.insight.stopping import Figures, StopCriterion
from matseek.record import Record, checked_criteria, plain
from matseek.results import Entry, Logbook, Taking
from matseek.run_folder import MODEL_SUFFIX, RunFolder
from matseek.secrets import masked_data
from matseek.standing import CALCULATOR, DOUBTED, STOPPED
from matseek.tracking import (
    CampaignOutcome,
    IterationState,
    Label,
    Tracker,
    Tracking,
    following,
    iteration_state,
    outcome_of,
)
from matseek.training.ranks import end_with_parent, place_of

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

NO_POINTS_LEFT = "no_points_left"
"""What ends a campaign on a list of points when each has been tried."""

_MOST_ASKED = 100_000
"""Points that can be asked for at once."""

_SAME_ENERGY = 1e-3
"""By how much the same structure's energy may differ, in eV: above the noise of float32 in networks."""


class Campaign(Record):
    """Search a problem; everything that happens is in the ledger, and a campaign that was cut off goes on from there.

    Args:
        problem: What is minimised.
        searcher: Who chooses.
        ledger: Path of the ledger's SQLite file, any SQLAlchemy URL, or None to keep the record in memory.
        seed: Seed of everything random; the same seed gives the same campaign.
        executor: How the truth is called; one call after the other by default.
        opening: First points that no searcher chooses: those of a seed are the same for every searcher, so that
            campaigns can be compared in pairs. 0 leaves the first points to the searcher.
        stop: When to stop before the budget is spent: any criterion whose level is reached ends the campaign. Their
            figures are recorded after every run.
        tracking: Where progress is shown while the campaign runs, see :mod:`matseek.tracking`; None: nowhere.
        history: Earlier campaigns that this one begins with, by run folder or ledger (a path or a URL), one or
            several; another objective may have scored them. Their evaluations are copied into the ledger before the
            first batch, searchers learn from them, and none counts as this campaign's own. Where the ledger has begun
            they may be left out, and their ledgers are needed no more. The campaign's own SQLite ledger may be named
            where it holds another target: it is set aside (``silver.1.db``), and the campaign begins anew with it.

    Raises:
        ValueError: If the seed or the opening is no whole number, the searcher cannot search the problem's space, or a
            stop criterion could never be met.
        ConfigurationError: If a campaign of the history cannot be used for the problem.
        LedgerMismatchError: If the ledger holds another campaign, or one with another opening or history.
        LedgerError: If the ledger cannot be opened and written.
    """

    def __init__(
        self,
        problem: Problem,
        searcher: Searcher,
        ledger: str | Path | None = None,
        seed: int = 0,
        executor: Executor | None = None,
        stop: Sequence[StopCriterion] = (),
        opening: int = 0,
        tracking: Tracking | None = None,
        history: str | Path | Sequence[str | Path] = (),
    ) -> None:
        of(Problem, "a problem")("problem", problem)
        of(Searcher, "a searcher")("searcher", searcher)
        seed = checks.seed("seed", seed)
        self.opening: int = whole()("opening", opening)
        self.executor = SerialExecutor() if executor is None else of(Executor, "an executor")("executor", executor)
        searcher.check_space(problem.space)
        stop = checked_criteria(stop, problem, searcher)
        optional(of(Tracking, "where to track, such as CSVTracking()"))("tracking", tracking)
        # Of the processes of a group one keeps the record; the others only train and sample with it.
        self.place = place_of(searcher.processes)
        self.leads = self.place.leads
        end_with_parent(self.place)
        self.ledger: Ledger
        sources = sources_of(history)
        if sources and not searcher.reads_earlier:
            raise ConfigurationError(
                f"searcher={searcher.name} begins with structures of its own and would not look at history="
                f"{list(sources)}; leave history out, or take searcher=bayesian, network or godiff"
            )
        if self.leads:
            sources = set_aside(ledger, sources, problem, searcher.name, seed)
        super().__init__(problem, searcher, Ledger(ledger if self.leads else None), seed, stop)
        path = sqlite_path(ledger)
        self._checkpoint = None if path is None else path.with_suffix(".ckpt")
        with self.ledger.locked():
            self.ledger.claim(masked_data(problem.describe()), searcher.name, self.seed)
            if self.leads:
                if self.ledger.count():
                    self._require_opening()
                take_in(self.ledger, problem, sources)
        self._tracker = None
        if tracking is not None and self.leads:
            label = Label.of(tracking, problem, searcher, self.seed, path)
            self._tracker = Tracker(tracking, label, self.ledger, self._state)

    def run(self, budget: int, on_evaluation: Callable[[Evaluation], None] | None = None) -> Campaign:
        """Search until the ledger holds a budget of evaluations; goes on where an earlier run was cut off.

        Args:
            budget: Evaluations in all, those already in the ledger among them.
            on_evaluation: Told each evaluation as soon as it is written down.

        Returns:
            The campaign itself.

        Raises:
            BudgetError: If the searcher cannot work with the budget; nothing is evaluated then.
            ConfigurationError: If the searcher could not train on this machine; nothing is evaluated then.
            LedgerBusyError: If another process is at work on the ledger.
        """
        self.searcher.check(budget)
        budget = int(budget)
        ended = self.leads and self.has_ended(budget)
        if ended and not self.place.has_followers:
            return self
        self.searcher.check_problem(self.problem)
        optional(function("one argument, an Evaluation", 1))("on_evaluation", on_evaluation)
        if self.opening > budget:
            raise BudgetError(
                f"opening={self.opening} points are more than budget={budget}; lower it, or raise the budget"
            )
        self.problem.require_oracle()
        if not self.leads and self.searcher.processes == 1:
            logger.warning(
                "searcher=%s works in one process: this one, number %d of %d, has nothing to do",
                self.searcher.name,
                self.place.rank,
                self.place.size,
            )
            return self
        with (
            self.ledger.locked(),
            following(self._tracker, budget) as tracker,
            self.executor.opened() as caller,
        ):
            if not ended:
                self.ledger.begin_session()
            evaluator = Evaluator(
                self.problem,
                self.ledger,
                budget,
                self.seed,
                caller,
                tracker.telling(on_evaluation) if tracker else on_evaluation,
                checkpoint=self._checkpoint,
                opening=self.opening,
                judge=self._ends if self.stop or tracker else None,
                training=tracker.training if tracker else None,
                earlier=self.earlier,
            )
            if self.leads:
                self._open(evaluator)
            self.searcher.search(evaluator)
            if not ended:
                self.ledger.end_session()
                self._conclude()
                self._doubt()
            if self.stopped_by is None:
                spent = len(self.ledger.evaluations())
                message = "the budget is spent" if spent >= budget else "every point that may be tried has been tried"
                data = {"by": "budget" if spent >= budget else NO_POINTS_LEFT, "evaluations": spent}
                self.ledger.note(Event(STOPPED, f"{message}: {spent} evaluations", data))
        return self

    def has_ended(self, budget: int) -> bool:
        """Whether a run with this budget has nothing left to do: it was recorded as ended, and nothing has changed."""
        by = self.stopped_by
        if by is None or self.ledger.evaluations(status="pending"):
            return False
        if len(self.ledger.evaluations()) >= budget or by == NO_POINTS_LEFT:
            return True
        return any(c.name == by for c in self.stop) and self._judge(self.history()) is not None

    def _require_opening(self) -> None:
        """Refuse a ledger whose campaign began with other first points."""
        opened = sum(e.proposer == OPENING for e in self.ledger.evaluations(iteration=1))
        if opened != self.opening:
            raise LedgerMismatchError(
                f"the ledger {self.ledger} holds a campaign with opening={opened}, this has opening={self.opening}; "
                "name another ledger, or restore the opening"
            )

    def _open(self, evaluator: Evaluator) -> None:
        """Write down the first points, once."""
        if not self.ledger.count() and self.opening:
            evaluator.ask(partial(open_with, self.opening))

    def ask(self, n: int | None = None, fixed: Mapping[str, object] | None = None, told: Event | None = None) -> Batch:
        """Choose n points for the laboratory and write them down.

        Args:
            n: Number of points; None for the searcher's own next batch, as ``run`` would evaluate it. Where fewer
                points are left that may be tried, the batch has these, and an event says so.
            fixed: Values at which variables are held for this batch, by name: ``{"QAgNO3": 20.0, "Qtotal": 800}``, a
                category's by the value's name. The models still learn from everything.
            told: An event that is written down with the batch.

        Raises:
            ValueError: If the searcher cannot wait for a laboratory, or a value cannot be held.
            InfeasibleSpaceError: If the held values leave no point.
            NoPointsLeftError: If every point that may be tried has been tried.
        """
        laboratory = self.laboratory
        searcher = self.searcher.as_batch_searcher()
        if searcher is None:
            raise ValueError(f"searcher {self.searcher.name!r} cannot be asked for batches; use run()")
        if self.opening:
            raise ValueError(f"opening={self.opening} belongs to run(); leave it out to ask for batches")
        n = optional(whole(1, _MOST_ASKED))("n", n)
        searcher.check_problem(self.problem)
        with self.ledger.locked():
            history = self.history() if fixed is None else self.history().holding(fixed)
            count = searcher.size(history) if n is None else n
            events = () if fixed is None else (_held(fixed, history),)
            if told is not None:
                events = (*events, told)

            def choose(history: History) -> Proposal:
                proposal = searcher.next_batch(count, history)
                return replace(proposal, events=(*proposal.events, *events))

            asked = write_down(self.ledger, history, choose)
        return Batch.of(laboratory.space, asked)

    def tell(self, results: Entry | Batch | pd.DataFrame, *, resampling: bool = False) -> None:
        """Write down results, or a preview of results and changes; all of them or, if one is wrong, none.

        Results that the ledger holds already are passed over, so that the same command can be given again after it was
        cut off.

        Args:
            results: A preview, of :meth:`preview` or the :attr:`logbook`; ``batch.with_responses(...)``, of which a
                condition whose results are all NaN is recorded as failed; or a table, see
                :func:`matseek.results.read_results`: what is empty or NaN there stays pending, and a failure is a
                word, ``failed``. What is odd in a table is logged as a warning; a recipe other than the asked one is
                refused there, and taken from a preview.
            resampling: Whether a table's spectra on other wavelengths are interpolated on the objective's.

        Raises:
            UnknownEvaluationError: If a result belongs to nothing that was asked.
            ResponseError: If a response has the wrong shape or wavelengths.
        """
        logbook = self.logbook
        with self.ledger.locked():
            if isinstance(results, Batch):
                logbook.tell(results)
            elif isinstance(results, Entry):
                logbook.write(results)
            elif hasattr(results, "columns"):
                taking = logbook.preview(results, resampling=resampling).require()
                for finding in taking.odd:
                    if finding.identity:
                        raise UnknownEvaluationError(f"{finding}; preview() shows it, and tell() then takes it")
                    logger.warning("%s", finding)
                logbook.write(taking)
            else:
                raise ResponseError(
                    f"results came as a {type(results).__name__}; tell(batch.with_responses(...)), a preview or a table"
                )
            self._conclude()

    @property
    def logbook(self) -> Logbook:
        """Previews of what is told and changed by hand, which :meth:`tell` writes down.

        Raises:
            ValueError: If the problem is measured by itself alone.
        """
        return Logbook(self.laboratory, self.ledger)

    def preview(
        self,
        results: Path | pd.DataFrame,
        *,
        resampling: bool = False,
        sheet: str | None = None,
        adding: bool = False,
        new: bool = False,
        columns: Mapping[str, str] | None = None,
    ) -> Taking:
        """What a table would add to the campaign; nothing is written down, see :meth:`Logbook.preview`.

        Returns:
            What is taken, odd and refused; ``tell(taking)`` writes it down.
        """
        return self.logbook.preview(
            results, resampling=resampling, sheet=sheet, adding=adding, new=new, columns=columns
        )

    def waiting(self) -> Batch:
        """The points that wait for results, in the order in which they were asked.

        Raises:
            ValueError: If none does.
        """
        return self.logbook.waiting()

    @property
    def laboratory(self) -> Laboratory:
        """The problem as one whose results are told.

        Raises:
            ValueError: If it is measured by itself alone.
        """
        laboratory = self.problem.as_laboratory()
        if laboratory is None:
            raise ValueError(f"problem {self.problem.name!r} is evaluated by its calculator; use run()")
        return laboratory

    def _judge(self, history: History) -> StopCriterion | None:
        """Measure the last run where that is missing; gives the criterion that ends the campaign, if one does."""
        run = history.iteration - 1
        if not self.stop or run < 1 or any(e.status == "pending" for e in history.evaluations):
            return None
        recorded, surrogates = self.judgements(), self.searcher.surrogates_on(self.problem)
        judged = self._judged_since_changes(run)
        for criterion in self.stop:
            if criterion.applies(surrogates) and criterion.name not in judged:
                before = self.models(run - 1) if run > 1 else None
                figures = criterion.measure(self.models(run), before)
                self.ledger.note(_judgement(criterion, run, figures))
                recorded.setdefault(criterion.name, {})[run] = figures
        met = (c for c in self.stop if c.met([f for _, f in sorted(recorded.get(c.name, {}).items())]))
        return next(met, None)

    def _judged_since_changes(self, run: int) -> set[str]:
        """Names of the criteria that have judged a run by the results as they are now."""
        judged: set[str] = set()
        for event in self.ledger.events():
            if event.kind in CHANGES:
                judged.clear()
            elif event.kind == JUDGED and event.data["run"] == run:
                judged.add(event.data["criterion"])
        return judged

    def _ends(self, history: History) -> bool:
        """Whether the last run ends the campaign; whoever follows it is told first what the run came to."""
        met = self._judge(history) is not None
        if self._tracker is not None:
            self._tracker.follow()
        return met

    def _conclude(self) -> None:
        """Judge the last run, and write down what ends the campaign, if anything does."""
        criterion = self._judge(self.history())
        if criterion is not None and self.stopped_by != criterion.name:
            spent = len(self.ledger.evaluations())
            data = {"by": criterion.name, "evaluations": spent}
            message = (
                f"after {spent} evaluations {criterion.name.replace('_', ' ')} ends the campaign: {criterion.level}"
            )
            self.ledger.note(Event(STOPPED, message, data))

    def _doubt(self) -> None:
        """Write down and log what speaks against the best structure, unless that has been said."""
        said = {e.data["about"]: e.message for e in self._events(DOUBTED)}
        for doubt in doubts(self.problem.space, self.ledger.evaluations()):
            if said.get(doubt.about) != doubt.message:
                logger.warning("the best structure is in doubt (%s): see the summary's warnings", doubt.about)
                self.ledger.note(Event(DOUBTED, doubt.message, {"about": doubt.about}))

    def recognise(self) -> None:
        """Find the first structure that a local relaxation turns into a success, once for a state of the ledger.

        Its relaxations call the calculator, and are no evaluations; the record says how many calls they took. Of what a
        searcher relaxed itself, only the end of each relaxation is looked at: the rest leads there.
        """
        problem = self.problem.as_structures()
        if problem is None or not problem.recognises:
            return
        evaluations = self.ledger.evaluations()
        seen = len(evaluations)
        known = self._recognised()
        if known is not None and (known["looked_at"] == seen or known["evaluation"] is not None):
            return
        from matseek.searchers.descent import relaxations  # with ASE

        walks = relaxations(evaluations, self._events(RELAXED)) or [(e,) for e in evaluations]
        lasts = ((walk[0].number, [e for e in walk if e.status == "done"][-1:]) for walk in walks)
        before = problem.recognition_calls
        number = next(
            (begun for begun, last in lasts if last and problem.recognised(last[0].point, last[0].value)),
            None,
        )
        calls = problem.recognition_calls - before
        message = "no structure relaxes to a success" if number is None else f"evaluation {number} relaxes to a success"
        data = {"evaluation": number, "looked_at": seen, "calls": calls}
        self.ledger.note(Event(RECOGNISED, f"{message}; {calls} calls to find out, which are no evaluations", data))
        if problem.recognition_differs > _SAME_ENERGY:
            doubt = (
                "The calculator is not deterministic, or another one now: calculated again, an evaluated structure "
                f"has an energy that differs by {problem.recognition_differs:.3g} eV. Differences between energies "
                "that are smaller than this mean nothing."
            )
            logger.warning("%s", doubt)
            self.ledger.note(Event(DOUBTED, doubt, {"about": CALCULATOR}))

    def write(self, run_dir: str | Path) -> Path:
        """Write ``trace.csv``, ``summary.json``, ``figures/`` and ``report.html``, and show it where it is followed.

        Args:
            run_dir: Where to; the folder is made if it is missing.

        Returns:
            Path of the page.
        """
        page = super().write(run_dir)
        self.publish(run_dir)
        return page

    def publish(self, run_dir: str | Path) -> None:
        """Give whoever follows the campaign what it came to; its figures are drawn where the folder has none.

        Args:
            run_dir: The folder that :meth:`write` or :meth:`write_record` has written.
        """
        if self._tracker is not None:
            self._tracker.show(lambda: self._outcome(RunFolder(Path(run_dir))))

    def _state(self, iteration: int) -> IterationState | None:
        """What an iteration has come to, for whoever follows the campaign."""
        models = [] if self._checkpoint is None else [self._checkpoint]
        return iteration_state(self.problem, self.ledger.evaluations(), iteration, models)

    def _outcome(self, folder: RunFolder) -> CampaignOutcome:
        evaluations = self.ledger.evaluations()
        if not folder.figures.is_dir():
            from matseek.report.campaign_report import save_figures  # with Matplotlib
            from matseek.report.figures import problem_figures

            save_figures(problem_figures(self.problem, evaluations), folder.figures)
        models = [] if self._checkpoint is None else [self._checkpoint, self._checkpoint.with_suffix(MODEL_SUFFIX)]
        fitted = self.models()
        for surrogate in fitted.surrogates:
            model = fitted.fitted(surrogate.name)
            if model is not None and model.suffix is not None:
                models.append(folder.model(surrogate.name, model.suffix))
                model.save(models[-1])
        return outcome_of(self.problem, self.ledger, self.summary(), self.to_frame(), models, folder)


def _judgement(criterion: StopCriterion, run: int, figures: Figures) -> Event:
    message = ", ".join(f"{key.replace('_', ' ')} {value:.4g}" for key, value in figures.items())
    goal = f" (ends the campaign: {criterion.level})" if criterion.level else ""
    return Event(
        JUDGED,
        f"run {run}, {criterion.name.replace('_', ' ')}: {message}{goal}",
        {"criterion": criterion.name, "run": run, "figures": plain({run: figures})[run]},
    )


def _held(fixed: Mapping[str, object], history: History) -> Event:
    """What the record tells of a batch that holds variables."""
    values = ", ".join(f"{name} = {value}" for name, value in fixed.items())
    data = {"iteration": history.iteration, "held": dict(history.held)}
    return Event(HELD, f"batch {history.iteration} holds {values}", data)
