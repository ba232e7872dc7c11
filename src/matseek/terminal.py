"""What commands tell on the terminal: tables, and errors in words."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.logging import RichHandler
from rich.table import Table
from rich.text import Text

from matseek.errors import MatseekError
from matseek.logs import LOG, MaskedFormatter, error_text, logging_to
from matseek.secrets import masked

if TYPE_CHECKING:
    import pandas as pd

out = Console()
err = Console(stderr=True)


INTERRUPTED = 130
"""Exit code of a command that Ctrl-C has ended."""


class Telling:
    """Where a command tells what went wrong, beside the terminal."""

    def __init__(self) -> None:
        self._logs = ExitStack()
        self.folder: Path | None = None

    def log_in(self, folder: Path) -> None:
        """Keep warnings and tracebacks in a run folder from now on, if it exists."""
        self.folder = folder
        self._logs.enter_context(logging_to(folder))

    @contextmanager
    def logging(self) -> Iterator[None]:
        """Keep what passes through in the log."""
        with self._logs:
            yield

    @property
    def log(self) -> Path | None:
        """The log, if there is one."""
        path = None if self.folder is None else self.folder / LOG
        return path if path is not None and path.is_file() else None


@contextmanager
def told_plainly(*, debug: bool = False) -> Iterator[Telling]:
    """End a command that fails with its error's message; the traceback goes to the run folder's log.

    Args:
        debug: Whether the traceback is shown, too.
    """
    handler = RichHandler(console=err, show_time=False, show_path=False)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    handler.setFormatter(MaskedFormatter("%(message)s"))
    telling = Telling()
    try:
        with telling.logging():
            yield telling
    except KeyboardInterrupt as error:
        err.print("stopped; every result so far is written down, and the same command goes on from there")
        raise typer.Exit(INTERRUPTED) from error
    except (typer.Exit, typer.Abort):
        raise
    except (MatseekError, ValueError, OSError, ImportError) as error:
        if debug:
            say(error_text(error))
        fail(f"error: {error}")
        raise typer.Exit(2) from error
    except Exception as error:
        if debug or telling.log is None:
            say(error_text(error))
        where = f"; its traceback is in {telling.log}" if telling.log is not None else ""
        fail(f"unexpected error: {type(error).__name__}: {error}{where}")
        raise typer.Exit(1) from error


def say(text: str) -> None:
    """A text on standard error, as it is."""
    err.print(masked(text), markup=False, highlight=False, soft_wrap=True)


def fail(text: str) -> None:
    """What ends a command."""
    err.print(masked(text), style="bold red", markup=False, highlight=False, soft_wrap=True)


def show_sentences(sentences: Sequence[str], warnings: Sequence[str] = ()) -> None:
    """Sentences, and warnings below them: a terminal has its lines broken between words, a file has whole ones."""
    look: dict[str, Any] = {"highlight": False, "markup": False, "soft_wrap": not out.is_terminal}
    for sentence in sentences:
        out.print(masked(sentence), **look)
    for warning in warnings:
        out.print(masked(f"warning: {warning}"), style="yellow", **look)


def frame_table(frame: pd.DataFrame, title: str) -> FittedTable:
    """A frame for the terminal."""
    return table(title, [str(column) for column in frame.columns], frame.itertuples(index=False))


def table(title: str, columns: Sequence[str], rows: Iterable[Iterable[object]]) -> FittedTable:
    """A table for the terminal."""
    # Units go on a line of their own, so that five variables fit a terminal of 80 columns.
    heads = [column.replace(" (", "\n(") for column in columns]
    return FittedTable(masked(title), heads, [[_cell(value) for value in row] for row in rows])


class FittedTable:
    """A table whose words and numbers are whole: columns that do not fit go into a further table below.

    Args:
        title: What it shows.
        heads: Of the columns; the first is repeated in every further table.
        rows: The cells.
    """

    def __init__(self, title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.title, self.heads, self.rows = title, heads, rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The tables, one below the other."""
        least = [max((len(word) for text in column for word in text.split()), default=1) for column in self._columns()]
        parts: list[list[int]] = []
        for place in range(len(self.heads)):
            if parts and len(parts[-1]) > 1 and _width(least, [*parts[-1], place]) > options.max_width:
                parts.append([0])
            parts = parts or [[]]
            parts[-1].append(place)
        yield Text(self.title, style="italic")  # a table's own title is folded to the width of its columns
        for places in parts:
            yield self._drawn(places, least, options.max_width)

    def _drawn(self, places: Sequence[int], least: Sequence[int], room: int) -> Table:
        """Some columns; what room is left beside the longest words goes to the first whose lines are longer."""
        spare = max(room - _width(least, places), 0)
        natural = [
            max((len(line) for text in column for line in text.splitlines()), default=1) for column in self._columns()
        ]
        drawn = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
        for i in places:
            more = min(natural[i] - least[i], spare)
            spare -= more
            drawn.add_column(
                Text(self.heads[i]), justify="right", vertical="bottom", overflow="fold", width=least[i] + more
            )
        for row in self.rows:
            drawn.add_row(*(Text(row[i]) for i in places))
        return drawn

    def _columns(self) -> Iterator[tuple[str, ...]]:
        return zip(self.heads, *self.rows, strict=True)


_BETWEEN = 2
"""Blanks between two columns."""


def _width(widths: Sequence[int], places: Sequence[int]) -> int:
    return sum(widths[i] + _BETWEEN for i in places) - 1


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.4g}"
    return str(value)
