"""Calculators that are lent and given back, since making one may take far longer than a call."""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase.calculators.calculator import BaseCalculator

from matseek.checks import function
from matseek.identity import version
from matseek.processes import scratch_folder

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
    a problem share what there is, so that a process makes no more calculators than it ever uses at once. A factory that
    is defined anew, or is given a file that has been written anew, makes new ones.
    """

    def __init__(self) -> None:
        self._idle: dict[Hashable, tuple[object, list[_Made]]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def lent(self, factory: CalculatorFactory) -> Iterator[BaseCalculator]:
        """A calculator for one call; after an exception it is thrown away, since its state may be spoilt.

        Calculators that write files (ASE's have a ``directory``) do so in a folder of their own. One that was made with
        a directory gets a folder in that, which stays; the others' is temporary, and emptied after each call. Paths
        that such a calculator is given must therefore be absolute.
        """
        key, now = _identity(factory), version(factory)
        with self._lock:
            made_of, idle = self._idle.get(key, (None, []))
            if made_of != now:
                idle = []
                self._idle[key] = now, idle
            made = idle.pop() if idle else None
        if made is None:
            made = _Made.by(factory)
        try:
            yield made.calculator
        finally:
            made.tidy()
        with self._lock:
            idle.append(made)


CALCULATORS = Calculators()


def _identity(factory: CalculatorFactory) -> Hashable:
    """The same for every unpickled copy of a factory; the factory itself where it cannot be pickled."""
    try:
        return pickle.dumps(factory)
    except (pickle.PicklingError, AttributeError, TypeError):
        return factory


@dataclass(frozen=True, eq=False)
class _Made:
    """A calculator and the folder where it writes.

    Args:
        calculator: The calculator.
        folder: Its own; None for a calculator that has no ``directory``.
        kept: Whether what it writes stays.
    """

    calculator: BaseCalculator
    folder: Path | None
    kept: bool

    @classmethod
    def by(cls, factory: CalculatorFactory) -> _Made:
        """Make a calculator, and a folder inside its directory, or a temporary one where it has none of its own."""
        calculator = factory()
        directory = getattr(calculator, "directory", None)
        if not isinstance(directory, (str, Path)):
            return cls(calculator, None, kept=True)
        kept = Path(directory) != Path()
        if kept:
            Path(directory).mkdir(parents=True, exist_ok=True)
        place = Path(directory).absolute() if kept else Path(scratch_folder())
        folder = Path(tempfile.mkdtemp(prefix="calculator-", dir=place))
        calculator.directory = type(directory)(folder)  # type: ignore[attr-defined]
        return cls(calculator, folder, kept)

    def tidy(self) -> None:
        """Remove what the last call wrote, lest the next one read it."""
        if self.folder is None or self.kept:
            return
        for path in os.scandir(self.folder):
            if path.is_dir(follow_symlinks=False):
                shutil.rmtree(path, ignore_errors=True)
            else:
                Path(path).unlink(missing_ok=True)
