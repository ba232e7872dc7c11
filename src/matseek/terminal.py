"""What commands tell on the terminal: tables, and errors in words."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table

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
    """Sentences, and warnings below them."""
    for sentence in sentences:
        out.print(masked(sentence), highlight=False, markup=False, soft_wrap=True)
    for warning in warnings:
        out.print(masked(f"warning: {warning}"), style="yellow", highlight=False, markup=False, soft_wrap=True)


def frame_table(frame: pd.DataFrame, title: str) -> Table:
    """A frame for the terminal."""
    return table(title, [str(column) for column in frame.columns], frame.itertuples(index=False))


def table(title: str, columns: Sequence[str], rows: Iterable[Iterable[object]]) -> Table:
    """A table for the terminal."""
    drawn = Table(title=masked(title))
    for column in columns:
        # Units go on a line of their own, so that five variables fit a terminal of 80 columns; long names are folded.
        drawn.add_column(column.replace(" (", "\n("), justify="right", overflow="fold")
    for row in rows:
        drawn.add_row(*(_cell(value) for value in row))
    return drawn


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.4g}"
    return str(value)
