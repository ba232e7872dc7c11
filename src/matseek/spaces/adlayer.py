"""Free atoms above a fixed template: periodic in plane, confined in z."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from ase import Atoms
from ase.data import covalent_radii
from ase.geometry import minkowski_reduce
from ase.symbols import string2symbols

FloatArray = npt.NDArray[np.float64]

OVERLAP = 0.6
"""Atoms closer than this times the sum of their covalent radii overlap: no calculator says anything sensible there."""

_BOND = 1.0
_JITTER = 0.1
_TRIES = 400
_PACKING = 0.74
_FLAT = 1e-6


@dataclass(frozen=True, init=False, eq=False)
class Adlayer:
    """Free atoms on a template that never moves.

    A point is the row of the free atoms' Cartesian positions, ``(x1, y1, z1, x2, ...)`` in angstrom, shape ``(3 n,)``.
    Any two cell vectors may span the plane, whatever their angle, as long as the third is along z.

    Args:
        template: Atoms that stay where they are; periodic in plane.
        free: Formula of the free atoms, such as ``Pt7`` or ``Pt3Cu4``.
        z: Confinement in angstrom above the highest template atom, lower and upper end.

    Raises:
        ValueError: If the template is empty or not periodic, its cell does not fit, the formula is unknown, the
            confinement lies below the template, or the free atoms cannot fit.
    """

    template: Atoms
    free: str
    z: tuple[float, float]

    def __init__(self, template: Atoms, free: str, z: tuple[float, float]) -> None:
        if not isinstance(template, Atoms) or not len(template):
            raise ValueError(f"template={template!r} must be ase.Atoms with at least one atom")
        kept = template.copy()
        kept.calc = None
        object.__setattr__(self, "template", kept)
        object.__setattr__(self, "free", str(free))
        low, high = (float(end) for end in z)
        object.__setattr__(self, "z", (low, high))
        self._require_cell()
        if not 0 <= low < high < np.inf:
            raise ValueError(
                f"z={tuple(z)} must run upwards from at least 0: it is the confinement in angstrom above the highest "
                "template atom"
            )
        _ = self.numbers
        self._require_room()

    def _require_cell(self) -> None:
        cell = np.asarray(self.template.cell, dtype=np.float64)
        if not (self.template.pbc[0] and self.template.pbc[1]):
            raise ValueError(f"template.pbc={self.template.pbc.tolist()} must be periodic in plane; set pbc to True")
        if abs(cell[:2, 2]).max() > _FLAT or abs(cell[2, :2]).max() > _FLAT:
            raise ValueError(
                f"template.cell={cell.tolist()} must have its first two vectors in the xy plane and its third along z; "
                "rotate the slab, for example with ase.build.surface, or drop the tilt of the vacuum"
            )
        if abs(float(np.linalg.det(cell[:2, :2]))) < _FLAT:
            raise ValueError(f"template.cell={cell.tolist()} spans no plane; give two vectors that are not parallel")
        thin, least = float(np.linalg.norm(self._reduced[0])), 2 * OVERLAP * float(covalent_radii[self.numbers].max())
        if thin < least:
            raise ValueError(
                f"template.cell repeats every {thin:.3g} A, less than the {least:.3g} A at which an atom overlaps with "
                "its own image; repeat the template"
            )

    def _require_room(self) -> None:
        radii = OVERLAP * covalent_radii[self.numbers]
        area = abs(float(np.linalg.det(np.asarray(self.template.cell)[:2, :2])))
        # Spheres may stick out of the confinement by their radius on either side.
        volume = area * (self.z[1] - self.z[0] + 2 * float(radii.max()))
        needed = float((4 / 3 * np.pi * radii**3).sum()) / _PACKING
        if needed > volume:
            raise ValueError(
                f"free={self.free!r} cannot fit: {self.n} atoms need {needed:.4g} A^3 even in closest packing, "
                f"z={self.z} has {volume:.4g}; raise its upper end, repeat the template or free fewer atoms"
            )

    @cached_property
    def numbers(self) -> npt.NDArray[np.int64]:
        """Atomic numbers of the free atoms, shape ``(n,)``."""
        try:
            atoms = Atoms(string2symbols(self.free))
        except (KeyError, ValueError, IndexError) as error:
            raise ValueError(
                f"free={self.free!r} is no formula ({error}); write one such as 'Pt7' or 'Pt3Cu4'"
            ) from error
        if not len(atoms):
            raise ValueError("free='' names no atoms; write a formula such as 'Pt7'")
        return np.asarray(atoms.numbers, dtype=np.int64)

    @property
    def n(self) -> int:
        """Number of free atoms."""
        return len(self.numbers)

    @property
    def dim(self) -> int:
        """Numbers of a point, three per free atom."""
        return 3 * self.n

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coordinates."""
        return tuple(f"{axis}{i}" for i in range(1, self.n + 1) for axis in "xyz")

    @property
    def labels(self) -> tuple[str, ...]:
        """Names with units."""
        return tuple(f"{name} (A)" for name in self.names)

    @cached_property
    def z_low(self) -> float:
        """Lower end of the confinement in the cell's frame, angstrom."""
        return float(self.template.positions[:, 2].max()) + self.z[0]

    @cached_property
    def z_high(self) -> float:
        """Upper end of the confinement in the cell's frame, angstrom."""
        return float(self.template.positions[:, 2].max()) + self.z[1]

    @cached_property
    def plane(self) -> FloatArray:
        """The two cell vectors in plane as rows, shape ``(2, 2)``, angstrom."""
        return np.array(self.template.cell, dtype=np.float64)[:2, :2]

    def as_points(self, points: npt.ArrayLike) -> FloatArray:
        """Points as a float64 array of shape ``(m, 3 n)``.

        Raises:
            ValueError: If the shape is another one.
        """
        array = np.atleast_2d(np.asarray(points, dtype=np.float64))
        if array.ndim != 2 or array.shape[1] != self.dim:
            raise ValueError(
                f"points have shape {np.shape(points)}, but {self.n} free atoms have {self.dim} coordinates; give "
                "rows of x1, y1, z1, x2, ..."
            )
        return array

    def atoms(self, point: npt.ArrayLike) -> Atoms:
        """The template with the free atoms after it; cell and periodicity are the template's.

        Args:
            point: Shape ``(3 n,)``.
        """
        free = Atoms(numbers=self.numbers, positions=self.as_points(point)[0].reshape(-1, 3))
        whole: Atoms = self.template + free
        whole.cell, whole.pbc = self.template.cell, self.template.pbc
        return whole

    def wrap(self, points: npt.ArrayLike) -> FloatArray:
        """Points with every atom moved into the cell, in plane, shape ``(m, 3 n)``."""
        positions = self.as_points(points).reshape(-1, self.n, 3).copy()
        fractional = positions[..., :2] @ np.linalg.inv(self.plane)
        positions[..., :2] = (fractional - np.floor(fractional)) @ self.plane
        return positions.reshape(-1, self.dim)

    def contains(self, points: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether each point is finite and in the confinement, shape ``(m,)``; every place in plane is."""
        z = self.as_points(points).reshape(-1, self.n, 3)
        inside = (z[..., 2] >= self.z_low - 1e-6) & (z[..., 2] <= self.z_high + 1e-6)
        return np.asarray(np.isfinite(z).all(axis=(1, 2)) & inside.all(axis=1), dtype=np.bool_)

    def refusals(self, points: npt.ArrayLike) -> list[str]:
        """Why each point may not be evaluated; empty where it may.

        Args:
            points: Shape ``(m, 3 n)``.

        Returns:
            ``not finite``, ``outside the confinement``, ``overlap`` or nothing, for each point.
        """
        rows = self.as_points(points)
        finite = np.asarray(np.isfinite(rows).all(axis=1), dtype=np.bool_)
        inside = self.contains(rows)
        overlapping = self._overlap(np.where(finite[:, None], rows, 0.0).reshape(-1, self.n, 3))
        return [
            "not finite" if not f else "outside the confinement" if not i else "overlap" if o else ""
            for f, i, o in zip(finite, inside, overlapping, strict=True)
        ]

    def _overlap(self, positions: FloatArray) -> npt.NDArray[np.bool_]:
        """Whether any free atom is too close to another atom or an image, shape ``(m,)``; positions ``(m, n, 3)``."""
        radii = covalent_radii[self.numbers]
        others = covalent_radii[self.template.numbers]
        close = self._close(positions, self.template.positions[None], radii, others).any(axis=(1, 2))
        among = self._close(positions, positions, radii, radii)
        among[:, np.arange(self.n), np.arange(self.n)] = False  # own images were ruled out with the cell
        return np.asarray(close | among.any(axis=(1, 2)))

    def _close(self, a: FloatArray, b: FloatArray, radii_a: FloatArray, radii_b: FloatArray) -> npt.NDArray[np.bool_]:
        """Whether atoms overlap, over all images in plane, shape ``(m, n_a, n_b)``."""
        reach = OVERLAP * (radii_a[:, None] + radii_b[None, :])
        apart = a[:, :, None] - b[:, None]
        fractional = apart[..., :2] @ np.linalg.inv(self._reduced)
        apart[..., :2] = (fractional - np.round(fractional)) @ self._reduced
        close = np.zeros(apart.shape[:-1], dtype=np.bool_)
        for shift in self._shifts:
            squared = np.square(apart[..., :2] + shift).sum(axis=-1) + np.square(apart[..., 2])
            close |= squared < np.square(reach)
        return close

    @cached_property
    def _reduced(self) -> FloatArray:
        """The shortest two vectors that span the same lattice, the shorter one first, shape ``(2, 2)``."""
        cell = np.eye(3)
        cell[:2, :2] = self.plane
        reduced = minkowski_reduce(cell, pbc=[True, True, False])[0][:2, :2]
        return np.asarray(reduced[np.argsort(np.linalg.norm(reduced, axis=1))])

    @cached_property
    def _shifts(self) -> FloatArray:
        """Lattice vectors that can bring two atoms within reach after rounding, shape ``(s, 2)``."""
        reach = (
            2 * OVERLAP * float(max(covalent_radii[self.numbers].max(), covalent_radii[self.template.numbers].max()))
        )
        heights = abs(np.linalg.det(self._reduced)) / np.linalg.norm(self._reduced[[1, 0]], axis=1)
        # Rounded fractions lie within half a cell, so that a shift of k cells leaves at least (k - 1/2) heights.
        shells = np.ceil(reach / heights + 0.5).astype(int)
        grid = np.stack(np.meshgrid(*(np.arange(-k, k + 1) for k in shells), indexing="ij"), axis=-1)
        return np.asarray(grid.reshape(-1, 2) @ self._reduced)

    def sample_uniform(self, m: int, rng: np.random.Generator) -> FloatArray:
        """Points with atoms uniform in cell and confinement, shape ``(m, 3 n)``; atoms may overlap."""
        fractional = rng.random((m, self.n, 2))
        z = self.z_low + (self.z_high - self.z_low) * rng.random((m, self.n, 1))
        return np.concatenate([fractional @ self.plane, z], axis=-1).reshape(m, self.dim)

    def sample_contiguous(self, m: int, rng: np.random.Generator) -> FloatArray:
        """Points whose atoms touch: each next one at a bond's distance of one that is placed, none overlapping.

        Returns:
            Shape ``(m, 3 n)``.

        Raises:
            ValueError: If the atoms find no room.
        """
        return self.wrap(np.stack([self._place(rng) for _ in range(m)]))

    def sample_apart(self, m: int, rng: np.random.Generator) -> FloatArray:
        """Points with atoms uniform in cell and confinement, none overlapping, shape ``(m, 3 n)``.

        Raises:
            ValueError: If the atoms find no room.
        """
        return np.stack([self._place(rng, contiguous=False) for _ in range(m)])

    def _place(self, rng: np.random.Generator, *, contiguous: bool = True) -> FloatArray:
        """One point, atom by atom in random order; begun anew where it has walled itself in."""
        radii = covalent_radii[self.numbers]
        for _ in range(_TRIES):
            order = rng.permutation(self.n)
            placed = np.full((self.n, 3), np.nan)
            for k, atom in enumerate(order):
                candidates = self.sample_uniform(64, rng).reshape(64, self.n, 3)[:, 0]
                if contiguous and k:
                    near = order[rng.integers(k, size=64)]
                    length = _BOND * (radii[near] + radii[atom]) * (1 + _JITTER * rng.standard_normal(64))
                    way = rng.standard_normal((64, 3))
                    candidates = placed[near] + length[:, None] * way / np.linalg.norm(way, axis=1, keepdims=True)
                free = (candidates[:, 2] >= self.z_low) & (candidates[:, 2] <= self.z_high)
                rows = candidates[:, None]
                mine, so_far = radii[[atom]], order[:k]
                template = covalent_radii[self.template.numbers]
                free &= ~self._close(rows, self.template.positions[None], mine, template).any(axis=(1, 2))
                if k:
                    free &= ~self._close(rows, placed[so_far][None], mine, radii[so_far]).any(axis=(1, 2))
                if not free.any():
                    break
                placed[atom] = candidates[int(free.argmax())]
            else:
                return placed.reshape(-1)
        raise ValueError(
            f"free={self.free!r} found no place without overlaps in {_TRIES} tries; raise the upper end of z={self.z}, "
            "repeat the template or free fewer atoms"
        )

    def to_frame(self, points: npt.ArrayLike) -> pd.DataFrame:
        """Points as a table whose columns are named with units."""
        return pd.DataFrame(self.as_points(points), columns=list(self.labels))

    def describe(self) -> dict[str, Any]:
        """The space as plain data, positions to 1e-6 A."""
        return {
            "template": {
                "numbers": self.template.numbers.tolist(),
                "positions": np.round(self.template.positions, 6).tolist(),
                "cell": np.round(np.asarray(self.template.cell), 6).tolist(),
                "pbc": self.template.pbc.tolist(),
            },
            "free": self.numbers.tolist(),
            "z": list(self.z),
        }
