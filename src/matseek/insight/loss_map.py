"""Maps of a loss over two variables: the least that the other variables allow, and how such maps change."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from matseek.core.space import BoxSpace, Coordinate
from matseek.geometry.polytope import Polytope, dykstra

FloatArray = npt.NDArray[np.float64]
Loss = Callable[[FloatArray], npt.ArrayLike]

_SWEEPS = 60
_FIRST_REACH = 0.15
_NEAR = 8


@dataclass(frozen=True, eq=False)
class VariableGrid:
    """A grid of two variables.

    Args:
        x: Coordinate along x.
        y: Coordinate along y.
        x_values: Shape ``(nx,)``, in its unit.
        y_values: Shape ``(ny,)``, in its unit.
    """

    x: Coordinate
    y: Coordinate
    x_values: FloatArray
    y_values: FloatArray


@dataclass(frozen=True, eq=False)
class LossMap(VariableGrid):
    """The least loss over a grid of two variables.

    Args:
        losses: Least loss of each cell, shape ``(ny, nx)``; NaN where no recipe is feasible or has a finite loss.
        recipes: Recipe with that loss, shape ``(ny, nx, d)``, in the variables' units; NaN where there is none.
    """

    losses: FloatArray
    recipes: FloatArray

    @property
    def least(self) -> float:
        """Least loss of the map; NaN if it has none."""
        return float(np.nanmin(self.losses)) if np.isfinite(self.losses).any() else float("nan")

    @property
    def optimum(self) -> FloatArray:
        """Recipe with the least loss, shape ``(d,)``, in the variables' units; NaN if the map has none."""
        if not np.isfinite(self.losses).any():
            return np.full(self.recipes.shape[-1], np.nan)
        row, column = np.unravel_index(np.nanargmin(self.losses), self.losses.shape)
        return np.asarray(self.recipes[row, column])


def map_grid(space: BoxSpace, x: str, y: str, resolution: int) -> tuple[int, int, FloatArray, FloatArray]:
    """Columns of two variables, and as many values of each, from end to end of their windows.

    Raises:
        ValueError: If a variable is unknown, both are the same, or the resolution is below 2.
    """
    for name in (x, y):
        if name not in space.names:
            raise ValueError(f"no variable {name!r} in the box; it has {list(space.names)}")
    if x == y:
        raise ValueError(f"x and y are both {x!r}; a map needs two different variables")
    if int(resolution) != resolution or resolution < 2:
        raise ValueError(f"resolution={resolution} must be a whole number of at least 2")
    i, j = space.names.index(x), space.names.index(y)
    return (
        i,
        j,
        np.linspace(space.lower[i], space.upper[i], resolution),
        np.linspace(space.lower[j], space.upper[j], resolution),
    )


def loss_map(
    loss: Loss,
    space: BoxSpace,
    x: str,
    y: str,
    *,
    resolution: int = 25,
    samples: int = 128,
    refinements: int = 6,
    chunk: int = 2048,
    seed: int = 0,
) -> LossMap:
    """Least loss over the feasible values of all other variables, cell by cell.

    Each cell tries the same low-discrepancy sample of the other variables, what is infeasible moved to the nearest
    feasible place; then every cell is searched more closely around the best that it and its neighbours have found.
    Sample and seed are all that is random, so that maps of similar losses are similar.

    Args:
        loss: Losses of points ``(n, d)`` in the variables' units, shape ``(n,)``; NaN is passed over.
        space: The recipes.
        x: Name of the variable along x.
        y: Name of the variable along y.
        resolution: Cells along each side; the outermost lie on the ends of the windows.
        samples: Values of the other variables tried in every cell.
        refinements: Rounds of closer search, each with 12 values per cell; 0 for none.
        chunk: Most points per call of the loss; few stay in the cache, which is twice as fast as many.
        seed: Seed of the sample.

    Raises:
        ValueError: If a variable is unknown, or the loss does not answer with one number per point.
    """
    i, j, x_values, y_values = map_grid(space, x, y, resolution)
    if samples < 1:
        raise ValueError(f"samples={samples} must be at least 1")
    slices = _Slices.of(space, i, j, x_values, y_values)
    k = len(slices.others)
    rng = np.random.default_rng(seed)
    start = _first_places(k, samples, rng)
    cells = len(slices.possible)
    places, losses = slices.best(loss, np.broadcast_to(start, (cells, *start.shape)), chunk)
    reach = _FIRST_REACH
    for _ in range(refinements if k else 0):
        steps = reach * rng.standard_normal((_NEAR, k))
        around = np.concatenate([places[:, None, :] + steps, _of_neighbours(places, resolution)], axis=1)
        result, better = slices.best(loss, around, chunk)
        places = np.where((better < losses)[:, None], result, places)
        losses = np.minimum(losses, better)
        reach *= 0.6
    recipes = slices.points(places[:, None, :])[:, 0]
    known = np.isfinite(losses)
    shape = (resolution, resolution)
    return LossMap(
        space.variables[i],
        space.variables[j],
        x_values,
        y_values,
        np.where(known, losses, np.nan).reshape(shape),
        np.where(known[:, None], recipes, np.nan).reshape(*shape, space.dim),
    )


def map_similarity(a: LossMap, b: LossMap) -> float:
    """Cosine similarity of two maps, the two-step paper's measure of stability; 1 if nothing changed.

    Mekki-Berrada et al., npj Comput. Mater. 7, 55 (2021). Cells that are NaN in either map are left out.

    Args:
        a: A map.
        b: Another map over the same grid.

    Returns:
        The similarity, in [-1, 1], in [0, 1] for losses that are not negative; NaN without a common cell.

    Raises:
        ValueError: If the grids differ; make both maps over the same window.
    """
    return _cosine(*_common_losses(a, b))


def map_correlation(a: LossMap, b: LossMap) -> float:
    """Cosine similarity of two maps less their means: Pearson's correlation of their cells.

    Losses are positive, so that :func:`map_similarity` is near 1 also for maps that have nothing in common: a map
    without any structure, the same value everywhere, is about as similar to most maps. This is not.

    Args:
        a: A map.
        b: Another map over the same grid.

    Returns:
        The correlation, in [-1, 1]; NaN where a map is the same everywhere, or without a common cell.

    Raises:
        ValueError: If the grids differ; make both maps over the same window.
    """
    p, q = _common_losses(a, b)
    if p.size == 0 or np.ptp(p) <= 1e-9 * np.abs(p).max() or np.ptp(q) <= 1e-9 * np.abs(q).max():
        return float("nan")  # rounding alone would be compared
    return _cosine(p - p.mean(), q - q.mean())


def _common_losses(a: LossMap, b: LossMap) -> tuple[FloatArray, FloatArray]:
    """The losses of the cells that both maps know."""
    same = (a.x.name, a.y.name) == (b.x.name, b.y.name) and a.losses.shape == b.losses.shape
    if not (same and np.allclose(a.x_values, b.x_values) and np.allclose(a.y_values, b.y_values)):
        raise ValueError("the maps lie over different grids; make both over the same variables, window and resolution")
    common = np.isfinite(a.losses) & np.isfinite(b.losses)
    return a.losses[common], b.losses[common]


def _cosine(p: FloatArray, q: FloatArray) -> float:
    norms = float(np.linalg.norm(p) * np.linalg.norm(q))
    return float(np.clip(p @ q / norms, -1.0, 1.0)) if norms > 0 else float("nan")


def _first_places(k: int, samples: int, rng: np.random.Generator) -> FloatArray:
    """Corners of the unit cube, where losses with limits often have their least value, then a Sobol sequence.

    Shape ``(s, k)``, with at most half of the places in corners.
    """
    if k == 0:
        return np.zeros((1, 0))
    corners = np.array(list(itertools.product([0.0, 1.0], repeat=k))) if 2**k <= samples // 2 else np.zeros((0, k))
    from scipy.stats import qmc  # slow to import

    inside = samples - len(corners)
    return np.concatenate([corners, qmc.Sobol(k, rng=rng).random_base2((inside - 1).bit_length())[:inside]])


def _of_neighbours(places: FloatArray, resolution: int) -> FloatArray:
    """What the four cells around each cell have found, shape ``(cells, 4, k)``; a cell at an edge sees itself."""
    grid = places.reshape(resolution, resolution, -1)
    at = np.arange(resolution)
    up, down = np.minimum(at + 1, resolution - 1), np.maximum(at - 1, 0)
    around = np.stack([grid[up], grid[down], grid[:, up], grid[:, down]], axis=2)
    return np.asarray(around.reshape(resolution * resolution, 4, -1))


@dataclass(frozen=True, eq=False)
class _Slices:
    """The feasible values of the other variables in every cell, in unit coordinates.

    Args:
        space: The recipes.
        others: Columns of the other variables, shape ``(k,)``.
        pinned: Unit points with the cell's two values and zeros elsewhere, shape ``(cells, d)``.
        normals: Inequalities and, as pairs of them, equalities on the others, shape ``(p, k)``.
        offsets: What each cell leaves to them, shape ``(cells, p)``.
        possible: Whether a cell may hold a feasible recipe, shape ``(cells,)``; exact with one constraint.
    """

    space: BoxSpace
    others: npt.NDArray[np.intp]
    pinned: FloatArray
    normals: FloatArray
    offsets: FloatArray
    possible: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, space: BoxSpace, i: int, j: int, x_values: FloatArray, y_values: FloatArray) -> _Slices:
        others = np.array([c for c in range(space.dim) if c not in (i, j)], dtype=np.intp)
        pinned = np.zeros((len(x_values) * len(y_values), space.dim))
        pinned[:, i] = np.tile(np.linspace(0, 1, len(x_values)), len(y_values))
        pinned[:, j] = np.repeat(np.linspace(0, 1, len(y_values)), len(x_values))
        polytope = space.unit_polytope
        A = np.vstack([polytope.A, polytope.C, -polytope.C])
        b = np.concatenate([polytope.b, polytope.e, -polytope.e])
        offsets = b - pinned @ A.T
        normals = A[:, others]
        lowest = np.minimum(normals, 0.0).sum(axis=1)  # of each inequality's left side over the unit cube
        return cls(space, others, pinned, normals, offsets, (lowest <= offsets + 1e-9).all(axis=1))

    def points(self, places: FloatArray) -> FloatArray:
        """Whole recipes, shape ``(cells, s, d)``, in the variables' units, from places ``(cells, s, k)``."""
        unit = np.repeat(self.pinned[:, None, :], places.shape[1], axis=1)
        unit[..., self.others] = places
        return self.space.unnormalize(unit.reshape(-1, self.space.dim)).reshape(unit.shape)

    def best(self, loss: Loss, tries: FloatArray, chunk: int) -> tuple[FloatArray, FloatArray]:
        """The best of some places per cell.

        Args:
            loss: The loss.
            tries: Places, shape ``(cells, s, k)``; infeasible ones are moved to feasible ones.
            chunk: Most points per call.

        Returns:
            Places ``(cells, k)`` and losses ``(cells,)``, infinite where no place is feasible.
        """
        cells, s, k = tries.shape
        places = np.array(tries)
        places[self.possible] = self._project(places[self.possible])
        points = self.points(places)
        feasible = self.space.contains(points.reshape(-1, self.space.dim)).reshape(cells, s)
        for cell in np.flatnonzero(self.possible & ~feasible.any(axis=1)):
            # A slice too thin for projections to hit; linear programming decides whether it holds anything.
            result = Polytope(self.normals, self.offsets[cell], np.zeros((0, k)), np.zeros(0)).chebyshev if k else None
            if result is not None:
                places[cell, 0] = result[0]
                points[cell] = self.points(places)[cell]
                feasible[cell, 0] = bool(self.space.contains(points[cell, :1])[0])
        feasible &= self.possible[:, None]
        values = np.full((cells, s), np.inf)
        if feasible.any():
            values[feasible] = _evaluate(loss, points[feasible], chunk)
        choice = values.argmin(axis=1)
        rows = np.arange(cells)
        return places[rows, choice], values[rows, choice]

    def _project(self, places: FloatArray) -> FloatArray:
        """Nearest feasible places within each cell, shape ``(cells, s, k)`` in and out."""
        cells, s, k = places.shape
        x = places.reshape(cells * s, k)
        offsets = np.repeat(self.offsets[self.possible], s, axis=0)
        binding = np.einsum("pk,pk->p", self.normals, self.normals) > 0
        out = (x @ self.normals[binding].T > offsets[:, binding]).any(axis=1)
        x[out] = dykstra(x[out], self.normals, offsets[out], self.normals, _SWEEPS)
        return x.reshape(cells, s, k)


def _evaluate(loss: Loss, points: FloatArray, chunk: int) -> FloatArray:
    parts: list[Any] = []
    for start in range(0, len(points), chunk):
        part = points[start : start + chunk]
        answer = np.asarray(loss(part), dtype=np.float64)
        if answer.shape != (len(part),):
            raise ValueError(
                f"the loss answered {len(part)} points with an array of shape {answer.shape}; "
                "it must give one number each"
            )
        parts.append(answer)
    values = np.concatenate(parts)
    return np.asarray(np.where(np.isfinite(values), values, np.inf))
