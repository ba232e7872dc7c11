"""Calculators that are lent and given back, since making one may take far longer than a call."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any

from ase.calculators.calculator import BaseCalculator

from matseek.checks import function

CalculatorFactory = Callable[[], BaseCalculator]
"""Makes an ASE calculator with energies and forces."""


def calculator_factory(name: str, value: Any) -> CalculatorFactory:  # noqa: ANN401 -- whatever was given
    """The rule for a factory: it can be called without arguments, and is no calculator itself."""
    if isinstance(value, BaseCalculator) or not callable(value):
        raise ValueError(
            f"{name} must be a callable without arguments that makes a calculator, got a {type(value).__name__}; give "
            "the class (EMT, not EMT()), or functools.partial(CLASS, setting=...)"
        )
    factory: CalculatorFactory = function("no arguments, which makes a calculator", 0)(name, value)
    return factory


class Calculators:
    """The idle calculators of this process, by factory: each is lent to one call at a time.

    Making a calculator may take far longer than a call (a network is read from disk). Threads and unpickled copies of
    a problem share what there is, so that a process makes no more calculators than it ever uses at once.
    """

    def __init__(self) -> None:
        self._idle: dict[Hashable, list[BaseCalculator]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def lent(self, factory: CalculatorFactory) -> Iterator[BaseCalculator]:
        """A calculator for one call; after an exception it is thrown away, since its state may be spoilt."""
        key = _identity(factory)
        with self._lock:
            idle = self._idle.setdefault(key, [])
            calculator = idle.pop() if idle else None
        if calculator is None:
            calculator = factory()
        yield calculator
        with self._lock:
            idle.append(calculator)


CALCULATORS = Calculators()


def _identity(factory: CalculatorFactory) -> Hashable:
    """The same for every unpickled copy of a factory; the factory itself where it cannot be pickled."""
    try:
        return pickle.dumps(factory)
    except (pickle.PicklingError, AttributeError, TypeError):
        return factory
