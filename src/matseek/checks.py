"""Checks of settings, each a rule that a value satisfies or is refused by.

A rule takes the name of a setting and its value, and returns the value as it is kept: NumPy's numbers become Python's,
lists become tuples. A class states the rules of its settings in one place::

    def __post_init__(self) -> None:
        check(self, batch_size=whole(1), kappa=real(0), kernel=one_of(KERNELS), widening=optional(of(Widening)))

What is refused raises a ``ValueError`` that names the setting, its value and what is wanted.
"""

from __future__ import annotations

import contextlib
import inspect
import math
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Rule = Callable[[str, Any], Any]
"""From the name of a setting and its value to the value that is kept."""

MOST = 1_000_000_000
"""Largest whole number of a setting without a limit of its own; more is a slip of the keyboard."""

_LONGEST_NAME = 255
"""Bytes of a file's name."""

_LONGEST = 120
"""Characters of a refused value that a message shows."""


def check(settings: object, prefix: str = "", /, **rules: Rule) -> None:
    """Apply rules to attributes of an object, frozen ones too, and keep what the rules return.

    Args:
        settings: Whose attributes.
        prefix: What stands before the names in messages, for example ``training.``.
        rules: A rule by attribute.

    Raises:
        ValueError: If a value is refused.
    """
    for name, rule in rules.items():
        object.__setattr__(settings, name, rule(f"{prefix}{name}", getattr(settings, name)))


def whole(low: int = 0, high: int = MOST) -> Rule:
    """A whole number from low to high; bools and floats are none."""

    def rule(name: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, Integral) or not low <= int(value) <= high:
            limit = "" if not isinstance(value, Integral) or int(value) <= high else f" and at most {high}"
            raise refused(name, value, f"a whole number of at least {low}{limit}")
        return int(value)

    return rule


def real(
    low: float = -math.inf,
    high: float = math.inf,
    *,
    above: float = -math.inf,
    below: float = math.inf,
    unit: str = "",
) -> Rule:
    """A finite number with ``low <= number <= high`` and ``above < number < below``; bools are none."""
    left, right = max(low, above), min(high, below)
    if math.isfinite(left) and math.isfinite(right):
        wanted = f"a number in {'(' if above >= low else '['}{left:g}, {right:g}{')' if below <= high else ']'}"
    else:
        limits = (("of at least", low), ("of at most", high), ("above", above), ("below", below))
        wanted = " ".join(["a finite number", *(f"{how} {end:g}" for how, end in limits if math.isfinite(end))])
    message = f"{wanted} ({unit})" if unit else wanted

    def rule(name: str, value: object) -> float:
        number = math.nan
        if isinstance(value, Real) and not isinstance(value, bool):
            with contextlib.suppress(OverflowError):  # whole numbers beyond any float
                number = float(value)
        if not (math.isfinite(number) and low <= number <= high and above < number < below):
            raise refused(name, value, message)
        return number

    return rule


seed = whole(0, 2**63 - 1)
"""The rule for seeds."""


def flag(name: str, value: object) -> bool:
    """True or false."""
    if not isinstance(value, (bool, np.bool_)):
        raise refused(name, value, "true or false")
    return bool(value)


def text(name: str, value: object) -> str:
    """A text that is not blank, can be written to any file, and has no control characters, such as line breaks."""
    if not isinstance(value, str) or not value.strip() or not _printable(value):
        raise refused(name, value, "a text that is not empty, on one line, without control characters")
    return str(value)


def label(name: str, value: object) -> str:
    """A text as :func:`text`, or an empty one."""
    return "" if isinstance(value, str) and not value else text(name, value)


def path(name: str, value: object) -> Path:
    """A path, as a text or a ``pathlib.Path``."""
    written = str(value) if isinstance(value, (str, Path)) else ""
    named = written.strip() and _printable(written)
    if not named or any(len(part.encode()) > _LONGEST_NAME for part in Path(written).parts):
        raise refused(name, value, "a path")
    return Path(written)


def one_of(names: Iterable[str]) -> Rule:
    """One of some texts."""
    known = list(names)

    def rule(name: str, value: object) -> str:
        if not isinstance(value, str) or value not in known:
            raise ValueError(f"{name}={shown(value)} is unknown; choose one of {known}")
        return str(value)

    return rule


def of(kind: type, wanted: str = "") -> Rule:
    """An object of a kind: an instance of a class, or anything that has the members of a runtime-checkable protocol.

    Args:
        kind: The class or protocol.
        wanted: The kind in words; its name if left out.
    """
    words = wanted or f"a {kind.__name__}"

    def rule(name: str, value: Any) -> Any:  # noqa: ANN401 -- the value itself
        if isinstance(value, type):
            raise refused(name, value, f"{words}, not a class; call it: {value.__name__}(...)")
        if not isinstance(value, kind):
            raise refused(name, value, words)
        return value

    return rule


def optional(rule: Rule) -> Rule:
    """None, or what a rule takes."""

    def either(name: str, value: Any) -> Any:  # noqa: ANN401 -- the rule's own
        try:
            return None if value is None else rule(name, value)
        except ValueError as error:
            raise ValueError(f"{error}; or None (null in a config)") from error

    return either


def several(rule: Rule, least: int = 0, most: int = MOST) -> Rule:
    """A sequence whose members a rule takes, as a tuple."""

    def all_of(name: str, value: Any) -> tuple[Any, ...]:  # noqa: ANN401 -- whatever was given
        listed = isinstance(value, Sequence) and not isinstance(value, (str, bytes))
        if not listed and not (isinstance(value, np.ndarray) and value.ndim):
            raise refused(name, value, "a list")
        if not least <= len(value) <= most:
            number = f"exactly {least}" if least == most else f"at least {least}"
            raise refused(name, value, f"a list of {number}")
        return tuple(rule(f"{name}[{place}]", member) for place, member in enumerate(value))

    return all_of


def function(arguments: str, *counts: int) -> Rule:
    """Something that can be called with some number of arguments by position.

    Args:
        arguments: The arguments in words, for example ``(atoms, energy) or (atoms)``.
        counts: Numbers of arguments, one of which must do.
    """

    def rule(name: str, value: Any) -> Any:  # noqa: ANN401 -- the value itself
        if not callable(value):
            raise refused(name, value, f"callable with {arguments}")
        if not any(takes(value, count) for count in counts):
            raise refused(name, value, f"callable with {arguments}; its parameters are others")
        return value

    return rule


def takes(call: Callable[..., Any], count: int, **named: object) -> bool:
    """Whether a callable can be called with so many arguments by position; builtins without a signature can."""
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError):
        return not isinstance(call, partial)  # a partial has no signature where its own arguments do not fit
    try:
        signature.bind(*range(count), **named)
    except TypeError:
        return False
    return True


def numbers(name: str, value: object) -> npt.NDArray[np.float64]:
    """An array of real numbers, of any shape, as float64 and as a copy; texts and bools are no numbers."""
    try:
        given = np.asarray(value)
    except Exception as error:  # whatever the value does when it is read
        raise refused(name, value, "an array of numbers") from error
    if given.dtype.kind not in "iuf":
        raise refused(name, value, "an array of numbers")
    return given.astype(np.float64)


def refused(name: str, value: object, wanted: str) -> ValueError:
    """The error for a value that is not what is wanted."""
    return ValueError(f"{name}={shown(value)} must be {wanted}")


def shown(value: object) -> str:
    """A value as messages show it: on one line, and not too long."""
    try:
        message = " ".join(repr(value).split())
    except Exception:  # an object's own repr may fail
        message = f"<{type(value).__name__}>"
    return message if len(message) <= _LONGEST else f"{message[:_LONGEST]}..."


def _printable(value: str) -> bool:
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in value)
