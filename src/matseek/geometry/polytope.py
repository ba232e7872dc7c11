"""Convex polytopes: an interior point, uniform samples, projection. Knows arrays and inequalities, no variables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_STEPS_PER_DIMENSION = 12
"""Hit-and-run steps of a round, per dimension; in rounded coordinates a chain has then about lost its start."""

_MIXING_ROUNDS = 4

_COVERING_CHAINS, _THINNING = 256, 2
"""Chains of a cover, and the steps per dimension between two samples of a chain."""

_SETTLED = 1.5
"""Largest variance, in the coordinates of the round before, that counts as no growth; sampling noise is below it."""

_MOST_ROUNDING_ROUNDS = 60


@dataclass(frozen=True, eq=False)
class Polytope:
    """The points ``x`` with ``A x <= b`` and ``C x = e``.

    Args:
        A: Inequality matrix, shape ``(p, d)``.
        b: Inequality bounds, shape ``(p,)``.
        C: Equality matrix, shape ``(q, d)``; ``q`` may be 0.
        e: Equality values, shape ``(q,)``.
    """

    A: FloatArray
    b: FloatArray
    C: FloatArray
    e: FloatArray

    @cached_property
    def basis(self) -> FloatArray:
        """Orthonormal basis of the directions that keep the equalities, shape ``(d, k)``."""
        d = self.A.shape[1]
        if not len(self.C):
            return np.eye(d)
        from scipy.linalg import null_space

        return np.asarray(null_space(self.C), dtype=np.float64)

    @cached_property
    def chebyshev(self) -> tuple[FloatArray, float] | None:
        """Centre ``(d,)`` and radius of the largest ball inside, within the equalities' plane; None if it is empty.

        Boyd and Vandenberghe, Convex Optimization (2004), section 8.5.1.
        """
        d = self.A.shape[1]
        reach = np.linalg.norm(self.A @ self.basis, axis=1)
        # Where equalities leave a single point, every ball is as good.
        widest = None if self.basis.shape[1] else 0.0
        result = _linprog(
            c=np.append(np.zeros(d), -1.0),
            A_ub=np.column_stack([self.A, reach]),
            b_ub=self.b,
            A_eq=np.column_stack([self.C, np.zeros(len(self.C))]) if len(self.C) else None,
            b_eq=self.e if len(self.C) else None,
            bounds=[(None, None)] * d + [(0.0, widest)],
        )
        if not result.success or result.x is None:
            return None
        return np.asarray(result.x[:d], dtype=np.float64), float(result.x[d])

    def contains(self, points: FloatArray, tolerance: float) -> npt.NDArray[np.bool_]:
        """Whether each point, shape ``(n, d)``, is inside, up to a tolerance; NaN never is. Shape ``(n,)``."""
        inside = (points @ self.A.T <= self.b + tolerance).all(axis=1)
        inside &= (np.abs(points @ self.C.T - self.e) <= tolerance).all(axis=1)
        return np.asarray(inside, dtype=np.bool_)

    @cached_property
    def extent(self) -> tuple[FloatArray, FloatArray]:
        """Least and largest value of each coordinate, shape ``(d,)`` each, by linear programs."""
        if self.chebyshev is None:
            raise ValueError("the polytope is empty")
        d = self.A.shape[1]
        ends = np.empty((2, d))
        for j in range(d):
            for side, sign in enumerate((1.0, -1.0)):
                result = _linprog(
                    c=sign * np.eye(d)[j],
                    A_ub=self.A,
                    b_ub=self.b,
                    A_eq=self.C if len(self.C) else None,
                    b_eq=self.e if len(self.C) else None,
                    bounds=[(None, None)] * d,
                )
                ends[side, j] = result.x[j] if result.success and result.x is not None else self.chebyshev[0][j]
        return ends[0], ends[1]

    def corners(self, directions: int, rng: np.random.Generator) -> FloatArray:
        """Corners that are the farthest points in random directions; every corner is it in some of them.

        Args:
            directions: Number of directions.
            rng: Source of the directions.

        Returns:
            Different corners, shape ``(m, d)`` with m at most the number of directions.
        """
        d = self.A.shape[1]
        found = []
        for direction in rng.standard_normal((directions, d)):
            result = _linprog(
                c=-direction,
                A_ub=self.A,
                b_ub=self.b,
                A_eq=self.C if len(self.C) else None,
                b_eq=self.e if len(self.C) else None,
                bounds=[(None, None)] * d,
            )
            if result.success and result.x is not None:
                found.append(result.x)
        return np.unique(np.round(self.project(np.array(found).reshape(-1, d)), 9), axis=0)

    def sample(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Uniform samples by hit-and-run, many chains at once, with directions drawn from the body's own covariance.

        Smith, Operations Research 32, 1296 (1984); rounding after Lovasz and Vempala, SIAM J. Comput. 35, 985 (2006).

        Args:
            n: Number of samples.
            rng: Source of randomness.

        Returns:
            Independent samples (each is the end of a chain of its own), shape ``(n, d)``.

        Raises:
            ValueError: If the polytope is empty.
        """
        return self._sampled(n, n, rng)

    def cover(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Uniform samples as of :meth:`sample`, but several from each chain: neighbours in a chain are alike.

        Their marginal distributions are those of the body at a tenth of the cost.

        Args:
            n: Number of samples.
            rng: Source of randomness.

        Returns:
            Shape ``(n, d)``.

        Raises:
            ValueError: If the polytope is empty.
        """
        return self._sampled(n, _COVERING_CHAINS, rng)

    def _sampled(self, n: int, most_chains: int, rng: np.random.Generator) -> FloatArray:
        """Samples from a number of chains at most; coordinates that only their own bounds limit need none."""
        if self.chebyshev is None:
            raise ValueError("the polytope is empty")
        d = self.A.shape[1]
        coupling = np.vstack([self.A[(self.A != 0).sum(axis=1) > 1], self.C])
        coupled = (coupling != 0).any(axis=0)
        if coupled.all():
            return self._walked(n, most_chains, rng)
        points = np.empty((n, d))
        free = np.flatnonzero(~coupled)
        low, high = self.bounds
        points[:, free] = low[free] + rng.random((n, len(free))) * (high - low)[free]
        if coupled.any():
            points[:, coupled] = self._block(coupled)._walked(n, most_chains, rng)
        return points

    @cached_property
    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Least and largest value that inequalities on single coordinates allow, shape ``(d,)`` each."""
        low, high = np.full(self.A.shape[1], -np.inf), np.full(self.A.shape[1], np.inf)
        for row, bound in zip(self.A, self.b, strict=True):
            (at,) = np.nonzero(row)
            if len(at) != 1:
                continue
            j = int(at[0])
            if row[j] > 0:
                high[j] = min(high[j], bound / row[j])
            else:
                low[j] = max(low[j], bound / row[j])
        return low, high

    def _block(self, columns: npt.NDArray[np.bool_]) -> Polytope:
        """The polytope in some coordinates that no row couples to the others."""
        rows, equal = (self.A[:, columns] != 0).any(axis=1), (self.C[:, columns] != 0).any(axis=1)
        return Polytope(self.A[rows][:, columns], self.b[rows], self.C[equal][:, columns], self.e[equal])

    def _walked(self, n: int, most_chains: int, rng: np.random.Generator) -> FloatArray:
        """Samples by hit-and-run from a number of chains at most, shape ``(n, d)``."""
        assert self.chebyshev is not None
        centre, radius = self.chebyshev
        k = self.basis.shape[1]
        if radius <= 0.0 or k == 0:
            return np.repeat(centre[None], n, axis=0)
        walls = (self.A @ self.basis, self.b - self.A @ centre)
        pilots, root = _round(walls, k, radius, rng)
        chains = pilots[rng.integers(len(pilots), size=min(n, most_chains))]
        chains = _walk(chains, _MIXING_ROUNDS * _STEPS_PER_DIMENSION * k, walls, root, rng)
        visited = [chains]
        while len(visited) * len(chains) < n:
            chains = _walk(chains, _THINNING * k, walls, root, rng)
            visited.append(chains)
        return np.asarray(centre + np.vstack(visited)[:n] @ self.basis.T, dtype=np.float64)

    def project(self, points: FloatArray, sweeps: int = 50) -> FloatArray:
        """Nearest feasible points, by Dykstra's algorithm, then a pull towards the centre that makes them exact.

        Boyle and Dykstra, Lecture Notes in Statistics 37, 28 (1986).

        Args:
            points: Points, shape ``(n, d)``.
            sweeps: Most passes over the inequalities.

        Returns:
            Feasible points, shape ``(n, d)``.
        """
        if self.chebyshev is None:
            raise ValueError("the polytope is empty")
        centre = self.chebyshev[0]
        x = centre + (points - centre) @ self.basis @ self.basis.T
        normals = self.A @ self.basis @ self.basis.T
        x = dykstra(x, self.A, self.b, normals, sweeps)
        return self.pull_inside(x)

    def pull_inside(self, points: FloatArray) -> FloatArray:
        """Move each point towards the Chebyshev centre by the least that satisfies every inequality.

        Args:
            points: Points on the equalities' plane, shape ``(n, d)``.

        Returns:
            Feasible points, shape ``(n, d)``.
        """
        assert self.chebyshev is not None
        centre = self.chebyshev[0]
        slack = np.maximum(self.b - self.A @ centre, 0.0)
        overrun = (points - centre) @ self.A.T
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratios = np.where(overrun > slack, slack / overrun, 1.0)
        return np.asarray(centre + ratios.min(axis=1, initial=1.0)[:, None] * (points - centre), dtype=np.float64)


def dykstra(points: FloatArray, A: FloatArray, b: FloatArray, normals: FloatArray, sweeps: int) -> FloatArray:
    """Nearest points that satisfy ``A x <= b``, as far as the sweeps come.

    Boyle and Dykstra, Lecture Notes in Statistics 37, 28 (1986).

    Args:
        points: Shape ``(n, d)``.
        A: Inequalities, shape ``(p, d)``.
        b: Their bounds, shape ``(p,)``, or those of each point, ``(n, p)``.
        normals: Along which a point is moved to satisfy each, shape ``(p, d)``: A itself, or its projection onto the
            equalities' plane. An inequality whose normal is zero is left out.
        sweeps: Most passes over the inequalities.

    Returns:
        Shape ``(n, d)``.
    """
    squared = np.einsum("pd,pd->p", normals, normals)
    # Of a row that the equalities decide, rounding leaves a trace of a normal.
    active = np.flatnonzero(squared > 1e-20 * np.einsum("pd,pd->p", A, A)).tolist()
    corrections = np.zeros((len(A), len(points)))
    x = points
    for _ in range(sweeps if len(points) else 0):
        before = x
        for i in active:
            violation = (x @ A[i] - b[..., i]) / squared[i] + corrections[i]
            step = np.maximum(violation, 0.0)
            x = x - (step - corrections[i])[:, None] * normals[i]
            corrections[i] = step
        if np.abs(x - before).max(initial=0.0) < 1e-12:
            break
    return x


def _round(
    walls: tuple[FloatArray, FloatArray], k: int, radius: float, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Pilot chains and the Cholesky factor of their covariance, in which a thin body mixes as fast as a ball.

    Each round walks in the coordinates that the round before found. The rounds end when the chains have not outgrown
    those coordinates in any direction: in a needle the long one still grows while the short ones have settled.
    """
    chains = np.zeros((64 * k, k))
    root = np.eye(k) * radius
    for round_number in range(_MOST_ROUNDING_ROUNDS):
        chains = _walk(chains, _STEPS_PER_DIMENSION * k, walls, root, rng)
        covariance = np.atleast_2d(np.cov(chains, rowvar=False))
        growth = np.linalg.eigvalsh(np.cov(np.linalg.solve(root, chains.T)).reshape(k, k)).max()
        root = np.linalg.cholesky(covariance + 1e-12 * np.diag(np.diag(covariance))).astype(np.float64)
        if round_number > 0 and growth < _SETTLED:
            break
    return chains, root


def _walk(
    chains: FloatArray, steps: int, walls: tuple[FloatArray, FloatArray], root: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Hit-and-run: in each step every chain takes a direction, and a uniform point on the chord through the body."""
    normals, slack = walls
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for _ in range(steps):
            directions = rng.standard_normal(chains.shape) @ root.T
            speed = directions @ normals.T
            reach = np.maximum(slack - chains @ normals.T, 0.0) / speed
            forward = np.where(speed > 0, reach, np.inf).min(axis=1)
            backward = np.where(speed < 0, reach, -np.inf).max(axis=1)
            chains = chains + (backward + rng.random(len(chains)) * (forward - backward))[:, None] * directions
    return chains


def _linprog(*arguments: Any, **settings: Any) -> Any:  # noqa: ANN401 -- SciPy's own
    """SciPy's, imported when it is first used: that takes a quarter of a second, which many commands do without."""
    from scipy.optimize import linprog

    return linprog(*arguments, **settings)
