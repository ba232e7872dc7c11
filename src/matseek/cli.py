"""The command line. Hydra overrides come after the verb; nothing heavy is imported before a verb needs it."""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matseek.desk_verbs import (
    Debug,
    RunDir,
    Trust,
    at_the_desk,
    desk_app,
    has_constraints,
    open_campaign_in,
    require_campaign,
    show_status,
)
from matseek.helping import Example, Verbs, WithChoices, show_choices
from matseek.progress import counting, evaluating
from matseek.run_folder import RunFolder
from matseek.terminal import INTERRUPTED, Telling, fail, frame_table, out, show_sentences, table, told_plainly

if TYPE_CHECKING:
    from matseek.campaign import Campaign
    from matseek.record import Record

app = typer.Typer(
    cls=Verbs,
    help="Seek materials: batch Bayesian optimisation, a spectrum network, and GO-Diff.",
    no_args_is_help=True,
    rich_markup_mode=None,  # it would take [a,b] for markup
    pretty_exceptions_enable=False,
)
app.add_typer(desk_app)

Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Folder for figures and page; RUN_DIR if left out.")
]
Overrides = Annotated[list[str] | None, typer.Argument(help="Hydra overrides: problem=silver budget=120 seed=0 ...")]
Choices = Annotated[
    str | None,
    typer.Option(
        "--choices",
        "-c",
        metavar="GROUP[=NAME]",
        help="Tell what a group offers, or the settings of a choice with their defaults; nothing is run.",
        callback=show_choices,
        is_eager=True,
    ),
]


@app.command(cls=WithChoices, epilog="matseek run problem=silver searcher=two_step budget=135 run_dir=runs/silver")
def run(
    overrides: Overrides = None,
    multirun: Annotated[
        bool, typer.Option("--multirun", "-m", help="Run every combination of the values given: seed=0,1 budget=30,60.")
    ] = False,
    choices: Choices = None,  # noqa: ARG001 -- told before
    debug: Debug = False,
) -> None:
    """Run a campaign to its budget; the same command goes on with one that was cut off."""
    with told_plainly(debug=debug) as telling:
        if multirun:
            _sweep(overrides or [])
        else:
            _run(overrides or [], telling)


@app.command(cls=WithChoices, epilog="matseek compare problem=silver searchers=[bayesian,network] seeds=8")
def compare(
    overrides: Annotated[
        list[str],
        typer.Argument(help="problem=... searchers=[a,b] seeds=8 workers=2 run_dir=... and what every cell is given."),
    ],
    choices: Choices = None,  # noqa: ARG001 -- told before
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
        with counting(comparison.problem.name, "runs", len(comparison.cells)) as counted:
            failures = comparison.run(lambda running, ended: counted(ended, _running([c.name for c in running])))
            counted(len(comparison.cells) - len(failures))
        page = comparison.write()
        columns = ["searcher", "seeds", "successes", "success_low", "success_high", "mean_evaluations_to_success"]
        shown = comparison.table()[[*columns, "median_best_value"]].rename(columns=lambda name: name.replace("_", " "))
        if decimals := comparison.problem.value_decimals:
            shown["median best value"] = [f"{value:.{decimals}f}" for value in shown["median best value"]]
        out.print(frame_table(shown, comparison.problem.name))
        out.print(f"{comparison.folder.table}; open {page.resolve()}", highlight=False, soft_wrap=True)
        for name, message in failures.items():
            fail(f"failed: {name}: {message}")
        if failures:
            raise typer.Exit(1)


@app.command(cls=Example, epilog="matseek demo")
def demo(debug: Debug = False) -> None:
    """Run a campaign in the embedded silver laboratory, then say where to look."""
    with told_plainly(debug=debug) as telling:
        _run(["experiment=demo"], telling)


@app.command(cls=Example, epilog="matseek report runs/silver")
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
            campaign = at_the_desk(run_dir, [], telling, trust=trust)
            with out.status("relaxing"):
                campaign.recognise()
            _show_outcome(campaign)
        record = _recorded(run_dir, telling, trust=trust)
        with out.status("training the models on everything measured, drawing"), _placed(output or run_dir) as folder:
            page = record.write(folder)
        out.print(f"open {page.resolve()}", highlight=False, soft_wrap=True)


@app.command(cls=Example, epilog="matseek export runs/adatom --to structures.xyz")
def export(
    run_dir: RunDir,
    to: Annotated[Path, typer.Option("--to", help="FILE.xyz or FILE.extxyz (extended XYZ), or FILE.db (ASE).")],
    trust: Trust = False,
    debug: Debug = False,
) -> None:
    """Write all evaluated structures with energies, forces and what else is known, to train a potential for example."""
    with told_plainly(debug=debug) as telling:
        record = _recorded(run_dir, telling, trust=trust)
        exported = record.export(to)
        out.print(f"{exported} in {to}", highlight=False, soft_wrap=True)


@app.command(cls=Example, epilog="matseek status runs/silver")
def status(run_dir: RunDir, trust: Trust = False, debug: Debug = False) -> None:
    """Tell how a campaign stands; it may be running meanwhile."""
    with told_plainly(debug=debug) as telling:
        require_campaign(run_dir)
        telling.log_in(run_dir)
        from matseek.core.records import ranked

        show_status(
            run_dir, _recorded(run_dir, telling, trust=trust).problem.ranked if has_constraints(run_dir) else ranked
        )


@app.command(cls=Example, epilog="matseek watch runs/silver --interval 10")
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


@app.command(cls=Example, epilog="matseek desk runs")
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
        with out.status("loading torch, BoTorch and NiceGUI"):
            try:
                from matseek.workbench import PageServer
            except ImportError as error:
                raise ImportError(f"the page needs NiceGUI ({error}): pip install 'matseek[desk]'") from error
            server = PageServer.of(folder, port)
        out.print(f"the page is at {server.address}", highlight=False, soft_wrap=True)
        out.print("the address lets its holder in: keep it to yourself. Ctrl-C ends the page; campaigns stay.")
        if not no_browser:
            typer.launch(server.address)
        server.run()


@app.command(cls=Example, epilog="matseek models adatom")
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
        told = ("problem", "calculator", "evaluations", "steps")
        rows = (
            (card.name, *(str(card.training.get(key, "-")) for key in told), f"{card.path.stat().st_size / 1e6:.1f}")
            for card in zoo.models()
        )
        out.print(table("trained models", ("name", *told, "size (MB)"), rows))


def _recorded(run_dir: Path, telling: Telling, *, trust: bool) -> Record:
    """What is known of a folder's campaign, which may be running."""
    require_campaign(run_dir)
    telling.log_in(run_dir)
    with out.status("loading torch and BoTorch"):
        from matseek.configuration import recorded_settings
        from matseek.record import Record

        settings = recorded_settings(run_dir, trust=trust)
        return Record.read(settings.problem, settings.searcher, RunFolder(run_dir).ledger, settings.seed, settings.stop)


@contextmanager
def _placed(folder: Path) -> Iterator[Path]:
    """A folder for the page; where it cannot be written, another may be named."""
    try:
        yield folder
    except OSError as error:
        raise OSError(
            f"figures and page cannot be written to {folder} ({error}); name another with --output"
        ) from error


def _show_outcome(record: Record) -> None:
    """Whether the problem is solved, and what speaks against the best."""
    summary = record.summary()
    show_sentences(summary["outcome"], summary["warnings"])


def _sweep(overrides: Sequence[str]) -> None:
    with out.status("loading torch and BoTorch"):
        from matseek.standing import stored_summary
        from matseek.sweeping import sweep
    folder = sweep(overrides, _trial)
    rows, unfinished = [], []
    for trial in sorted(path for path in folder.glob("[!.]*") if path.is_dir()):
        summary = stored_summary(RunFolder(trial).summary)
        if summary:
            rows.append((trial.name, *(summary[key] for key in ("evaluations", "failed", "best_value", "stopped_by"))))
        else:
            unfinished.append(trial.name)
    out.print(table(str(folder), ("trial", "evaluations", "failed", "best value", "stopped by"), rows))
    for name in unfinished:
        fail(f"not finished: {name}")
    if unfinished:
        raise typer.Exit(1)


def _trial(overrides: list[str]) -> float:
    """One campaign of many, and its best value; an error ends this one alone."""
    from matseek.standing import stored_summary

    out.print(" ".join(overrides[:-1]), highlight=False, markup=False, soft_wrap=True)
    try:
        with told_plainly() as telling:
            folder = _run(overrides, telling)
    except typer.Exit as error:
        if error.exit_code == INTERRUPTED:
            raise KeyboardInterrupt from error
        return math.nan
    value = stored_summary(folder.summary).get("best_value")
    return math.nan if value is None else float(value)


def _run(overrides: Sequence[str], telling: Telling) -> RunFolder:
    with out.status("loading torch and BoTorch"):
        from matseek.configuration import run_settings
        from matseek.runs import keep_config

        settings = run_settings(overrides)
    settings.searcher.check(settings.budget)
    folder = RunFolder(settings.run_dir)
    if not folder.ledger.is_file():  # a run that has ended needs neither model nor oracle
        settings.searcher.check_problem(settings.problem)
        settings.problem.require_oracle()
    campaign = open_campaign_in(settings, telling)
    if not campaign.leads:  # the first process keeps the record, and tells
        campaign.run(settings.budget)
        return folder
    keep_config(settings)
    done = campaign.has_ended(settings.budget) and campaign.report.is_written(folder)
    if not done or campaign.place.has_followers:
        with evaluating(campaign, settings.budget) as told:
            campaign.run(settings.budget, on_evaluation=told)
    if not done:
        with out.status("drawing"):
            campaign.write(settings.run_dir)
    _show_best(campaign)
    _show_outcome(campaign)
    out.print(f"stopped by {(campaign.stopped_by or '').replace('_', ' ')}", highlight=False)
    out.print(f"ledger, trace, summary and figures: {settings.run_dir}", highlight=False)
    out.print(f"open {folder.page.resolve()}", highlight=False, soft_wrap=True)
    return folder


def _running(names: Sequence[str]) -> str:
    """Which runs go on, in a few words."""
    if not names:
        return ""
    return f"now {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def _show_best(campaign: Campaign) -> None:
    from matseek.report.recipe_tables import as_told, best_recipes
    from matseek.report.structure_tables import MINIMA_HEADS, minima_rows

    structures = campaign.problem.as_structures()
    if structures is not None:
        rows, heads = minima_rows(structures, campaign.ledger.evaluations(), 5), [*MINIMA_HEADS]
        if len({who for *_, who in rows}) == 1:  # it stands above already, and takes two lines of each row
            rows, heads = [row[:-1] for row in rows], heads[:-1]
        out.print(table(f"lowest structures that differ, of {campaign.problem.name}", heads, rows))
        return
    frame = as_told(campaign.problem, best_recipes(campaign.problem, campaign.ledger.evaluations(), count=5))
    frame = frame.drop(columns=["rank", "batch", "proposer"]).rename(
        columns={"upper_bound": "upper bound", "lower_bound": "lower bound"}
    )
    out.print(frame_table(frame, f"best {campaign.problem.point_name}s of {campaign.problem.name}"))
