"""Variables of recipes: ranges, steps, logarithmic scales, fixed values and categories, and how models see each.

What a model sees are coordinates: plain continuous variables. A variable knows its coordinates, the way there
(``encode``) and the way back to the nearest value that may be set (``decode``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from matseek.checks import check, flag, label, numbers, of, optional, real, refused, several, shown, text
from matseek.core.space import as_numbers

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]

RESERVED = frozenset(
    {"evaluation", "iteration", "proposer", "searcher", "status", "value", "spread", "replicates", "best_value"}
    | {"error", "asked_at", "finished_at", "rank", "batch", "upper_bound", "feasible"}
)
"""Columns that the tables of a campaign have besides its variables."""

_LARGEST = 1e50
"""Largest size of a bound and a coefficient: squares of their products are still numbers."""

_LEAST_WIDTH = 1e-9
"""Least width of a window, as a fraction of its ends: points have twelve digits of it."""

_SAME = 1e-6
"""Values closer than this, as a fraction of the window, are the same."""

_ON_GRID = 1e-6
"""How far a window's end may be from a whole number of steps, in steps."""

_MOST_STEPS = 10_000_000

_SIZED = real(-_LARGEST, _LARGEST)


class Setting(Protocol):
    """What a box asks of its variables: :class:`Variable`, :class:`Category` and :class:`Held` are such."""

    @property
    def name(self) -> str:
        """Name, unique within a box."""
        ...

    @property
    def label(self) -> str:
        """Name with unit."""
        ...

    @property
    def unit(self) -> str:
        """Unit; empty for a pure number."""
        ...

    @property
    def low(self) -> float:
        """Least number of a point."""
        ...

    @property
    def high(self) -> float:
        """Largest number of a point."""
        ...

    @property
    def limits(self) -> tuple[float, float]:
        """Ends up to which people may go: what the apparatus can do."""
        ...

    @property
    def widest(self) -> tuple[float, float]:
        """Ends up to which the window may be widened."""
        ...

    @property
    def periodic(self) -> bool:
        """Whether both ends of the window are the same place."""
        ...

    @property
    def values(self) -> tuple[str, ...]:
        """Names of the values of a category, which are counted from 0; empty for numbers."""
        ...

    @property
    def plain(self) -> bool:
        """Whether it is its own coordinate."""
        ...

    @property
    def linear(self) -> bool:
        """Whether linear constraints may bound it."""
        ...

    @property
    def coordinates(self) -> tuple[Variable, ...]:
        """What models see of it, k plain variables; none of a fixed value."""
        ...

    @property
    def ordered(self) -> bool:
        """Whether its coordinates lead from value to value, so that a model's gradient says where to go."""
        ...

    @property
    def rules(self) -> tuple[LinearConstraint, ...]:
        """Constraints among its own coordinates."""
        ...

    @property
    def drawn(self) -> Variable | None:
        """A plain variable whose uniform draws, rounded by :meth:`of_drawn`, make all values equally likely."""
        ...

    @property
    def step(self) -> float | None:
        """Distance of neighbouring values; None where there is none."""
        ...

    @property
    def choices(self) -> FloatArray | None:
        """All values, ascending, shape ``(k,)``; None where they are not countable, or too many."""
        ...

    def encode(self, values: FloatArray) -> FloatArray:
        """Coordinates, shape ``(m, k)``, of values ``(m,)``."""
        ...

    def decode(self, coordinates: FloatArray) -> FloatArray:
        """Nearest values that may be set, shape ``(m,)``, of coordinates ``(m, k)``."""
        ...

    def of_drawn(self, drawn: FloatArray) -> FloatArray:
        """Values, shape ``(m,)``, of numbers drawn from :attr:`drawn`."""
        ...

    def of_coordinate(self, end: float) -> float:
        """The number at a coordinate, which may lie between values or beyond the window."""
        ...

    def nearest(self, values: FloatArray) -> FloatArray:
        """Nearest values that may be set, shape ``(m,)``."""
        ...

    def differ(self, a: FloatArray, b: FloatArray) -> npt.NDArray[np.bool_]:
        """Whether values differ by more than rounding."""
        ...

    def widened(self, low: float | None, high: float | None) -> Self:
        """The variable with its window widened, at most to its limits."""
        ...

    def number(self, value: object) -> float:
        """The number of a value as people give it.

        Raises:
            ValueError: If it cannot be set.
        """
        ...

    def cells(self, values: FloatArray) -> pd.Series:
        """Values as tables show them."""
        ...

    def of_cells(self, cells: pd.Series) -> FloatArray:
        """Values of a table's column.

        Raises:
            ValueError: If a cell holds none.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """The variable as plain data."""
        ...


@dataclass(frozen=True)
class Variable:
    """A variable of a recipe, with its window and unit.

    Args:
        name: Name, unique within a box.
        low: Lower end of the window that is searched.
        high: Upper end of the window that is searched; the lower end again for a value that is fixed.
        unit: Unit, as it is to be printed; empty for a pure number.
        hardware: Lower and upper limits of what the apparatus can do; the window may be widened up to these. Without
            it the window is fixed.
        periodic: Whether both ends of the window are the same place, as for an angle.
        step: Distance of the values that can be set, counted from ``low``: 0.1 for a pump that is set in tenths, 1
            for whole numbers. None where any value can be set.
        log: Whether equal ratios count as equal distances: models see the decadic logarithm, and points are spread
            evenly over it. Such a variable stands in no linear constraint.
        hard: Whether the window never widens, also within the hardware limits: nothing is proposed beyond it, and
            recipes that people have chosen may still lie there.

    Raises:
        ValueError: If the name is one that tables use themselves (:data:`RESERVED`) or reads as a number, which is how
            a table names a wavelength; if the bounds are not finite, are the wrong way round, or lie outside the
            hardware's limits; if a periodic variable has such limits; if the window is no whole number of steps; or if
            a logarithmic one begins at or below 0.
    """

    name: str
    low: float
    high: float
    unit: str = ""
    hardware: tuple[float, float] | None = None
    periodic: bool = False
    step: float | None = None
    log: bool = False
    hard: bool = False

    def __post_init__(self) -> None:
        check(self, name=_variable_name)
        of_it = f"variable {self.name!r}: "
        ends = optional(several(_SIZED, 2, 2))
        check(self, of_it, low=_SIZED, high=_SIZED, unit=label, hardware=ends, periodic=flag)
        check(self, of_it, step=optional(real(above=0, high=_LARGEST)), log=flag, hard=flag)
        low, high = self.low, self.high
        if low > high:
            raise ValueError(f"{of_it}low={self.low:g} must not exceed high={self.high:g}; swap them")
        if not self.fixed and (high - low < _LEAST_WIDTH * max(abs(low), abs(high)) or high - low < 1 / _LARGEST):
            raise ValueError(
                f"{of_it}low={low!r} and high={high!r} are so close that rounding leaves nothing between them; count "
                "from another zero, or in another unit, or make both the same where the value is fixed"
            )
        if self.periodic and (self.fixed or self.log):
            raise ValueError(f"{of_it}a periodic variable is neither fixed nor logarithmic; leave out periodic")
        if self.periodic and self.hardware is not None:
            raise ValueError(f"{of_it}a periodic window is the whole period and cannot be widened; leave out hardware")
        if self.hardware is not None:
            bottom, top = self.hardware
            if bottom > top:
                raise ValueError(f"{of_it}hardware=({bottom:g}, {top:g}) is the wrong way round; swap")
            if not (bottom <= low and high <= top):
                raise ValueError(
                    f"{of_it}the window [{low:g}, {high:g}] must lie within the hardware limits "
                    f"[{bottom:g}, {top:g}]; narrow the window or correct the limits"
                )
        if self.log and self.limits[0] <= 0:
            raise ValueError(
                f"{of_it}log=True needs a window above 0, but it begins at {self.limits[0]:g}; raise it, or drop log"
            )
        if self.step is not None and not self.fixed:
            self._require_steps(of_it, self.step)

    def _require_steps(self, of_it: str, step: float) -> None:
        count = (self.high - self.low) / step
        if count > _MOST_STEPS or step < _LEAST_WIDTH * max(abs(self.low), abs(self.high)):
            raise ValueError(f"{of_it}step={step:g} makes too many values; leave it out, or make it larger")
        whole = max(round(count), 1)
        if abs(count - whole) > _ON_GRID:
            below, above = (self.low + k * step for k in (math.floor(count), math.ceil(count)))
            raise ValueError(
                f"{of_it}high={self.high:g} is no whole number of steps of {step:g} from low={self.low:g}; take "
                f"high={below:.10g} or high={above:.10g}"
            )

    @property
    def fixed(self) -> bool:
        """Whether the window is a single value."""
        return self.low == self.high

    @property
    def plain(self) -> bool:
        """Whether any value of the window can be set, on a linear scale."""
        return not self.fixed and self.step is None and not self.log

    @property
    def linear(self) -> bool:
        """Not on a logarithmic scale, nor periodic."""
        return not self.log and not self.periodic

    @property
    def ordered(self) -> bool:
        """It is."""
        return True

    @property
    def values(self) -> tuple[str, ...]:
        """None: it has numbers."""
        return ()

    @property
    def label(self) -> str:
        """Name with unit, as tables and axes show it."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    @cached_property
    def limits(self) -> tuple[float, float]:
        """The hardware limits, or the window where there are none."""
        return self.hardware or (self.low, self.high)

    @property
    def widest(self) -> tuple[float, float]:
        """The hardware limits, or the window where there are none or it is hard."""
        return (self.low, self.high) if self.hard else self.limits

    @cached_property
    def coordinates(self) -> tuple[Variable, ...]:
        """Itself, its logarithm, or nothing of a fixed value; with steps, whatever lies between them too."""
        if self.fixed:
            return ()
        if self.plain:
            return (self,)
        bottom, top = self._reach()
        hardware = None if self.hardware is None else (bottom, top)
        if not self.log:
            return (replace(self, hardware=hardware, step=None),)
        unit = f"log10 {self.unit}".strip()
        return (
            Variable(
                self.name,
                math.log10(self.low),
                math.log10(self.high),
                unit,
                None if hardware is None else (math.log10(bottom), math.log10(top)),
                hard=self.hard,
            ),
        )

    def _reach(self) -> tuple[float, float]:
        """The outermost values that can be set within the limits."""
        bottom, top = self.limits
        if self.step is None:
            return bottom, top
        down = math.floor((self.low - bottom) / self.step + _ON_GRID)
        up = math.floor((top - self.high) / self.step + _ON_GRID)
        return float(self._grid(np.array(-down))), float(self._grid(np.array(self._count + up)))

    @property
    def _count(self) -> int:
        """Steps from low to high."""
        assert self.step is not None
        return round((self.high - self.low) / self.step)

    def _grid(self, steps: npt.NDArray[Any]) -> FloatArray:
        """Values that lie so many steps above low, with twelve digits, so that tenths read as tenths."""
        assert self.step is not None
        return _rounded(self.low + steps * self.step, max(abs(self.low), abs(self.high), self.step))

    @property
    def rules(self) -> tuple[LinearConstraint, ...]:
        """None."""
        return ()

    @property
    def drawn(self) -> Variable | None:
        """The coordinate; of steps with half a step beyond either end, so that the outermost get their share."""
        if self.step is None or self.log or self.periodic or not self.coordinates:
            return self.coordinates[0] if self.coordinates else None
        return Variable(self.name, self.low - self.step / 2, self.high + self.step / 2, self.unit)

    @property
    def choices(self) -> FloatArray | None:
        """Its steps, those of a period once; its fixed value."""
        if self.fixed:
            return np.array([self.low])
        return None if self.step is None else self._grid(np.arange(self._count + (not self.periodic)))

    def encode(self, values: FloatArray) -> FloatArray:
        """Its coordinate, shape ``(m, 1)``; ``(m, 0)`` of a fixed value."""
        if self.fixed:
            return np.empty((len(values), 0))
        if not self.log:
            return np.asarray(values)[:, None]
        return np.log10(np.clip(values, self.limits[0], self.limits[1]))[:, None]

    def decode(self, coordinates: FloatArray) -> FloatArray:
        """The nearest value, shape ``(m,)``."""
        if self.fixed:
            return np.full(len(coordinates), self.low)
        column = coordinates[:, 0]
        if self.log:
            column = _rounded(10.0**column, 10.0**column)
        return self.nearest(column)

    def of_drawn(self, drawn: FloatArray) -> FloatArray:
        """The nearest value, shape ``(m,)``."""
        return self.decode(drawn[:, None])

    def of_coordinate(self, end: float) -> float:
        """Ten to its power on a logarithmic scale."""
        return float(_rounded(10.0**end, 10.0**end)) if self.log else end

    def nearest(self, values: FloatArray) -> FloatArray:
        """The nearest step within the window; without steps the values themselves, as far as the window goes."""
        if self.step is None or self.fixed:
            return np.clip(values, self.low, self.high)
        steps = np.rint((values - self.low) / self.step)
        return self._grid(steps % self._count if self.periodic else np.clip(steps, 0, self._count))

    def differ(self, a: FloatArray, b: FloatArray) -> npt.NDArray[np.bool_]:
        """By more than a millionth of the window; of a fixed or logarithmic one, of the value."""
        offset = np.abs(a - b)
        if self.periodic:
            offset = np.minimum(offset, np.abs(self.high - self.low - offset))
        relative = self.fixed or self.log
        scale = np.maximum(np.abs(a), np.abs(b)) if relative else np.asarray(self.high - self.low)
        return np.asarray(~(offset <= _SAME * scale))

    def widened(self, low: float | None, high: float | None) -> Variable:
        """With steps, to the next one that lies as far out, or to the last within the limits; a hard one stays."""
        if self.hard:
            return self
        bottom, top = self._reach()
        if low is not None:
            low = max(min(low, self.low), bottom)
        if high is not None:
            high = min(max(high, self.high), top)
        if self.step is not None and low is not None:
            low = max(float(self._grid(np.floor((low - self.low) / self.step + _ON_GRID))), bottom)
        if self.step is not None and high is not None:
            high = min(float(self._grid(np.ceil((high - self.low) / self.step - _ON_GRID))), top)
        return replace(self, low=self.low if low is None else low, high=self.high if high is None else high)

    def number(self, value: object) -> float:
        """A number of the window, on a step.

        Raises:
            ValueError: If it is none.
        """
        of_it = f"variable {self.name!r}"
        given: float = _SIZED(of_it, value)
        if given < self.low - _SAME * (self.high - self.low) or given > self.high + _SAME * (self.high - self.low):
            raise ValueError(
                f"{of_it} cannot be held at {given:g}: its window is [{self.low:g}, {self.high:g}]; take a value inside"
            )
        nearest = float(self.nearest(np.array([given]))[0])
        if bool(self.differ(np.array([given]), np.array([nearest]))[0]):
            raise ValueError(
                f"{of_it} cannot be held at {given:g}: it is set in steps of {self.step:g}; take {nearest:.10g}"
            )
        return nearest

    def cells(self, values: FloatArray) -> pd.Series:
        """Numbers."""
        import pandas as pd

        return pd.Series(values, dtype=np.float64)

    def of_cells(self, cells: pd.Series) -> FloatArray:
        """Numbers.

        Raises:
            ValueError: If a cell holds something else.
        """
        return as_numbers(cells)

    def describe(self) -> dict[str, Any]:
        """Name, window, unit and limits, and what else it has."""
        plain: dict[str, Any] = {"name": self.name, "low": self.low, "high": self.high, "unit": self.unit}
        plain["hardware"] = list(self.limits)
        if self.periodic:
            plain["periodic"] = True
        if self.step is not None:
            plain["step"] = self.step
        if self.log:
            plain["log"] = True
        if self.hard:
            plain["hard"] = True
        return plain


@dataclass(frozen=True)
class Category:
    """A choice among named values, such as a ligand or a solvent. In points it is the place in the list, from 0.

    Models see a column per value, 1 for the one that is chosen and 0 for the others, or else the descriptors. With
    descriptors they can tell that two values are alike, and need fewer measurements.

    Args:
        name: Name, unique within a box.
        values: The values' names.
        descriptors: Numbers that describe the values, by the descriptor's name: one for each value, in their order.

    Raises:
        ValueError: If the name is taken, see :class:`Variable`; if values repeat, read as numbers or as what tables
            take for an empty cell; or if the descriptors do not tell the values apart.
    """

    name: str
    values: tuple[str, ...]
    descriptors: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check(self, name=_variable_name)
        of_it = f"category {self.name!r}: "
        check(self, of_it, values=several(_value_name, 1), descriptors=of(Mapping, "lists of numbers by name"))
        if len({value.lower() for value in self.values}) < len(self.values):
            raise ValueError(f"{of_it}values={list(self.values)} repeat; give each once")
        kept = {
            text(f"{of_it}a descriptor's name", key): tuple(numbers(f"{of_it}descriptors[{key!r}]", column).tolist())
            for key, column in self.descriptors.items()
        }
        for key, column in kept.items():
            if len(column) != len(self.values) or not np.isfinite(column).all():
                raise ValueError(
                    f"{of_it}descriptors[{key!r}]={shown(column)} must hold a finite number for each of the "
                    f"{len(self.values)} values"
                )
            if len(self.values) > 1 and np.ptp(column) <= _LEAST_WIDTH * np.abs(column).max():
                raise ValueError(f"{of_it}descriptors[{key!r}] is the same for all values; leave it out")
        object.__setattr__(self, "descriptors", MappingProxyType(kept))
        if kept and len({tuple(row) for row in np.round(self._unit_descriptors, 9).tolist()}) < len(self.values):
            raise ValueError(f"{of_it}the descriptors are the same for two values; add one that tells them apart")

    def __hash__(self) -> int:
        return hash((self.name, self.values, tuple(self.descriptors.items())))

    def __reduce__(self) -> tuple[Any, ...]:
        # A mappingproxy cannot be sent to a worker process; the plain dictionary can.
        return type(self), (self.name, self.values, dict(self.descriptors))

    @property
    def _table(self) -> FloatArray:
        """Descriptors of the values, shape ``(k, columns)``."""
        return np.array(list(self.descriptors.values())).T.reshape(len(self.values), -1)

    @property
    def _unit_descriptors(self) -> FloatArray:
        table = self._table
        return np.asarray((table - table.min(axis=0)) / np.maximum(np.ptp(table, axis=0), np.finfo(np.float64).tiny))

    @property
    def label(self) -> str:
        """The name."""
        return self.name

    @property
    def unit(self) -> str:
        """None."""
        return ""

    @property
    def low(self) -> float:
        """0, the first value."""
        return 0.0

    @property
    def high(self) -> float:
        """The last value."""
        return float(len(self.values) - 1)

    @property
    def limits(self) -> tuple[float, float]:
        """All values."""
        return self.low, self.high

    @property
    def widest(self) -> tuple[float, float]:
        """All values."""
        return self.low, self.high

    @property
    def periodic(self) -> bool:
        """It is not."""
        return False

    @property
    def plain(self) -> bool:
        """It is not."""
        return False

    @property
    def linear(self) -> bool:
        """It is not."""
        return False

    @property
    def ordered(self) -> bool:
        """It is not: between two values there is none."""
        return False

    @property
    def step(self) -> float | None:
        """From place to place."""
        return 1.0

    @property
    def choices(self) -> FloatArray:
        """All places."""
        return np.arange(len(self.values), dtype=np.float64)

    @cached_property
    def coordinates(self) -> tuple[Variable, ...]:
        """A column per value, or one per descriptor; none of a single value."""
        if len(self.values) < 2:
            return ()
        if not self.descriptors:
            return tuple(Variable(f"{self.name}: {value}", 0.0, 1.0) for value in self.values)
        return tuple(
            Variable(f"{self.name}: {key}", min(column), max(column)) for key, column in self.descriptors.items()
        )

    @property
    def rules(self) -> tuple[LinearConstraint, ...]:
        """The columns of values sum to 1."""
        if self.descriptors or not self.coordinates:
            return ()
        return (LinearConstraint({v.name: 1.0 for v in self.coordinates}, 1.0, 1.0),)

    @property
    def drawn(self) -> Variable | None:
        """The place, rounded."""
        return Variable(self.name, -0.5, self.high + 0.5) if self.coordinates else None

    def encode(self, values: FloatArray) -> FloatArray:
        """Rows of the values' table, shape ``(m, k)``."""
        if not self.coordinates:
            return np.empty((len(values), 0))
        table = self._table if self.descriptors else np.eye(len(self.values))
        return np.asarray(table[self.nearest(values).astype(np.int64)])

    def decode(self, coordinates: FloatArray) -> FloatArray:
        """The value with the largest column, or with the nearest descriptors in fractions of their ranges."""
        if not self.coordinates:
            return np.zeros(len(coordinates))
        if not self.descriptors:
            return np.asarray(coordinates.argmax(axis=1).astype(np.float64))
        low, width = self._table.min(axis=0), np.ptp(self._table, axis=0)
        offset = ((coordinates - low) / width)[:, None] - self._unit_descriptors
        return np.asarray((offset**2).sum(axis=-1).argmin(axis=1).astype(np.float64))

    def of_drawn(self, drawn: FloatArray) -> FloatArray:
        """The nearest place."""
        return self.nearest(drawn)

    def of_coordinate(self, end: float) -> float:
        """The number itself."""
        return end

    def nearest(self, values: FloatArray) -> FloatArray:
        """The nearest place."""
        return np.clip(np.rint(np.nan_to_num(values)), self.low, self.high)

    def differ(self, a: FloatArray, b: FloatArray) -> npt.NDArray[np.bool_]:
        """By half a place."""
        return np.asarray(~(np.abs(a - b) < 0.5))

    def widened(self, low: float | None, high: float | None) -> Category:  # noqa: ARG002 -- it has no window
        """Itself: there are no other values."""
        return self

    def number(self, value: object) -> float:
        """The place of a value by its name.

        Raises:
            ValueError: If it is none of them.
        """
        if not isinstance(value, str) or value not in self.values:
            raise ValueError(f"category {self.name!r} has no value {shown(value)}; take one of {list(self.values)}")
        return float(self.values.index(value))

    def cells(self, values: FloatArray) -> pd.Series:
        """Names."""
        import pandas as pd

        return pd.Series([self.values[int(k)] for k in self.nearest(values)], dtype=object)

    def of_cells(self, cells: pd.Series) -> FloatArray:
        """Places of names; capitals and blanks at the ends do not matter.

        Raises:
            ValueError: If a cell holds no value's name.
        """
        known = {value.lower(): float(place) for place, value in enumerate(self.values)}
        found = [known.get(str(cell).strip().lower()) for cell in cells]
        unknown = [row for row, place in enumerate(found) if place is None]
        if unknown:
            raise ValueError(
                f"column {cells.name!r}, row {unknown[0]}: {cells.iloc[unknown[0]]!r} is none of {list(self.values)}; "
                "correct it"
            )
        return np.array(found, dtype=np.float64)

    def describe(self) -> dict[str, Any]:
        """Name, values and descriptors."""
        plain: dict[str, Any] = {"name": self.name, "values": list(self.values)}
        if self.descriptors:
            plain["descriptors"] = {key: list(column) for key, column in self.descriptors.items()}
        return plain


@dataclass(frozen=True)
class Held:
    """A variable that is held at a value, which its coordinates keep.

    Args:
        variable: The variable.
        value: The value as a number of points.
    """

    variable: Setting
    value: float

    @property
    def name(self) -> str:
        """The variable's."""
        return self.variable.name

    @property
    def label(self) -> str:
        """The variable's."""
        return self.variable.label

    @property
    def unit(self) -> str:
        """The variable's."""
        return self.variable.unit

    @property
    def low(self) -> float:
        """The value."""
        return self.value

    @property
    def high(self) -> float:
        """The value."""
        return self.value

    @property
    def limits(self) -> tuple[float, float]:
        """The value."""
        return self.value, self.value

    @property
    def widest(self) -> tuple[float, float]:
        """The value."""
        return self.value, self.value

    @property
    def periodic(self) -> bool:
        """A single value is not."""
        return False

    @property
    def values(self) -> tuple[str, ...]:
        """The variable's."""
        return self.variable.values

    @property
    def plain(self) -> bool:
        """It is not."""
        return False

    @property
    def linear(self) -> bool:
        """As the variable."""
        return self.variable.linear

    @property
    def ordered(self) -> bool:
        """As the variable."""
        return self.variable.ordered

    @property
    def coordinates(self) -> tuple[Variable, ...]:
        """None: nothing varies."""
        return ()

    @property
    def rules(self) -> tuple[LinearConstraint, ...]:
        """None."""
        return ()

    @property
    def drawn(self) -> Variable | None:
        """Nothing."""
        return None

    @property
    def step(self) -> float | None:
        """None."""
        return None

    @property
    def choices(self) -> FloatArray:
        """The value."""
        return np.array([self.value])

    def encode(self, values: FloatArray) -> FloatArray:
        """Nothing, shape ``(m, 0)``."""
        return np.empty((len(values), 0))

    def decode(self, coordinates: FloatArray) -> FloatArray:
        """The value."""
        return np.full(len(coordinates), self.value)

    def of_drawn(self, drawn: FloatArray) -> FloatArray:
        """The value."""
        return self.decode(drawn)

    def of_coordinate(self, end: float) -> float:
        """The number itself."""
        return end

    def nearest(self, values: FloatArray) -> FloatArray:
        """The value."""
        return self.decode(values)

    def differ(self, a: FloatArray, b: FloatArray) -> npt.NDArray[np.bool_]:
        """As the variable."""
        return self.variable.differ(a, b)

    def widened(self, low: float | None, high: float | None) -> Held:  # noqa: ARG002 -- it is held
        """Itself."""
        return self

    def number(self, value: object) -> float:
        """As the variable."""
        return self.variable.number(value)

    def cells(self, values: FloatArray) -> pd.Series:
        """As the variable."""
        return self.variable.cells(values)

    def of_cells(self, cells: pd.Series) -> FloatArray:
        """As the variable."""
        return self.variable.of_cells(cells)

    def describe(self) -> dict[str, Any]:
        """The variable, and where it is held."""
        return self.variable.describe() | {"held": self.value}


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


def described(plain: Mapping[str, Any]) -> Setting:
    """The variable that a description is of; limits that are the window's own ends are none.

    Raises:
        KeyError: If something is missing.
        TypeError: If it holds something else.
    """
    if "held" in plain:
        return Held(described({key: x for key, x in plain.items() if key != "held"}), float(plain["held"]))
    if "values" in plain:
        return Category(**plain)
    limits = plain["hardware"]
    fixed = limits is None or (limits[0] >= plain["low"] and limits[1] <= plain["high"])
    return Variable(**{**plain, "hardware": None if fixed else (limits[0], limits[1])})


def _rounded(values: npt.ArrayLike, scale: npt.ArrayLike) -> FloatArray:
    """Values with twelve digits of a scale."""
    size = np.maximum(np.abs(np.asarray(scale, dtype=np.float64)), np.finfo(np.float64).tiny)
    digit = 10.0 ** (11 - np.floor(np.log10(size)))
    return np.asarray(np.round(np.asarray(values, dtype=np.float64) * digit) / digit)


def _variable_name(name: str, value: object) -> str:
    given = text(f"a variable's {name}", value)
    if given in RESERVED or _reads_as_number(given):
        raise ValueError(
            f"a variable's {name}={given!r} is taken: tables have the columns {sorted(RESERVED)} and columns named by "
            "a wavelength in nm; rename the variable"
        )
    return given


_EMPTY = frozenset({"#n/a", "#na", "n/a", "na", "nan", "-nan", "none", "null", "<na>", "true", "false", "-1.#ind"})
"""What tables take for an empty cell, or for no text."""


def _value_name(name: str, value: object) -> str:
    given = text(name, value)
    if given != given.strip() or given.lower() in _EMPTY or _reads_as_number(given):
        raise refused(
            name,
            value,
            "a name that tables keep as it is: no number, no blanks at the ends, and nothing that reads as empty, true "
            "or false; write it differently, or take a Variable with a step for numbers",
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
