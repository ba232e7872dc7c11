"""The log of a run folder: warnings, and the traceback of every error that ended a command, without secrets."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path

from matseek.secrets import masked

LOG = "matseek.log"
"""In a run folder; ``matseek.log.1`` holds what was there before it grew too long."""

_MOST_BYTES = 2**20


class MaskedFormatter(logging.Formatter):
    """Formats records without keys and passwords."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's text."""
        return masked(super().format(record))


class RunLog(RotatingFileHandler):
    """The log file of a folder, made with the first record; a folder that cannot be written is left as it is.

    Args:
        folder: The run folder; nothing is written as long as it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / LOG, maxBytes=_MOST_BYTES, backupCount=1, encoding="utf-8", delay=True)
        self.setLevel(logging.WARNING)
        self.setFormatter(MaskedFormatter("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.baseFilename)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        if self.path.parent.is_dir():
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 -- logging's own name
        """Nothing: a full disk or a folder that is read-only ends no command."""


@contextmanager
def logging_to(folder: Path) -> Iterator[None]:
    """Keep warnings and the traceback of an error that passes through in a folder's log."""
    log = RunLog(folder)
    logging.getLogger().addHandler(log)
    try:
        yield
    except Exception as error:
        log.handle(
            logging.makeLogRecord(
                {"name": __name__, "levelno": logging.ERROR, "levelname": "ERROR"}
                | {"msg": "%s", "args": (error_text(error),)}
            )
        )
        raise
    finally:
        logging.getLogger().removeHandler(log)
        log.close()


def error_text(error: BaseException) -> str:
    """An error with its traceback, without secrets."""
    return masked("".join(traceback.format_exception(error)))
