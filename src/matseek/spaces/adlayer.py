"""Atoms on a surface: the space of structures, a fixed template and free atoms confined above it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.constraints import FixAtoms
from ase.data import chemical_symbols, covalent_radii

from matseek.checks import of, real, several
from matseek.core.space import BoxView, StructureSpace
from matseek.errors import InfeasibleSpaceError
from matseek.geometry.cells import shortest_basis
from matseek.spaces.chart import AtomChart
from matseek.spaces.free_atoms import (
    CLOSE,
    OVERLAP,
    RESTARTS,
    TRIES,
    Propose,
    beside,
    checked_distance,
    free_numbers,
    one_by_one,
)
from matseek.spaces.regions import TOLERANCE, Layer, Periodic, Region
from matseek.spaces.species import is_molecule

logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float64]

_ASTRAY = 1.5
"""How far an atom of the template may move from its place where nothing else is said, in angstrom."""

_SEAM = 4.0
"""Parts of a template that are farther apart than this along z, in angstrom, are not bonded."""
_FARTHEST = 1e4
"""Most that the confinement may reach above the template, in angstrom."""

_CHUNK = 64
"""Structures whose distances are held in memory at once."""


@dataclass(frozen=True, eq=False)
class Adlayer(StructureSpace):
    """Free atoms on a template that is periodic in plane, and that may move in part.

    A point is the flat float64 array ``(3n,)`` of Cartesian positions in angstrom, ``x1, y1, z1, x2, ...``: first those
    of the template's atoms that move, if there are any, then the free atoms'. In plane positions may lie in any image
    of the cell. Free atoms are confined to a range of heights or a region; atoms of the template stay near
    their places.

    Args:
        template: The surface; periodic along its first two cell vectors, which lie in the xy plane, while the third is
            along z. A copy is kept: elements, positions, cell, periodicity, masses, tags and ``info``; no calculator
            or other arrays. Its ``FixAtoms`` constraints are honoured: the atoms that they do not hold move. Without a
            constraint none moves. If it is periodic along z too and its slab is cut by the cell's face, the upper part
            is moved below the lower one, which is the same crystal.
        free: Formula of the free atoms, for example ``Pt7`` or ``Pt3Cu4``. They may part: molecules that keep their
            shape are :class:`matseek.spaces.MolecularAdlayer`'s.
        z: Lower and upper end of the confinement, in angstrom above the highest template atom; negative below it, as
            for steps, pits and places under the surface.
        least_distance: Below this fraction of the sum of their covalent radii (ASE's, from Cordero et al., 2008) two
            atoms overlap, and the structure is not evaluated; above 0 and at most 1. None for 0.6.
        region: Where free atoms may be, in the place of z, see :mod:`matseek.spaces.regions`; one with an end in plane
            is repeated with the cell.
        moving: Atoms of the template that are less deep than this below its highest one move, in angstrom; in the
            place of a constraint.
        astray: How far they may move from their places, in angstrom: beyond, a structure is refused.

    Raises:
        ValueError: If the template, the formula, the confinement or the least distance is not as described, the cell
            is so thin that a free atom would overlap with its own image, or no atom of the template would be at rest.
        InfeasibleSpaceError: If the free atoms do not fit: either their hard cores (spheres of ``least_distance`` times
            their covalent radii) fill more than the room there is, or they cannot be placed at random without overlap.
    """

    template: Atoms
    free: str
    z: tuple[float, float]
    least_distance: float
    region: Region
    astray_beyond: float
    _whole: Atoms = field(repr=False)
    _moves: npt.NDArray[np.bool_] = field(repr=False)
    _free_numbers: npt.NDArray[np.int64] = field(repr=False)
    _numbers: npt.NDArray[np.int64] = field(repr=False)

    def __init__(
        self,
        template: Atoms,
        free: str,
        z: tuple[float, float] | None = None,
        least_distance: float | None = None,
        *,
        region: Region | None = None,
        moving: float | None = None,
        astray: float = _ASTRAY,
    ) -> None:
        def keep(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        keep("least_distance", checked_distance(least_distance))
        whole_template = _checked_template(template)
        keep("_moves", _moving_atoms(template, whole_template, moving))
        keep("_whole", whole_template)
        keep("template", _part(whole_template, ~self._moves))
        keep("free", free)
        keep("astray_beyond", real(above=0, high=100, unit="angstrom")("astray", astray))
        top = float(whole_template.positions[:, 2].max())
        keep("region", _checked_confinement(z, region, whole_template))
        low, high = self.region.bounds[:, 2].tolist()
        keep("z", (low - top, high - top) if z is None else tuple(float(end) for end in z))
        keep("_free_numbers", free_numbers(free))
        keep("_numbers", np.concatenate([whole_template.numbers[self._moves], self._free_numbers]))
        self._numbers.setflags(write=False)
        self._require_wide_cell()
        self._require_open_above()
        self._require_room()
        if not self.bodies.molecules and is_molecule(free):
            logger.warning(
                "free=%r are free atoms, which may part and react; for a molecule that keeps its shape take "
                "MolecularAdlayer(template, %r, z)",
                free,
                free,
            )

    def _require_wide_cell(self) -> None:
        shortest = float(np.linalg.norm(self._reduced[0]))
        largest = int(self.numbers[np.argmax(self._radii)])
        needed = 2 * self.least_distance * float(self._radii.max())
        if shortest < needed:
            raise ValueError(
                f"the template's cell repeats after {shortest:.3g} angstrom in plane, so a {chemical_symbols[largest]} "
                f"atom would overlap with its own image (closer than {needed:.3g}); repeat the template, "
                "for example template.repeat((2, 2, 1))"
            )

    def _require_open_above(self) -> None:
        """Where the template repeats along z too, its next image must not reach into the confinement."""
        if not self.template.pbc[2]:
            return
        next_image = float(self._whole.positions[:, 2].min() + self.template.cell[2, 2])
        reach = self.least_distance * float(self._radii.max() + covalent_radii[self._whole.numbers].max())
        if self.z_high + reach > next_image:
            raise ValueError(
                f"z={self.z} reaches to {self.z_high:.4g} angstrom, but the template is periodic along z and its next "
                f"image begins at {next_image:.4g}; give it more vacuum, or set template.pbc = (True, True, False)"
            )

    def _require_room(self) -> None:
        cores = self.least_distance * self._radii[self.moving :]
        # Cores may stick out of the confinement by their radius; no packing fills more than all of it.
        room = self.region.volume(float(cores.max()))
        needed = float((4 / 3 * np.pi * cores**3).sum())
        if needed > room:
            raise InfeasibleSpaceError(
                f"free={self.free!r}: the atoms' hard cores take {needed:.4g} cubic angstrom, but the confinement "
                f"{self._confinement} has {room:.4g}; take fewer atoms, a larger cell, a wider confinement or a "
                "shorter least_distance"
            )
        self.sample_uniform(1, np.random.default_rng(0))

    @property
    def numbers(self) -> npt.NDArray[np.int64]:
        """Atomic numbers, shape ``(n,)``: the template's moving atoms in its order, the free ones in the formula's."""
        return self._numbers

    @property
    def moving(self) -> int:
        """How many atoms of the template move."""
        return int(self._moves.sum())

    @cached_property
    def homes(self) -> FloatArray:
        """Places of the template's moving atoms in the template, shape ``(k, 3)``."""
        return np.asarray(self._whole.positions[self._moves], dtype=np.float64)

    @cached_property
    def placements(self) -> Adlayer:
        """The same without moving atoms: the whole template at rest."""
        if not self.moving:
            return self
        region = self.region.region if isinstance(self.region, Periodic) else self.region
        return Adlayer(self._whole, self.free, least_distance=self.least_distance, region=region)

    @cached_property
    def _confinement(self) -> str:
        return f"region={self.region.describe()}" if self._has_region else f"z={self.z}"

    @property
    def _has_region(self) -> bool:
        return not isinstance(self.region, Layer)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the coordinates: ``x1, y1, z1, x2, ...``; before them ``x_m1, ...`` of atoms of the template."""
        atoms = [f"_m{k}" for k in range(1, self.moving + 1)]
        atoms += [f"{k}" for k in range(1, self.size - self.moving + 1)]
        return tuple(f"{axis}{atom}" for atom in atoms for axis in "xyz")

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Names with the unit: the columns of frames."""
        return tuple(f"{name} (A)" for name in self.names)

    @cached_property
    def z_low(self) -> float:
        """Lower end of the confinement, absolute, in angstrom."""
        return float(self.region.bounds[0, 2])

    @cached_property
    def z_high(self) -> float:
        """Upper end of the confinement, absolute, in angstrom."""
        return float(self.region.bounds[1, 2])

    @cached_property
    def heights(self) -> tuple[float, float]:
        """Of free atoms and of moving ones."""
        ends = [self.z_low, self.z_high]
        if self.moving:
            ends += [self.homes[:, 2].min() - self.astray_beyond, self.homes[:, 2].max() + self.astray_beyond]
        return float(min(ends)), float(max(ends))

    @cached_property
    def _radii(self) -> FloatArray:
        return np.asarray(covalent_radii[self.numbers], dtype=np.float64)

    @cached_property
    def plane(self) -> FloatArray:
        """In-plane cell vectors as rows, shape ``(2, 2)``."""
        return np.array(self.template.cell)[:2, :2]

    @cached_property
    def _reduced(self) -> FloatArray:
        """The shortest pair of in-plane vectors that spans the same lattice, shape ``(2, 2)``."""
        return shortest_basis(self.plane)

    @cached_property
    def _near_template(self) -> tuple[FloatArray, FloatArray]:
        """Positions ``(t, 3)`` and radii ``(t,)`` of the atoms at rest that an atom of a point could come close to."""
        return self._near(self.template, self.heights[0])

    @cached_property
    def _obstacles(self) -> tuple[FloatArray, FloatArray]:
        """The same of what a free atom could come close to where it is placed: the whole template."""
        return self._near(self._whole, self.z_low)

    def _near(self, template: Atoms, low: float) -> tuple[FloatArray, FloatArray]:
        radii = np.asarray(covalent_radii[template.numbers], dtype=np.float64)
        reach = CLOSE * self.least_distance * (radii + self._radii.max())
        near = template.positions[:, 2] > low - reach - 0.1
        return np.asarray(template.positions[near]), radii[near]

    @cached_property
    def _images(self) -> FloatArray:
        """In-plane shifts that can bring a wrapped displacement to where atoms are close, shape ``(k, 2)``."""
        radii = np.concatenate([self._obstacles[1], self._near_template[1], self._radii])
        cutoff = CLOSE * self.least_distance * float(radii.max() + self._radii.max())
        heights = abs(np.linalg.det(self._reduced)) / np.linalg.norm(self._reduced[::-1], axis=1)
        # A wrapped displacement is at most half a height away, its n-th image hence at least n - 1/2 heights.
        most = np.ceil(cutoff / heights + 0.5).astype(int) - 1
        steps = np.stack(np.meshgrid(*(np.arange(-k, k + 1) for k in most), indexing="ij"), axis=-1)
        return np.asarray(steps.reshape(-1, 2) @ self._reduced)

    @cached_property
    def _joined(self) -> Atoms:
        free = Atoms(self._free_numbers, positions=np.zeros((len(self._free_numbers), 3)))
        joined: Atoms = self.template + _part(self._whole, self._moves) + free
        joined.set_constraint(FixAtoms(range(len(self.template))))
        if self.moving:
            # Without it nobody could tell a free atom from one of the template that moves.
            joined.set_array("free", np.arange(len(joined)) >= len(self._whole))
        return joined

    def describe(self) -> dict[str, Any]:
        """The space as plain data, for records and for telling one space from another.

        Lengths are rounded to a millionth of an angstrom: builders on another machine differ in the last digits.
        """
        # Ledgers that are older than the setting have the default, and say nothing of it.
        usual = abs(self.least_distance - OVERLAP) < TOLERANCE
        told: dict[str, Any] = {
            "template": {
                "numbers": self._whole.numbers.tolist(),
                "positions": np.round(self._whole.positions, 6).tolist(),
                "cell": np.round(np.array(self._whole.cell), 6).tolist(),
                "pbc": self._whole.pbc.tolist(),
            },
            "free": self._free_numbers.tolist(),
            "z": list(self.z),
        }
        if not usual:
            told["least_distance"] = self.least_distance
        if self._has_region:
            told |= {"z": np.round(self.z, 6).tolist(), "region": self.region.describe()}
        if self.moving:
            told |= {"moving": np.flatnonzero(self._moves).tolist(), "astray": self.astray_beyond}
        return told

    def columns_of(self, other: Mapping[str, Any]) -> tuple[int, ...]:
        """The same columns where template, its moving atoms and free atoms are the same; what confines may differ.

        Raises:
            ValueError: If they are not.
        """
        here = self.describe()
        for key, told in (
            ("template", "its template is another one"),
            ("moving", "other atoms of its template move"),
            ("free", "its free atoms are others"),
        ):
            if other.get(key) != here.get(key):
                raise ValueError(told)
        return tuple(range(self.dim))

    def _shape_wanted(self) -> str:
        moving = f"{self.moving} moving atoms of the template and the " if self.moving else ""
        return (
            f"{moving}{self.size - self.moving} free atoms {self.free!r} have {self.dim} coordinates; "
            "give one row x1, y1, z1, x2, ... per structure"
        )

    def _positions(self, points: npt.ArrayLike) -> FloatArray:
        """Positions of the points' atoms, shape ``(m, n, 3)``."""
        array = self.as_points(points)
        return array.reshape(len(array), self.size, 3)

    def contains(self, points: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether each structure is finite and within the confinement, shape ``(m,)``; overlaps are not looked at.

        Moving atoms of the template must be near their places.

        Args:
            points: Structures, shape ``(m, 3n)``, in angstrom.
        """
        positions = self._positions(points)
        finite = np.asarray(np.isfinite(positions).all(axis=(1, 2)))
        positions = np.where(finite[:, None, None], positions, 0.0)
        near = (self._displacements(positions) <= self.astray_beyond + TOLERANCE).all(axis=1)
        return np.asarray(finite & near & self.region.contains(positions[:, self.moving :]).all(axis=1))

    def _displacements(self, positions: FloatArray) -> FloatArray:
        """How far the moving atoms of structures ``(m, n, 3)`` are from their places, shape ``(m, k)``."""
        return np.asarray(np.linalg.norm(self._from_home(positions), axis=-1))

    def _from_home(self, positions: FloatArray) -> FloatArray:
        """From the places of the moving atoms to the nearest images of where they are, shape ``(m, k, 3)``."""
        offset = positions[:, : self.moving] - self.homes
        offset[..., :2] -= np.round(offset[..., :2] @ np.linalg.inv(self._reduced)) @ self._reduced
        return offset

    def astray(self, points: npt.ArrayLike) -> list[str]:
        """Which atom of the template has left its place farthest, in words; empty where none is too far."""
        positions = self._positions(points)
        if not self.moving:
            return [""] * len(positions)
        moved = self._displacements(np.nan_to_num(positions))
        worst = moved.argmax(axis=1)
        limit = f"at most {self.astray_beyond:.3g} A allowed"
        return [
            f"atom {atom + 1} of the template's moving ones has left its place by {row[atom]:.3g} A, {limit}"
            if row[atom] > self.astray_beyond + TOLERANCE
            else ""
            for row, atom in zip(moved, worst.tolist(), strict=True)
        ]

    def confine(self, points: npt.ArrayLike) -> FloatArray:
        """Free atoms outside the confinement put onto its wall, moving ones brought back towards their places."""
        positions = self._positions(points).copy()
        positions[:, self.moving :] = self.region.clip(positions[:, self.moving :])
        if self.moving:
            away = self._from_home(positions)
            length = np.linalg.norm(away, axis=-1, keepdims=True)
            back = np.minimum(self.astray_beyond / np.maximum(length, 1e-12), 1.0) - 1.0
            positions[:, : self.moving] += away * back
        return positions.reshape(-1, self.dim)

    def slide(self, points: npt.ArrayLike, push: npt.ArrayLike, reach: float = TOLERANCE) -> FloatArray:
        """What is left of pushes, shape ``(m, 3n)``, when no wall yields to free atoms."""
        positions, left = self._positions(points), self._positions(push).copy()
        free = slice(self.moving, None)
        left[:, free] = self.region.slide(positions[:, free], left[:, free], reach)
        return left.reshape(-1, self.dim)

    def refusals(self, points: npt.ArrayLike) -> list[str]:
        """Why each structure should not be evaluated; an empty text where it may be.

        Two atoms overlap if they, or any of their images in plane, are closer than ``least_distance`` times the sum of
        their covalent radii; pairs of free atoms, and of a free and a template atom, are looked at.

        Args:
            points: Structures, shape ``(m, 3n)``, in angstrom.

        Returns:
            One text per structure: ``not finite``, ``outside the confinement``, that an atom of the template has left
            its place, ``overlap ...`` or nothing.
        """
        array = self.as_points(points)
        finite = np.isfinite(array).all(axis=1)
        inside = self.contains(array)
        result = np.where(finite, np.where(inside, "", "outside the confinement"), "not finite").astype(object)
        for row in np.flatnonzero(finite & ~inside):
            result[row] = self.astray(array[row])[0] or result[row]
        rows = np.flatnonzero(finite & inside)
        for start in range(0, len(rows), _CHUNK):
            part = rows[start : start + _CHUNK]
            result[part] = self._overlaps(self._positions(array[part]))
        return [str(text) for text in result]

    def _overlaps(self, positions: FloatArray) -> list[str]:
        """The worst overlap of each structure ``(m, n, 3)`` in words, or an empty text."""
        distance, least = self._pairs(positions)
        ratio = (distance / least).reshape(len(positions), -1)
        worst = ratio.argmin(axis=1)
        texts = []
        for row, pair in enumerate(worst):
            i, j = divmod(int(pair), least.shape[1])
            one, other = self._called(i), self._called(j) if j < self.size else "the template"
            apart = distance[row, i, j]
            texts.append(
                f"overlap of {one} with {other}: {apart:.3g} A, at least {least[i, j]:.3g} A needed"
                if ratio[row, pair] < 1
                else ""
            )
        return texts

    def _called(self, atom: int) -> str:
        """An atom of a point in words."""
        if atom >= self.moving:
            return f"free atom {atom - self.moving + 1}"
        return f"atom {atom + 1} of the template's moving ones"

    def closeness(self, points: npt.ArrayLike) -> FloatArray:
        """The shortest distance of each structure as a multiple of the least one, shape ``(m,)``; exact up to 1.15.

        Args:
            points: Structures, shape ``(m, 3n)``, in angstrom.
        """
        positions = self._positions(points)
        result = np.empty(len(positions))
        for start in range(0, len(positions), _CHUNK):
            distance, least = self._pairs(positions[start : start + _CHUNK])
            result[start : start + _CHUNK] = (distance / least).min(axis=(1, 2))
        return result

    def _pairs(self, positions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Distances ``(m, n, n + t)`` of free atoms ``(m, n, 3)`` to free and template atoms, and the least ones.

        An atom is infinitely far from itself: if it could overlap with its images, the cell would have been refused.
        """
        below, below_radii = self._near_template
        n = self.size
        everything = np.concatenate([positions, np.broadcast_to(below, (len(positions), *below.shape))], axis=1)
        least = self.least_distance * (self._radii[:, None] + np.concatenate([self._radii, below_radii]))
        distance = self._distances(positions[:, :, None] - everything[:, None])
        distance[:, np.arange(n), np.arange(n)] = np.inf
        return distance, least

    def walls(self, points: npt.ArrayLike, reach: float = 0.01) -> npt.NDArray[np.int64]:
        """On which wall of the confinement each free atom lies: -1 the lower, 1 the upper, 0 neither, shape ``(m, n)``.

        Of a region's wall the lower half counts as the lower, the upper half as the upper one.

        Args:
            points: Structures, shape ``(m, 3n)``, in angstrom.
            reach: What counts as on a wall, in angstrom.
        """
        positions = self._positions(points)
        on_wall = self.region.depth(positions) <= reach
        on_wall[:, : self.moving] = False
        # Where a wall is: a step down leads out of the lower one, or nearer to it.
        down = np.array([0.0, 0.0, min(reach, (self.z_high - self.z_low) / 2)])
        lower = self.region.depth(positions - down) < self.region.depth(positions + down)
        return np.where(on_wall, np.where(lower, -1, 1), 0)

    def _distances(self, displacement: FloatArray) -> FloatArray:
        """Distances ``(...)`` of displacements ``(..., 3)`` to the nearest image; exact wherever atoms are close."""
        plane = displacement[..., :2]
        fractions = plane @ np.linalg.inv(self._reduced)
        wrapped = plane - np.round(fractions) @ self._reduced
        squared = np.full(displacement.shape[:-1], np.inf)
        for shift in self._images:
            np.minimum(squared, ((wrapped + shift) ** 2).sum(axis=-1), out=squared)
        return np.asarray(np.sqrt(squared + displacement[..., 2] ** 2))

    def floor(self, plane: npt.ArrayLike) -> FloatArray:
        """The height from which upwards a free atom neither overlaps with the template nor lies below the confinement.

        Args:
            plane: Where above the template, Cartesian, in angstrom, shape ``(m, 2)``.

        Returns:
            Absolute, in angstrom, shape ``(m,)``; of the largest free atom where they differ.
        """
        places = np.asarray(plane, dtype=np.float64).reshape(-1, 2)
        below, radii = self._obstacles
        least = self.least_distance * (radii + self._radii.max()) * (1 + TOLERANCE)
        beside = np.zeros((len(places), len(below), 3))
        beside[..., :2] = places[:, None] - below[:, :2]
        room = least**2 - self._distances(beside) ** 2
        # Room that a template atom leaves below itself does not count: atoms come from above.
        tops = np.where(room > 0, below[:, 2] + np.sqrt(room.clip(0.0)), -np.inf)
        return np.asarray(np.maximum(tops.max(axis=1, initial=-np.inf), self.z_low))

    def as_box(self) -> BoxView | None:
        """One free atom's places as a box; None for several atoms, a region, or no room above the template."""
        if self.size != 1 or self._has_region:
            return None
        # Above an atom of the template there is the least room; in a thin confinement there may be none.
        highest = self.floor(self.template.positions[:, :2]).max()
        return AtomChart(self) if highest < self.z_high else None

    def wrap(self, points: npt.ArrayLike) -> FloatArray:
        """The same structures with every free atom inside the cell in plane, shape ``(m, 3n)``."""
        positions = self._positions(points).copy()
        fractions = positions[..., :2] @ np.linalg.inv(self.plane) % 1.0
        positions[..., :2] = np.where(fractions < 1.0, fractions, 0.0) @ self.plane
        return positions.reshape(-1, self.dim)

    def atoms(self, point: npt.ArrayLike) -> Atoms:
        """The structure of one point: the template, held by ``FixAtoms``, then the free atoms.

        Where atoms of the template move, they stand between those at rest and the free ones, and the boolean array
        ``free`` says which atoms are free.

        Args:
            point: Shape ``(3n,)`` or ``(1, 3n)``, in angstrom.

        Raises:
            ValueError: If there are several points.
        """
        (positions,) = self._one(point)
        structure: Atoms = self._joined.copy()
        structure.positions[-self.size :] = positions
        return structure

    def _one(self, point: npt.ArrayLike) -> FloatArray:
        positions = self._positions(point)
        if len(positions) != 1:
            raise ValueError(f"{len(positions)} points were given, but atoms() makes one structure; loop over them")
        return positions

    def point(self, atoms: Atoms) -> FloatArray:
        """The point of a structure whose last atoms are the free ones, shape ``(3n,)``; undoes :meth:`atoms`.

        Raises:
            ValueError: If the structure does not end with the free atoms.
        """
        if len(atoms) != len(self._joined) or not np.array_equal(atoms.numbers, self._joined.numbers):
            raise ValueError(
                f"the structure {atoms.get_chemical_formula()!r} is not the template followed by {self.free!r}; "
                "give one that atoms() made"
            )
        return np.array(atoms.positions[-self.size :], dtype=np.float64).ravel()

    def sample_uniform(self, m: int, rng: np.random.Generator) -> FloatArray:
        """Structures whose atoms are placed one by one, each uniformly where it overlaps with nothing.

        Moving atoms of the template are at their places.

        Args:
            m: Number of structures.
            rng: Source of randomness.

        Returns:
            Points, shape ``(m, 3n)``, in angstrom; none of them is refused.

        Raises:
            InfeasibleSpaceError: If the atoms cannot be placed.
        """
        return self._placed(m, rng, lambda _, placed, __: self._anywhere(len(placed), rng))

    def sample_contiguous(self, m: int, rng: np.random.Generator) -> FloatArray:
        """Structures that hang together: the first atom lies anywhere, each next one at a bonding distance of another.

        The elements come in random order. The distance is the sum of the two covalent radii within a tenth, the
        direction uniform; places outside the confinement or overlapping with anything are drawn again. Arguments and
        result are those of :meth:`sample_uniform`.

        Raises:
            InfeasibleSpaceError: If the atoms cannot be placed.
        """

        def next_to(step: int, placed: FloatArray, radii: FloatArray) -> FloatArray:
            return beside(step, placed, radii, rng) if step else self._anywhere(len(placed), rng)

        return self.wrap(self._placed(m, rng, next_to))

    def _anywhere(self, m: int, rng: np.random.Generator) -> FloatArray:
        """Places anywhere in the cell and the confinement, shape ``(m, 3)``."""
        return self.region.sample(m, rng)

    def _placed(self, m: int, rng: np.random.Generator, propose: Propose) -> FloatArray:
        """Structures whose free atoms are placed one by one, see :func:`matseek.spaces.free_atoms.one_by_one`."""
        free = one_by_one(m, self._radii[self.moving :], rng, propose, self._is_free)
        if free is None:
            raise InfeasibleSpaceError(
                f"free={self.free!r}: the atoms could not be placed without overlap in {self._confinement} after "
                f"{RESTARTS} attempts of {TRIES} tries per atom; take fewer atoms, a larger cell, a wider confinement "
                "or a shorter least_distance"
            )
        homes = np.broadcast_to(self.homes, (len(free), *self.homes.shape))
        return np.concatenate([homes, free], axis=1).reshape(-1, self.dim)

    def _is_free(
        self, place: FloatArray, radius: FloatArray, placed: FloatArray, radii: FloatArray
    ) -> npt.NDArray[np.bool_]:
        """Whether places ``(k, 3)`` are confined and overlap with neither template nor placed atoms ``(k, s, 3)``."""
        below, below_radii = self._obstacles
        others = np.concatenate([placed, np.broadcast_to(below, (len(place), *below.shape))], axis=1)
        other_radii = np.concatenate([radii, np.broadcast_to(below_radii, (len(place), len(below)))], axis=1)
        distance = self._distances(place[:, None] - others)
        apart = (distance >= self.least_distance * (radius[:, None] + other_radii) * (1 + TOLERANCE)).all(axis=1)
        return np.asarray(apart & (self.region.depth(place) >= 0))


def _checked_template(template: object) -> Atoms:
    """A copy of a template that can carry a layer."""
    if not isinstance(template, Atoms):
        raise ValueError(f"template must be an ase.Atoms, got {type(template).__name__}")
    if not len(template):
        raise ValueError("template has no atoms; build a surface, for example ase.build.fcc111('Pt', (6, 6, 2), 8)")
    cell = np.array(template.cell, dtype=np.float64)
    if not (np.isfinite(template.positions).all() and np.isfinite(cell).all()):
        raise ValueError("template: positions and cell must be finite; correct those that are not")
    if not template.pbc[:2].all():
        raise ValueError(
            f"template: pbc={template.pbc.tolist()}, but it must be periodic in plane; set template.pbc = (True, True, "
            "False)"
        )
    if np.abs(cell[:2, 2]).max() > 1e-6 or abs(np.linalg.det(cell[:2, :2])) < 1e-6:
        raise ValueError(
            f"template: the first two cell vectors {cell[:2].tolist()} must span the xy plane, without z components; "
            "rotate the template, for example with ase.build.surface or template.rotate(..., rotate_cell=True)"
        )
    if np.abs(cell[2, :2]).max() > 1e-6 or cell[2, 2] <= 0:
        raise ValueError(
            f"template: the third cell vector {cell[2].tolist()} must point along z; set it with "
            "template.cell[2] = (0, 0, height), or template.center(vacuum=8, axis=2)"
        )
    moved = {"initial_magmoms": "initial magnetic moments", "initial_charges": "initial charges"}
    for name, words in moved.items():
        if template.has(name) and np.any(template.arrays[name]):
            raise ValueError(
                f"template has {words}, of which the free atoms would have none; remove them, del "
                f"template.arrays[{name!r}], and set them in a calculator factory where a calculator needs them"
            )
    # Other arrays, such as move_mask or momenta, say nothing of free atoms, or would hold them.
    kept = {name: template.arrays[name] for name in ("tags", "masses") if template.has(name)}
    copy = Atoms(
        template.numbers, _whole_slab(template), cell=cell, pbc=template.pbc, info=deepcopy(template.info), **kept
    )
    for array in copy.arrays.values():
        array.setflags(write=False)
    return copy


def _whole_slab(template: Atoms) -> FloatArray:
    """Positions of a template whose slab is in one piece along z.

    A slab that was wrapped into its cell may lie with its lower part at the cell's upper face: parts that are not
    bonded within the cell are bonded across the face.
    """
    positions: FloatArray = template.positions.copy()
    height = np.sort(positions[:, 2])
    gaps = np.diff(height)
    across = float(height[0] + template.cell[2, 2] - height[-1])
    if not len(gaps) or gaps.max() <= _SEAM or across >= _SEAM:
        return positions
    cut = int(gaps.argmax())
    upper = positions[:, 2] > (height[cut] + height[cut + 1]) / 2
    if not template.pbc[2]:
        raise ValueError(
            f"template: its slab is cut by the cell's face: {upper.sum()} atoms lie {gaps[cut]:.3g} angstrom above the "
            f"others, and {across:.3g} below these across the face. Move them there: template.positions[template."
            f"positions[:, 2] > {(height[cut] + height[cut + 1]) / 2:.3f}, 2] -= {template.cell[2, 2]:.6g}; if both "
            "parts are meant, give the cell more height"
        )
    positions[upper, 2] -= template.cell[2, 2]
    return positions


def _checked_confinement(z: object, region: Region | None, template: Atoms) -> Region:
    """Where free atoms may be: a layer of heights, or a region that repeats with the cell."""
    plane = np.array(template.cell, dtype=np.float64)[:2, :2]
    if (z is None) == (region is None):
        raise ValueError(f"z={z}, region={region}: give one of them, the heights of the free atoms or their region")
    if region is not None:
        given: Region = of(Region, "a region, such as matseek.spaces.Sphere")("region", region)
        return Periodic(given, plane) if np.isfinite(given.bounds).all() else given
    low, high = several(real(-_FARTHEST, _FARTHEST, unit="angstrom above the template"), 2, 2)("z", z)
    if high <= low:
        raise ValueError(f"z=({low:g}, {high:g}): the upper end must be above the lower one; swap or widen them")
    bottom, top = template.positions[:, 2].min(), template.positions[:, 2].max()
    if top + low < bottom - TOLERANCE:
        raise ValueError(
            f"z=({low:g}, {high:g}) begins below the lowest template atom; z is counted in angstrom above the highest "
            f"one: give low >= {bottom - top:.4g}"
        )
    return Layer(top + low, top + high, ((plane[0, 0], plane[0, 1]), (plane[1, 0], plane[1, 1])))


def _moving_atoms(given: Atoms, template: Atoms, depth: object) -> npt.NDArray[np.bool_]:
    """Which atoms of a template move, shape ``(t,)``.

    Args:
        given: The template with its constraints.
        template: The same as it is kept.
        depth: Atoms less deep than this move; None leaves it to the constraints.

    Raises:
        ValueError: If there are other constraints than ``FixAtoms``, constraints and a depth, or nothing is at rest.
    """
    other = [type(c).__name__ for c in given.constraints if not isinstance(c, FixAtoms)]
    if other:
        raise ValueError(
            f"template has the constraint {other[0]}, and only FixAtoms is understood; remove it, or hold these atoms "
            "by ase.constraints.FixAtoms"
        )
    moves = np.zeros(len(template), dtype=np.bool_)
    if depth is not None:
        limit = real(0, _FARTHEST, unit="angstrom below the highest template atom")("moving", depth)
        if given.constraints:
            raise ValueError(
                f"moving={limit:g}, but the template has constraints as well; leave one of them out, for example by "
                "template.set_constraint()"
            )
        z = template.positions[:, 2]
        moves = z > z.max() - limit
    elif given.constraints:
        moves[:] = True
        for constraint in given.constraints:
            moves[constraint.index] = False
    if moves.all():
        raise ValueError(
            "template: all of its atoms would move, so that nothing holds the surface; hold the lower layers by "
            "FixAtoms, or give a smaller moving"
        )
    return moves


def _part(atoms: Atoms, which: npt.NDArray[np.bool_]) -> Atoms:
    """Some atoms of a template, read-only."""
    part = atoms[np.flatnonzero(which)]
    part.info = deepcopy(atoms.info)
    for array in part.arrays.values():
        array.setflags(write=False)
    return part
