"""Boxes of named variables with units and linear constraints: the space of recipes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from matseek.checks import of, refused, several, shown, whole
from matseek.core.space import BoxSpace, BoxView, column_of
from matseek.core.space import Space as Space
from matseek.errors import InfeasibleSpaceError
from matseek.geometry.lattice import Lattice
from matseek.geometry.polytope import Polytope
from matseek.spaces.latin_hypercube import latin_hypercube
from matseek.spaces.variables import Category, Held, LinearConstraint, Setting, Variable, described

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]

_TOLERANCE = 1e-9
"""Slack of feasibility, as a fraction of each variable's (or constraint's) range."""

_BOUNDS = ("low", "high", "hardware", "step", "log", "hard")
"""What may differ between two descriptions of the same variable."""

_MARGIN = 1e-10
"""By how much constraints are held more tightly inside, so that rounding never lifts a proposal above a bound."""

_MOST_COMBINATIONS, _MOST_LISTED = 200_000, 10_000
"""Most combinations of values that are looked at to list the points that may be tried, and most points of a list."""


@dataclass(frozen=True, eq=False)
class Box(BoxSpace):
    """The feasible part of a box: variables in their windows, under linear constraints.

    Points are float64 arrays of shape ``(n, d)`` in the variables' own units and order; of a category they hold the
    place of the value in its list. Where every value between the bounds may be set, on linear scales, the box is its
    own box of coordinates. Where there are steps, logarithmic scales, fixed values or categories it is searched in
    coordinates, see :class:`CoordinateBox`.

    Args:
        variables: The variables, in the order of the columns of points: :class:`~matseek.spaces.Variable` and
            :class:`~matseek.spaces.Category`.
        constraints: Linear constraints that every point must satisfy.

    Raises:
        ValueError: If names repeat, or a constraint names an unknown, periodic or logarithmic variable or a category.
        InfeasibleSpaceError: If no point satisfies bounds, steps and constraints.
    """

    variables: tuple[Setting, ...]
    constraints: tuple[LinearConstraint, ...] = field(default=())

    def __init__(self, variables: Sequence[Setting], constraints: Sequence[LinearConstraint] = ()) -> None:
        if isinstance(constraints, LinearConstraint):
            constraints = (constraints,)
        object.__setattr__(self, "variables", several(_setting, 1)("variables", variables))
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
            curved = [v.name for v in self.variables if not v.linear and constraint.coefficients.get(v.name)]
            if curved:
                raise ValueError(
                    f"constraint '{constraint}' bounds {curved}: a periodic variable or a category has no order, and a "
                    "logarithmic scale bends a linear constraint; leave them out"
                )
        self._require_interior()

    def _require_interior(self) -> None:
        hull = self.unit_polytope
        centre = np.full(self.dim, 0.5)
        if not len(hull.C) and (hull.A @ centre < hull.b - _TOLERANCE).all() and not self._lattice.step.any():
            return  # found without a linear program
        wide = hull.chebyshev is not None and (hull.chebyshev[1] > _TOLERANCE or not hull.basis.shape[1])
        if hull.chebyshev is not None and wide and hull.contains(hull.chebyshev[0][None], _TOLERANCE).all():
            if self.constraints and self._lattice.step.any() and self._lattice.empty(hull.chebyshev[0]):
                raise InfeasibleSpaceError(
                    f"the constraints {[str(c) for c in self.constraints]} leave no point on the steps of the "
                    f"variables, {self._bounds_text()}; make steps smaller, or relax a constraint"
                )
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
        for one, other in combinations(self.constraints, 2):
            if self._under((one, other)).chebyshev is None:
                raise InfeasibleSpaceError(
                    f"the constraints '{one}' and '{other}' contradict each other within the bounds "
                    f"{self._bounds_text()}; relax one of them"
                )
        raise InfeasibleSpaceError(
            f"the constraints {[str(c) for c in self.constraints]} leave no room together with the bounds "
            f"{self._bounds_text()}, or only a point or a face; relax one of them, write a face as an equality "
            "(lower = upper), or fix a variable (low = high)"
        )

    @property
    def rules(self) -> list[str]:
        """The linear constraints in words."""
        return [str(c) for c in self.constraints]

    def _bounds_text(self) -> str:
        steps = {v.name: f" in steps of {v.step:g}" for v in self.variables if v.step is not None}
        return ", ".join(f"{v.low:g} <= {v.name} <= {v.high:g}{steps.get(v.name, '')}" for v in self.variables)

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
        """The feasible set in coordinates that run from 0 to 1 over each window, steps left out of account."""
        return self._under(self.constraints)

    def _under(self, constraints: Sequence[LinearConstraint]) -> Polytope:
        """The part of the windows that meets some constraints, in unit coordinates."""
        d, extent, width = self.dim, self.extent, self.upper - self.lower
        A, b = [np.eye(d), -np.eye(d)], [np.ones(d), np.zeros(d)]
        C, e = [np.eye(d)[width == 0]], [np.zeros(int((width == 0).sum()))]
        for constraint in constraints:
            a = self._row(constraint)
            scale = np.linalg.norm(a * width) or np.linalg.norm(a * extent)
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
        """Whether each point lies in the windows, on the steps, and satisfies the constraints, shape ``(n,)``.

        Args:
            points: Points in the variables' units, shape ``(n, d)``; NaN is never contained.

        Raises:
            ValueError: If the points do not have d coordinates.
        """
        given = self.as_points(points)
        off = np.abs(self._rounded(given) - given)
        around = np.where(self.periodic, np.abs(self.extent - off), off)
        inside = np.asarray((np.minimum(off, around) <= _TOLERANCE * self.extent).all(axis=1))
        return inside & self.unit_polytope.contains(self.normalize(given), _TOLERANCE)

    def _shape_wanted(self) -> str:
        return f"the box has {self.dim} variables {list(self.names)}; give one column per variable"

    def _rounded(self, points: FloatArray) -> FloatArray:
        """Every variable at its nearest value, constraints left out of account."""
        return np.column_stack([v.nearest(column) for v, column in zip(self.variables, points.T, strict=True)])

    @cached_property
    def _lattice(self) -> Lattice:
        """The steps of variables that constraints couple, in unit coordinates."""
        coupled = (np.array([self._row(c) for c in self.constraints]).reshape(-1, self.dim) != 0).any(axis=0)
        steps = np.array([v.step or 0.0 for v in self.variables])
        return Lattice(self.unit_polytope, np.zeros(self.dim), np.where(coupled, steps / self.extent, 0.0))

    def nearest(self, points: npt.ArrayLike) -> FloatArray:
        """Points that may be tried, near to the given ones; those that may be tried already stay as they are.

        Args:
            points: Shape ``(n, d)``, in the variables' units.

        Returns:
            Shape ``(n, d)``.
        """
        given = np.array(self.as_points(points))
        hull = self.unit_polytope
        outside = ~hull.contains(self.normalize(given), _TOLERANCE)
        if outside.any():
            given[outside] = self.unnormalize(hull.project(self.normalize(given[outside])))
        rounded = self._rounded(given)
        bad = ~hull.contains(self.normalize(rounded), _TOLERANCE)
        if bad.any():
            unit = np.where(self._lattice.step > 0, self.normalize(given), self.normalize(rounded))
            rounded[bad] = self._rounded(self.unnormalize(self._lattice.nearest(unit[bad])))
        return rounded

    @cached_property
    def listed(self) -> FloatArray | None:
        """All points that may be tried, in the variables' units, shape ``(c, d)``; None where they are too many."""
        values = [v.choices for v in self.variables]
        countable = [column for column in values if column is not None]
        combinations = reduce(lambda product, column: product * len(column), countable, 1)
        if len(countable) < len(values) or combinations > _MOST_COMBINATIONS:
            return None
        points = np.stack(np.meshgrid(*countable, indexing="ij"), axis=-1).reshape(-1, self.dim)
        points = points[self.contains(points)]
        return points if len(points) <= _MOST_LISTED else None

    @property
    def choices(self) -> FloatArray | None:
        """The listed points, in unit coordinates."""
        return None if self.listed is None else self.normalize(self.listed)

    @cached_property
    def _drawn(self) -> Box | None:
        """A plain box whose uniform points, rounded, are those of this one; None where nothing varies."""
        if self.plain:
            return self
        coupled = {name for c in self.constraints for name, x in c.coefficients.items() if x}
        members = [v.coordinates[0] if v.name in coupled and v.coordinates else v.drawn for v in self.variables]
        varying = [member for member in members if member is not None]
        return Box(varying, _without_fixed(self)) if varying else None

    def _of_drawn(self, drawn: FloatArray) -> FloatArray:
        """Points that may be tried from those of :attr:`_drawn`."""
        return self.nearest(self._set_from(drawn))

    def _set_from(self, drawn: FloatArray) -> FloatArray:
        """Values of the variables from points of :attr:`_drawn`, each by itself."""
        columns, column = [], 0
        for v in self.variables:
            varies = v.drawn is not None
            columns.append(v.of_drawn(drawn[:, column] if varies else np.empty(len(drawn))))
            column += varies
        return np.column_stack(columns)

    def sample_uniform(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Feasible points, uniformly distributed, shape ``(n, d)``, in the variables' units.

        Of steps and categories all values are equally likely, of a logarithmic scale equal ratios. Works however small
        the feasible part of the box is, see :meth:`matseek.geometry.polytope.Polytope.sample`.
        """
        n, drawn = whole(1)("n", n), self._drawn
        if self.listed is not None:
            return np.asarray(self.listed[rng.integers(len(self.listed), size=n)])
        assert drawn is not None, "what cannot be listed varies"
        return self._of_drawn(drawn.unnormalize(drawn.unit_polytope.sample(n, rng)))

    def sample_latin_hypercube(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Feasible Latin hypercube, shape ``(n, d)``, see :func:`matseek.spaces.latin_hypercube.latin_hypercube`.

        Steps and categories take their values in equal numbers, as far as these go into n.
        """
        n, drawn = whole(1)("n", n), self._drawn
        if drawn is None:
            return self.sample_uniform(n, rng)
        return self._of_drawn(drawn.unnormalize(latin_hypercube(drawn.unit_polytope, n, rng)))

    @property
    def plain(self) -> bool:
        """Whether every value between the bounds may be set, on linear scales."""
        return all(v.plain for v in self.variables)

    @cached_property
    def _coordinate_box(self) -> CoordinateBox:
        return CoordinateBox(self)

    def as_box(self) -> BoxView:
        """Itself, or its coordinates where it has steps, logarithmic scales, fixed values or categories."""
        return super().as_box() if self.plain else self._coordinate_box

    def numbers_of(self, held: Mapping[str, object]) -> dict[str, float]:
        """Values as people give them, a category's by name, as numbers of points.

        Raises:
            ValueError: If a variable is unknown or a value cannot be set.
        """
        known = {v.name: v for v in self.variables}
        unknown = sorted(map(str, set(held) - set(known)))
        if unknown:
            raise ValueError(f"no variables {unknown} that could be held; the box has {list(self.names)}")
        return {name: known[name].number(value) for name, value in held.items()}

    def hold(self, held: Mapping[str, float]) -> CoordinateBox:
        """The coordinates, of which some variables are held at values.

        Args:
            held: Numbers of points by name, see :meth:`numbers_of`.

        Raises:
            ValueError: If a variable is unknown.
            InfeasibleSpaceError: If the values leave no point.
        """
        return CoordinateBox(self, held)

    def fixed_at(self, held: Mapping[str, float]) -> Box:
        """The box with some variables at values, by name.

        Raises:
            InfeasibleSpaceError: If the values leave no point.
        """
        variables = [Held(v, held[v.name]) if v.name in held else v for v in self.variables]
        try:
            return Box(variables, self.constraints)
        except InfeasibleSpaceError as error:
            raise InfeasibleSpaceError(f"held at {dict(held)}: {error}") from error

    def differ(self, a: npt.ArrayLike, b: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Which variables of points ``(m, d)`` differ by more than rounding, shape ``(m, d)``."""
        pairs = zip(self.variables, self.as_points(a).T, self.as_points(b).T, strict=True)
        return np.column_stack([v.differ(one, other) for v, one, other in pairs])

    def to_frame(self, points: npt.ArrayLike) -> pd.DataFrame:
        """Points as a table whose columns are named with units; categories by name."""
        import pandas as pd

        columns = zip(self.variables, self.as_points(points).T, strict=True)
        return pd.DataFrame({v.label: v.cells(column) for v, column in columns})

    def from_frame(self, frame: pd.DataFrame) -> FloatArray:
        """Points of a table, whose columns are found by label (name with unit) or by bare name.

        Raises:
            ValueError: If a column is missing, carries another unit, or holds something that is no value.
        """
        return np.column_stack([v.of_cells(column_of(frame, v.name, v.label)) for v in self.variables])

    def widen(self, name: str, *, low: float | None = None, high: float | None = None) -> Box:
        """The box with the window of one variable widened, at most to its hardware limits.

        Args:
            name: The variable.
            low: New lower end, in the variable's unit; None leaves it.
            high: New upper end, in the variable's unit; None leaves it.
        """
        if name not in self.names:
            raise ValueError(f"no variable {name!r} in the box; it has {list(self.names)}")
        return Box([v.widened(low, high) if v.name == name else v for v in self.variables], self.constraints)

    def describe(self) -> dict[str, Any]:
        """The box as plain data, for records and for telling one box from another."""
        return {
            "variables": [v.describe() for v in self.variables],
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
            variables = [described(v) for v in plain["variables"]]
            bounds = [{k: v for k, v in c.items() if v is not None} for c in plain["constraints"]]
            return cls(variables, [LinearConstraint(**c) for c in bounds])
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"space={shown(plain)} does not describe a Box ({error}); give what describe() says"
            ) from error


def _kind(plain: Mapping[str, Any]) -> str:
    """Unit and kind of a described variable, in words."""
    unit = f"in {plain['unit']}" if plain.get("unit") else "a pure number"
    rest = {k: v for k, v in plain.items() if k not in ("name", "unit")}
    return f"{unit} with {rest}" if rest else unit


class CoordinateBox(Box):
    """The plain box of coordinates that a box of any variables is searched in, and the way there and back.

    A variable with steps is continuous here, a logarithmic one is its decadic logarithm, a category has a column per
    value (their sum is 1) or per descriptor, and fixed values are left out. Points between the ones that may be tried
    lie in the box, so that models can be differentiated; :meth:`allowed` gives the nearest that may be tried.

    Args:
        coded: The box whose coordinates these are.
        held: Numbers of points at which variables are held, by name: equalities, so that models still see them.

    Raises:
        ValueError: If nothing varies.
        InfeasibleSpaceError: If what is held leaves no point.
    """

    coded: Box
    held: Mapping[str, float]

    def __init__(self, coded: Box, held: Mapping[str, float] | None = None) -> None:
        object.__setattr__(self, "coded", coded)
        object.__setattr__(self, "held", dict(held or {}))
        # Made first: what is held is told in the variables' own terms where it leaves no point.
        object.__setattr__(self, "_origin", coded.fixed_at(self.held) if self.held else coded)
        variables = [c for v in coded.variables for c in v.coordinates]
        if not variables:
            raise ValueError(
                f"every variable of {list(coded.names)} is fixed, so that there is nothing to search; give one a window"
            )
        super().__init__(variables, (*_without_fixed(coded), *(rule for v in coded.variables for rule in v.rules)))

    @property
    def origin(self) -> Space:
        """The box of the variables, with what is held."""
        return self._origin

    _origin: Box

    @property
    def box(self) -> CoordinateBox:
        """Itself."""
        return self

    def coordinates(self, points: npt.ArrayLike) -> FloatArray:
        """Points of this box, shape ``(m, b)``, for points ``(m, d)`` of the variables."""
        given = zip(self.coded.variables, self.coded.as_points(points).T, strict=True)
        return np.column_stack([v.encode(column) for v, column in given])

    def points(self, coordinates: npt.ArrayLike) -> FloatArray:
        """The nearest points of the variables that may be tried, shape ``(m, d)``, for coordinates ``(m, b)``."""
        given = self.as_points(coordinates)
        parts = zip(self.coded.variables, self._blocks, strict=True)
        return self._origin.nearest(np.column_stack([v.decode(given[:, block]) for v, block in parts]))

    @cached_property
    def _blocks(self) -> tuple[slice, ...]:
        """The columns of each variable."""
        ends = np.cumsum([0, *(len(v.coordinates) for v in self.coded.variables)]).tolist()
        return tuple(slice(start, end) for start, end in pairwise(ends))

    @cached_property
    def _held_columns(self) -> dict[int, float]:
        """What is held, by column of this box."""
        columns: dict[int, float] = {}
        for v, block in zip(self.coded.variables, self._blocks, strict=True):
            if v.name in self.held:
                coordinates = v.encode(np.array([self.held[v.name]]))[0].tolist()
                columns |= dict(zip(range(block.start, block.stop), coordinates, strict=True))
        return columns

    @cached_property
    def unit_polytope(self) -> Polytope:
        """The feasible set in unit coordinates; what is held is an equality of each of its columns."""
        free = super().unit_polytope
        if not self._held_columns:
            return free
        at, values = list(self._held_columns), np.array(list(self._held_columns.values()))
        level = (values - self.lower[at]) / self.extent[at]
        return Polytope(free.A, free.b, *_independent(np.eye(self.dim)[at], level, free.C, free.e))

    def unnormalize(self, unit_points: npt.ArrayLike) -> FloatArray:
        """Points in the coordinates' units; what is held is exactly so."""
        points = super().unnormalize(unit_points)
        for column, value in self._held_columns.items():
            points[:, column] = value
        return points

    def allowed(self, unit_points: npt.ArrayLike) -> FloatArray:
        """The nearest points that may be tried, in unit coordinates, shape ``(n, b)``."""
        return self.normalize(self.coordinates(self.points(self.unnormalize(unit_points))))

    @cached_property
    def choices(self) -> FloatArray | None:
        """All points that may be tried, in unit coordinates; None where they are too many."""
        listed = self._origin.listed
        return None if listed is None else self.normalize(self.coordinates(listed))

    @cached_property
    def ordered(self) -> npt.NDArray[np.bool_]:
        """Not the columns of categories."""
        return np.concatenate([np.full(len(v.coordinates), v.ordered) for v in self.coded.variables])

    def sample_uniform(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Points that may be tried, uniform among these, shape ``(n, b)``."""
        return self.coordinates(self._origin.sample_uniform(n, rng))

    def sample_latin_hypercube(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Points of a Latin hypercube that may be tried, shape ``(n, b)``."""
        return self.coordinates(self._origin.sample_latin_hypercube(n, rng))

    def numbers_of(self, held: Mapping[str, object]) -> dict[str, float]:
        """As the box of the variables has it."""
        return self.coded.numbers_of(held)

    def hold(self, held: Mapping[str, float]) -> CoordinateBox:
        """The same coordinates with variables held at values, and no others."""
        return CoordinateBox(self.coded, held)

    def widen(self, name: str, *, low: float | None = None, high: float | None = None) -> CoordinateBox:
        """The coordinates of the box with a wider window; the ends are coordinates."""
        (variable,) = (v for v in self.coded.variables if v.name == name) if name in self.coded.names else (None,)
        if variable is None:
            raise ValueError(f"no variable {name!r} in the box; it has {list(self.names)}")
        ends = (None if end is None else variable.of_coordinate(end) for end in (low, high))
        return CoordinateBox(self.coded.widen(name, **dict(zip(("low", "high"), ends, strict=True))), self.held)

    def describe(self) -> dict[str, Any]:
        """The coordinates as a box, and what is held."""
        return super().describe() | ({"held": dict(self.held)} if self.held else {})


def _setting(name: str, value: object) -> Setting:
    if isinstance(value, (Variable, Category, Held)):
        return value
    raise refused(name, value, "a Variable or a Category")


def _without_fixed(box: Box) -> list[LinearConstraint]:
    """The constraints with fixed variables at their values; what bounds nothing else is left out."""
    fixed = {v.name: v.low for v in box.variables if not v.coordinates}
    kept = []
    for c in box.constraints:
        shift = sum(x * fixed[name] for name, x in c.coefficients.items() if name in fixed)
        others = {name: x for name, x in c.coefficients.items() if name not in fixed}
        if any(others.values()):
            kept.append(LinearConstraint(others, c.lower - shift, c.upper - shift))
    return kept


def _independent(
    C: FloatArray, e: FloatArray, more_rows: FloatArray, more_levels: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Equalities joined by others, of which those are left out that follow from the ones before."""
    for row, level in zip(more_rows, more_levels, strict=True):
        joined = np.vstack([C, row])
        if np.linalg.matrix_rank(joined) == len(joined):
            C, e = joined, np.append(e, level)
    return C, e
