"""The compiled loops of the fingerprint: neighbours, distances and angles, with derivatives."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from matseek.compilation import compiled

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

VALUES: Final = 0
DERIVATIVES: Final = 1
PULLED_BACK: Final = 2
"""What :func:`describe` is to write."""

_REACH = 3.5
"""Standard deviations beyond which a Gaussian over distances is left out."""

_RADIAL_SCALE = 4.0
"""Square angstroms: distances count by the inverse square, in units of it, so that a bond counts about one half."""

_CLOSEST = 1e-3
"""Least distance in angstrom, so that atoms on top of each other have finite derivatives."""


class Layout(NamedTuple):
    """What the loops read besides positions.

    Attributes:
        fixed: Positions of the template's images, shape ``(t, 3)``.
        fixed_kinds: Their kinds, shape ``(t,)``.
        kinds: Kinds of the free atoms, shape ``(n,)``.
        shifts: Lattice vectors to the images of free atoms, shape ``(s, 3)``.
        home: Which of the shifts is 0.
        pairs: Number of the distribution of two kinds, shape ``(kinds, kinds)``.
        angles: Number of the distribution of a centre with two kinds, shape ``(free kinds, kinds, kinds)``.
        cutoff: Of distances, in angstrom.
        angular_cutoff: Of the sides of angles, in angstrom.
        radial: Gaussians over the distances.
        width: Their width in angstrom.
        angular: Gaussians over the cosines.
        spread: Their width.
    """

    fixed: FloatArray
    fixed_kinds: IntArray
    kinds: IntArray
    shifts: FloatArray
    home: int
    pairs: IntArray
    angles: IntArray
    cutoff: float
    angular_cutoff: float
    radial: int
    width: float
    angular: int
    spread: float


class _Near(NamedTuple):
    """Room for what an atom has around it: unit vectors, distances, kinds, owners (-1 for the template), fades."""

    vectors: FloatArray
    distances: FloatArray
    kind: IntArray
    owner: IntArray
    fade: FloatArray
    slope: FloatArray


@compiled
def describe(x: FloatArray, layout: Layout, want: int, gradients: FloatArray, out: FloatArray) -> None:
    """Write fingerprints, their derivatives, or gradients that are pulled back, of structures ``(m, n, 3)``.

    Args:
        x: Positions of the free atoms, inside the cell.
        layout: What else there is.
        want: ``VALUES``: out ``(m, D, 1, 1)``; ``DERIVATIVES``: ``(m, D, n, 3)``; ``PULLED_BACK``: ``(m, 1, n, 3)``.
        gradients: By the fingerprints, shape ``(m, D)``; read for ``PULLED_BACK`` only.
        out: Zeros, written to.
    """
    room = len(layout.fixed) + x.shape[1] * len(layout.shifts)
    near = _Near(
        np.empty((room, 3)),
        np.empty(room),
        np.empty(room, np.int64),
        np.empty(room, np.int64),
        np.empty(room),
        np.empty(room),
    )
    gradient = np.zeros(0)
    for b in range(len(x)):
        if want == PULLED_BACK:
            gradient = gradients[b]
        for i in range(x.shape[1]):
            count = _neighbours(x[b], i, layout, near)
            _distances(i, count, layout, near, want, gradient, out[b])
            count = _within(count, layout.angular_cutoff, near)
            _angles(i, count, layout, near, want, gradient, out[b])


@compiled
def _add(out: FloatArray, at: int, owner: int, vector: FloatArray, by: float) -> None:
    """Add the derivative of a function of one distance to out ``(n, 3)``."""
    for q in range(3):
        step = vector[q] * by
        out[at, q] -= step
        if owner >= 0:
            out[owner, q] += step


@compiled
def _neighbours(x: FloatArray, i: int, layout: Layout, near: _Near) -> int:
    """Fill in what atom i has within the cutoff, and say how much it is."""
    count = 0
    limit = layout.cutoff * layout.cutoff
    for t in range(len(layout.fixed)):
        dx = layout.fixed[t, 0] - x[i, 0]
        dy = layout.fixed[t, 1] - x[i, 1]
        dz = layout.fixed[t, 2] - x[i, 2]
        squared = dx * dx + dy * dy + dz * dz
        if squared < limit:
            _take(near, count, dx, dy, dz, squared, layout.fixed_kinds[t], -1)
            count += 1
    for j in range(len(x)):
        for s in range(len(layout.shifts)):
            if j == i and s == layout.home:
                continue
            dx = x[j, 0] + layout.shifts[s, 0] - x[i, 0]
            dy = x[j, 1] + layout.shifts[s, 1] - x[i, 1]
            dz = x[j, 2] + layout.shifts[s, 2] - x[i, 2]
            squared = dx * dx + dy * dy + dz * dz
            if squared < limit:
                _take(near, count, dx, dy, dz, squared, layout.kinds[j], j)
                count += 1
    return count


@compiled
def _take(near: _Near, k: int, dx: float, dy: float, dz: float, squared: float, kind: int, owner: int) -> None:
    r = max(math.sqrt(squared), _CLOSEST)
    near.distances[k], near.kind[k], near.owner[k] = r, kind, owner
    near.vectors[k, 0], near.vectors[k, 1], near.vectors[k, 2] = dx / r, dy / r, dz / r


@compiled
def _within(count: int, cutoff: float, near: _Near) -> int:
    """Keep what is within a shorter cutoff, with the smooth cutoff of each distance and its derivative."""
    kept = 0
    for k in range(count):
        r = near.distances[k]
        if r < cutoff:
            near.vectors[kept] = near.vectors[k]
            near.distances[kept], near.kind[kept], near.owner[kept] = r, near.kind[k], near.owner[k]
            u = 1.0 - (r / cutoff) ** 2
            near.fade[kept], near.slope[kept] = u * u * u, -6.0 * u * u * r / cutoff**2
            kept += 1
    return kept


@compiled
def _distances(
    i: int, count: int, layout: Layout, near: _Near, want: int, gradient: FloatArray, out: FloatArray
) -> None:
    spacing = layout.cutoff / layout.radial
    reach = _REACH * layout.width
    for k in range(count):
        r = near.distances[k]
        # Pairs of free atoms are met twice.
        share = (1.0 if near.owner[k] < 0 else 0.5) * _RADIAL_SCALE / (r * r)
        u = 1.0 - (r / layout.cutoff) ** 2
        weight = u * u * u * share
        by_r = -6.0 * u * u * r / layout.cutoff**2 * share - 2.0 * weight / r
        base = layout.pairs[layout.kinds[i], near.kind[k]] * layout.radial
        low = max(0, int((r - reach) / spacing - 0.5))
        high = min(layout.radial - 1, int((r + reach) / spacing + 0.5))
        total = 0.0
        for m in range(low, high + 1):
            z = (r - (m + 0.5) * spacing) / layout.width
            bell = math.exp(-0.5 * z * z)
            by = bell * (by_r - weight * z / layout.width)
            if want == VALUES:
                out[base + m, 0, 0] += weight * bell
            elif want == PULLED_BACK:
                total += gradient[base + m] * by
            else:
                _add(out[base + m], i, near.owner[k], near.vectors[k], by)
        if want == PULLED_BACK:
            _add(out[0], i, near.owner[k], near.vectors[k], total)


@compiled
def _angles(i: int, count: int, layout: Layout, near: _Near, want: int, gradient: FloatArray, out: FloatArray) -> None:
    first = (layout.pairs.max() + 1) * layout.radial
    for k in range(count):
        for l in range(k):  # noqa: E741 -- the second side of the angle
            base = first + layout.angles[layout.kinds[i], near.kind[k], near.kind[l]] * layout.angular
            a, b = near.vectors[k], near.vectors[l]
            cosine = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
            weight = near.fade[k] * near.fade[l]
            along, across = 0.0, 0.0
            for m in range(layout.angular):
                z = (cosine + 1.0 - 2.0 * m / (layout.angular - 1)) / layout.spread
                bell = math.exp(-0.5 * z * z)
                if want == VALUES:
                    out[base + m, 0, 0] += weight * bell
                elif want == PULLED_BACK:
                    along += gradient[base + m] * bell
                    across -= gradient[base + m] * bell * z / layout.spread
                else:
                    _turn(out[base + m], near, i, k, l, cosine, bell, -bell * z / layout.spread)
            if want == PULLED_BACK:
                _turn(out[0], near, i, k, l, cosine, along, across)


@compiled
def _turn(out: FloatArray, near: _Near, i: int, k: int, l: int, cosine: float, along: float, across: float) -> None:  # noqa: E741
    """Add the derivative of ``fade_k fade_l f(cosine)`` to out ``(n, 3)``; along is f, across its derivative."""
    weight = near.fade[k] * near.fade[l] * across
    for q in range(3):
        a, b = near.vectors[k, q], near.vectors[l, q]
        by_k = near.slope[k] * near.fade[l] * along * a + weight * (b - cosine * a) / near.distances[k]
        by_l = near.fade[k] * near.slope[l] * along * b + weight * (a - cosine * b) / near.distances[l]
        out[i, q] -= by_k + by_l
        if near.owner[k] >= 0:
            out[near.owner[k], q] += by_k
        if near.owner[l] >= 0:
            out[near.owner[l], q] += by_l
