"""The errors that matseek raises; every message names what is wrong, the value, and the remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


class MatseekError(Exception):
    """Base of all errors of this package that are no plain ``ValueError`` about an argument."""


class InfeasibleSpaceError(MatseekError, ValueError):
    """No point satisfies the bounds and the constraints together."""


class ResponseError(MatseekError, ValueError):
    """An oracle or a laboratory gave a response of the wrong shape or kind.

    Args:
        message: What is wrong, and the remedy.
        response: The answer as an array, so that what was paid for can be kept; None where it is none.
    """

    def __init__(self, message: str, response: np.ndarray | None = None) -> None:
        super().__init__(message, response)
        self.message = message
        self.response = response

    def __str__(self) -> str:
        return self.message


class NoPointsLeftError(MatseekError, ValueError):
    """Every point that may be tried has been tried."""


class BudgetError(MatseekError, ValueError):
    """A budget cannot pay for what is asked."""


class CheckpointError(MatseekError, ValueError):
    """A checkpoint does not go with what it is loaded for."""


class TrainingError(MatseekError):
    """A device, or the link between the processes that train together, has failed."""


class ModelFileError(MatseekError, ValueError):
    """A model file is missing, unreadable, or of another architecture."""


class UnknownEvaluationError(MatseekError, ValueError):
    """Results were told for a point that was never asked, or was already told."""


class OracleError(MatseekError):
    """The oracle has failed every time, and never given a value."""


class ExecutorError(MatseekError):
    """Whatever makes the calls of the oracle is gone: worker processes or a cluster; no call is to blame."""


class LedgerError(MatseekError):
    """The ledger cannot be read or written."""


class LedgerMismatchError(LedgerError):
    """The ledger holds another campaign than the one that opens it."""


class LedgerBusyError(LedgerError):
    """Another process is at work on the ledger."""


class ConfigurationError(MatseekError, ValueError):
    """A config or a command's arguments name something that does not exist or is refused."""


_LONGEST_TEXT = 2000
"""Characters of an error that are kept: the first three quarters and the last."""


def plain_text(text: str) -> str:
    """A text that can be stored, printed and read: no lone surrogates, no control characters, of a bounded length."""
    text = text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT * 3 // 4]} ... {text[-_LONGEST_TEXT // 4 :]}"
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c >= " " or c in "\n\t" else repr(c)[1:-1] for c in text)


def error_text(error: BaseException) -> str:
    """Kind and text of any exception, also of one whose text cannot be had."""
    try:
        text = str(error)
    except BaseException as reason:  # an exception's own __str__ may raise anything
        text = f"its text cannot be shown ({type(reason).__name__})"
    return plain_text(f"{type(error).__name__}: {text}")
