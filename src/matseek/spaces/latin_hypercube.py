"""Latin hypercubes inside a polytope."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from matseek.geometry.polytope import Polytope

FloatArray = npt.NDArray[np.float64]

_POOL_PER_POINT = 40
_LEAST_POOL = 5000
_SWAPS_PER_POINT = 20


def latin_hypercube(polytope: Polytope, n: int, rng: np.random.Generator) -> FloatArray:
    """Latin hypercube of the uniform distribution on a polytope.

    The marginals of that distribution are cut into ``n`` strata of equal probability (of equal width where nothing
    constrains the variable), and every stratum of every variable receives one point. Points that violate an
    inequality exchange coordinates with others, which keeps the strata, until all are feasible (Petelet et al.,
    AStA Adv. Stat. Anal. 94, 325 (2010)). Where the constraints are too tight for that, the points left over are
    replaced by the feasible samples that fill the empty strata best.

    Args:
        polytope: Where the points may lie, in coordinates of comparable scale.
        n: Number of points.
        rng: Source of randomness.

    Returns:
        Feasible points, shape ``(n, d)``.
    """
    pool = polytope.cover(max(_POOL_PER_POINT * n, _LEAST_POOL), rng)
    design = _strata_values(polytope, pool, n, rng)
    design = _swap_until_feasible(polytope, design, rng)
    bad = _violations(polytope, design) > 1e-12
    if bad.any():
        design = _replace(design, bad, pool)
    return polytope.project(design)


def _strata_values(polytope: Polytope, pool: FloatArray, n: int, rng: np.random.Generator) -> FloatArray:
    """One value in each of the ``n`` equally probable strata of every coordinate, in random order."""
    levels = (np.arange(n)[:, None] + rng.random((n, pool.shape[1]))) / n
    columns = []
    for j in range(pool.shape[1]):
        low, high = polytope.extent[0][j], polytope.extent[1][j]
        # The ends belong to the marginal too: without them the outermost strata would shrink to the pool's extremes.
        marginal = np.concatenate([[low], np.sort(pool[:, j]), [high]])
        if _is_unconstrained(polytope, j):
            values = low + levels[:, j] * (high - low)
        else:
            values = np.interp(levels[:, j], np.linspace(0, 1, len(marginal)), marginal)
        columns.append(rng.permutation(values))
    return np.column_stack(columns)


def _rows_of(polytope: Polytope, j: int) -> npt.NDArray[np.bool_]:
    return np.asarray(polytope.A[:, j] != 0)


def _is_unconstrained(polytope: Polytope, j: int) -> bool:
    """Whether only its own two bounds limit coordinate ``j``."""
    alone = (polytope.A[_rows_of(polytope, j)] != 0).sum(axis=1) == 1
    return bool(alone.all()) and not (len(polytope.C) and np.any(polytope.C[:, j] != 0))


def _violations(polytope: Polytope, points: FloatArray) -> FloatArray:
    """Sum of constraint violations of each point, shape of ``points`` less the last dimension."""
    over = np.maximum(points @ polytope.A.T - polytope.b, 0.0).sum(axis=-1)
    if len(polytope.C):
        over = over + np.abs(points @ polytope.C.T - polytope.e).sum(axis=-1)
    return np.asarray(over)


def _swap_until_feasible(polytope: Polytope, design: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Exchange single coordinates between points as long as the total violation falls."""
    design = design.copy()
    n, d = design.shape
    violation = _violations(polytope, design)
    for _ in range(_SWAPS_PER_POINT * n):
        worst = np.flatnonzero(violation > 1e-12)
        if not len(worst):
            break
        i = int(rng.choice(worst))
        own = np.repeat(design[i][None, None], n, axis=0).repeat(d, axis=1)  # (n, d, d): partner, coordinate, point
        published = np.repeat(design[:, None], d, axis=1)
        diagonal = np.arange(d)
        own[:, diagonal, diagonal] = design
        published[:, diagonal, diagonal] = design[i]
        change = _violations(polytope, own) + _violations(polytope, published) - violation[i] - violation[:, None]
        change[i] = 0.0
        j, k = divmod(int(change.argmin()), d)
        if change[j, k] >= -1e-12:
            if len(worst) == 1:
                break
            continue
        design[i, k], design[j, k] = design[j, k], design[i, k]
        violation[[i, j]] = _violations(polytope, design[[i, j]])
    return design


def _replace(design: FloatArray, bad: npt.NDArray[np.bool_], pool: FloatArray) -> FloatArray:
    """Put feasible samples in place of the points marked bad, each where strata are empty and neighbours far."""
    from scipy.spatial.distance import cdist

    n, d = design.shape
    strata = np.minimum((np.argsort(np.argsort(pool, axis=0), axis=0) * n) // len(pool), n - 1)
    edges = np.sort(pool, axis=0)
    chosen = list(design[~bad])
    taken = np.zeros((n, d), dtype=bool)
    for point in chosen:
        ranks = np.array([np.searchsorted(edges[:, j], point[j]) for j in range(d)])
        taken[np.minimum(ranks * n // len(pool), n - 1), np.arange(d)] = True
    scale = np.ptp(pool, axis=0) + np.finfo(np.float64).tiny
    for _ in range(int(bad.sum())):
        empty = (~taken[strata, np.arange(d)]).sum(axis=1).astype(np.float64)
        if chosen:
            empty += np.tanh(cdist(pool / scale, np.array(chosen) / scale).min(axis=1))
        best = int(empty.argmax())
        chosen.append(pool[best])
        taken[strata[best], np.arange(d)] = True
    return np.array(chosen)
