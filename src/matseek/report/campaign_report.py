"""The report of a campaign that is written into its run folder: numbers, figures and a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from matplotlib.figure import Figure

from matseek.core.history import History
from matseek.core.problem import Problem
from matseek.core.searcher import Searcher
from matseek.evaluation import LedgerReader
from matseek.files import replacing, write_text
from matseek.insight.fitted_models import FittedModels
from matseek.insight.stopping import StopCriterion
from matseek.report.figures import iterations_of_searchers, problem_figures
from matseek.report.outlook import Judgements, Outlook
from matseek.report.page import write_page
from matseek.report.structure_files import write_structures
from matseek.run_folder import RunFolder
from matseek.secrets import masked_data
from matseek.standing import stored_summary
from matseek.tables import write_csv


class Reported(Protocol):
    """What the report reads of a campaign, see :class:`matseek.record.Record`."""

    problem: Problem
    searcher: Searcher
    ledger: LedgerReader
    stop: tuple[StopCriterion, ...]

    @property
    def stopped_by(self) -> str | None:
        """What ended the campaign."""
        ...

    def history(self) -> History:
        """Everything so far."""
        ...

    def models(self, batch: int | None = None) -> FittedModels:
        """The searcher's models, fitted on everything up to a batch."""
        ...

    def judgements(self) -> Judgements:
        """What the stop criteria measured."""
        ...

    def summary(self) -> dict[str, Any]:
        """The campaign in numbers."""
        ...

    def to_frame(self) -> pd.DataFrame:
        """A row per evaluation."""
        ...

    def iterations(self) -> pd.DataFrame:
        """What the searcher noted of each batch."""
        ...


class CampaignReport:
    """Draws and writes what is known of a campaign; nothing is evaluated.

    Args:
        record: The campaign's record.
    """

    def __init__(self, record: Reported) -> None:
        self._record = record

    def figures(self) -> dict[str, Figure]:
        """The figures of the report page by name, those of its models among them; models are trained for them."""
        return self._figures(self.outlook())

    def _figures(self, outlook: Outlook | None) -> dict[str, Figure]:
        result = problem_figures(self._record.problem, self._record.ledger.evaluations())
        if len(noted := self._record.iterations()):
            result["iterations"] = iterations_of_searchers(self._record.problem, {self._record.searcher.title: [noted]})
        return result | ({} if outlook is None else outlook.figures())

    def outlook(self) -> Outlook | None:
        """What the models say after the last run; None for a searcher without models, or before the first result."""
        record = self._record
        history, searcher, space = record.history(), record.searcher, record.problem.space
        done = [e for e in history.evaluations if e.status == "done"]
        if not space.readable or space.as_box() is None or not searcher.surrogates or not done:
            return None
        run = done[-1].iteration
        before = record.models(run - 1) if run > 1 else None
        proposal = None
        asked = searcher.as_batch_searcher()
        if asked is not None and not len(history.pending) and asked.room(history) != 0:
            proposal = asked.next_batch(asked.size(history), history)
        now, judged = record.models(run), record.judgements()
        return Outlook(record.problem, history.evaluations, now, before, judged, record.stop, proposal)

    def write(self, folder: RunFolder) -> Path:
        """Write ``trace.csv``, ``summary.json``, ``figures/`` and ``report.html``.

        Args:
            folder: Where to; it is made if it is missing.

        Returns:
            Path of the page.
        """
        self.write_record(folder)
        return self.draw(folder)

    def draw(self, folder: RunFolder) -> Path:
        """Write ``figures/`` and ``report.html``, and of structures the best; the numbers are left to the campaign.

        Args:
            folder: Where to; it is made if it is missing.

        Returns:
            Path of the page.
        """
        frame, evaluations, outlook = self._record.to_frame(), self._record.ledger.evaluations(), self.outlook()
        figures = self._figures(outlook)
        save_figures(figures, folder.figures)
        structures = self._record.problem.as_structures()
        if structures is not None:
            write_structures(structures, evaluations, folder)
            frame = frame.drop(columns=list(self._record.problem.space.labels))
        write_page(folder.page, self._record.problem, self._record.summary(), evaluations, frame, figures, outlook)
        return folder.page

    def is_written(self, folder: RunFolder) -> bool:
        """Whether a folder's summary and page, see :meth:`write`, are those of the campaign as it stands."""
        summary, page = folder.summary, folder.page
        if not summary.is_file() or not page.is_file() or page.stat().st_mtime_ns < summary.stat().st_mtime_ns:
            return False
        known = stored_summary(summary)
        evaluations = self._record.ledger.evaluations()
        finished, changes = sum(e.settled for e in evaluations), sum(e.changes for e in evaluations)
        return (known.get("evaluations"), known.get("changes", 0), known.get("stopped_by")) == (
            finished,
            changes,
            self._record.stopped_by,
        )

    def write_record(self, folder: RunFolder) -> dict[str, Any]:
        """Write ``trace.csv`` and ``summary.json``, which need no drawing.

        Args:
            folder: Where to; it is made if it is missing.

        Returns:
            The summary.
        """
        folder.path.mkdir(parents=True, exist_ok=True)
        frame, summary = self._record.to_frame(), self._record.summary()
        trace = frame.loc[frame["status"] != "pending", ["evaluation", "value", "best_value", "iteration", "proposer"]]
        write_csv(trace.rename(columns={"proposer": "searcher"}), folder.trace)
        write_text(folder.summary, json.dumps(masked_data(summary), indent=2) + "\n")
        return summary


def save_figures(figures: Mapping[str, Figure], folder: Path) -> None:
    """Write figures as PNG files."""
    for name, figure in figures.items():
        with replacing(folder / f"{name}.png") as draft:
            figure.savefig(draft, dpi=150)
