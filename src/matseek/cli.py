"""The command line. Hydra overrides come after the verb; nothing heavy is imported before a verb needs it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from matseek.errors import MatseekError

if TYPE_CHECKING:
    import pandas as pd

    from matseek.campaign import Campaign
    from matseek.configuration import RunSettings
    from matseek.evaluation import Evaluation

app = typer.Typer(
    help="Seek materials: batch Bayesian optimisation, a spectrum network, and GO-Diff.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
_out = Console()
_err = Console(stderr=True)

Overrides = Annotated[list[str] | None, typer.Argument(help="Hydra overrides: problem=silver budget=120 seed=0 ...")]


@app.command()
def run(overrides: Overrides = None) -> None:
    """Run a campaign to its budget; the same command goes on with one that was cut off."""
    with _told_plainly():
        _run(overrides or [])


@app.command()
def demo() -> None:
    """Run the README's main job, then say where to look."""
    with _told_plainly():
        _run(["experiment=demo"])


@contextmanager
def _told_plainly() -> Iterator[None]:
    """Errors that matseek explains end the command with their message; others keep their traceback."""
    logging.basicConfig(
        level=logging.WARNING,
        format="%(message)s",
        handlers=[RichHandler(console=_err, show_time=False, show_path=False)],
    )
    try:
        yield
    except (MatseekError, ValueError, OSError) as error:
        _err.print(f"error: {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error


def _run(overrides: Sequence[str]) -> None:
    with _out.status("loading torch and BoTorch"):
        from matseek.campaign import Campaign
        from matseek.configuration import run_settings

        settings = run_settings(overrides)
    campaign = _open(Campaign, settings)
    with _progress(campaign, settings.budget) as told:
        campaign.run(settings.budget, on_evaluation=told)
    page = campaign.write(settings.run_dir)
    _show_best(campaign)
    _out.print(f"ledger, trace, summary and figures: {settings.run_dir}", highlight=False)
    _out.print(f"open {page.resolve()}", highlight=False, soft_wrap=True)


def _open(kind: type[Campaign], settings: RunSettings) -> Campaign:
    """The campaign of a run folder; refuses before anything is written if the budget or the ledger does not fit."""
    from omegaconf import OmegaConf

    settings.searcher.check(settings.budget)
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    campaign = kind(
        settings.problem,
        settings.searcher,
        ledger=settings.run_dir / "ledger.db",
        seed=settings.seed,
        executor=settings.executor,
    )
    OmegaConf.save(settings.config, settings.run_dir / "config.yaml")
    return campaign


class _Told:
    """Moves the progress bar on as evaluations come in."""

    def __init__(self, progress: Progress, campaign: Campaign, budget: int) -> None:
        done = [e for e in campaign.ledger.evaluations() if e.status != "pending"]
        self._best = min((e.value for e in done if e.status == "done"), default=float("nan"))
        self._progress = progress
        self._task = progress.add_task("", total=budget, completed=len(done), batch=1, best="-")

    def __call__(self, evaluation: Evaluation) -> None:
        if not evaluation.value >= self._best:  # also true while the best is NaN
            self._best = evaluation.value
        self._progress.update(self._task, advance=1, batch=evaluation.iteration, best=f"{self._best:.4f}")


@contextmanager
def _progress(campaign: Campaign, budget: int) -> Iterator[_Told]:
    bar = Progress(
        SpinnerColumn(),
        TextColumn(f"{campaign.problem.name}, {campaign.searcher.name}: batch {{task.fields[batch]}}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("evaluations, best {task.fields[best]}"),
        TimeElapsedColumn(),
        console=_out,
    )
    with bar:
        yield _Told(bar, campaign, budget)


def _show_best(campaign: Campaign) -> None:
    from matseek.report.page import best_recipes

    frame = best_recipes(campaign.problem, campaign.ledger.evaluations(), count=5)
    _out.print(_table(frame.drop(columns=["rank", "batch", "proposer"]), f"best recipes of {campaign.problem.name}"))


def _table(frame: pd.DataFrame, title: str) -> Table:
    table = Table(title=title)
    for column in frame.columns:
        # Units go on a line of their own, so that five variables fit a terminal of 80 columns.
        table.add_column(str(column).replace(" (", "\n("), justify="right")
    for row in frame.itertuples(index=False):
        table.add_row(*(f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row))
    return table
