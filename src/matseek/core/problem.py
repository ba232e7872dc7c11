"""The face that every problem shows to evaluators, searchers and reports."""

from __future__ import annotations

import logging
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from functools import partial
from inspect import signature
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from matseek.core.goals import Goals
from matseek.core.objective import Objective
from matseek.core.records import Evaluation, ranked
from matseek.core.risk import Risk
from matseek.core.space import BoxSpace, Space, StructureSpace
from matseek.errors import plain_text
from matseek.identity import FINGERPRINT, fingerprint

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import BaseCalculator
    from matplotlib.figure import Figure


logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Measurement:
    """What one evaluation of the truth gave.

    Args:
        value: The value to minimise; NaN where the evaluation failed.
        replicates: Value of each replicate, shape ``(r,)``; NaN where a single replicate failed.
        response: The oracle's raw answer for this point, or None where it is the values themselves.
        error: Why the evaluation failed; None where it did not.
        empty: Whether the oracle works and answered that there is no value, as laboratories do with NaN.
        properties: What else the oracle told, by name, kept for others: no searcher reads it.
    """

    value: float
    replicates: FloatArray
    response: npt.NDArray[np.floating[Any]] | None = None
    error: str | None = None
    empty: bool = False
    properties: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    @classmethod
    def failed(
        cls, error: str, response: npt.NDArray[np.floating[Any]] | None = None, *, empty: bool = False
    ) -> Measurement:
        """A measurement that was paid for and gave no value; the error's text is made fit to be stored and shown."""
        return cls(float("nan"), np.empty(0), response, plain_text(error), empty)


Answer = Measurement | BaseException
"""What came of a call of an oracle: a measurement, or the exception that came instead."""


def answer_of(call: Callable[[], Measurement]) -> Answer:
    """The measurement of a call, or whatever it raises: also SystemExit, since an oracle that gives up has failed.

    A process that the call has forked, and that comes back here, ends: it must not go on with the campaign as well.
    """
    here = os.getpid()
    answer: Answer
    try:
        answer = call()
    except BaseException as error:
        answer = error
    if os.getpid() != here:
        if isinstance(answer, Exception):
            logger.error("a process that the oracle had forked raised an exception", exc_info=answer)
        # Without cleaning up, which is the parent's affair.
        os._exit(int(isinstance(answer, BaseException) and getattr(answer, "code", 1) not in (None, 0)))
    return answer


class Problem(ABC):
    """A space, an oracle and a value to minimise; measures one point at a time, so that one failure costs one.

    A new problem gives ``name``, ``space``, :meth:`measure` and :meth:`describe`; everything else has a default. What
    else it can do is asked of it: :meth:`as_laboratory` by those who ask and tell, :meth:`as_structures` by those who
    need atoms. ``matseek.testing.check_problem`` certifies it.
    """

    name: str
    """Name for records and titles."""

    space: Space
    """What may be tried."""

    @abstractmethod
    def measure(self, point: FloatArray, rng: np.random.Generator) -> Measurement:
        """Evaluate the truth at one point, shape ``(d,)``; exceptions of the oracle pass through.

        Raises:
            ResponseError: If the oracle's answer has a shape or kind that no later call could mend.
        """

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """The problem as plain data: two problems are the same if these are equal."""

    @property
    def objective(self) -> Objective | None:
        """What the problem makes of a spectrum; None where its response is the value itself."""
        return None

    @property
    def risk(self) -> Risk | None:
        """By which statistic replicates become the value; None for their median."""
        return None

    @property
    def goals(self) -> Goals:
        """What is wanted besides the least value; by default nothing."""
        return Goals()

    def ranked(self, evaluations: Iterable[Evaluation]) -> list[Evaluation]:
        """Evaluations that gave a value, the best first, see :func:`matseek.core.records.ranked`.

        Those that meet the constraints on outcomes come before those that do not.
        """
        order = ranked(evaluations)
        if not self.goals.constraints:
            return order
        feasible = self.goals.feasible(order)
        return [e for wanted in (True, False) for e, meets in zip(order, feasible, strict=True) if meets == wanted]

    @property
    def value_name(self) -> str:
        """What the value is called in a sentence, such as ``loss`` or ``energy``."""
        return "value"

    @property
    def value_label(self) -> str:
        """What the axis of values says, with the unit."""
        return "Value"

    @property
    def value_unit(self) -> str:
        """Unit of the value; empty for a pure number."""
        return ""

    @property
    def sign(self) -> float:
        """What turns recorded values into those that people tell and are shown: -1 of what is maximised, else 1."""
        return 1.0

    @property
    def told_name(self) -> str:
        """What a value that people tell is called in a sentence."""
        return self.value_name

    @property
    def told_label(self) -> str:
        """What the axis of such values says, with the unit."""
        return self.value_label

    @property
    def value_decimals(self) -> int:
        """Least decimals at which values are shown."""
        return 0

    @property
    def point_name(self) -> str:
        """What one point is called in a sentence, such as ``recipe`` or ``structure``."""
        return "point"

    @property
    def success_below(self) -> float | None:
        """Value under which the problem counts as solved; None if there is no such level."""
        return None

    @property
    def known_minimum(self) -> float | None:
        """The lowest value that there is, as far as anybody knows; None where nobody does."""
        return None

    @property
    def has_success(self) -> bool:
        """Whether the problem says of an evaluation that it solves the problem."""
        return self.success_below is not None

    def succeeded(self, point: FloatArray, value: float) -> bool | None:  # noqa: ARG002 -- for tests that look at it
        """Whether a finite value at a point, shape ``(d,)``, solves the problem; None where there is no success test.

        The test may cost something, but never an evaluation.
        """
        return None if self.success_below is None else bool(value < self.success_below)

    @property
    def axes(self) -> tuple[str, str] | None:
        """Names of the two variables over which maps are drawn; None for the two that matter most."""
        return None

    def require_oracle(self) -> None:  # noqa: B027 -- most problems have one
        """Refuse to be run if there is no oracle.

        Raises:
            ValueError: If there is none.
        """

    def prepare(self) -> None:  # noqa: B027 -- most problems have nothing to prepare
        """Make in this process what the first call would otherwise wait for."""

    def answers(self, points: FloatArray) -> Iterator[Sequence[Answer]] | None:  # noqa: ARG002 -- for those that can
        """What came of the calls of many points ``(m, d)`` at once, in order; None where there is no such call."""
        return None

    def as_laboratory(self) -> Laboratory | None:
        """The problem as one whose results people measure and tell; None where it only measures by itself."""
        return None

    def as_atoms(self) -> OfAtoms | None:
        """The problem as one whose points are atoms; None where they are none."""
        return None

    def as_structures(self) -> Structures | None:
        """The problem as one of atoms and a calculator; None where its points are no structures."""
        return None

    def figures(self, evaluations: Sequence[Evaluation]) -> Mapping[str, Figure]:  # noqa: ARG002 -- for those that draw
        """Figures of its own for the page, by file stem, besides those that every campaign has.

        Args:
            evaluations: The campaign's evaluations.
        """
        return {}


class Laboratory(Protocol):
    """A problem whose results may also be measured by people and told."""

    @property
    def name(self) -> str:
        """Name for records and titles."""
        ...

    @property
    def space(self) -> BoxSpace:
        """The recipes that may be tried."""
        ...

    @property
    def objective(self) -> Objective | None:
        """What the problem makes of a spectrum."""
        ...

    @property
    def quantity(self) -> str:
        """What the told value is called in tables, where values are told."""
        ...

    @property
    def value_unit(self) -> str:
        """Unit of the told value; empty for a pure number."""
        ...

    @property
    def maximize(self) -> bool:
        """Whether the told value is to be maximised, so that the record has its negative."""
        ...

    def reduce(self, response: npt.ArrayLike) -> Measurement:
        """The measurement that a told response amounts to."""
        ...

    def ranked(self, evaluations: Iterable[Evaluation]) -> list[Evaluation]:
        """Evaluations that gave a value, the best first."""
        ...


class OfAtoms(Protocol):
    """A problem whose points are structures, and whose values are energies in eV."""

    @property
    def name(self) -> str:
        """Name for records and titles."""
        ...

    @property
    def calculator(self) -> Callable[[], BaseCalculator]:
        """Makes an ASE calculator."""
        ...

    @property
    def gives_forces(self) -> bool:
        """Whether its calculators say that they give forces."""
        ...

    @property
    def success_criterion(self) -> str | None:
        """What solves it as evaluated, in words; None without a test."""
        ...

    def labelled(self, evaluation: Evaluation) -> Atoms:
        """An evaluation's structure with all that its calculator told of it."""
        ...


class Structures(OfAtoms, Protocol):
    """A problem of atoms and a calculator."""

    @property
    def space(self) -> StructureSpace:
        """The structures that may be tried."""
        ...

    def measure_many(self, points: FloatArray) -> list[Measurement]:
        """Energies and forces of many structures ``(m, 3n)``, in order."""
        ...

    @property
    def relaxed_criterion(self) -> str | None:
        """What solves it after relaxation, in words; None without a test."""
        ...

    @property
    def recognises(self) -> bool:
        """Whether it can tell of a structure that it relaxes to a solution."""
        ...

    @property
    def recognition_calls(self) -> int:
        """Calls of the calculator that recognition has made so far."""
        ...

    @property
    def recognition_differs(self) -> float:
        """Largest difference so far between an energy as evaluated and the same structure's in recognition, in eV."""
        ...

    def recognised(self, point: FloatArray, value: float) -> bool:
        """Whether a structure, shape ``(3n,)``, of a value in eV relaxes to a solution."""
        ...


def solves(problem: Problem, point: FloatArray, value: float) -> bool | None:
    """What :meth:`Problem.succeeded` says; a test that raises has not been passed, and the log says why."""
    try:
        return problem.succeeded(point, value)
    except Exception as error:  # a user's test may raise anything, and what was measured must still be told
        logger.warning("the test of success of problem %r failed: %s: %s", problem.name, type(error).__name__, error)
        return False


def callable_name(function: Callable[..., Any]) -> str:
    """A name that is the same in every process; parameters count where the callable states them as ``describe()``."""
    describe = getattr(function, "describe", None)
    if callable(describe):
        return str(describe())
    if isinstance(function, partial):
        name = callable_name(function.func)
        if not (function.args or function.keywords):
            return name
        return f"{name} with {_without_addresses(f'{function.args} {function.keywords}')}"
    if is_dataclass(function):
        return _without_addresses(repr(function))
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def potential_name(calculator: Callable[..., Any]) -> str:
    """Whose energies the calculators of a factory give: the same name for the same energies.

    Settings with their defaults are left out, and those that the class calls ``about_computing``; a class whose
    energies are another one's says so by ``energies_of`` (see :class:`matseek.core.potential.ManyAtOnce`).
    """
    if isinstance(calculator, partial):
        usual = {**signature(calculator.func).parameters}
        about: Collection[str] = getattr(calculator.func, "about_computing", ())
        kept = {
            name: value
            for name, value in calculator.keywords.items()
            if name not in about and not (name in usual and usual[name].default == value)
        }
        if calculator.args or kept:
            return callable_name(partial(calculator.func, *calculator.args, **kept))
        calculator = calculator.func
    return str(getattr(calculator, "energies_of", None) or callable_name(calculator))


def _without_addresses(text: str) -> str:
    """The repr of objects without their places in memory, which differ from process to process."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text)


def fingerprinted(description: dict[str, Any], function: Callable[..., Any] | None) -> dict[str, Any]:
    """A description with what tells the callable apart from others of its name, if there is anything."""
    result = {} if function is None else fingerprint(function)
    return {**description, FINGERPRINT: result} if result else description
