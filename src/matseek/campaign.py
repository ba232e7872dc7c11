"""A campaign: one problem, one searcher, one seed, one ledger, one budget."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from matseek import checks
from matseek.checks import function, of, optional, several, whole
from matseek.errors import BudgetError, LedgerMismatchError, UnknownEvaluationError
from matseek.evaluation import Evaluation, Evaluator, Event, History, Ledger
from matseek.evaluation.batch import Batch, read_results
from matseek.evaluation.evaluator import history_of, write_down
from matseek.evaluation.executors import Executor, SerialExecutor
from matseek.evaluation.ledger import sqlite_path
from matseek.files import replacing, write_text
from matseek.insight.convergence import best_so_far
from matseek.insight.plausibility import doubts, plausibility
from matseek.insight.stopping import Figures, StopCriterion
from matseek.insight.understanding import Understanding
from matseek.models.ranks import end_with_parent, place_of
from matseek.models.zoo import SUFFIX
from matseek.problems import Problem, RecipeProblem, StructureProblem
from matseek.problems.base import solves
from matseek.problems.structure import passes
from matseek.report.figures import iterations_of_searchers, problem_figures
from matseek.report.outlook import Outlook
from matseek.report.page import write_page
from matseek.report.structure_files import write_structures
from matseek.searchers import BatchSearcher, Searcher
from matseek.searchers.iterations import ITERATED, iteration_table
from matseek.searchers.network import TRAINED
from matseek.searchers.opening import OPENING, open_with
from matseek.searchers.relaxation import RELAXED, relaxations
from matseek.secrets import masked_data
from matseek.spaces import Box
from matseek.tables import write_csv
from matseek.tracking import Label, Outcome, Tracker, Tracking, following, outcome_of

logger = logging.getLogger(__name__)

STOPPED = "stopped"
RECOGNISED = "recognised"
JUDGED = "judged"
DOUBTED = "doubted"
SUMMARY, TRACE, FIGURES, PAGE = "summary.json", "trace.csv", "figures", "report.html"
"""In a run folder: the campaign in numbers, its evaluations, the folder of its pictures, and all on one page."""

_MOST_ASKED = 100_000
"""Points that can be asked for at once."""

RECORDS = (JUDGED, ITERATED, RELAXED, TRAINED, RECOGNISED)
"""Events for programs and figures; people read the others."""


class Campaign:
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

    Raises:
        ValueError: If the seed or the opening is no whole number, the searcher cannot search the problem's space, or a
            stop criterion could never be met.
        LedgerMismatchError: If the ledger holds another campaign, or one with another opening.
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
    ) -> None:
        self.problem: Problem = of(Problem, "a problem")("problem", problem)
        self.searcher: Searcher = of(Searcher, "a searcher")("searcher", searcher)
        self.seed: int = checks.seed("seed", seed)
        self.opening: int = whole()("opening", opening)
        self.executor = SerialExecutor() if executor is None else of(Executor, "an executor")("executor", executor)
        self.searcher.check_space(problem.space)
        self.stop = _checked(stop, problem, searcher)
        of_tracking = optional(of(Tracking, "where to track, such as CSVTracking()"))
        of_tracking("tracking", tracking)
        self._understood: dict[int, Understanding] = {}
        # Of the processes of a group one keeps the record; the others only train and sample with it.
        self.place = place_of(searcher.processes)
        self.leads = self.place.leads
        end_with_parent(self.place)
        self.ledger = Ledger(ledger if self.leads else None)
        path = sqlite_path(ledger)
        self._checkpoint = None if path is None else path.with_suffix(".ckpt")
        with self.ledger.locked():
            self.ledger.claim(problem.describe(), searcher.name, self.seed)
            if self.leads and self.ledger.count():
                self._require_opening()
        self._tracker = None
        if tracking is not None and self.leads:
            self._tracker = Tracker(tracking, Label.of(tracking, problem, searcher, self.seed, path), self.ledger)

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
        self.searcher.check_problem(self.problem)
        budget = int(budget)
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
            ended = self.leads and self.has_ended(budget)
            if ended and not self.place.has_followers:
                return self
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
                data = {"by": "budget", "evaluations": spent}
                self.ledger.note(Event(STOPPED, f"the budget is spent: {spent} evaluations", data))
        return self

    def has_ended(self, budget: int) -> bool:
        """Whether a run with this budget has nothing left to do: it was recorded as ended, and nothing has changed."""
        by = self.stopped_by
        if by is None or self.ledger.evaluations(status="pending"):
            return False
        if len(self.ledger.evaluations()) >= budget:
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

    def ask(self, n: int | None = None) -> Batch:
        """Choose n points for the laboratory and write them down.

        Args:
            n: Number of points; None for the searcher's own next batch, as ``run`` would evaluate it.

        Raises:
            ValueError: If the searcher cannot wait for a laboratory.
        """
        searcher = self.searcher
        if not isinstance(self.problem, RecipeProblem):
            raise ValueError(f"problem {self.problem.name!r} is evaluated by its calculator; use run()")
        if not isinstance(searcher, BatchSearcher):
            raise ValueError(f"searcher {searcher.name!r} cannot be asked for batches; use run()")
        if self.opening:
            raise ValueError(f"opening={self.opening} belongs to run(); leave it out to ask for batches")
        n = optional(whole(1, _MOST_ASKED))("n", n)
        space = self.problem.space
        if not isinstance(space, Box):
            raise ValueError(f"problem {self.problem.name!r} is evaluated by its calculator; use run()")
        searcher.check_problem(self.problem)
        with self.ledger.locked():
            history = self.history()
            count = searcher.size(history) if n is None else n
            asked = write_down(self.ledger, history, partial(searcher.ask, count))
        return Batch.of(space, asked)

    def tell(self, results: Batch | pd.DataFrame, *, resampling: bool = False) -> None:
        """Write down results of points that were asked; all of them or, if one is wrong, none.

        Results that the ledger holds already are passed over, so that the same command can be given again after it was
        cut off.

        Args:
            results: ``batch.with_responses(...)``, or a table, see :func:`matseek.evaluation.batch.read_results`. A
                condition whose results are all NaN is recorded as failed.
            resampling: Whether a table's spectra on other wavelengths are interpolated on the objective's.

        Raises:
            UnknownEvaluationError: If a result belongs to nothing that was asked.
            ResponseError: If a response has the wrong shape or wavelengths.
        """
        if not isinstance(self.problem, RecipeProblem):
            raise ValueError(f"problem {self.problem.name!r} is evaluated by its calculator; use run()")
        with self.ledger.locked():
            evaluations = self.ledger.evaluations()
            self.ledger.record(read_results(results, self.problem, evaluations, resampling=resampling))
            self._conclude()

    def history(self) -> History:
        """Everything so far."""
        return history_of(self.problem, self.ledger, self.seed)

    def understanding(self, run: int | None = None) -> Understanding:
        """What the searcher's models make of everything until a run; they are trained when first looked at.

        Args:
            run: The run, 1 for the first; None for the last.
        """
        history = self.history()
        run = history.iteration - 1 if run is None else run
        if run not in self._understood:
            # Models are heavy: those of the last two runs are all that a verdict needs.
            kept = {k: u for k, u in self._understood.items() if k == run - 1}
            self._understood = {**kept, run: Understanding(history.until(run), self.searcher.learners, self.problem)}
        return self._understood[run]

    def judgements(self) -> dict[str, dict[int, dict[str, float]]]:
        """What the stop criteria measured: by criterion and run, NaN where there was nothing to measure."""
        found: dict[str, dict[int, dict[str, float]]] = {}
        for event in self.ledger.events():
            if event.kind == JUDGED:
                figures = {k: math.nan if v is None else v for k, v in event.data["figures"].items()}
                found.setdefault(event.data["criterion"], {})[event.data["run"]] = figures
        return found

    def _judge(self, history: History) -> StopCriterion | None:
        """Measure the last run where that is missing; gives the criterion that ends the campaign, if one does."""
        run = history.iteration - 1
        if not self.stop or run < 1 or any(e.status == "pending" for e in history.evaluations):
            return None
        recorded = self.judgements()
        for criterion in self.stop:
            if criterion.applies(self.searcher.learners) and run not in recorded.get(criterion.name, {}):
                before = self.understanding(run - 1) if run > 1 else None
                figures = criterion.measure(self.understanding(run), before)
                self.ledger.note(_judgement(criterion, run, figures))
                recorded.setdefault(criterion.name, {})[run] = figures
        met = (c for c in self.stop if c.met([f for _, f in sorted(recorded.get(c.name, {}).items())]))
        return next(met, None)

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

    @property
    def best(self) -> Evaluation:
        """The evaluation with the least value.

        Raises:
            UnknownEvaluationError: If no evaluation has a value yet.
        """
        done = self.history().done
        if not done:
            raise UnknownEvaluationError("no evaluation has a value yet; run the campaign or tell results first")
        return min(done, key=lambda e: e.value)

    @property
    def stopped_by(self) -> str | None:
        """What ended the campaign; None while it goes on."""
        stops = [e for e in self.ledger.events() if e.kind == STOPPED]
        if not stops or stops[-1].data["evaluations"] != len(self.ledger.evaluations()):
            return None
        return str(stops[-1].data["by"])

    def to_frame(self) -> pd.DataFrame:
        """A row per evaluation: its number, batch, proposer and status, the variables in units, and its value."""
        evaluations = self.ledger.evaluations()
        points = np.array([e.point for e in evaluations]).reshape(-1, self.problem.space.dim)
        values = np.array([e.value for e in evaluations], dtype=np.float64)
        who = pd.DataFrame(
            {
                "evaluation": [e.number for e in evaluations],
                "iteration": [e.iteration for e in evaluations],
                "proposer": [e.proposer for e in evaluations],
                "status": [e.status for e in evaluations],
            }
        )
        results = pd.DataFrame(
            {
                "value": values,
                "spread": np.array([e.spread for e in evaluations], dtype=np.float64),
                "replicates": [len(e.finite_replicates) for e in evaluations],
                "best_value": best_so_far(values),
                "error": [e.error or "" for e in evaluations],
                "asked_at": [e.asked_at for e in evaluations],
                "finished_at": pd.Series([e.finished_at for e in evaluations], dtype="datetime64[us, UTC]"),
            }
        )
        return pd.concat([who, self.problem.space.to_frame(points), results], axis=1)

    def recognise(self) -> None:
        """Find the first structure that a local relaxation turns into a success, once for a state of the ledger.

        Its relaxations call the calculator, and are no evaluations; the record says how many calls they took. Of what a
        searcher relaxed itself, only the end of each relaxation is looked at: the rest leads there.
        """
        problem = self.problem
        if not isinstance(problem, StructureProblem) or problem.relaxed_success is None:
            return
        evaluations = self.ledger.evaluations()
        seen = len(evaluations)
        known = self._recognised()
        if known is not None and (known["looked_at"] == seen or known["evaluation"] is not None):
            return
        walks = relaxations(evaluations, self._events(RELAXED)) or [(e,) for e in evaluations]
        lasts = ((walk[0].number, [e for e in walk if e.status == "done"][-1:]) for walk in walks)
        before = getattr(problem.relaxed_success, "calls", 0)
        number = next(
            (
                begun
                for begun, last in lasts
                if last and passes(problem.relaxed_success, problem.space.atoms(last[0].point), last[0].value)
            ),
            None,
        )
        calls = getattr(problem.relaxed_success, "calls", 0) - before
        told = "no structure relaxes to a success" if number is None else f"evaluation {number} relaxes to a success"
        data = {"evaluation": number, "looked_at": seen, "calls": calls}
        self.ledger.note(Event(RECOGNISED, f"{told}; {calls} calls to find out, which are no evaluations", data))

    def _recognised(self) -> Mapping[str, Any] | None:
        found = self._events(RECOGNISED)
        return found[-1].data if found else None

    def _events(self, kind: str) -> list[Event]:
        return [e for e in self.ledger.events() if e.kind == kind]

    def summary(self) -> dict[str, Any]:
        """The campaign in numbers: the dictionary that ``run_dir/summary.json`` holds."""
        evaluations = self.ledger.evaluations()
        values = np.array([e.value for e in evaluations], dtype=np.float64)
        tested = self.problem.has_success
        # A test may relax structures: nothing is tested after the first success.
        done = (e for e in evaluations if tested and e.status == "done")
        first = next((e.number for e in done if solves(self.problem, e.point, e.value)), None)
        best = self.best if np.isfinite(values).any() else None
        recognised = self._recognised()
        return {
            "problem": self.problem.name,
            "searcher": self.searcher.name,
            "seed": self.seed,
            "evaluations": sum(e.status != "pending" for e in evaluations),
            "failed": sum(e.status == "failed" for e in evaluations),
            "pending": sum(e.status == "pending" for e in evaluations),
            "best_value": best.value if best else None,
            "best_evaluation": best.number if best else None,
            "best_point": dict(zip(self.problem.space.labels, best.point.tolist(), strict=True)) if best else None,
            "success": first is not None if tested else None,
            "evaluations_to_success": first,
            "relaxed_success": None if recognised is None else recognised["evaluation"] is not None,
            "evaluations_to_relaxed_success": None if recognised is None else recognised["evaluation"],
            "relaxation_calls": None if recognised is None else recognised["calls"],
            **plausibility(self.problem.space, evaluations),
            "seconds_asking": self.ledger.seconds_asking(),
            "wall_seconds": self.ledger.wall_seconds(),
            "cpu_seconds": self.ledger.cpu_seconds(),
            "seconds_thinking": self.ledger.seconds_thinking(),
            "stopped_by": self.stopped_by,
            "criteria": {name: _plain(runs) for name, runs in self.judgements().items()},
            "events": [e.message for e in self.ledger.events() if e.kind not in RECORDS],
        }

    def figures(self) -> dict[str, Figure]:
        """The figures of the report page by name, those of its models among them; models are trained for them."""
        return self._figures(self.outlook())

    def iterations(self) -> pd.DataFrame:
        """What the searcher noted of each iteration, a row each; empty for searchers that note nothing."""
        return iteration_table(self.ledger.events())

    def write(self, run_dir: str | Path) -> Path:
        """Write ``trace.csv``, ``summary.json``, ``figures/`` and ``report.html``.

        Args:
            run_dir: Where to; the folder is made if it is missing.

        Returns:
            Path of the page.
        """
        folder = Path(run_dir)
        frame, evaluations = self.to_frame(), self.ledger.evaluations()
        summary = self.write_record(folder)
        outlook = self.outlook()
        figures = self._figures(outlook)
        _save(figures, folder / FIGURES)
        if isinstance(self.problem, StructureProblem):
            write_structures(self.problem, evaluations, folder)
            frame = frame.drop(columns=list(self.problem.space.labels))
        page = folder / PAGE
        write_page(page, self.problem, summary, evaluations, frame, figures, outlook)
        self.publish(folder)
        return page

    def is_written(self, run_dir: str | Path) -> bool:
        """Whether a folder's summary and page, see :meth:`write`, are those of the campaign as it stands."""
        summary, page = Path(run_dir) / SUMMARY, Path(run_dir) / PAGE
        if not summary.is_file() or not page.is_file() or page.stat().st_mtime_ns < summary.stat().st_mtime_ns:
            return False
        told = json.loads(summary.read_text())
        finished = sum(e.status != "pending" for e in self.ledger.evaluations())
        return bool(told["evaluations"] == finished and told["stopped_by"] == self.stopped_by)

    def publish(self, run_dir: str | Path) -> None:
        """Give whoever follows the campaign what it came to; its figures are drawn where the folder has none.

        Args:
            run_dir: The folder that :meth:`write` or :meth:`write_record` has written.
        """
        if self._tracker is not None:
            self._tracker.show(lambda: self._outcome(Path(run_dir)))

    def _outcome(self, folder: Path) -> Outcome:
        evaluations = self.ledger.evaluations()
        if not (folder / FIGURES).is_dir():
            _save(problem_figures(self.problem, evaluations), folder / FIGURES)
        models = [] if self._checkpoint is None else [self._checkpoint, self._checkpoint.with_suffix(SUFFIX)]
        net = self.understanding().network
        if net is not None:
            models.append(folder / "network.ckpt")
            net.save(models[-1])
        return outcome_of(self.problem, self.ledger, self.summary(), self.to_frame(), models, folder)

    def write_record(self, run_dir: str | Path) -> dict[str, Any]:
        """Write ``trace.csv`` and ``summary.json``, which need no drawing.

        Args:
            run_dir: Where to; the folder is made if it is missing.

        Returns:
            The summary.
        """
        folder = Path(run_dir)
        folder.mkdir(parents=True, exist_ok=True)
        frame, summary = self.to_frame(), self.summary()
        trace = frame.loc[frame["status"] != "pending", ["evaluation", "value", "best_value", "iteration", "proposer"]]
        write_csv(trace.rename(columns={"proposer": "searcher"}), folder / TRACE)
        write_text(folder / SUMMARY, json.dumps(masked_data(summary), indent=2) + "\n")
        return summary

    def _figures(self, outlook: Outlook | None) -> dict[str, Figure]:
        found = problem_figures(self.problem, self.ledger.evaluations())
        if len(noted := self.iterations()):
            found["iterations"] = iterations_of_searchers(self.problem, {self.searcher.name: [noted]})
        return found | ({} if outlook is None else outlook.figures())

    def outlook(self) -> Outlook | None:
        """What the models say after the last run; None for a searcher without models, or before the first result."""
        history, searcher = self.history(), self.searcher
        if not isinstance(self.problem, RecipeProblem) or not searcher.learners.names or not history.done:
            return None
        run = history.done[-1].iteration
        before = self.understanding(run - 1) if run > 1 else None
        proposal = None
        if isinstance(searcher, BatchSearcher) and not len(history.pending):
            proposal = searcher.ask(searcher.size(history), history)
        return Outlook(
            self.problem, history.evaluations, self.understanding(run), before, self.judgements(), self.stop, proposal
        )


def _save(figures: Mapping[str, Figure], folder: Path) -> None:
    for name, figure in figures.items():
        with replacing(folder / f"{name}.png") as draft:
            figure.savefig(draft, dpi=150)


def _checked(stop: Sequence[StopCriterion], problem: Problem, searcher: Searcher) -> tuple[StopCriterion, ...]:
    stop = several(of(StopCriterion, "a stop criterion"))("stop", stop)
    names = [criterion.name for criterion in stop]
    if len(set(names)) < len(names):
        raise ValueError(f"stop has the criteria {names}; give each at most once")
    for criterion in stop:
        criterion.require(searcher.learners, spectra=getattr(problem, "objective", None) is not None)
    return tuple(stop)


def _judgement(criterion: StopCriterion, run: int, figures: Figures) -> Event:
    told = ", ".join(f"{key.replace('_', ' ')} {value:.4g}" for key, value in figures.items())
    goal = f" (ends the campaign: {criterion.level})" if criterion.level else ""
    return Event(
        JUDGED,
        f"run {run}, {criterion.name.replace('_', ' ')}: {told}{goal}",
        {"criterion": criterion.name, "run": run, "figures": _plain({run: figures})[run]},
    )


def _plain(runs: Mapping[int, Mapping[str, float]]) -> dict[int, dict[str, float | None]]:
    """Figures as JSON holds them: what is not a number is null."""
    return {run: {k: v if math.isfinite(v) else None for k, v in figures.items()} for run, figures in runs.items()}
