"""The record of a campaign: what its ledger says in tables, numbers, figures and a page. Nothing is evaluated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matseek.checks import of, several
from matseek.core.history import History
from matseek.core.problem import Problem, solves
from matseek.core.records import HISTORY, JUDGED, RECOGNISED, Evaluation, Event, lowest_of
from matseek.core.searcher import Searcher
from matseek.errors import UnknownEvaluationError
from matseek.evaluation import LedgerReader
from matseek.evaluation.earlier import earlier_evaluations
from matseek.evaluation.evaluator import history_of
from matseek.insight.convergence import best_so_far, iteration_table
from matseek.insight.fitted_models import FittedModels
from matseek.insight.plausibility import plausibility
from matseek.insight.stopping import StopCriterion
from matseek.report.sentences import outcome
from matseek.run_folder import RunFolder
from matseek.secrets import masked_data
from matseek.standing import CALCULATOR, DOUBTED, ended_by

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects
    from matplotlib.figure import Figure

    from matseek.report.campaign_report import CampaignReport
    from matseek.report.outlook import Outlook
    from matseek.report.structure_files import Exported


class Record:
    """What is known of a campaign, which may be running in another process: nothing is locked or changed.

    Args:
        problem: What is minimised.
        searcher: Who chooses.
        ledger: Read whenever something is asked.
        seed: The campaign's.
        stop: Its stop criteria.
    """

    def __init__(
        self, problem: Problem, searcher: Searcher, ledger: LedgerReader, seed: int, stop: Sequence[StopCriterion] = ()
    ) -> None:
        self.problem = problem
        self.searcher = searcher
        self.ledger = ledger
        self.seed = seed
        self.stop = tuple(stop)
        self._fitted: dict[tuple[int, tuple[object, ...]], FittedModels] = {}

    @classmethod
    def read(
        cls,
        problem: Problem,
        searcher: Searcher,
        ledger: str | Path,
        seed: int,
        stop: Sequence[StopCriterion] = (),
    ) -> Record:
        """The record of a campaign's ledger.

        Raises:
            LedgerMismatchError: If the ledger holds another campaign.
            LedgerError: If there is no ledger, or it cannot be read.
        """
        reader = LedgerReader(ledger)
        reader.require(masked_data(problem.describe()), searcher.name, seed)
        return Record(problem, searcher, reader, seed, checked_criteria(stop, problem, searcher))

    def history(self) -> History:
        """Everything so far."""
        return history_of(self.problem, self.ledger, self.seed, self.earlier)

    @cached_property
    def earlier(self) -> tuple[Evaluation, ...]:
        """Evaluations of earlier campaigns that this one has begun with, by its own objective; none counts as its own.

        They have the numbers 0 and less, and belong to batch 0.
        """
        return earlier_evaluations(self.problem, self.ledger.origins())

    @property
    def earlier_best(self) -> Evaluation | None:
        """The best of :attr:`earlier`; None where none has a value."""
        return next(iter(self.problem.ranked(self.earlier)), None)

    def models(self, batch: int | None = None) -> FittedModels:
        """The searcher's models, fitted on everything up to a batch when they are first looked at.

        Args:
            batch: The batch, 1 for the first; None for the last.
        """
        history = self.history()
        batch = history.iteration - 1 if batch is None else batch
        history = history.until(batch)
        # What was measured may be told later, or corrected.
        key = (batch, tuple((e.status, e.changes) for e in history.evaluations))
        if key not in self._fitted:
            # Models are heavy: those of the last two batches are all that a verdict needs.
            kept = {k: models for k, models in self._fitted.items() if k[0] == batch - 1}
            fitted = FittedModels(history, self.searcher.surrogates_on(self.problem), self.problem)
            self._fitted = {**kept, key: fitted}
        return self._fitted[key]

    def judgements(self) -> dict[str, dict[int, dict[str, float]]]:
        """What the stop criteria measured: by criterion and run, NaN where there was nothing to measure."""
        result: dict[str, dict[int, dict[str, float]]] = {}
        for event in self.ledger.events():
            if event.kind == JUDGED:
                figures = {k: math.nan if v is None else v for k, v in event.data["figures"].items()}
                result.setdefault(event.data["criterion"], {})[event.data["run"]] = figures
        return result

    @property
    def best(self) -> Evaluation:
        """The best of its own as far as their replicates tell, see :meth:`Problem.ranked`; without any, the lowest.

        As long as none meets the constraints on outcomes, it is one that does not: ``summary()["feasible"]`` is 0 then.

        Raises:
            UnknownEvaluationError: If no evaluation has a value yet.
        """
        return _some(next(iter(self.problem.ranked(self.ledger.evaluations())), None))

    @property
    def lowest(self) -> Evaluation:
        """The evaluation with the least value, however much its replicates scatter.

        Raises:
            UnknownEvaluationError: If no evaluation has a value yet.
        """
        return _some(lowest_of(self.ledger.evaluations()))

    @property
    def stopped_by(self) -> str | None:
        """What ended the campaign; None while it goes on."""
        return ended_by(self.ledger.events(), len(self.ledger.evaluations()))

    def to_frame(self) -> pd.DataFrame:
        """A row per evaluation: its number, batch, proposer and status, the variables in units, and its value.

        ``best_value`` is the least value so far; ``upper_bound`` is what :attr:`best` is chosen by.
        """
        import pandas as pd

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
                "upper_bound": np.array([e.upper_bound() for e in evaluations], dtype=np.float64),
                "replicates": [len(e.finite_replicates) for e in evaluations],
                "best_value": best_so_far(values),
                "error": [e.error or "" for e in evaluations],
                "asked_at": [e.asked_at for e in evaluations],
                "finished_at": pd.Series([e.finished_at for e in evaluations], dtype="datetime64[us, UTC]"),
            }
        )
        return pd.concat([who, self.problem.space.to_frame(points), self._outcomes(evaluations), results], axis=1)

    def _outcomes(self, evaluations: Sequence[Evaluation]) -> pd.DataFrame:
        """A column per outcome, and whether all constraints on outcomes are met where there are any."""
        import pandas as pd

        goals = self.problem.goals
        table = pd.DataFrame(goals.table(evaluations), columns=[outcome.label for outcome in goals.outcomes])
        return table.assign(feasible=goals.feasible(evaluations)) if goals.constraints else table

    def pareto_front(self) -> pd.DataFrame:
        """The rows of :meth:`to_frame` on the Pareto front of value and further objectives, by value.

        Of a single objective that is the lowest value that meets the constraints on outcomes.
        """
        numbers = [e.number for e in self.problem.goals.front(self.ledger.evaluations())]
        return self.to_frame().set_index("evaluation", drop=False).loc[numbers].reset_index(drop=True)

    def _point(self, evaluation: Evaluation | None) -> dict[str, float | str] | None:
        """A point by the variables' labels."""
        if evaluation is None:
            return None
        frame = self.problem.space.to_frame(evaluation.point)
        return {str(label): frame[label].iloc[0] for label in frame.columns}

    def _recognised(self) -> Mapping[str, Any] | None:
        result = self._events(RECOGNISED)
        return result[-1].data if result else None

    def _events(self, kind: str) -> list[Event]:
        return [e for e in self.ledger.events() if e.kind == kind]

    def summary(self) -> dict[str, Any]:
        """The campaign in numbers: the dictionary that ``run_dir/summary.json`` holds."""
        evaluations = self.ledger.evaluations()
        values = np.array([e.value for e in evaluations], dtype=np.float64)
        tested = self.problem.has_success
        # A test may relax structures: nothing is tested after the first success.
        goals = self.problem.goals
        feasible = dict(zip(evaluations, goals.feasible(evaluations), strict=True))
        done = (e for e in evaluations if tested and feasible[e])
        first = next((e.number for e in done if solves(self.problem, e.point, e.value)), None)
        valued = bool(np.isfinite(values).any())
        best, lowest = (self.best, self.lowest) if valued else (None, None)
        recognised, atoms, structures = self._recognised(), self.problem.as_atoms(), self.problem.as_structures()
        result: dict[str, Any] = {
            "problem": self.problem.name,
            "searcher": self.searcher.name,
            "seed": self.seed,
            "evaluations": sum(e.settled for e in evaluations),
            "failed": sum(e.status == "failed" for e in evaluations),
            "pending": sum(e.status == "pending" for e in evaluations),
            "withdrawn": sum(e.status == "withdrawn" for e in evaluations),
            "changes": sum(e.changes for e in evaluations),
            "best_value": best.value if best else None,
            "best_evaluation": best.number if best else None,
            "best_point": self._point(best),
            "best_upper_bound": best.upper_bound() if best else None,
            "lowest_value": lowest.value if lowest else None,
            "lowest_evaluation": lowest.number if lowest else None,
            "lowest_point": self._point(lowest),
            "best_outcomes": plain({0: goals.of(best)})[0] if best and goals else None,
            "feasible": int(sum(feasible.values())) if goals.constraints else None,
            "pareto_front": [e.number for e in goals.front(evaluations)] if goals.objectives else None,
            "success": first is not None if tested else None,
            "evaluations_to_success": first,
            "success_criterion": None if atoms is None else atoms.success_criterion,
            "relaxed_success": None if recognised is None else recognised["evaluation"] is not None,
            "evaluations_to_relaxed_success": None if recognised is None else recognised["evaluation"],
            "relaxed_success_criterion": None if structures is None else structures.relaxed_criterion,
            "relaxation_calls": None if recognised is None else recognised["calls"],
            "earlier": self._told_earlier(),
            **plausibility(self.problem.space, evaluations),
            "seconds_asking": self.ledger.seconds_asking(),
            "wall_seconds": self.ledger.wall_seconds(),
            "cpu_seconds": self.ledger.cpu_seconds(),
            "overhead_seconds": self.ledger.overhead_seconds(),
            "stopped_by": self.stopped_by,
            "criteria": {name: plain(runs) for name, runs in self.judgements().items()},
            "events": [e.message for e in self.ledger.events() if not e.for_programs],
        }
        disagree = {e.message for e in self._events(DOUBTED) if e.data["about"] == CALCULATOR}
        result["warnings"] = [*result["warnings"], *sorted(disagree)]
        return result | {"outcome": outcome(self.problem, result)}

    def _told_earlier(self) -> dict[str, Any] | None:
        """What the campaign has begun with; None where that is nothing."""
        taken = self._events(HISTORY)
        if not taken:
            return None
        best = self.earlier_best
        return {
            "evaluations": len(self.earlier),
            "best_value": None if best is None else best.value,
            "best_point": self._point(best),
            "ledgers": [e.data["ledger"] for e in taken],
        }

    def iterations(self) -> pd.DataFrame:
        """What the searcher noted of each iteration, a row each; empty for searchers that note nothing."""
        return iteration_table(self.ledger.events())

    @property
    def report(self) -> CampaignReport:
        """What is drawn and written of it."""
        from matseek.report.campaign_report import CampaignReport  # with Matplotlib

        return CampaignReport(self)

    def figures(self) -> dict[str, Figure]:
        """The figures of the report page by name, see :meth:`CampaignReport.figures`."""
        return self.report.figures()

    def explore(self) -> plotly.graph_objects.Figure:
        """All evaluations to explore with the mouse, see :func:`matseek.report.exploring.explore_campaign`.

        Raises:
            ImportError: If Plotly is not installed: ``pip install 'matseek[explore]'``.
        """
        from matseek.report.exploring import explore_campaign

        return explore_campaign(self.problem, self.ledger.evaluations())

    def outlook(self) -> Outlook | None:
        """What the models say after the last batch, see :meth:`CampaignReport.outlook`."""
        return self.report.outlook()

    def export(self, path: str | Path) -> Exported:
        """Write all evaluated structures with energies, forces on all atoms, stress and moments where they are known.

        Args:
            path: ``.xyz`` or ``.extxyz`` for extended XYZ, ``.db`` for ASE's database; what is there is replaced.

        Raises:
            ValueError: If the problem is not one of structures, nothing has an energy, or the ending is another one.

        Example:
            >>> campaign.export("pt7.xyz")  # doctest: +SKIP
            2560 structures, 2560 with forces on all atoms
        """
        from matseek.report.structure_files import export_structures  # with Numba

        problem = self.problem.as_atoms()
        if problem is None:
            raise ValueError(
                f"problem {self.problem.name!r} has no structures to export; its evaluations are a table, to_frame()"
            )
        return export_structures(problem, self.ledger.evaluations(), Path(path))

    def write(self, run_dir: str | Path) -> Path:
        """Write numbers, figures and page into a folder, see :meth:`CampaignReport.write`; gives the page's path."""
        return self.report.write(RunFolder(Path(run_dir)))


def _some(evaluation: Evaluation | None) -> Evaluation:
    if evaluation is None:
        raise UnknownEvaluationError("no evaluation has a value yet; run the campaign or tell results first")
    return evaluation


def plain(runs: Mapping[int, Mapping[str, float]]) -> dict[int, dict[str, float | None]]:
    """Figures as JSON holds them: what is not a number is null."""
    return {run: {k: v if math.isfinite(v) else None for k, v in figures.items()} for run, figures in runs.items()}


def checked_criteria(stop: Sequence[StopCriterion], problem: Problem, searcher: Searcher) -> tuple[StopCriterion, ...]:
    """Stop criteria that can be met, each at most once."""
    stop = several(of(StopCriterion, "a stop criterion"))("stop", stop)
    names = [criterion.name for criterion in stop]
    if len(set(names)) < len(names):
        raise ValueError(f"stop has the criteria {names}; give each at most once")
    for criterion in stop:
        criterion.require(searcher.surrogates_on(problem), spectra=problem.objective is not None)
    return tuple(stop)
