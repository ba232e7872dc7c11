"""Tests of success: whether a structure, and perhaps its energy, solves a problem."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from ase import Atoms

from matseek.checks import function, takes
from matseek.core.problem import callable_name

SuccessTest = Callable[[Atoms, float], bool] | Callable[[Atoms], bool]
"""Whether a structure, and perhaps its energy in eV, passes."""

success_test = function("(atoms, energy) or (atoms)", 1, 2)
"""The rule for a test of success."""


@runtime_checkable
class SaysCriterion(Protocol):
    """A test that says what it asks for."""

    @property
    def criterion(self) -> str:
        """What a structure must have, in words that follow "solved where"."""
        ...


@runtime_checkable
class KnowsLowest(Protocol):
    """A test that knows how low energies can be."""

    @property
    def lowest_known(self) -> float | None:
        """The lowest energy known, in eV; None where it knows none."""
        ...


def lowest_known(*tests: SuccessTest | None) -> float | None:
    """The lowest energy known to the first of some tests that knows one, in eV."""
    for test in tests:
        told: object = test
        if isinstance(told, KnowsLowest) and told.lowest_known is not None:
            return told.lowest_known
    return None


def criterion(test: SuccessTest) -> str:
    """What a test asks for, in words that follow "solved where"; the name of a test that does not say it."""
    return test.criterion if isinstance(test, SaysCriterion) else f"the test {callable_name(test)} passes"


def passes(test: SuccessTest, atoms: Atoms, energy: float) -> bool:
    """Whether a structure of this energy in eV passes a test, which takes both or the structure alone.

    A parameter that has a value of its own is given the energy only if it is called ``energy``.
    """
    takes_both: Callable[..., bool] = test
    return bool(takes_both(atoms, energy) if _reads_energy(test) else takes_both(atoms))


def _reads_energy(test: SuccessTest) -> bool:
    if not takes(test, 2):
        return False
    try:
        parameters = list(inspect.signature(test).parameters.values())
    except (TypeError, ValueError):  # builtins without a signature
        return True
    second = parameters[min(1, len(parameters) - 1)]
    return second.name == "energy" or second.default is inspect.Parameter.empty
