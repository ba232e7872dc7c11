"""How a campaign stands, and what would be written down, on the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from matseek.run_folder import RunFolder
from matseek.secrets import masked
from matseek.terminal import out, show_sentences, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from matseek.core.records import Evaluation
    from matseek.results import Entry, Logbook

    Ranking = Callable[[Iterable[Evaluation]], list[Evaluation]]

_CHANGES_SHOWN = 5
"""Changes that the status lists."""


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


def confirm(entry: Entry, *, yes: bool, always: bool) -> None:
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


def write(logbook: Logbook, entry: Entry, run_dir: Path, *, yes: bool) -> None:
    """Show, ask, write down, and tell how the campaign stands."""
    if not (entry.results or entry.changes or entry.new or entry.refused):
        show_sentences([entry.summary, "nothing changes"])
        return
    confirm(entry, yes=yes, always=True)
    logbook.write(entry)
    show_status(run_dir, logbook.laboratory.ranked)
    out.print(f"the page is brought up to date by: matseek report {run_dir}", highlight=False, soft_wrap=True)
