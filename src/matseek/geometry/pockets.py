"""Pockets: places where a further atom would touch three atoms of a cluster at least."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_OVERLAP = 0.85
"""Places nearer to an atom than this multiple of the contact's length are no pockets."""

_TOUCHES = 1.2
"""Atoms up to this multiple of the contact's length away count as touched."""

_FLAT = 1e-6
"""Triangles whose area is below this fraction of their longest side's square are lines."""


def pockets(positions: FloatArray, contacts: FloatArray) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """Places that touch three atoms and overlap with none.

    Each triangle of atoms that a further one can touch together has two such places, above and below it: the
    intersections of three spheres.

    Args:
        positions: Of the atoms, shape ``(n, 3)``.
        contacts: Length of a contact of the further atom with each of them, shape ``(n,)``.

    Returns:
        Places, shape ``(k, 3)``, and how many atoms each touches, shape ``(k,)``. Some may lie beside each other.

    Example:
        >>> places, touched = pockets(np.array([[0, 0, 0], [1.0, 0, 0], [0.5, 0.75**0.5, 0]]), np.ones(3))
        >>> np.round(places, 3).tolist(), touched.tolist()
        ([[0.5, 0.289, 0.816], [0.5, 0.289, -0.816]], [3, 3])
    """
    n = len(positions)
    apart = np.linalg.norm(positions[:, None] - positions, axis=-1)
    near = apart < contacts[:, None] + contacts
    i, j = np.nonzero(np.triu(near, 1))
    pair, k = np.nonzero(near[i] & near[j] & (np.arange(n) > j[:, None]))
    a, b, c = i[pair], j[pair], k
    # Trilateration in the triangle's own frame.
    along = positions[b] - positions[a]
    side = np.linalg.norm(along, axis=1)
    ex = along / side[:, None]
    third = positions[c] - positions[a]
    x = (third * ex).sum(axis=1)
    across = third - x[:, None] * ex
    y = np.linalg.norm(across, axis=1)
    ra, rb, rc = contacts[a], contacts[b], contacts[c]
    wide = y > _FLAT * side
    y = np.where(wide, y, 1.0)
    ey = across / y[:, None]
    u = (ra**2 - rb**2 + side**2) / (2 * side)
    v = (ra**2 - rc**2 + x**2 + y**2 - 2 * x * u) / (2 * y)
    squared = ra**2 - u**2 - v**2
    met = wide & (squared >= 0)
    foot = positions[a] + u[:, None] * ex + v[:, None] * ey
    up = np.sqrt(squared.clip(min=0.0))[:, None] * np.cross(ex, ey)
    places = np.stack([foot + up, foot - up], axis=1)[met].reshape(-1, 3)
    away = np.linalg.norm(places[:, None] - positions, axis=-1) / contacts
    free = (away > _OVERLAP).all(axis=1)
    return places[free], (away[free] < _TOUCHES).sum(axis=1)
