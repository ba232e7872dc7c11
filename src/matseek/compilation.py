"""Functions compiled to machine code, once per machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

Compiled = TypeVar("Compiled", bound=Callable[..., Any])


def compiled(function: Compiled) -> Compiled:
    """A function of numbers and arrays that Numba compiles at its first call, and that runs without Python's lock.

    Division by zero gives what NumPy gives. The machine code is kept beside the module, or in the user's cache where
    that cannot be written, and serves all later processes: workers would else compile for seconds each. Where neither
    can be written each process compiles for itself.

    Example:
        >>> compiled(lambda a, b: a / b)(1.0, 2.0)
        0.5
    """
    settings: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        kept: Compiled = njit(cache=True, **settings)(function)
    except RuntimeError:  # there is no place to keep it
        kept = njit(**settings)(function)
    return kept
