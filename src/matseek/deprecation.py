"""Names of earlier versions, and how long they are kept.

A public name that is renamed is kept for the minor version in which it is renamed, with a ``DeprecationWarning`` that
says the new one, and is removed with the next. What is stored (ledgers, run folders, models) is read for good: the
names in a stored config are looked up in :data:`MOVED`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final

MOVED: Final[Mapping[str, str]] = {
    # 0.1 -> 0.2
    "matseek.data.replay": "matseek.godiff.replay",
    "matseek.data.spectra": "matseek.surrogates.spectra_data",
    "matseek.models.Training": "matseek.surrogates.Training",
    "matseek.models.training.Training": "matseek.surrogates.Training",
    "matseek.models.training.TrainerSettings": "matseek.training.trainer.TrainerSettings",
    "matseek.problems.islands": "matseek.library.islands",
    "matseek.problems.measured": "matseek.library.measured",
    "matseek.problems.platinum": "matseek.library.platinum",
    "matseek.problems.silver": "matseek.library.silver",
    "matseek.problems.silver_problems": "matseek.library.silver_problems",
    "matseek.searchers.domains": "matseek.godiff.domains",
    "matseek.searchers.godiff": "matseek.godiff.searcher",
    "matseek.searchers.steering": "matseek.godiff.steering",
}
"""By the dotted name of an earlier version, today's."""


def current_name(name: str) -> str:
    """Today's dotted name of what an earlier version called by another; other names stay as they are."""
    package, dot, rest = name, "", ""
    while package:
        if package in MOVED:
            return f"{MOVED[package]}{dot}{rest}"
        package, _, last = package.rpartition(".")
        rest, dot = (f"{last}.{rest}" if rest else last), "."
    return name


def renamed(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """A module's ``__getattr__`` for public names that have moved.

    Args:
        module: The module's own name, ``__name__``.
        names: By the old name, the dotted name of what it is now.

    Returns:
        A function that gives what an old name stands for, with a ``DeprecationWarning``.

    Example:
        >>> __getattr__ = renamed(__name__, {"old_name": "matseek.library.silver.new_name"})
    """

    def find(name: str) -> Any:  # noqa: ANN401 -- a module's attribute can be anything
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        place, _, attribute = names[name].rpartition(".")
        warnings.warn(
            f"{module}.{name} is now {names[name]}; the old name is removed with the next minor version",
            DeprecationWarning,
            stacklevel=2,
        )
        return getattr(import_module(place), attribute)

    return find
