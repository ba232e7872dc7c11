"""The command line. Hydra overrides come after the verb; nothing heavy is imported before a verb needs it."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from matseek.run_folder import RunFolder
from matseek.secrets import masked
from matseek.terminal import Telling, fail, frame_table, out, table, told_plainly

if TYPE_CHECKING:
    from matseek.campaign import Campaign
    from matseek.configuration import RunSettings
    from matseek.core.problem import Problem
    from matseek.core.records import Evaluation
    from matseek.record import Record

app = typer.Typer(
    help="Seek materials: batch Bayesian optimisation, a spectrum network, and GO-Diff.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

"""In a run folder: its campaign's ledger."""

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of what goes wrong.")]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Run whatever the folder's config.yaml names, and let it read the environment; you know its author.",
    ),
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Folder for figures and page; RUN_DIR if left out.")
]
RunDir = Annotated[Path, typer.Argument(help="Folder of the campaign.")]
Overrides = Annotated[list[str] | None, typer.Argument(help="Hydra overrides: problem=silver budget=120 seed=0 ...")]


@app.command()
def run(overrides: Overrides = None, debug: Debug = False) -> None:
    """Run a campaign to its budget; the same command goes on with one that was cut off."""
    with told_plainly(debug=debug) as telling:
        _run(overrides or [], telling)


@app.command()
def compare(
    overrides: Annotated[
        list[str],
        typer.Argument(help="problem=... searchers=[a,b] seeds=8 workers=2 run_dir=... and what every cell is given."),
    ],
    debug: Debug = False,
) -> None:
    """Run several searchers on one problem with the same seeds; the same command goes on with what was cut off."""
    with told_plainly(debug=debug) as telling:
        # A terminated comparison ends as an interrupted one: its cells' processes end with it.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with out.status("loading torch and BoTorch"):
            from matseek.comparison import Comparison

            comparison = Comparison(overrides)
        telling.log_in(comparison.folder.path)
        bar = Progress(
            SpinnerColumn(),
            TextColumn(comparison.problem.name),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("runs; now {task.fields[now]}"),
            TimeElapsedColumn(),
            console=out,
        )
        with bar:
            task = bar.add_task("", total=len(comparison.cells), now="-")
            failures = comparison.run(
                lambda running, ended: bar.update(task, completed=ended, now="; ".join(c.name for c in running) or "-")
            )
            bar.update(task, completed=len(comparison.cells) - len(failures), now="-")
        page = comparison.write()
        columns = ["searcher", "seeds", "successes", "success_low", "success_high", "mean_evaluations_to_success"]
        shown = comparison.table()[[*columns, "median_best_value"]].rename(columns=lambda name: name.replace("_", " "))
        out.print(frame_table(shown, comparison.problem.name))
        out.print(f"{comparison.folder.table}; open {page.resolve()}", highlight=False, soft_wrap=True)
        for name, message in failures.items():
            fail(f"failed: {name}: {message}")
        if failures:
            raise typer.Exit(1)


@app.command()
def demo(debug: Debug = False) -> None:
    """Run the README's main job, then say where to look."""
    with told_plainly(debug=debug) as telling:
        _run(["experiment=demo"], telling)


@app.command()
def ask(
    run_dir: Annotated[Path, typer.Argument(help="Folder of the campaign; made by the first ask.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Hydra overrides that set the campaign up, at the first ask only.")
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", "-n", help="Recipes; the searcher's next batch if left out.")
    ] = None,
    fixed: Annotated[
        list[str] | None,
        typer.Option("--fix", "-f", help="NAME=VALUE: a variable that is held for this batch; any number of them."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="XLSX or CSV; RUN_DIR/batch-N.xlsx if left out.")
    ] = None,
    replicates: Annotated[
        int, typer.Option("--replicates", "-r", min=1, max=100, help="Cells for results of each recipe, in XLSX.")
    ] = 3,
    again: Annotated[
        bool, typer.Option("--again", help="Write the recipes that wait for results once more; nothing new is asked.")
    ] = False,
    trust: Trust = False,
    debug: Debug = False,
) -> None:
    """Write the next recipes to measure into a table."""
    with told_plainly(debug=debug) as telling:
        from matseek.desk import held_values, require_writable, write_recipes

        if output is not None:
            require_writable(output)
        if again:
            if overrides or count is not None or fixed:
                raise ValueError("--again writes recipes that were asked; leave out -n, --fix and settings")
            _require_campaign(run_dir)
        held = held_values(fixed) if fixed else None
        campaign = _at_the_desk(run_dir, overrides or [], telling, trust=trust)
        laboratory = campaign.laboratory
        path = output or _free(RunFolder(run_dir), campaign.history().iteration - (1 if again else 0))
        require_writable(path)
        batch = campaign.waiting() if again else campaign.ask(count, fixed=held)
        write_recipes(batch, laboratory, path, replicates)
        out.print(frame_table(batch.to_frame(), f"{len(batch)} recipes to measure"))
        if overrides and laboratory.objective is None:
            out.print(
                f"the campaign takes a {laboratory.quantity} for each recipe; where spectra are measured, begin it "
                "with data=TARGET.csv",
                soft_wrap=True,
            )
        out.print(
            f"written to {path}; fill in the results and give them to: matseek tell {run_dir} FILE", soft_wrap=True
        )


@app.command()
def tell(
    run_dir: Annotated[Path, typer.Argument(help="Folder of the campaign.")],
    results: Annotated[
        Path,
        typer.Argument(
            help="The asked table with results (CSV, TSV, TXT, XLSX, XLS, ODS, Parquet), spectra, or a folder of them."
        ),
    ],
    resample: Annotated[
        bool, typer.Option("--resample", help="Interpolate spectra on other wavelengths than the target's.")
    ] = False,
    sheet: Annotated[
        str | None, typer.Option("--sheet", help="Sheet of a workbook, where several hold results.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Take what is odd without asking.")] = False,
    trust: Trust = False,
    debug: Debug = False,
) -> None:
    """Take in measured results, and bring the page up to date; what is odd is asked about first."""
    with told_plainly(debug=debug) as telling:
        if not results.exists():
            raise FileNotFoundError(f"there is no file {results}; give the table with the results")
        campaign = _at_the_desk(run_dir, [], telling, trust=trust)
        taking = campaign.preview(results, resampling=resample, sheet=sheet).require()
        _show_sentences([taking.summary], [str(finding) for finding in taking.odd])
        if taking.odd and not yes and not typer.confirm("take it nevertheless?"):
            out.print("nothing was taken")
            raise typer.Exit(1)
        campaign.tell(taking.batch())
        page = campaign.write(run_dir)
        _show_status(run_dir, campaign.problem)
        out.print(f"open {page.resolve()}", highlight=False, soft_wrap=True)


@app.command()
def report(
    run_dir: RunDir,
    relaxed: Annotated[
        bool,
        typer.Option(
            "--relaxed", help="Relax structures, to see whether one becomes a solution; calls the calculator."
        ),
    ] = False,
    output: Output = None,
    trust: Trust = False,
    debug: Debug = False,
) -> None:
    """Put everything about a campaign into one HTML page that opens from disk; it may be running meanwhile."""
    with told_plainly(debug=debug) as telling:
        if relaxed:
            campaign = _at_the_desk(run_dir, [], telling, trust=trust)
            with out.status("relaxing"):
                campaign.recognise()
            _show_outcome(campaign)
        record = _recorded(run_dir, telling, trust=trust)
        with out.status("training the models on everything measured, drawing"), _placed(output or run_dir) as folder:
            page = record.write(folder)
        out.print(f"open {page.resolve()}", highlight=False, soft_wrap=True)


@app.command()
def status(run_dir: RunDir, trust: Trust = False, debug: Debug = False) -> None:
    """Tell how a campaign stands; it may be running meanwhile."""
    with told_plainly(debug=debug) as telling:
        _require_campaign(run_dir)
        telling.log_in(run_dir)
        _show_status(run_dir, _recorded(run_dir, telling, trust=trust).problem if _has_constraints(run_dir) else None)


@app.command()
def watch(
    run_dir: RunDir,
    interval: Annotated[float, typer.Option("--interval", "-i", help="Seconds between two looks.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Look and draw once.")] = False,
    output: Output = None,
    trust: Trust = False,
    debug: Debug = False,
) -> None:
    """Watch a campaign until it ends or Ctrl-C: how it stands, and its figures and page after each batch."""
    with told_plainly(debug=debug) as telling:
        from matseek import watching

        record = _recorded(run_dir, telling, trust=trust)

        def draw() -> Path:
            with _placed(output or run_dir) as folder:
                return record.report.draw(RunFolder(folder))

        try:
            ledger, ranking = RunFolder(run_dir).ledger, record.problem.ranked
            page = watching.watch(ledger, interval, draw, once=once, ranking=ranking)
        except KeyboardInterrupt:
            out.print("no longer watched; the campaign goes on", highlight=False)
            return
        if page is not None:
            out.print(f"open {page.resolve()}", highlight=False, soft_wrap=True)


@app.command()
def desk(
    folder: Annotated[Path, typer.Argument(help="Folder with a run folder for each campaign.")] = Path(),
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="0: any that is free.")] = 0,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address only; by default the browser opens it.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Work with campaigns at a page in the browser, on this machine alone, until Ctrl-C."""
    with told_plainly(debug=debug):
        from matseek.workbench import serve

        def ready(address: str) -> None:
            out.print(f"the page is at {address}", highlight=False, soft_wrap=True)
            out.print("the address lets its holder in: keep it to yourself. Ctrl-C ends the page; campaigns stay.")
            if not no_browser:
                typer.launch(address)

        with out.status("loading torch and BoTorch"):
            import matseek.record  # noqa: F401 -- or the first screen would wait for it
        serve(folder, port, ready)


@app.command()
def models(
    name: Annotated[
        str | None, typer.Argument(help="Name or path of one, to be told all that it says of itself.")
    ] = None,
    debug: Debug = False,
) -> None:
    """List the trained models that a search may start from (searcher.start=NAME), or show one."""
    with told_plainly(debug=debug):
        with out.status("loading torch"):
            from matseek.godiff import zoo
        if name is not None:
            card = zoo.read_card(zoo.find(name))
            out.print_json(
                data={"file": str(card.path), **card.architecture, "units": card.units, "training": card.training}
            )
            return
        table = Table(title="trained models")
        message = ("problem", "calculator", "evaluations", "steps")
        for column in ("name", *message, "MB"):
            table.add_column(column, overflow="fold")
        for card in zoo.models():
            record = (str(card.training.get(key, "-")) for key in message)
            table.add_row(card.name, *record, f"{card.path.stat().st_size / 1e6:.1f}")
        out.print(table)


def _free(folder: RunFolder, number: int) -> Path:
    """A path for a batch's table that no file has taken: it may hold somebody's measurements."""
    path, copy = folder.batch(number), 1
    while path.exists() and copy < 1000:
        copy += 1
        path = folder.batch(number).with_stem(f"batch-{number}-{copy}")
    return path


def _at_the_desk(run_dir: Path, overrides: Sequence[str], telling: Telling, *, trust: bool) -> Campaign:
    """The campaign of a folder; the first ask sets it up."""
    with out.status("loading torch and BoTorch"):
        from matseek.configuration import quoted, recorded_settings, run_settings
        from matseek.errors import ConfigurationError
        from matseek.evaluation.ledger import address_text
        from matseek.runs import keep_config

        if overrides:
            settings = run_settings([*overrides, f"run_dir={quoted(run_dir)}"])
            own = address_text(RunFolder(run_dir).ledger)
            if RunFolder(run_dir).config.is_file() and own not in map(address_text, settings.history):
                raise ConfigurationError(
                    f"{run_dir} holds a campaign already, so {list(overrides)} would change it; leave them out, name "
                    f"another folder, or add history={run_dir} to go on with another target: what is measured is then "
                    "scored by it, and the ledger so far is set aside"
                )
        else:
            _require_campaign(run_dir)
            telling.log_in(run_dir)
            settings = recorded_settings(run_dir, trust=trust)
    campaign = _open(settings, telling)
    if overrides:
        keep_config(settings)
    return campaign


def _recorded(run_dir: Path, telling: Telling, *, trust: bool) -> Record:
    """What is known of a folder's campaign, which may be running."""
    _require_campaign(run_dir)
    telling.log_in(run_dir)
    with out.status("loading torch and BoTorch"):
        from matseek.configuration import recorded_settings
        from matseek.record import Record

        settings = recorded_settings(run_dir, trust=trust)
        return Record.read(settings.problem, settings.searcher, RunFolder(run_dir).ledger, settings.seed, settings.stop)


def _require_campaign(run_dir: Path) -> None:
    """Refuse a folder that holds no campaign, before anything heavy is imported or written."""
    if not RunFolder(run_dir).config.is_file():
        raise FileNotFoundError(
            f"{run_dir} holds no campaign (no config.yaml); name the folder of one, or start one: "
            f"matseek ask {run_dir} problem=... searcher=..."
        )


@contextmanager
def _placed(folder: Path) -> Iterator[Path]:
    """A folder for the page; where it cannot be written, another may be named."""
    try:
        yield folder
    except OSError as error:
        raise OSError(
            f"figures and page cannot be written to {folder} ({error}); name another with --output"
        ) from error


def _has_constraints(run_dir: Path) -> bool:
    """Whether a folder's problem has constraints on outcomes, which only the problem can tell of an evaluation."""
    from omegaconf import DictConfig, OmegaConf
    from yaml import YAMLError

    try:
        config = OmegaConf.load(RunFolder(run_dir).config)
    except (OSError, ValueError, YAMLError):  # it was damaged, and the ledger tells what there is to tell
        return False
    return isinstance(config, DictConfig) and bool(OmegaConf.select(config, "problem.outcome_constraints"))


def _show_status(run_dir: Path, problem: Problem | None) -> None:
    """How a campaign stands; without the problem, from its ledger alone."""
    from matseek.core.records import ranked
    from matseek.evaluation import LedgerReader
    from matseek.standing import Standing

    ranking = ranked if problem is None else problem.ranked
    now = Standing.of(LedgerReader(RunFolder(run_dir).ledger), ranking=ranking)
    if now is None:
        out.print("the campaign has not begun")
        return
    counts = f"{now.settled} measured ({now.failed} failed), {now.pending} to be measured"
    out.print(masked(f"{now.problem}, {now.searcher}: {counts}"), highlight=False, markup=False)
    if now.best:
        out.print(table(f"best evaluations of {now.problem}", now.columns, now.rows()))
    _show_sentences(now.outcome(RunFolder(run_dir).summary), now.warnings)


def _show_outcome(record: Record) -> None:
    """Whether the problem is solved, and what speaks against the best."""
    summary = record.summary()
    _show_sentences(summary["outcome"], summary["warnings"])


def _show_sentences(sentences: Sequence[str], warnings: Sequence[str]) -> None:
    for sentence in sentences:
        out.print(masked(sentence), highlight=False, markup=False, soft_wrap=True)
    for warning in warnings:
        out.print(masked(f"warning: {warning}"), style="yellow", highlight=False, markup=False, soft_wrap=True)


def _run(overrides: Sequence[str], telling: Telling) -> None:
    with out.status("loading torch and BoTorch"):
        from matseek.configuration import run_settings
        from matseek.runs import keep_config

        settings = run_settings(overrides)
    settings.searcher.check(settings.budget)
    folder = RunFolder(settings.run_dir)
    if not folder.ledger.is_file():  # a run that has ended needs neither model nor oracle
        settings.searcher.check_problem(settings.problem)
        settings.problem.require_oracle()
    campaign = _open(settings, telling)
    if campaign.leads:
        keep_config(settings)
    done = campaign.leads and campaign.has_ended(settings.budget) and campaign.report.is_written(folder)
    if not done or campaign.place.has_followers:
        with _progress(campaign, settings.budget) as message:
            campaign.run(settings.budget, on_evaluation=message)
    if not campaign.leads:
        return
    if not done:
        with out.status("drawing"):
            campaign.write(settings.run_dir)
    _show_best(campaign)
    _show_outcome(campaign)
    out.print(f"stopped by {(campaign.stopped_by or '').replace('_', ' ')}", highlight=False)
    out.print(f"ledger, trace, summary and figures: {settings.run_dir}", highlight=False)
    out.print(f"open {folder.page.resolve()}", highlight=False, soft_wrap=True)


def _open(settings: RunSettings, telling: Telling) -> Campaign:
    """The campaign of a run folder, with a log beside it."""
    from matseek.runs import open_campaign

    settings.run_dir.mkdir(parents=True, exist_ok=True)
    telling.log_in(settings.run_dir)
    return open_campaign(settings)


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
        console=out,
    )
    with bar:
        yield _Told(bar, campaign, budget)


def _show_best(campaign: Campaign) -> None:
    from matseek.report.page import best_recipes

    frame = best_recipes(campaign.problem, campaign.ledger.evaluations(), count=5)
    frame = frame.drop(columns=["rank", "batch", "proposer"])
    out.print(frame_table(frame, f"best {campaign.problem.point_name}s of {campaign.problem.name}"))
