"""Lists of candidates: points that exist already, as synthesised samples do, and that alone may be measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from matseek import checks
from matseek.core.space import as_numbers
from matseek.errors import InfeasibleSpaceError
from matseek.spaces.box import Box
from matseek.spaces.variables import Category, Setting, Variable, described
from matseek.tables import read_csv

if TYPE_CHECKING:
    import pandas as pd
    from scipy.spatial import cKDTree

FloatArray = npt.NDArray[np.float64]

_MOST_CANDIDATES = 20_000

_SAME = 1e-9
"""Candidates nearer than this, in fractions of their ranges, are one."""


class Pool(Box):
    """Candidates, of which one may be tried after the other.

    Models see the same coordinates as of a box; every acquisition is evaluated on all candidates that are left.

    Args:
        variables: The variables, in the order of the candidates' columns; windows hold all candidates.
        candidates: Shape ``(c, d)``, in the variables' units; equal ones count once.

    Raises:
        ValueError: If a candidate lies outside a window, or there are too many.
    """

    candidates: FloatArray

    def __init__(self, variables: Sequence[Setting], candidates: npt.ArrayLike) -> None:
        given = checks.numbers("candidates", candidates)
        if given.ndim != 2 or not 0 < len(given) <= _MOST_CANDIDATES:
            raise ValueError(
                f"candidates have shape {given.shape}; give a table with a row for each candidate, at most "
                f"{_MOST_CANDIDATES:,}"
            )
        missing = ~np.isfinite(given).all(axis=1)
        if missing.any():
            row = int(np.flatnonzero(missing)[0])
            raise ValueError(
                f"candidate {row} {given[row].tolist()} has no finite number for each variable; leave it out"
            )
        if given.shape[1] != len(variables):
            raise ValueError(f"candidates have {given.shape[1]} columns for {len(variables)} variables; give one each")
        object.__setattr__(self, "candidates", given)
        super().__init__(variables)
        inside = super().contains(given)
        if not inside.all():
            row = int(np.flatnonzero(~inside)[0])
            raise ValueError(f"candidate {row} {given[row].tolist()} lies outside {self._bounds_text()}; widen it")
        places = self._places(given)
        first = np.sort(np.unique(np.round(places / _SAME), axis=0, return_index=True)[1])
        object.__setattr__(self, "candidates", given[first])

    @classmethod
    def of(cls, table: pd.DataFrame, units: Mapping[str, str] | None = None) -> Self:
        """The candidates of a table: a row each, a column for each variable.

        A column of texts is a category. The windows are the columns' ranges.

        Args:
            table: The table.
            units: Units by column.

        Raises:
            ValueError: If a cell is empty, or a column has numbers and texts.
        """
        import pandas as pd

        units = dict(units or {})
        variables: list[Setting] = []
        columns = []
        for name in map(str, table.columns):
            cells = table[name]
            if cells.isna().any():
                raise ValueError(f"column {name!r}, row {int(np.flatnonzero(cells.isna())[0])}: the cell is empty")
            numeric = pd.to_numeric(cells, errors="coerce").notna()
            if numeric.any() and not numeric.all():
                row = int(np.flatnonzero(~numeric)[0])
                raise ValueError(
                    f"column {name!r}, row {row}: {cells.iloc[row]!r} is no number, but others are; correct it, or "
                    "give categories names that are no numbers"
                )
            if pd.api.types.is_numeric_dtype(cells):
                column = as_numbers(cells)
                variables.append(Variable(name, float(column.min()), float(column.max()), units.get(name, "")))
            else:
                variables.append(Category(name, tuple(sorted({str(cell).strip() for cell in cells}))))
                column = variables[-1].of_cells(cells)
            columns.append(column)
        return cls(variables, np.column_stack(columns))

    @classmethod
    def read(
        cls, data: str | Path, columns: Sequence[str] | None = None, units: Mapping[str, str] | None = None
    ) -> Self:
        """The candidates of a CSV file, see :meth:`of`.

        Args:
            data: The file.
            columns: The columns that are variables; None for all of them.
            units: Units by column.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it lacks a column, a cell is empty, or cells are not separated by commas.
        """
        path = checks.path("data", data)
        if not path.is_file():
            raise FileNotFoundError(f"data={str(path)!r} is not a file; give a CSV with a row for each candidate")
        table = read_csv(path)
        if len(table.columns) == 1 and any(mark in str(table.columns[0]) for mark in ";\t"):
            raise ValueError(
                f"data={str(path)!r} has the single column {table.columns[0]!r}; separate cells by commas, with points "
                "for decimals"
            )
        wanted = list(table.columns) if columns is None else list(columns)
        missing = [name for name in wanted if name not in table.columns]
        if missing:
            raise ValueError(f"data={str(path)!r} lacks the columns {missing}; it has {list(table.columns)}")
        return cls.of(table[wanted].drop_duplicates(), units)

    def __len__(self) -> int:
        return len(self.candidates)

    def _places(self, points: FloatArray) -> FloatArray:
        """Coordinates in fractions of the windows, in which distances are measured, shape ``(n, k)``."""
        parts = []
        for v, column in zip(self.variables, points.T, strict=True):
            low = np.array([c.low for c in v.coordinates])
            width = np.array([c.high - c.low for c in v.coordinates])
            parts.append((v.encode(column) - low) / width)
        return np.hstack(parts)

    @cached_property
    def _tree(self) -> cKDTree:
        from scipy.spatial import cKDTree

        return cKDTree(self._places(self.candidates))

    @property
    def plain(self) -> bool:
        """It is not: what lies between candidates cannot be tried."""
        return False

    def contains(self, points: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether each point of ``(n, d)`` is a candidate, shape ``(n,)``."""
        given = self.as_points(points)
        known = np.asarray(np.isfinite(given).all(axis=1), dtype=np.bool_)
        inside: npt.NDArray[np.bool_] = known.copy()
        # What is fixed has no coordinate; it must agree as well.
        nearest = self.nearest(given[known])
        inside[known] = ~self.differ(nearest, given[known]).any(axis=1)
        return inside

    def nearest(self, points: npt.ArrayLike) -> FloatArray:
        """The nearest candidates, shape ``(n, d)``, of points ``(n, d)``."""
        given = self.as_points(points)
        return np.asarray(self.candidates[self._tree.query(self._places(given))[1]])

    @property
    def listed(self) -> FloatArray:
        """The candidates."""
        return self.candidates

    def sample_latin_hypercube(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Candidates near to the points of a Latin hypercube of the windows, each once as long as there are others."""
        wanted = self._places(super().sample_latin_hypercube(n, rng))
        offers = self._places(self.candidates)
        free = np.ones(len(offers), dtype=np.bool_)
        chosen = []
        for place in wanted:
            if not free.any():
                free[:] = True
            distance = np.where(free, ((offers - place) ** 2).sum(axis=1), np.inf)
            chosen.append(int(distance.argmin()))
            free[chosen[-1]] = False
        return np.asarray(self.candidates[chosen])

    def _of_drawn(self, drawn: FloatArray) -> FloatArray:
        """Points of the windows, which are no candidates yet."""
        return self._set_from(drawn)

    def fixed_at(self, held: Mapping[str, float]) -> Pool:
        """The candidates with some variables at values.

        Raises:
            InfeasibleSpaceError: If there are none.
        """
        at = np.array([self.names.index(name) for name in held], dtype=np.intp)
        wanted = self.candidates.copy()
        wanted[:, at] = list(held.values())
        same = ~self.differ(self.candidates, wanted).any(axis=1)
        if not same.any():
            raise InfeasibleSpaceError(f"held at {dict(held)}: no candidate has these values; take those of one")
        return Pool(self.variables, self.candidates[same])

    def widen(self, name: str, *, low: float | None = None, high: float | None = None) -> Pool:  # noqa: ARG002
        """Itself: there are no other candidates."""
        return self

    def describe(self) -> dict[str, Any]:
        """Variables and candidates."""
        return {"variables": [v.describe() for v in self.variables], "candidates": self.candidates.tolist()}

    @classmethod
    def from_description(cls, plain: Mapping[str, Any]) -> Self:
        """The pool that :meth:`describe` has described.

        Raises:
            ValueError: If it is no such description.
        """
        try:
            return cls([described(v) for v in plain["variables"]], plain["candidates"])
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"space={checks.shown(plain)} does not describe a Pool ({error}); give what describe() says"
            ) from error
