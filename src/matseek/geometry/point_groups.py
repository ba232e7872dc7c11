"""Point groups as matrices, and the orbits of places under them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

FloatArray = npt.NDArray[np.float64]

_GOLDEN = (1 + 5**0.5) / 2
_ORDERS = (2, 3, 4, 5, 6)
_SAME = 1e-6
"""Matrices, and images of a place as multiples of its merging distance, that differ by less are the same."""

_ROUNDS = 4
"""How often a place is put into the middle of its nearest images; it no longer moves after one or two."""


@cache
def point_groups() -> Mapping[str, FloatArray]:
    """Point groups by their Schoenflies symbols: orthogonal matrices, shape ``(g, 3, 3)``.

    There are Cs and Ci; Ck, Ckv, Ckh, Dk and Dkh for k from 2 to 6, whose main axis is z; T, Td, Th, O, Oh, I and Ih.

    Example:
        >>> {name: len(point_groups()[name]) for name in ("Cs", "C4", "D3h", "Oh", "Ih")}
        {'Cs': 2, 'C4': 4, 'D3h': 12, 'Oh': 48, 'Ih': 120}
    """
    half, across, upright = _turn((1, 0, 0), 2), np.diag([1.0, 1.0, -1.0]), np.diag([1.0, -1.0, 1.0])
    inversion, diagonal = -np.eye(3), _turn((1, 1, 1), 3)
    generators = {"Cs": [across], "Ci": [inversion]}
    for k in _ORDERS:
        main = _turn((0, 0, 1), k)
        further = {"C{}": [], "C{}v": [upright], "C{}h": [across], "D{}": [half], "D{}h": [half, across]}
        generators |= {name.format(k): [main, *more] for name, more in further.items()}
    tetrahedral = [_turn((0, 0, 1), 2), diagonal]
    octahedral = [_turn((0, 0, 1), 4), diagonal]
    icosahedral = [*tetrahedral, _turn((0, 1, _GOLDEN), 5)]
    swapped = np.eye(3)[[1, 0, 2]]
    generators |= {"T": tetrahedral, "Td": [*tetrahedral, swapped], "Th": [*tetrahedral, inversion]}
    generators |= {"O": octahedral, "Oh": [*octahedral, inversion]}
    generators |= {"I": icosahedral, "Ih": [*icosahedral, inversion]}
    return {name: _generated(matrices) for name, matrices in generators.items()}


def _turn(axis: Sequence[float], order: int) -> FloatArray:
    direction = np.array(axis) / np.linalg.norm(axis)
    return np.asarray(Rotation.from_rotvec(2 * np.pi / order * direction).as_matrix())


def _generated(generators: Sequence[FloatArray]) -> FloatArray:
    """All products of matrices, ``(g, 3, 3)``."""
    group = np.eye(3)[None]
    done = 0
    while done < len(group):
        for product in np.asarray(generators) @ group[done]:
            if (np.abs(group - product).max(axis=(1, 2)) > _SAME).all():
                group = np.concatenate([group, product[None]])
        done += 1
    return group


def orbit(place: FloatArray, group: FloatArray, merged: float) -> FloatArray:
    """The images of a place, which is first put onto what symmetry elements it lies beside.

    Args:
        place: Shape ``(3,)``, from the group's centre.
        group: Orthogonal matrices, shape ``(g, 3, 3)``.
        merged: Images nearer to the place than this become one with it, in their middle.

    Returns:
        Distinct places, shape ``(k, 3)``; k divides g.

    Example:
        >>> fourfold = point_groups()["C4"]
        >>> len(orbit(np.array([1.0, 0, 0]), fourfold, 0.5)), len(orbit(np.array([0.1, 0, 2]), fourfold, 0.5))
        (4, 1)
    """
    for _ in range(_ROUNDS):
        images = group @ place
        place = images[np.linalg.norm(images - place, axis=1) < merged].mean(axis=0)
    images = group @ place
    same = np.linalg.norm(images[:, None] - images, axis=-1) < _SAME * merged
    return np.asarray(images[same.argmax(axis=1) == np.arange(len(images))])
