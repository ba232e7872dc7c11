"""``matseek ask``: recipes out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matseek.desk_verbs.campaigns import at_the_desk, open_logbook_in
from matseek.desk_verbs.options import Debug, Trust
from matseek.run_folder import RunFolder
from matseek.terminal import Telling, frame_table, out, show_sentences, told_plainly

if TYPE_CHECKING:
    from matseek.campaign import Campaign
    from matseek.evaluation.batch import Batch


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
        _show_widenings(campaign, events, run_dir)
        _show_recipes(batch, path, run_dir)
        earlier = len(campaign.ledger.evaluations(status="pending")) - len(batch)
        if earlier > 0:
            out.print(
                f"{earlier} more of earlier batches wait for results; all that wait: matseek ask {run_dir} --again",
                soft_wrap=True,
            )
        if overrides and laboratory.objective is None:
            out.print(
                f"the campaign takes a {laboratory.quantity} for each recipe; where spectra are measured, begin it "
                "with data=TARGET.csv",
                soft_wrap=True,
            )


def _write_again(run_dir: Path, output: Path | None, replicates: int, telling: Telling, *, trust: bool) -> None:
    """Write the recipes that wait for results into a table once more."""
    from matseek.desk import write_recipes

    logbook = open_logbook_in(run_dir, telling, trust=trust)
    batch = logbook.waiting()
    path = output or _free(RunFolder(run_dir), logbook.ledger.iterations())
    write_recipes(batch, logbook.laboratory, path, replicates)
    _show_recipes(batch, path, run_dir)


def _show_recipes(batch: Batch, path: Path, run_dir: Path) -> None:
    out.print(frame_table(batch.to_frame(), f"{len(batch)} recipes to measure"))
    out.print(f"written to {path}; fill in the results and give them to: matseek tell {run_dir} FILE", soft_wrap=True)


def _show_widenings(campaign: Campaign, since: int, run_dir: Path) -> None:
    """Say which windows are wider than in the batch before: a recipe there must not surprise."""
    from matseek.core.records import WINDOW_WIDENED

    widened = [e.message for e in campaign.ledger.events()[since:] if e.kind == WINDOW_WIDENED]
    remedy = f"matseek amend {run_dir} +problem.variables.NAME.hard=true keeps a window as it was entered"
    show_sentences([], [f"{message}. {remedy}" for message in widened])


def _free(folder: RunFolder, number: int) -> Path:
    """A path for a batch's table that no file has taken: it may hold somebody's measurements."""
    path, copy = folder.batch(number), 1
    while path.exists() and copy < 1000:
        copy += 1
        path = folder.batch(number).with_stem(f"batch-{number}-{copy}")
    return path
