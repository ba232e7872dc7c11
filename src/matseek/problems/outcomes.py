"""Outcomes of recipes: what a condition uses, how much its replicates scatter, where its peak lies."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from matseek.checks import check, function, label, of, optional, real, several, text
from matseek.core.goals import FurtherObjective as FurtherObjective
from matseek.core.goals import Outcome
from matseek.core.goals import OutcomeConstraint as OutcomeConstraint
from matseek.core.objective import Objective
from matseek.core.records import Evaluation
from matseek.core.space import BoxSpace
from matseek.errors import ResponseError, error_text

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Derived(Outcome):
    """Your own function of a point and what was measured there.

    Args:
        name: Name in tables.
        function: Called with the point, shape ``(d,)`` in the variables' units, and the response as the oracle gave it:
            spectra ``(m,)`` or ``(r, m)``, or the replicates' values ``(r,)`` where there is no objective. It gives a
            number, NaN where there is none. What it raises ends the run; nothing that was measured is lost.
        unit: Unit; empty for a pure number.
    """

    name: str
    function: Callable[[FloatArray, npt.NDArray[np.floating[Any]]], float]
    unit: str = ""

    def __post_init__(self) -> None:
        check(self, name=text, function=function("two arguments, a point and a response", 2), unit=label)

    def reader(self, space: BoxSpace, objective: Objective | None) -> Callable[[Evaluation], float]:  # noqa: ARG002
        """The function of point and response."""

        def read(evaluation: Evaluation) -> float:
            response = evaluation.response
            known = evaluation.replicates if response is None else response
            try:
                return float(self.function(evaluation.point.copy(), known.copy()))
            except Exception as error:
                raise ResponseError(
                    f"outcome {self.name!r} cannot be computed of evaluation {evaluation.number}: {error_text(error)}; "
                    "let its function give a number, NaN where there is none, and run the same command again: what was "
                    "measured is in the ledger"
                ) from error

        return read


@dataclass(frozen=True)
class LinearCombination(Outcome):
    """A linear combination of the variables, such as the silver that a recipe uses.

    Args:
        name: Name in tables.
        coefficients: By the variable's name.
        unit: Unit of the combination; empty for a pure number.
    """

    name: str
    coefficients: Mapping[str, float]
    unit: str = ""

    def __post_init__(self) -> None:
        check(self, name=text, coefficients=of(Mapping, "numbers by the variable's name"), unit=label)
        known = {key: real()(f"coefficients.{key}", value) for key, value in self.coefficients.items()}
        if not known:
            raise ValueError("coefficients names no variable; give at least one number by a variable's name")
        object.__setattr__(self, "coefficients", known)

    def reader(self, space: BoxSpace, objective: Objective | None) -> Callable[[Evaluation], float]:  # noqa: ARG002
        """The combination; refused where it names a variable that the space does not have, or a category."""
        unknown = sorted(set(self.coefficients) - set(space.names))
        if unknown:
            raise ValueError(f"outcome {self.name!r} names {unknown}, but the variables are {list(space.names)}")
        unordered = [v.name for v in space.variables if v.values and v.name in self.coefficients]
        if unordered:
            raise ValueError(
                f"outcome {self.name!r} names {unordered}, whose values have no order; leave them out, or write a "
                "Derived outcome"
            )
        weights = np.array([self.coefficients.get(name, 0.0) for name in space.names])
        return lambda evaluation: float(weights @ evaluation.point)

    def reach(self, space: BoxSpace, objective: Objective | None) -> tuple[float, float]:  # noqa: ARG002
        """Its least and largest value within the limits up to which windows may be widened."""
        ends = [
            sorted((self.coefficients.get(v.name, 0.0) * v.limits[0], self.coefficients.get(v.name, 0.0) * v.limits[1]))
            for v in space.variables
        ]
        low, high = np.sum(ends, axis=0)
        return float(low), float(high)


@dataclass(frozen=True)
class ReplicateSpread(Outcome):
    """Sample standard deviation of the value between the replicates of a condition; NaN with fewer than two.

    Args:
        name: Name in tables.
        unit: Unit of the value; empty for a pure number.
    """

    name: str = "replicate_spread"
    unit: str = ""

    def __post_init__(self) -> None:
        check(self, name=text, unit=label)

    def reach(self, space: BoxSpace, objective: Objective | None) -> tuple[float, float]:  # noqa: ARG002
        """It is not negative."""
        return 0.0, np.inf

    def reader(self, space: BoxSpace, objective: Objective | None) -> Callable[[Evaluation], float]:  # noqa: ARG002
        """The spread."""
        return lambda evaluation: evaluation.spread


@dataclass(frozen=True)
class _OfPeak(Outcome):
    """Read from the highest peak of the median spectrum of a condition, between two wavelengths."""

    name: str = ""
    unit: str = "nm"
    between: Sequence[float] | None = None

    def __post_init__(self) -> None:
        check(self, name=text, unit=label, between=optional(several(real(unit="nm"), 2, 2)))

    @abstractmethod
    def _read(self, at: FloatArray, spectrum: FloatArray) -> float:
        """The outcome of absorbances ``(m,)`` at wavelengths in nm, shape ``(m,)``."""

    def reader(self, space: BoxSpace, objective: Objective | None) -> Callable[[Evaluation], float]:  # noqa: ARG002
        """The outcome; refused without spectra."""
        at, kept = _range(self.name, objective, self.between)
        return _of_median(lambda spectrum: self._read(at, spectrum[kept]))


@dataclass(frozen=True)
class PeakPosition(_OfPeak):
    """Wavelength of the highest absorbance of the median spectrum of a condition.

    Args:
        name: Name in tables.
        unit: Unit in tables.
        between: Wavelengths in nm between which the peak is looked for; None for all.
    """

    name: str = "peak_position"

    def reach(self, space: BoxSpace, objective: Objective | None) -> tuple[float, float]:  # noqa: ARG002
        """From the first to the last wavelength."""
        at, _ = _range(self.name, objective, self.between)
        return float(at[0]), float(at[-1])

    def _read(self, at: FloatArray, spectrum: FloatArray) -> float:
        return float(at[spectrum.argmax()])


@dataclass(frozen=True)
class PeakWidth(_OfPeak):
    """Full width at half maximum of the highest peak of the median spectrum of a condition.

    Half way down from the maximum to the least absorbance, interpolated linearly; a side that does not fall so far ends
    where the spectrum ends.

    Args:
        name: Name in tables.
        unit: Unit in tables.
        between: Wavelengths in nm between which the peak is looked for; None for all.
    """

    name: str = "peak_width"

    def reach(self, space: BoxSpace, objective: Objective | None) -> tuple[float, float]:  # noqa: ARG002
        """At most the range of wavelengths."""
        at, _ = _range(self.name, objective, self.between)
        return 0.0, float(at[-1] - at[0])

    def _read(self, at: FloatArray, spectrum: FloatArray) -> float:
        return _half_width(at, spectrum) + _half_width(-at[::-1], spectrum[::-1])


def _range(
    name: str, objective: Objective | None, between: Sequence[float] | None
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Wavelengths between two, and which of the objective's they are.

    Raises:
        ValueError: If there are no spectra, or fewer than three wavelengths in between.
    """
    if objective is None:
        raise ValueError(f"outcome {name!r} is read from spectra, and this problem's response is a value")
    at = np.asarray(objective.wavelengths, dtype=np.float64)
    low, high = (at[0], at[-1]) if between is None else between
    kept = (at >= low) & (at <= high)
    if kept.sum() < 3:
        raise ValueError(
            f"outcome {name!r} is looked for between {low:g} and {high:g} nm, where there are {kept.sum()} wavelengths "
            f"of {at[0]:g} to {at[-1]:g} nm; widen the range"
        )
    return at[kept], kept


def _of_median(read: Callable[[FloatArray], float]) -> Callable[[Evaluation], float]:
    """Reads from the median of the replicates' spectra that were measured completely; NaN without any."""

    def number(evaluation: Evaluation) -> float:
        response = evaluation.response
        measured = np.atleast_2d(np.asarray(np.empty((0, 1)) if response is None else response, dtype=np.float64))
        whole = measured[np.isfinite(measured).all(axis=1)]
        return read(np.median(whole, axis=0)) if len(whole) else float("nan")

    return number


def _half_width(at: FloatArray, spectrum: FloatArray) -> float:
    """From the maximum to where the spectrum has fallen half way to its minimum, toward the end of ``at``."""
    top = int(spectrum.argmax())
    level = 0.5 * (spectrum[top] + spectrum.min())
    below = np.flatnonzero(spectrum[top:] < level)
    if not len(below):
        return float(at[-1] - at[top])
    k = top + int(below[0])
    share = (spectrum[k - 1] - level) / (spectrum[k - 1] - spectrum[k])
    return float(at[k - 1] + share * (at[k] - at[k - 1]) - at[top])
