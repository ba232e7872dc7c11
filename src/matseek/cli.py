"""The command line. Hydra overrides come after the verb; nothing heavy is imported before a verb needs it."""

from __future__ import annotations

import logging
import math
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
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
    from matseek.tracking import Tracking

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
def compare(
    overrides: Annotated[
        list[str],
        typer.Argument(help="problem=... searchers=[a,b] seeds=8 workers=2 run_dir=... and what every cell is given."),
    ],
) -> None:
    """Run several searchers on one problem with the same seeds; the same command goes on with what was cut off."""
    with _told_plainly():
        # A terminated comparison ends as an interrupted one: its cells' processes end with it.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with _out.status("loading torch and BoTorch"):
            from matseek.comparison import TABLE, Comparison

            comparison = Comparison(overrides)
        bar = Progress(
            SpinnerColumn(),
            TextColumn(comparison.problem.name),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("runs; now {task.fields[now]}"),
            TimeElapsedColumn(),
            console=_out,
        )
        with bar:
            task = bar.add_task("", total=len(comparison.cells), now="-")
            failures = comparison.run(
                lambda running, ended: bar.update(task, completed=ended, now="; ".join(c.name for c in running) or "-")
            )
            bar.update(task, completed=len(comparison.cells) - len(failures), now="-")
        page = comparison.write()
        told = ["searcher", "seeds", "successes", "success_low", "success_high", "mean_evaluations_to_success"]
        _out.print(_table(comparison.table()[[*told, "median_best_value"]], comparison.problem.name))
        _out.print(f"{comparison.folder / TABLE}; open {page.resolve()}", highlight=False, soft_wrap=True)
        for name, message in failures.items():
            _err.print(f"failed: {name}: {message}", style="bold red", markup=False, highlight=False, soft_wrap=True)
        if failures:
            raise typer.Exit(1)


@app.command()
def demo() -> None:
    """Run the README's main job, then say where to look."""
    with _told_plainly():
        _run(["experiment=demo"])


@app.command()
def ask(
    run_dir: Annotated[Path, typer.Argument(help="Folder of the campaign; made by the first ask.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Hydra overrides that set the campaign up, at the first ask only.")
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", "-n", help="Recipes; the searcher's next batch if left out.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="CSV or XLSX; RUN_DIR/batch-N.csv if left out.")
    ] = None,
) -> None:
    """Write the next recipes to measure into a table."""
    with _told_plainly():
        from matseek.desk import write_table

        campaign = _at_the_desk(run_dir, overrides or [])
        batch = campaign.ask(count)
        path = output or run_dir / f"batch-{campaign.history().iteration - 1}.csv"
        write_table(batch.to_frame(), path)
        _out.print(_table(batch.to_frame(), f"{len(batch)} recipes to measure"))
        _out.print(
            f"written to {path}; fill in the results and give them to: matseek tell {run_dir} FILE", soft_wrap=True
        )


@app.command()
def tell(
    run_dir: Annotated[Path, typer.Argument(help="Folder of the campaign.")],
    results: Annotated[
        Path, typer.Argument(help="CSV or XLSX: the asked table with a value, or a column per wavelength.")
    ],
    resample: Annotated[
        bool, typer.Option("--resample", help="Interpolate spectra on other wavelengths than the target's.")
    ] = False,
) -> None:
    """Take in measured results, and bring the page up to date."""
    with _told_plainly():
        from matseek.desk import read_table

        campaign = _at_the_desk(run_dir, [])
        campaign.tell(read_table(results), resampling=resample)
        page = campaign.write(run_dir)
        _show_status(campaign)
        _out.print(f"open {page.resolve()}", highlight=False, soft_wrap=True)


@app.command()
def report(
    run_dir: Annotated[Path, typer.Argument(help="Folder of the campaign.")],
    relaxed: Annotated[
        bool,
        typer.Option(
            "--relaxed", help="Relax structures, to see whether one becomes a solution; calls the calculator."
        ),
    ] = False,
) -> None:
    """Put everything about a campaign into one HTML page that opens from disk."""
    with _told_plainly():
        campaign = _at_the_desk(run_dir, [])
        if relaxed:
            with _out.status("relaxing"):
                campaign.recognise()
            _show_outcome(campaign)
        with _out.status("training the models on everything measured, drawing"):
            page = campaign.write(run_dir)
        _out.print(f"open {page.resolve()}", highlight=False, soft_wrap=True)


@app.command()
def status(run_dir: Annotated[Path, typer.Argument(help="Folder of the campaign.")]) -> None:
    """Tell how a campaign stands."""
    with _told_plainly():
        _show_status(_at_the_desk(run_dir, []))


@app.command()
def models(
    name: Annotated[
        str | None, typer.Argument(help="Name or path of one, to be told all that it says of itself.")
    ] = None,
) -> None:
    """List the trained models that a search may start from (searcher.start=NAME), or show one."""
    with _told_plainly():
        with _out.status("loading torch"):
            from matseek.models import zoo
        if name is not None:
            card = zoo.read_card(zoo.find(name))
            _out.print_json(
                data={"file": str(card.path), **card.architecture, "units": card.units, "training": card.training}
            )
            return
        table = Table(title="trained models")
        told = ("problem", "calculator", "evaluations", "steps")
        for column in ("name", *told, "MB"):
            table.add_column(column, overflow="fold")
        for card in zoo.models():
            record = (str(card.training.get(key, "-")) for key in told)
            table.add_row(card.name, *record, f"{card.path.stat().st_size / 1e6:.1f}")
        _out.print(table)


def _at_the_desk(run_dir: Path, overrides: Sequence[str]) -> Campaign:
    """The campaign of a folder; the first ask sets it up."""
    with _out.status("loading torch and BoTorch"):
        from matseek.campaign import Campaign
        from matseek.configuration import recorded_settings, run_settings
        from matseek.errors import ConfigurationError

        known = (run_dir / "config.yaml").is_file()
        if known and overrides:
            raise ConfigurationError(
                f"{run_dir} holds a campaign already, so {list(overrides)} would change it; leave them out, or name "
                "another folder"
            )
        settings = run_settings([*overrides, f"run_dir='{run_dir}'"]) if overrides else recorded_settings(run_dir)
    return _open(Campaign, settings)


def _show_status(campaign: Campaign) -> None:
    summary = campaign.summary()
    _out.print(
        f"{summary['problem']}, {summary['searcher']}: {summary['evaluations']} measured ({summary['failed']} failed), "
        f"{summary['pending']} to be measured",
        highlight=False,
    )
    if summary["best_value"] is not None:
        _show_best(campaign)
    _show_outcome(campaign)


def _show_outcome(campaign: Campaign) -> None:
    """Whether the problem is solved, and what speaks against the best."""
    from matseek.report.page import outcome

    summary = campaign.summary()
    for sentence in outcome(campaign.problem, summary):
        _out.print(sentence, highlight=False, markup=False, soft_wrap=True)
    for warning in summary["warnings"]:
        _out.print(f"warning: {warning}", style="yellow", highlight=False, markup=False, soft_wrap=True)


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
    except KeyboardInterrupt as error:
        _err.print("stopped; every result so far is written down, and the same command goes on from there")
        raise typer.Exit(130) from error
    except (MatseekError, ValueError, OSError, ImportError) as error:
        _err.print(f"error: {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error


def _run(overrides: Sequence[str]) -> None:
    with _out.status("loading torch and BoTorch"):
        from matseek.campaign import PAGE, Campaign
        from matseek.configuration import run_settings

        settings = run_settings(overrides)
    settings.searcher.check(settings.budget)
    settings.searcher.check_problem(settings.problem)
    settings.problem.require_oracle()
    campaign = _open(Campaign, settings, settings.tracking)
    done = campaign.leads and campaign.has_ended(settings.budget) and campaign.is_written(settings.run_dir)
    if not done or campaign.place.has_followers:
        with _progress(campaign, settings.budget) as told:
            campaign.run(settings.budget, on_evaluation=told)
    if not campaign.leads:
        return
    page = settings.run_dir / PAGE
    if not done:
        with _out.status("drawing"):
            campaign.write(settings.run_dir)
    _show_best(campaign)
    _show_outcome(campaign)
    _out.print(f"stopped by {(campaign.stopped_by or '').replace('_', ' ')}", highlight=False)
    _out.print(f"ledger, trace, summary and figures: {settings.run_dir}", highlight=False)
    _out.print(f"open {page.resolve()}", highlight=False, soft_wrap=True)


def _open(kind: type[Campaign], settings: RunSettings, tracking: Tracking | None = None) -> Campaign:
    """The campaign of a run folder, which is made if it is missing."""
    from omegaconf import OmegaConf

    from matseek.files import write_text

    settings.run_dir.mkdir(parents=True, exist_ok=True)
    campaign = kind(
        settings.problem,
        settings.searcher,
        ledger=settings.run_dir / "ledger.db",
        seed=settings.seed,
        executor=settings.executor,
        stop=settings.stop,
        opening=settings.opening,
        tracking=tracking,
    )
    config, path = OmegaConf.to_yaml(settings.config), settings.run_dir / "config.yaml"
    if campaign.leads and not (path.is_file() and path.read_text() == config):
        write_text(path, config)
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
        table.add_row(*(_cell(value) for value in row))
    return table


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.4g}"
    return str(value)
