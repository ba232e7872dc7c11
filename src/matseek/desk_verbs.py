"""The verbs of the laboratory's desk: recipes out, results in, and what is changed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matseek.run_folder import RunFolder
from matseek.secrets import masked
from matseek.terminal import Telling, frame_table, out, show_sentences, table, told_plainly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from matseek.campaign import Campaign
    from matseek.configuration import RunSettings
    from matseek.core.records import Evaluation
    from matseek.evaluation.batch import Batch
    from matseek.results import Entry, Logbook

    Ranking = Callable[[Iterable[Evaluation]], list[Evaluation]]

desk_app = typer.Typer()

_CHANGES_SHOWN = 5
"""Changes that the status lists."""

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Take it without asking.")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; it stands in the ledger.")]

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of what goes wrong.")]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Run whatever the folder's config.yaml names, and let it read the environment; you know its author.",
    ),
]
RunDir = Annotated[Path, typer.Argument(help="Folder of the campaign.")]
Resample = Annotated[
    bool, typer.Option("--resample", help="Interpolate spectra on other wavelengths than the target's.")
]
Sheet = Annotated[str | None, typer.Option("--sheet", help="Sheet of a workbook, where several hold results.")]


@desk_app.command()
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
        if again:
            if overrides or count is not None or fixed:
                raise ValueError("--again writes recipes that were asked; leave out -n, --fix and settings")
            _write_again(run_dir, output, replicates, telling, trust=trust)
            return
        from matseek.desk import hand_out, held_values, require_writable, unfinished

        if output is not None and not (output.exists() and RunFolder(run_dir).ledger.is_file()):
            require_writable(output)
        held = held_values(fixed) if fixed else None
        campaign = at_the_desk(run_dir, overrides or [], telling, trust=trust)
        laboratory, events = campaign.laboratory, len(campaign.ledger.events())
        begun = unfinished(campaign)
        path = output or (begun[1] if begun else _free(RunFolder(run_dir), campaign.history().iteration))
        batch, known = hand_out(campaign, path, count, held, replicates)
        if known:
            out.print("this batch had been asked, and its table was not written")
        _show_widenings(campaign, events)
        _show_recipes(batch, path, run_dir)
        if overrides and laboratory.objective is None:
            out.print(
                f"the campaign takes a {laboratory.quantity} for each recipe; where spectra are measured, begin it "
                "with data=TARGET.csv",
                soft_wrap=True,
            )


def _write_again(run_dir: Path, output: Path | None, replicates: int, telling: Telling, *, trust: bool) -> None:
    """Write the recipes that wait for results into a table once more."""
    from matseek.desk import write_recipes

    logbook = _logbook(run_dir, telling, trust=trust)
    batch = logbook.waiting()
    path = output or _free(RunFolder(run_dir), logbook.ledger.iterations())
    write_recipes(batch, logbook.laboratory, path, replicates)
    _show_recipes(batch, path, run_dir)


def _show_recipes(batch: Batch, path: Path, run_dir: Path) -> None:
    out.print(frame_table(batch.to_frame(), f"{len(batch)} recipes to measure"))
    out.print(f"written to {path}; fill in the results and give them to: matseek tell {run_dir} FILE", soft_wrap=True)


@desk_app.command()
def tell(
    run_dir: RunDir,
    results: Annotated[
        Path,
        typer.Argument(
            help="The asked table with results (CSV, TSV, TXT, XLSX, XLS, ODS, Parquet), spectra, or a folder of them."
        ),
    ],
    resample: Resample = False,
    sheet: Sheet = None,
    add: Annotated[
        bool, typer.Option("--add", help="Results of evaluations that have some are further replicates.")
    ] = False,
    new: Annotated[
        bool, typer.Option("--new", help="Take recipes that were never asked, too: own ideas, earlier data.")
    ] = False,
    columns: Annotated[
        Path | None, typer.Option("--columns", help="YAML with the name of a variable by the heading in the table.")
    ] = None,
    yes: Yes = False,
    trust: Trust = False,
    debug: Debug = False,
) -> None:
    """Take in measured results, and bring the page up to date; what is odd is asked about first."""
    with told_plainly(debug=debug) as telling:
        from matseek.desk import column_map

        _require_table(results)
        names = None if columns is None else column_map(columns)
        campaign = at_the_desk(run_dir, [], telling, trust=trust)
        taking = campaign.preview(results, resampling=resample, sheet=sheet, adding=add, new=new, columns=names)
        _confirm(taking, yes=yes, always=False)
        campaign.tell(taking)
        page = campaign.write(run_dir)
        show_status(run_dir, campaign.problem.ranked)
        out.print(f"open {page.resolve()}", highlight=False, soft_wrap=True)


@desk_app.command()
def correct(
    run_dir: RunDir,
    number: Annotated[
        int | None, typer.Argument(help="The evaluation; left out with --file for all of a table.")
    ] = None,
    value: Annotated[
        list[str] | None,
        typer.Option("--value", "-v", help="The right value, once for each replicate; or the word failed."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", help="NAME=VALUE: what a variable was; any number."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Table or spectra with the right results and recipes.")
    ] = None,
    resample: Resample = False,
    sheet: Sheet = None,
    reason: Reason = "",
    yes: Yes = False,
    trust: Trust = False,
    debug: Debug = False,
) -> None:
    """Put a right value, spectrum or recipe in the place of a wrong one; the wrong one stays in the ledger."""
    with told_plainly(debug=debug) as telling:
        if (number is None) == (file is None) or (file is not None and (value or settings)):
            raise ValueError("give the number of an evaluation with --value or --set, or a table with --file")
        logbook = _logbook(run_dir, telling, trust=trust)
        entry: Entry
        if file is not None:
            _require_table(file)
            entry = logbook.corrections(file, resampling=resample, sheet=sheet, reason=reason)
        else:
            from matseek.desk import held_values, told_values

            assert number is not None
            response = told_values(value, logbook.laboratory) if value else None
            recipe = held_values(settings, "--set") if settings else None
            entry = logbook.correction(number, response, recipe, reason)
        _write(logbook, entry, run_dir, yes=yes)


@desk_app.command()
def withdraw(
    run_dir: RunDir,
    numbers: Annotated[list[int], typer.Argument(help="The evaluations.")],
    again: Annotated[bool, typer.Option("--again", help="Their recipes wait for results again.")] = False,
    reason: Reason = "",
    yes: Yes = False,
    trust: Trust = False,
    debug: Debug = False,
) -> None:
    """Withdraw results: nobody learns from them any more; they stay in the ledger."""
    with told_plainly(debug=debug) as telling:
        logbook = _logbook(run_dir, telling, trust=trust)
        _write(logbook, logbook.withdrawal(numbers, reason, again=again), run_dir, yes=yes)


@desk_app.command()
def skip(
    run_dir: RunDir,
    numbers: Annotated[list[int], typer.Argument(help="The evaluations.")],
    reason: Reason = "",
    yes: Yes = False,
    trust: Trust = False,
    debug: Debug = False,
) -> None:
    """Skip recipes that will not be measured: they wait no more, and are no failures."""
    with told_plainly(debug=debug) as telling:
        logbook = _logbook(run_dir, telling, trust=trust)
        _write(logbook, logbook.skipping(numbers, reason), run_dir, yes=yes)


@desk_app.command()
def amend(
    run_dir: RunDir,
    overrides: Annotated[
        list[str],
        typer.Argument(
            help="problem.variables.T.high=120, problem.constraints=[...], +problem.variables.pH={...}, data=..."
        ),
    ],
    past: Annotated[
        list[str] | None,
        typer.Option("--past", "-p", help="NAME=VALUE: what a new variable was in everything measured so far."),
    ] = None,
    yes: Yes = False,
    trust: Trust = False,
    debug: Debug = False,
) -> None:
    """Change bounds, constraints, variables or the target on the way; what that does is told first."""
    with told_plainly(debug=debug) as telling:
        from matseek.desk import amendment, held_values

        require_campaign(run_dir)
        telling.log_in(run_dir)
        change = amendment(run_dir, overrides, held_values(past, "--past") if past else None, trust=trust)
        show_sentences(change.summary.splitlines())
        if change.differences and not yes and not typer.confirm("write it down?"):
            out.print("nothing was changed")
            raise typer.Exit(1)
        change.write()


def _require_table(path: Path) -> None:
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}; give the table with the results")


def _logbook(run_dir: Path, telling: Telling, *, trust: bool) -> Logbook:
    """The logbook of a folder's campaign."""
    require_campaign(run_dir)
    telling.log_in(run_dir)
    from matseek.desk import open_logbook

    return open_logbook(run_dir, trust=trust)


def _confirm(entry: Entry, *, yes: bool, always: bool) -> None:
    """Show what would be written down, and ask.

    Raises:
        typer.Exit: If it is not to be.
    """
    entry.require()
    show_sentences(entry.summary.splitlines(), [str(finding) for finding in entry.odd])
    if yes or not (always or entry.odd):
        return
    if not typer.confirm("take it nevertheless?" if entry.odd else "write it down?"):
        out.print("nothing was taken")
        raise typer.Exit(1)


def _write(logbook: Logbook, entry: Entry, run_dir: Path, *, yes: bool) -> None:
    """Show, ask, write down, and tell how the campaign stands."""
    if not (entry.results or entry.changes or entry.new or entry.refused):
        show_sentences([entry.summary, "nothing changes"])
        return
    _confirm(entry, yes=yes, always=True)
    logbook.write(entry)
    show_status(run_dir, logbook.laboratory.ranked)
    out.print(f"the page is brought up to date by: matseek report {run_dir}", highlight=False, soft_wrap=True)


def _show_widenings(campaign: Campaign, since: int) -> None:
    """Say which windows are wider than in the batch before: a recipe there must not surprise."""
    from matseek.core.records import WINDOW_WIDENED

    widened = [e.message for e in campaign.ledger.events()[since:] if e.kind == WINDOW_WIDENED]
    show_sentences([], [f"{message}. problem.variables.NAME.hardware=null keeps a window" for message in widened])


def _free(folder: RunFolder, number: int) -> Path:
    """A path for a batch's table that no file has taken: it may hold somebody's measurements."""
    path, copy = folder.batch(number), 1
    while path.exists() and copy < 1000:
        copy += 1
        path = folder.batch(number).with_stem(f"batch-{number}-{copy}")
    return path


def at_the_desk(run_dir: Path, overrides: Sequence[str], telling: Telling, *, trust: bool) -> Campaign:
    """The campaign of a folder; the first ask sets it up."""
    with out.status("loading torch and BoTorch"):
        from omegaconf import OmegaConf

        from matseek.configuration import quoted, recorded_settings, run_settings
        from matseek.errors import ConfigurationError
        from matseek.evaluation.ledger import address_text
        from matseek.runs import keep_config

        if overrides:
            settings = run_settings([*overrides, f"run_dir={quoted(run_dir)}"])
            own = address_text(RunFolder(run_dir).ledger)
            config = RunFolder(run_dir).config
            same = config.is_file() and config.read_text(encoding="utf-8") == OmegaConf.to_yaml(settings.config)
            if config.is_file() and not same and own not in map(address_text, settings.history):
                raise ConfigurationError(
                    f"{run_dir} holds a campaign already, so {list(overrides)} would change it; leave them out, name "
                    f"another folder, or add history={run_dir} to go on with another target: what is measured is then "
                    "scored by it, and the ledger so far is set aside"
                )
        else:
            require_campaign(run_dir)
            telling.log_in(run_dir)
            settings = recorded_settings(run_dir, trust=trust)
    campaign = open_campaign_in(settings, telling)
    if overrides:
        keep_config(settings)
    return campaign


def require_campaign(run_dir: Path) -> None:
    """Refuse a folder that holds no campaign, before anything heavy is imported or written."""
    if not RunFolder(run_dir).config.is_file():
        raise FileNotFoundError(
            f"{run_dir} holds no campaign (no config.yaml); name the folder of one, or start one: "
            f"matseek ask {run_dir} problem=... searcher=..."
        )


def has_constraints(run_dir: Path) -> bool:
    """Whether a folder's problem has constraints on outcomes, which only the problem can tell of an evaluation."""
    from omegaconf import DictConfig, OmegaConf
    from yaml import YAMLError

    try:
        config = OmegaConf.load(RunFolder(run_dir).config)
    except (OSError, ValueError, YAMLError):  # it was damaged, and the ledger tells what there is to tell
        return False
    return isinstance(config, DictConfig) and bool(OmegaConf.select(config, "problem.outcome_constraints"))


def show_status(run_dir: Path, ranking: Ranking) -> None:
    """How a campaign stands.

    Args:
        run_dir: Its folder.
        ranking: How the best evaluations are found, see :meth:`matseek.standing.Standing.of`.
    """
    from matseek.evaluation import LedgerReader
    from matseek.standing import Standing

    now = Standing.of(LedgerReader(RunFolder(run_dir).ledger), ranking=ranking)
    if now is None:
        out.print("the campaign has not begun")
        return
    counts = f"{now.settled} measured ({now.failed} failed), {now.pending} to be measured"
    if now.withdrawn:
        counts += f", {now.withdrawn} withdrawn or skipped"
    out.print(masked(f"{now.problem}, {now.searcher}: {counts}"), highlight=False, markup=False)
    if now.best:
        out.print(table(f"best evaluations of {now.problem}", now.columns, now.rows()))
    show_sentences(now.outcome(RunFolder(run_dir).summary), now.warnings)
    if now.changes:
        listed = now.changes[-_CHANGES_SHOWN:]
        earlier = len(now.changes) - len(listed)
        more = [f"and {earlier} earlier changes, in the ledger's events"] if earlier else []
        show_sentences(["changed after it was written down:", *(f"  {message}" for message in listed), *more])


def open_campaign_in(settings: RunSettings, telling: Telling) -> Campaign:
    """The campaign of a run folder, with a log beside it."""
    from matseek.runs import open_campaign

    settings.run_dir.mkdir(parents=True, exist_ok=True)
    telling.log_in(settings.run_dir)
    return open_campaign(settings)
