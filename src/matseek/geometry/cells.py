"""Cells that repeat in one or two directions: the shortest basis of their lattice."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from ase.geometry import minkowski_reduce

FloatArray = npt.NDArray[np.float64]


def shortest_basis(vectors: npt.ArrayLike) -> FloatArray:
    """The shortest basis of a lattice, shortest vector first; two vectors make an angle of 60 to 90 degrees.

    The reduction is ASE's (Nguyen and Stehle, ACM Trans. Algorithms 5, 46 (2009)). It is exact in integers and its
    number of steps is bounded. Where several bases are equally short, as in a hexagonal cell, which of them is
    returned may differ between processors; all of them span the same lattice.

    Args:
        vectors: Lattice vectors as rows, shape ``(1, 1)`` or ``(2, 2)``; linearly independent, any skew and handedness.

    Returns:
        The basis as rows, in the shape and the unit of ``vectors``.

    Example:
        >>> shortest_basis([[1.0, 0.0], [7.0, 2.0]])
        array([[1., 0.],
               [0., 2.]])
    """
    rows = np.asarray(vectors, dtype=np.float64)
    if len(rows) == 1:
        return np.asarray(np.abs(rows))
    cell = np.eye(3)
    # ASE's tolerance is a length: cells of any size are reduced at the same scale.
    cell[:2, :2] = rows / np.linalg.norm(rows, axis=1).max()
    _, steps = minkowski_reduce(cell, pbc=(True, True, False))
    basis = steps[:2, :2] @ rows
    short, long = basis[np.argsort(np.linalg.norm(basis, axis=1), kind="stable")]
    return np.array([short, long if long @ short >= 0 else -long])
