"""Calculators that are lent and given back, since making one may take far longer than a call."""

from __future__ import annotations

import pickle
import shutil
import tempfile
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

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
        self._idle: dict[Hashable, tuple[object, list[BaseCalculator]]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def lent(self, factory: CalculatorFactory) -> Iterator[BaseCalculator]:
        """A calculator for one call; after an exception it is thrown away, since its state may be spoilt.

        Calculators that write files (ASE's have a ``directory``) write them into a new folder each time. One that was
        made with a directory gets a folder in that, which stays; the others' is removed after the call. Paths that such
        a calculator is given must therefore be absolute.
        """
        key, now = _identity(factory), version(factory)
        with self._lock:
            made_of, idle = self._idle.get(key, (None, []))
            if made_of != now:
                idle = []
                self._idle[key] = now, idle
            calculator = idle.pop() if idle else None
        if calculator is None:
            calculator = factory()
        with _folder_of_its_own(calculator):
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


@contextmanager
def _folder_of_its_own(calculator: BaseCalculator) -> Iterator[None]:
    directory = getattr(calculator, "directory", None)
    if not isinstance(directory, (str, Path)):
        yield
        return
    stays = Path(directory) != Path()
    folder = (
        Path(directory if stays else scratch_folder() or tempfile.gettempdir()).absolute() / f"matseek-{uuid4().hex}"
    )
    folder.mkdir(parents=True)
    calculator.directory = type(directory)(folder)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        calculator.directory = directory  # type: ignore[attr-defined]
        if not stays:
            shutil.rmtree(folder, ignore_errors=True)
