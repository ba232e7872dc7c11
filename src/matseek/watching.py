"""Watching a campaign that runs elsewhere: a table on the terminal, and figures and page after each batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from rich.live import Live

from matseek.core.records import Evaluation, ranked
from matseek.evaluation import LedgerReader
from matseek.standing import Standing
from matseek.terminal import FittedTable, out, table


def watch(
    ledger: Path,
    interval: float,
    draw: Callable[[], Path],
    *,
    once: bool = False,
    ranking: Callable[[Iterable[Evaluation]], list[Evaluation]] = ranked,
) -> Path | None:
    """Show how a campaign stands until it ends.

    Args:
        ledger: The ledger's file.
        interval: Seconds between two looks.
        draw: Draws the figures and the page, and gives the page's path.
        once: Look and draw once, whether or not the campaign goes on.
        ranking: How the best evaluations are found, see :meth:`matseek.standing.Standing.of`.

    Returns:
        The page; None if there was nothing to draw.

    Raises:
        ValueError: If the interval is no positive number of seconds.
    """
    if not 0 < interval < float("inf"):
        raise ValueError(f"interval={interval!r} must be a positive number of seconds")
    reader, drawn, page = LedgerReader(ledger), 0, None
    try:
        with Live(console=out, auto_refresh=False) as live:
            while True:
                now = Standing.of(reader, ranking=ranking)
                live.update(_shown(now), refresh=True)
                ended = now is not None and now.stopped_by is not None
                if now is not None and now.settled and (now.complete > drawn or once):
                    page, drawn = draw(), now.complete
                if once or ended:
                    return page
                time.sleep(interval)
    finally:
        if not out.is_terminal:  # there, rich leaves the last line open
            out.line()


def _shown(now: Standing | None) -> FittedTable | str:
    if now is None:
        return "the campaign has not begun"
    title = (
        f"{now.problem}, {now.searcher}: batch {now.batches}, {now.settled} measured ({now.failed} failed), "
        f"{now.pending} to be measured" + (f"; ended by {now.stopped_by.replace('_', ' ')}" if now.stopped_by else "")
    )
    return table(title, now.columns, now.rows())
