"""What is changed by hand: results and recipes corrected, withdrawn, skipped; the definition amended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matseek.desk_verbs.campaigns import open_logbook_in, require_campaign, require_table
from matseek.desk_verbs.options import Debug, Reason, Resample, RunDir, Sheet, Trust, Yes
from matseek.desk_verbs.showing import write
from matseek.terminal import out, show_sentences, told_plainly

if TYPE_CHECKING:
    from matseek.results import Entry


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
        logbook = open_logbook_in(run_dir, telling, trust=trust)
        entry: Entry
        if file is not None:
            require_table(file)
            entry = logbook.corrections(file, resampling=resample, sheet=sheet, reason=reason)
        else:
            from matseek.desk import held_values, told_values

            assert number is not None
            response = told_values(value, logbook.laboratory) if value else None
            recipe = held_values(settings, "--set") if settings else None
            entry = logbook.correction(number, response, recipe, reason)
        write(logbook, entry, run_dir, yes=yes)


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
        logbook = open_logbook_in(run_dir, telling, trust=trust)
        write(logbook, logbook.withdrawal(numbers, reason, again=again), run_dir, yes=yes)


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
        logbook = open_logbook_in(run_dir, telling, trust=trust)
        write(logbook, logbook.skipping(numbers, reason), run_dir, yes=yes)


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
