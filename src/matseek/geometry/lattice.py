"""Points of a polytope whose coordinates lie on grids: the nearest one to any point. Knows arrays, no variables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matseek.geometry.polytope import Polytope, dykstra

FloatArray = npt.NDArray[np.float64]

_TOLERANCE = 1e-9
"""Slack of feasibility, as of a box."""

_TIGHTER = 1e-6
"""By how much the integer program's inequalities are tightened, which is more than its own tolerance."""

_SWEEPS = 200


@dataclass(frozen=True, eq=False)
class Lattice:
    """The points of a polytope with some coordinates on grids.

    Args:
        polytope: The polytope.
        start: A value of each coordinate's grid, shape ``(d,)``.
        step: Distance of neighbouring values, shape ``(d,)``; 0 where the coordinate is continuous.
    """

    polytope: Polytope
    start: FloatArray
    step: FloatArray

    @property
    def _on_grid(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.step > 0)

    @property
    def _coupled_continuum(self) -> npt.NDArray[np.bool_]:
        """Continuous coordinates that constraints couple to others."""
        rows = np.vstack([self.polytope.A, self.polytope.C])
        coupled = (rows[(rows != 0).sum(axis=1) > 1] != 0).any(axis=0)
        return np.asarray(coupled & ~self._on_grid)

    def nearest(self, points: FloatArray) -> FloatArray:
        """Points that satisfy everything, near to the given ones; those that do already stay as they are.

        Every grid coordinate is rounded. Where that breaks a constraint, single steps are taken as long as each brings
        the point nearer to feasibility (the rule of the largest remainder, for parts of a whole), and continuous
        coordinates are projected. What is left is an integer program.

        Args:
            points: Shape ``(n, d)``.

        Returns:
            Shape ``(n, d)``.

        Raises:
            ValueError: If no point of the polytope lies on the grids.
        """
        x = self._rounded(points)
        bad = ~self.polytope.contains(x, _TOLERANCE)
        if bad.any():
            stepped = self._stepped(points[bad], x[bad])
            x[bad] = self._with_continuous(stepped)
        for i in np.flatnonzero(~self.polytope.contains(x, _TOLERANCE)):
            x[i] = self._solved(points[i])
        return x

    def _rounded(self, points: FloatArray) -> FloatArray:
        grid, x = self._on_grid, np.array(points, dtype=np.float64)
        steps = np.rint((x[:, grid] - self.start[grid]) / self.step[grid])
        x[:, grid] = self.start[grid] + steps * self.step[grid]
        return x

    def _violation(self, x: FloatArray) -> FloatArray:
        """How far each point is from feasible, the sum over the rows; shape of ``x`` less the last dimension."""
        over = np.maximum(x @ self.polytope.A.T - self.polytope.b - _TOLERANCE, 0.0).sum(axis=-1)
        off = np.maximum(np.abs(x @ self.polytope.C.T - self.polytope.e) - _TOLERANCE, 0.0).sum(axis=-1)
        return np.asarray(over + off)

    def _stepped(self, wanted: FloatArray, x: FloatArray) -> FloatArray:
        """Single steps that lessen the violation most; of equal ones that which stays nearest to what was wanted."""
        if self._coupled_continuum.any():
            return x  # which may take up what rounding has left
        moves = np.vstack([np.diag(self.step), -np.diag(self.step)])
        x, violation = x.copy(), self._violation(x)
        for _ in range(8 * x.shape[1] + 32):
            (at,) = np.nonzero(violation > 0)
            if not len(at):
                break
            tried = x[at, None] + moves
            left = self._violation(tried)
            farther = ((tried - wanted[at, None]) ** 2).sum(axis=-1)
            least = left.min(axis=1, keepdims=True)
            best = np.where(left <= least + _TOLERANCE, farther, np.inf).argmin(axis=1)
            row = np.arange(len(at))
            gains = left[row, best] < violation[at] - _TOLERANCE
            if not gains.any():
                break
            x[at[gains]] = tried[row, best][gains]
            violation[at[gains]] = left[row, best][gains]
        return x

    def _with_continuous(self, x: FloatArray) -> FloatArray:
        """Points whose continuous coordinates are moved to the nearest place that the others leave to them."""
        free = self._coupled_continuum
        if not free.any():
            return x
        A, C = self.polytope.A[:, free], self.polytope.C[:, free]
        held = np.where(free, 0.0, x)
        b = self.polytope.b - held @ self.polytope.A.T
        e = self.polytope.e - held @ self.polytope.C.T
        back = np.linalg.pinv(C)
        moved = x[:, free]
        moved = moved + (e - moved @ C.T) @ back.T
        along = np.eye(int(free.sum())) - back @ C
        moved = dykstra(moved, A, b, A @ along, _SWEEPS)
        result = x.copy()
        result[:, free] = moved + (e - moved @ C.T) @ back.T
        return result

    def _solved(self, point: FloatArray) -> FloatArray:
        """The feasible point with the least sum of distances, by an integer program."""
        for tighter in (_TIGHTER, 0.0):
            found = self._program(point, tighter)
            if found is not None:
                placed: FloatArray = self._with_continuous(self._rounded(found[None]))[0]
                return placed
        raise ValueError("no point of the polytope lies on the grids")

    def _program(self, point: FloatArray, tighter: float) -> FloatArray | None:
        """Minimise the sum of ``t`` with ``|start + scale z - point| <= t``, z whole where there is a grid."""
        from scipy.optimize import Bounds, LinearConstraint, milp

        A, b, C, e = self.polytope.A, self.polytope.b, self.polytope.C, self.polytope.e
        d, grid = len(point), self._on_grid
        scale, offset = np.where(grid, self.step, 1.0), np.where(grid, self.start, 0.0)
        # Grid coordinates are exact: only rows with continuous ones need room for the solver's tolerance.
        room = np.where((A[:, ~grid] != 0).any(axis=1), tighter, -_TOLERANCE)
        none, one = np.zeros((len(A), d)), np.eye(d)
        rows = [
            LinearConstraint(np.hstack([A * scale, none]), -np.inf, b - A @ offset - room),
            LinearConstraint(np.hstack([np.diag(scale), -one]), -np.inf, point - offset),
            LinearConstraint(np.hstack([-np.diag(scale), -one]), -np.inf, offset - point),
        ]
        if len(C):
            level = e - C @ offset
            rows.append(LinearConstraint(np.hstack([C * scale, np.zeros((len(C), d))]), level, level))
        result = milp(
            np.concatenate([np.zeros(d), np.ones(d)]),
            constraints=rows,
            integrality=np.concatenate([grid.astype(np.int64), np.zeros(d, dtype=np.int64)]),
            bounds=Bounds(np.concatenate([np.full(d, -np.inf), np.zeros(d)]), np.inf),
        )
        if result.x is None:
            return None
        solution: FloatArray = offset + scale * np.asarray(result.x, dtype=np.float64)[:d]
        return solution

    def empty(self, near: FloatArray) -> bool:
        """Whether no point of the polytope lies on the grids.

        Args:
            near: Where to look first, shape ``(d,)``.
        """
        try:
            found = self.nearest(near[None])
        except ValueError:
            return True
        return not bool(self.polytope.contains(found, _TOLERANCE).all())
