"""The face that every problem shows to evaluators, searchers and reports."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, overload, runtime_checkable

import numpy as np
import numpy.typing as npt

from matseek.errors import plain_text
from matseek.identity import FINGERPRINT, fingerprint

if TYPE_CHECKING:
    from torch import Tensor

    from matseek.spaces import Space

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
    """

    value: float
    replicates: FloatArray
    response: npt.NDArray[np.floating[Any]] | None = None
    error: str | None = None
    empty: bool = False

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


@runtime_checkable
class Objective(Protocol):
    """Turns a spectrum into a value to minimise; defined for every input, NaN where a spectrum is not finite."""

    @property
    def wavelengths(self) -> FloatArray:
        """Wavelengths in nm, shape ``(m,)``, strictly increasing."""
        ...

    @property
    def response_size(self) -> int:
        """Number of wavelengths, m."""
        ...

    @overload
    def __call__(self, spectra: Tensor) -> Tensor: ...
    @overload
    def __call__(self, spectra: npt.ArrayLike) -> FloatArray: ...
    def __call__(self, spectra: Tensor | npt.ArrayLike) -> Tensor | FloatArray:
        """Values, shape ``(...)``, of spectra ``(..., m)``; tensors give tensors with gradients."""
        ...

    def describe(self) -> str:
        """A name that is the same in every process and differs where two objectives do."""
        ...


@runtime_checkable
class Problem(Protocol):
    """A space, an oracle and a value to minimise; measures one point at a time, so that one failure costs one."""

    @property
    def name(self) -> str:
        """Name for records and titles."""
        ...

    @property
    def space(self) -> Space:
        """What may be tried."""
        ...

    def measure(self, point: FloatArray, rng: np.random.Generator) -> Measurement:
        """Evaluate the truth at one point, shape ``(d,)``; exceptions of the oracle pass through.

        Raises:
            ResponseError: If the oracle's answer has a shape or kind that no later call could mend.
        """
        ...

    def require_oracle(self) -> None:
        """Refuse to be run if there is no oracle.

        Raises:
            ValueError: If there is none.
        """
        ...

    @property
    def has_success(self) -> bool:
        """Whether the problem says of an evaluation that it solves the problem."""
        ...

    def succeeded(self, point: FloatArray, value: float) -> bool | None:
        """Whether a finite value at a point, shape ``(d,)``, solves the problem; None where there is no success test.

        The test may cost something, but never an evaluation.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """The problem as plain data: two problems are the same if these are equal."""
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


def _without_addresses(text: str) -> str:
    """The repr of objects without their places in memory, which differ from process to process."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text)


def fingerprinted(description: dict[str, Any], function: Callable[..., Any] | None) -> dict[str, Any]:
    """A description with what tells the callable apart from others of its name, if there is anything."""
    found = {} if function is None else fingerprint(function)
    return {**description, FINGERPRINT: found} if found else description
