"""Boxes of named variables with units and linear constraints: the space of recipes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from matseek.checks import check, flag, label, of, optional, real, several, shown, text, whole
from matseek.core.space import BoxSpace
from matseek.errors import InfeasibleSpaceError
from matseek.geometry.polytope import Polytope
from matseek.spaces.latin_hypercube import latin_hypercube

FloatArray = npt.NDArray[np.float64]

_TOLERANCE = 1e-9
"""Slack of feasibility, as a fraction of each variable's (or constraint's) range."""

RESERVED = frozenset(
    {"evaluation", "iteration", "proposer", "searcher", "status", "value", "spread", "replicates", "best_value"}
    | {"error", "asked_at", "finished_at", "rank", "batch", "upper_bound", "feasible"}
)
"""Columns that the tables of a campaign have besides its variables."""

_LARGEST = 1e50
"""Largest size of a bound and a coefficient: squares of their products are still numbers."""

_LEAST_WIDTH = 1e-9
"""Least width of a window, as a fraction of its ends: points have twelve digits of it."""

_BOUNDS = ("low", "high", "hardware")
"""What may differ between two descriptions of the same variable."""

_SIZED = real(-_LARGEST, _LARGEST)

_MARGIN = 1e-10
"""By how much constraints are held more tightly inside, so that rounding never lifts a proposal above a bound."""


@dataclass(frozen=True)
class Variable:
    """A variable of a recipe, with its window and unit.

    Args:
        name: Name, unique within a box.
        low: Lower end of the window that is searched.
        high: Upper end of the window that is searched.
        unit: Unit, as it is to be printed; empty for a pure number.
        hardware: Lower and upper limits of what the apparatus can do; the window may be widened up to these. Without
            it the window is fixed.
        periodic: Whether both ends of the window are the same place, as for an angle.

    Raises:
        ValueError: If the name is one that tables use themselves (:data:`RESERVED`) or reads as a number, which is how
            a table names a wavelength; if the bounds are not finite, are the wrong way round, or lie outside the
            hardware's limits; or if a periodic variable has such limits.
    """

    name: str
    low: float
    high: float
    unit: str = ""
    hardware: tuple[float, float] | None = None
    periodic: bool = False

    def __post_init__(self) -> None:
        check(self, name=_variable_name)
        of_it = f"variable {self.name!r}: "
        ends = optional(several(_SIZED, 2, 2))
        check(self, of_it, low=_SIZED, high=_SIZED, unit=label, hardware=ends, periodic=flag)
        low, high = self.low, self.high
        if low >= high:
            raise ValueError(
                f"variable {self.name!r}: low={self.low:g} must be below high={self.high:g}; "
                "swap them, or leave a fixed variable out of the box"
            )
        if high - low < _LEAST_WIDTH * max(abs(low), abs(high)) or high - low < 1 / _LARGEST:
            raise ValueError(
                f"variable {self.name!r}: low={low!r} and high={high!r} are so close that rounding leaves nothing "
                "between them; count from another zero, or in another unit"
            )
        if self.periodic and self.hardware is not None:
            raise ValueError(
                f"variable {self.name!r}: a periodic window is the whole period and cannot be widened; "
                "leave out hardware"
            )
        if self.hardware is not None:
            bottom, top = self.hardware
            if bottom > top:
                raise ValueError(f"variable {self.name!r}: hardware=({bottom:g}, {top:g}) is the wrong way round; swap")
            if not (bottom <= low and high <= top):
                raise ValueError(
                    f"variable {self.name!r}: the window [{low:g}, {high:g}] must lie within the hardware limits "
                    f"[{bottom:g}, {top:g}]; narrow the window or correct the limits"
                )

    @property
    def label(self) -> str:
        """Name with unit, as tables and axes show it."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    @property
    def limits(self) -> tuple[float, float]:
        """The hardware limits, or the window where there are none."""
        return self.hardware or (self.low, self.high)


@dataclass(frozen=True)
class LinearConstraint:
    """``lower <= sum of coefficient * variable <= upper``; equal ends make it an equality.

    Args:
        coefficients: Coefficient of each variable by name.
        lower: Lower bound, in the variables' units.
        upper: Upper bound, in the variables' units.

    Raises:
        ValueError: If nothing is bounded, no coefficient differs from zero, or the bounds are the wrong way round.
    """

    coefficients: Mapping[str, float]
    lower: float = -np.inf
    upper: float = np.inf

    def __post_init__(self) -> None:
        check(
            self, "constraint: ", coefficients=of(Mapping, "coefficients by variable name"), lower=_bound, upper=_bound
        )
        coefficients = {
            text("a variable's name", name): _SIZED(f"constraint: coefficients[{name!r}]", value)
            for name, value in self.coefficients.items()
        }
        if not any(abs(value) > 1 / _LARGEST for value in coefficients.values()):
            raise ValueError(
                f"constraint: coefficients={coefficients} must hold at least one finite number other than zero, by "
                "variable name"
            )
        object.__setattr__(self, "coefficients", MappingProxyType(coefficients))
        if self.lower > self.upper:
            raise ValueError(f"constraint {self}: lower={self.lower:g} must not exceed upper={self.upper:g}; swap them")
        if np.isinf(self.lower) and np.isinf(self.upper):
            raise ValueError(f"constraint {self}: bounds nothing; give lower, upper or both")

    def __hash__(self) -> int:
        return hash((tuple(self.coefficients.items()), self.lower, self.upper))

    def __reduce__(self) -> tuple[Any, ...]:
        # A mappingproxy cannot be sent to a worker process; the plain dictionary can.
        return type(self), (dict(self.coefficients), self.lower, self.upper)

    def __str__(self) -> str:
        terms = " + ".join(name if c == 1 else f"{c:g} {name}" for name, c in self.coefficients.items())
        if self.lower == self.upper:
            return f"{terms} = {self.upper:g}"
        low = f"{self.lower:g} <= " if np.isfinite(self.lower) else ""
        high = f" <= {self.upper:g}" if np.isfinite(self.upper) else ""
        return f"{low}{terms}{high}"


@dataclass(frozen=True, eq=False)
class Box(BoxSpace):
    """The feasible part of a box: variables in their windows, under linear constraints.

    Points are float64 arrays of shape ``(n, d)`` in the variables' own units and order.

    Args:
        variables: The variables, in the order of the columns of points.
        constraints: Linear constraints that every point must satisfy.

    Raises:
        ValueError: If names repeat, or a constraint names an unknown or a periodic variable.
        InfeasibleSpaceError: If no point satisfies bounds and constraints.
    """

    variables: tuple[Variable, ...]
    constraints: tuple[LinearConstraint, ...] = field(default=())

    def __init__(self, variables: Sequence[Variable], constraints: Sequence[LinearConstraint] = ()) -> None:
        if isinstance(constraints, LinearConstraint):
            constraints = (constraints,)
        object.__setattr__(self, "variables", several(of(Variable), 1)("variables", variables))
        object.__setattr__(self, "constraints", several(of(LinearConstraint))("constraints", constraints))
        # Tables find a variable by its label or its bare name.
        names = [name for v in self.variables for name in {v.name, v.label}]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"variable names must be unique, but {repeated} repeat; rename them")
        for constraint in self.constraints:
            unknown = sorted(set(constraint.coefficients) - set(self.names))
            if unknown:
                raise ValueError(
                    f"constraint '{constraint}' names unknown variables {unknown}; the box has {list(self.names)}"
                )
            if any(v.periodic and constraint.coefficients.get(v.name) for v in self.variables):
                raise ValueError(
                    f"constraint '{constraint}' bounds a periodic variable, which has no order; leave it out"
                )
        self._require_interior()

    def _require_interior(self) -> None:
        chebyshev = self.unit_polytope.chebyshev
        if chebyshev is not None and chebyshev[1] > _TOLERANCE and self.contains(self.unnormalize(chebyshev[0])).all():
            return
        for constraint in self.constraints:
            a = self._row(constraint)
            least = float(np.where(a > 0, a * self.lower, a * self.upper).sum())
            most = float(np.where(a > 0, a * self.upper, a * self.lower).sum())
            if least > constraint.upper or most < constraint.lower:
                raise InfeasibleSpaceError(
                    f"constraint '{constraint}' leaves no room: within the bounds its left side runs from {least:.15g} "
                    f"to {most:.15g}; relax the constraint or the bounds"
                )
        raise InfeasibleSpaceError(
            f"the constraints {[str(c) for c in self.constraints]} leave no room together with the bounds "
            f"{self._bounds_text()}, or only a point or a face; relax one of them, write a face as an equality "
            "(lower = upper), or leave out a variable that is fixed"
        )

    @property
    def rules(self) -> list[str]:
        """The linear constraints in words."""
        return [str(c) for c in self.constraints]

    def _bounds_text(self) -> str:
        return ", ".join(f"{v.low:g} <= {v.name} <= {v.high:g}" for v in self.variables)

    def _row(self, constraint: LinearConstraint) -> FloatArray:
        return np.array([constraint.coefficients.get(name, 0.0) for name in self.names])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the variables."""
        return tuple(v.name for v in self.variables)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names with units: the columns of frames."""
        return tuple(v.label for v in self.variables)

    @cached_property
    def lower(self) -> FloatArray:
        """Lower ends of the windows, shape ``(d,)``, in the variables' units."""
        return np.array([v.low for v in self.variables])

    @cached_property
    def upper(self) -> FloatArray:
        """Upper ends of the windows, shape ``(d,)``, in the variables' units."""
        return np.array([v.high for v in self.variables])

    @cached_property
    def periodic(self) -> npt.NDArray[np.bool_]:
        """Which variables are periodic, shape ``(d,)``."""
        return np.array([v.periodic for v in self.variables])

    @cached_property
    def unit_polytope(self) -> Polytope:
        """The feasible set in coordinates that run from 0 to 1 over each window."""
        d, extent = self.dim, self.upper - self.lower
        A, b = [np.eye(d), -np.eye(d)], [np.ones(d), np.zeros(d)]
        C, e = [np.zeros((0, d))], [np.zeros(0)]
        for constraint in self.constraints:
            a = self._row(constraint)
            scale = np.linalg.norm(a * extent)
            row, offset = a * extent / scale, float(a @ self.lower)
            if constraint.lower == constraint.upper:
                C.append(row[None])
                e.append(np.array([(constraint.upper - offset) / scale]))
                continue
            if np.isfinite(constraint.upper):
                A.append(row[None])
                b.append(np.array([(constraint.upper - offset) / scale - _MARGIN]))
            if np.isfinite(constraint.lower):
                A.append(-row[None])
                b.append(np.array([(offset - constraint.lower) / scale - _MARGIN]))
        return Polytope(np.vstack(A), np.concatenate(b), np.vstack(C), np.concatenate(e))

    def contains(self, points: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether each point lies in the windows and satisfies the constraints, shape ``(n,)``.

        Args:
            points: Points in the variables' units, shape ``(n, d)``; NaN is never contained.

        Raises:
            ValueError: If the points do not have d coordinates.
        """
        return self.unit_polytope.contains(self.normalize(self.as_points(points)), _TOLERANCE)

    def _shape_wanted(self) -> str:
        return f"the box has {self.dim} variables {list(self.names)}; give one column per variable"

    def sample_uniform(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Feasible points, uniformly distributed, shape ``(n, d)``, in the variables' units.

        Works however small the feasible part of the box is, see :meth:`matseek.geometry.polytope.Polytope.sample`.
        """
        return self.unnormalize(self.unit_polytope.sample(whole(1)("n", n), rng))

    def sample_latin_hypercube(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Feasible Latin hypercube, shape ``(n, d)``, see :func:`matseek.spaces.latin_hypercube.latin_hypercube`."""
        return self.unnormalize(latin_hypercube(self.unit_polytope, whole(1)("n", n), rng))

    def widen(self, name: str, *, low: float | None = None, high: float | None = None) -> Box:
        """The box with the window of one variable widened, at most to its hardware limits.

        Args:
            name: The variable.
            low: New lower end, in the variable's unit; None leaves it.
            high: New upper end, in the variable's unit; None leaves it.
        """
        variables = []
        for v in self.variables:
            if v.name == name:
                bottom, top = v.limits
                v = replace(
                    v,
                    low=v.low if low is None else max(min(low, v.low), bottom),
                    high=v.high if high is None else min(max(high, v.high), top),
                )
            variables.append(v)
        if name not in self.names:
            raise ValueError(f"no variable {name!r} in the box; it has {list(self.names)}")
        return Box(variables, self.constraints)

    def describe(self) -> dict[str, Any]:
        """The box as plain data, for records and for telling one box from another."""
        return {
            "variables": [
                {"name": v.name, "low": v.low, "high": v.high, "unit": v.unit, "hardware": list(v.limits)}
                | ({"periodic": True} if v.periodic else {})
                for v in self.variables
            ],
            "constraints": [
                {
                    "coefficients": dict(c.coefficients),
                    "lower": c.lower if np.isfinite(c.lower) else None,
                    "upper": c.upper if np.isfinite(c.upper) else None,
                }
                for c in self.constraints
            ],
        }

    def columns_of(self, other: Mapping[str, Any]) -> tuple[int, ...]:
        """Where another box has these variables, by name and unit; windows, limits and constraints may differ.

        Raises:
            ValueError: If it has other variables, or one of another unit or kind.
        """
        there = {v["name"]: {k: x for k, x in v.items() if k not in _BOUNDS} for v in other.get("variables", ())}
        here = {v["name"]: {k: x for k, x in v.items() if k not in _BOUNDS} for v in self.describe()["variables"]}
        if there.keys() != here.keys():
            raise ValueError(f"its variables are {sorted(there)}, these are {sorted(here)}")
        for name, kind in here.items():
            if there[name] != kind:
                raise ValueError(f"its variable {name!r} is {_kind(there[name])}, this one is {_kind(kind)}")
        order = list(there)
        return tuple(order.index(name) for name in self.names)

    @classmethod
    def from_description(cls, plain: Mapping[str, Any]) -> Self:
        """The box that :meth:`describe` has described.

        Raises:
            ValueError: If it is no such description.
        """
        try:
            variables = [_described_variable(v) for v in plain["variables"]]
            bounds = [{k: v for k, v in c.items() if v is not None} for c in plain["constraints"]]
            return cls(variables, [LinearConstraint(**c) for c in bounds])
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"space={shown(plain)} does not describe a Box ({error}); give what describe() says"
            ) from error


def _kind(plain: Mapping[str, Any]) -> str:
    """Unit and kind of a described variable, in words."""
    unit = f"in {plain['unit']}" if plain["unit"] else "a pure number"
    rest = {k: v for k, v in plain.items() if k not in ("name", "unit")}
    return f"{unit} with {rest}" if rest else unit


def _described_variable(plain: Mapping[str, Any]) -> Variable:
    """A variable as it is described; limits that are the window's own ends are none."""
    limits = plain["hardware"]
    fixed = limits is None or (limits[0] >= plain["low"] and limits[1] <= plain["high"])
    return Variable(**{**plain, "hardware": None if fixed else (limits[0], limits[1])})


def _variable_name(name: str, value: object) -> str:
    given = text(f"a variable's {name}", value)
    if given in RESERVED or _reads_as_number(given):
        raise ValueError(
            f"a variable's {name}={given!r} is taken: tables have the columns {sorted(RESERVED)} and columns named by "
            "a wavelength in nm; rename the variable"
        )
    return given


def _reads_as_number(name: str) -> bool:
    try:
        float(name.removesuffix("nm"))
    except ValueError:
        return False
    return True


def _bound(name: str, value: object) -> float:
    """A number, infinite where there is no bound."""
    if isinstance(value, (float, np.floating)) and np.isinf(value):
        return float(value)
    number: float = real()(name, value)
    return number
