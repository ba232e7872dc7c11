"""Regions that confine free atoms: layers, cuboids, spheres, and layers that follow a surface.

Positions are Cartesian, in angstrom, in the frame of the template or of the cluster's cell, of shape ``(..., 3)``.
A region knows nothing of periodicity; :class:`Periodic` repeats one along the surface.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms

from matseek.checks import check, numbers, of, real, refused, several
from matseek.geometry.cells import shortest_basis

FloatArray = npt.NDArray[np.float64]

TOLERANCE = 1e-9
"""What lies outside of a region by less than this, in angstrom, lies inside."""

_FARTHEST = 1e6
"""Largest coordinate, in angstrom."""

_LARGEST_GRID = 1000
"""Heights along each side of a height field, at most."""

_ROUNDS = 1000
"""Draws of samples of overlapping images: of each, as many are kept as a place has images."""

_length = real(-_FARTHEST, _FARTHEST, unit="angstrom")


class Region(ABC):
    """Where free atoms may be.

    A region of one's own gives the six abstract members, in the units and shapes that they name.
    """

    @property
    @abstractmethod
    def bounds(self) -> FloatArray:
        """Lowest and highest coordinates, shape ``(2, 3)``, in angstrom; infinite where there is no end."""

    @abstractmethod
    def depth(self, x: npt.ArrayLike) -> FloatArray:
        """How far inside each position lies, in angstrom, shape ``(...)``; negative outside, 0 on a wall."""

    @abstractmethod
    def clip(self, x: npt.ArrayLike) -> FloatArray:
        """Positions inside as they are, those outside put onto the wall, shape ``(..., 3)``."""

    @abstractmethod
    def slide(self, x: npt.ArrayLike, push: npt.ArrayLike, reach: float = TOLERANCE) -> FloatArray:
        """What is left of forces or steps ``push`` when no wall yields, shape ``(..., 3)``.

        Args:
            x: Positions, shape ``(..., 3)``.
            push: A vector for each; the part that points out of a wall on which its position lies is taken away.
            reach: What counts as on a wall, in angstrom.
        """

    @abstractmethod
    def sample(self, m: int, rng: np.random.Generator) -> FloatArray:
        """Positions that are uniform in the region, shape ``(m, 3)``."""

    @abstractmethod
    def volume(self, margin: float = 0.0) -> float:
        """Volume in cubic angstrom; with a margin, that of the region grown by so many angstrom on all sides."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """The region as plain data that differ where two regions do."""

    def contains(self, x: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether each position lies inside or on a wall, shape ``(...)``; no position that is not finite does."""
        positions = np.asarray(x, dtype=np.float64)
        finite = np.asarray(np.isfinite(positions).all(axis=-1))
        return np.asarray(finite & (self.depth(np.where(finite[..., None], positions, 0.0)) >= -TOLERANCE))

    def reflect(self, x: npt.ArrayLike) -> FloatArray:
        """Positions outside mirrored at the wall that is next to them, once; what is still outside, put onto it."""
        positions = np.asarray(x, dtype=np.float64)
        inside = self.contains(positions)[..., None]
        return np.where(inside, positions, self.clip(2 * self.clip(positions) - positions))


@dataclass(frozen=True)
class Layer(Region):
    """All heights between two, above a cell that is periodic in plane.

    Args:
        low: Lower wall in angstrom.
        high: Upper wall in angstrom.
        plane: The cell's vectors in plane as rows, shape ``(2, 2)``, in angstrom.

    Raises:
        ValueError: If the walls are the wrong way round, or the vectors span no plane.
    """

    low: float
    high: float
    plane: tuple[tuple[float, float], tuple[float, float]]

    def __post_init__(self) -> None:
        check(self, low=_length, high=_length, plane=_plane)
        if self.high <= self.low:
            raise ValueError(f"low={self.low:g} must be below high={self.high:g} (angstrom); swap or widen them")

    @property
    def bounds(self) -> FloatArray:
        """Without end in plane."""
        return np.array([[-np.inf, -np.inf, self.low], [np.inf, np.inf, self.high]])

    def depth(self, x: npt.ArrayLike) -> FloatArray:
        """To the nearer wall."""
        z = np.asarray(x, dtype=np.float64)[..., 2]
        return np.asarray(np.minimum(z - self.low, self.high - z))

    def clip(self, x: npt.ArrayLike) -> FloatArray:
        """By the height alone."""
        result = np.array(x, dtype=np.float64)
        result[..., 2] = result[..., 2].clip(self.low, self.high)
        return result

    def slide(self, x: npt.ArrayLike, push: npt.ArrayLike, reach: float = TOLERANCE) -> FloatArray:
        """Along the walls."""
        z = np.asarray(x, dtype=np.float64)[..., 2]
        return _held_along_z(z - self.low, self.high - z, push, reach)

    def sample(self, m: int, rng: np.random.Generator) -> FloatArray:
        """In one cell."""
        return np.column_stack([rng.random((m, 2)) @ np.array(self.plane), rng.uniform(self.low, self.high, m)])

    def volume(self, margin: float = 0.0) -> float:
        """Of one cell."""
        return float(abs(np.linalg.det(self.plane))) * (self.high - self.low + 2 * margin)

    def describe(self) -> dict[str, Any]:
        """Both walls."""
        return {"kind": "layer", "low": round(self.low, 6), "high": round(self.high, 6)}


@dataclass(frozen=True)
class Cuboid(Region):
    """A box with faces along the Cartesian axes.

    Args:
        low: Lowest corner, three coordinates in angstrom.
        high: Highest corner.

    Raises:
        ValueError: If a coordinate of the lowest corner is not below that of the highest.

    Example:
        >>> Cuboid((0, 0, 0), (2, 2, 2)).clip([1.0, 3.0, -1.0]).tolist()
        [1.0, 2.0, 0.0]
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]

    def __post_init__(self) -> None:
        check(self, low=several(_length, 3, 3), high=several(_length, 3, 3))
        if not all(a < b for a, b in zip(self.low, self.high, strict=True)):
            raise ValueError(f"low={self.low} must be below high={self.high} along each axis (angstrom); widen the box")

    @property
    def bounds(self) -> FloatArray:
        """Its corners."""
        return np.array([self.low, self.high])

    def depth(self, x: npt.ArrayLike) -> FloatArray:
        """To the nearest face; outside, minus the distance to the box."""
        positions = np.asarray(x, dtype=np.float64)
        inward = np.minimum(positions - self.low, np.array(self.high) - positions)
        outside = np.linalg.norm(np.minimum(inward, 0.0), axis=-1)
        return np.asarray(np.where(outside > 0, -outside, inward.min(axis=-1)))

    def clip(self, x: npt.ArrayLike) -> FloatArray:
        """To the nearest place of the box."""
        return np.asarray(np.asarray(x, dtype=np.float64).clip(self.low, self.high))

    def slide(self, x: npt.ArrayLike, push: npt.ArrayLike, reach: float = TOLERANCE) -> FloatArray:
        """Along faces, edges and into no corner."""
        positions, result = np.asarray(x, dtype=np.float64), np.array(push, dtype=np.float64)
        held = ((positions <= np.array(self.low) + reach) & (result < 0)) | (
            (positions >= np.array(self.high) - reach) & (result > 0)
        )
        return np.where(held, 0.0, result)

    def sample(self, m: int, rng: np.random.Generator) -> FloatArray:
        """Each coordinate by itself."""
        return np.asarray(rng.uniform(self.low, self.high, (m, 3)))

    def volume(self, margin: float = 0.0) -> float:
        """The product of its sides."""
        return float(np.prod(np.array(self.high) - self.low + 2 * margin))

    def describe(self) -> dict[str, Any]:
        """Both corners."""
        return {"kind": "cuboid", "low": np.round(self.low, 6).tolist(), "high": np.round(self.high, 6).tolist()}


@dataclass(frozen=True)
class Sphere(Region):
    """A ball.

    Args:
        centre: Three coordinates in angstrom.
        radius: In angstrom.

    Raises:
        ValueError: If the radius is not above 0.

    Example:
        >>> Sphere((0, 0, 0), 2.0).contains([[1.0, 1.0, 1.0], [2.0, 2.0, 0.0]]).tolist()
        [True, False]
    """

    centre: tuple[float, float, float]
    radius: float

    def __post_init__(self) -> None:
        check(self, centre=several(_length, 3, 3), radius=real(above=0, high=_FARTHEST, unit="angstrom"))

    @property
    def bounds(self) -> FloatArray:
        """Of the cube around it."""
        return np.array([np.array(self.centre) - self.radius, np.array(self.centre) + self.radius])

    def depth(self, x: npt.ArrayLike) -> FloatArray:
        """The radius less the distance from the centre."""
        return np.asarray(self.radius - np.linalg.norm(self._from_centre(x), axis=-1))

    def clip(self, x: npt.ArrayLike) -> FloatArray:
        """Towards the centre."""
        positions = np.asarray(x, dtype=np.float64)
        away = self._from_centre(positions)
        distance = np.linalg.norm(away, axis=-1, keepdims=True)
        return np.where(distance > self.radius, self.centre + away * (self.radius / np.maximum(distance, 1e-300)), x)

    def slide(self, x: npt.ArrayLike, push: npt.ArrayLike, reach: float = TOLERANCE) -> FloatArray:
        """Along the surface."""
        away, vectors = self._from_centre(x), np.asarray(push, dtype=np.float64)
        distance = np.linalg.norm(away, axis=-1, keepdims=True)
        normal = away / np.maximum(distance, 1e-300)
        outwards = (vectors * normal).sum(axis=-1, keepdims=True)
        held = (distance >= self.radius - reach) & (outwards > 0)
        return np.where(held, vectors - outwards * normal, vectors)

    def sample(self, m: int, rng: np.random.Generator) -> FloatArray:
        """A direction, and a distance whose cube is uniform."""
        direction = rng.standard_normal((m, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        return np.asarray(self.centre + self.radius * rng.random((m, 1)) ** (1 / 3) * direction)

    def volume(self, margin: float = 0.0) -> float:
        """4/3 pi r^3."""
        return float(4 / 3 * np.pi * (self.radius + margin) ** 3)

    def describe(self) -> dict[str, Any]:
        """Centre and radius."""
        return {"kind": "sphere", "centre": np.round(self.centre, 6).tolist(), "radius": round(self.radius, 6)}

    def _from_centre(self, x: npt.ArrayLike) -> FloatArray:
        return np.asarray(np.asarray(x, dtype=np.float64) - self.centre)


@dataclass(frozen=True, eq=False)
class HeightField(Region):
    """A layer that follows a surface, down into its pits and over its steps.

    Args:
        heights: Of the surface, in angstrom, on a grid of fractions of the cell, shape ``(a, b)``: row i and column j
            lie at ``i / a`` of the first vector and ``j / b`` of the second. In between it is interpolated bilinearly.
        low: Lower wall, in angstrom above the surface.
        high: Upper wall.
        plane: The cell's vectors in plane as rows, shape ``(2, 2)``, in angstrom.

    Raises:
        ValueError: If a setting is not as described.

    Example:
        >>> from matseek.library.platinum import stepped_platinum
        >>> HeightField.above(stepped_platinum(), 0.5, 3.0).contains(stepped_platinum().positions).any()
        np.False_
    """

    heights: FloatArray
    low: float
    high: float
    plane: tuple[tuple[float, float], tuple[float, float]]

    def __post_init__(self) -> None:
        check(self, heights=_grid, low=_length, high=_length, plane=_plane)
        if self.high <= self.low:
            raise ValueError(f"low={self.low:g} must be below high={self.high:g} (angstrom); swap or widen them")

    @classmethod
    def above(cls, template: Atoms, low: float, high: float, reach: float = 2.0, spacing: float = 0.4) -> HeightField:
        """The layer above a template: its surface is as high as the highest atom within a reach in plane.

        Args:
            template: Periodic along its first two cell vectors, which lie in the xy plane.
            low: Lower wall, in angstrom above the surface; it may be negative.
            high: Upper wall.
            reach: In plane, in angstrom; where no atom is within it, the surface is as low as the lowest atom.
            spacing: Of the grid, in angstrom, at most.

        Raises:
            ValueError: If a setting is not as described.
        """
        of(Atoms)("template", template)
        reach = real(above=0, high=100, unit="angstrom")("reach", reach)
        spacing = real(0.05, 100, unit="angstrom")("spacing", spacing)
        plane = np.array(template.cell, dtype=np.float64)[:2, :2]
        size = np.ceil(np.linalg.norm(plane, axis=1) / spacing).astype(int).clip(1, _LARGEST_GRID)
        places = np.stack(np.meshgrid(*(np.arange(k) / k for k in size), indexing="ij"), axis=-1) @ plane
        z = template.positions[:, 2]
        heights = np.full(tuple(size), float(z.min()))
        reduced = shortest_basis(plane)
        across = abs(np.linalg.det(reduced)) / np.linalg.norm(reduced[::-1], axis=1)
        shifts = _lattice(reduced, np.ceil(reach / across + 0.5).astype(int))
        for place, height in zip(template.positions[:, :2], z, strict=True):
            offset = places - place
            offset -= np.round(offset @ np.linalg.inv(reduced)) @ reduced
            near = (((offset[..., None, :] + shifts) ** 2).sum(axis=-1) <= reach**2).any(axis=-1)
            heights[near] = np.maximum(heights[near], height)
        return cls(heights, low, high, ((plane[0, 0], plane[0, 1]), (plane[1, 0], plane[1, 1])))

    @property
    def bounds(self) -> FloatArray:
        """Without end in plane."""
        return np.array(
            [
                [-np.inf, -np.inf, float(self.heights.min()) + self.low],
                [np.inf, np.inf, float(self.heights.max()) + self.high],
            ]
        )

    def surface(self, plane: npt.ArrayLike) -> FloatArray:
        """Height of the surface at places ``(..., 2)``, shape ``(...)``, in angstrom."""
        fractions = np.asarray(plane, dtype=np.float64) @ np.linalg.inv(np.array(self.plane))
        size = np.array(self.heights.shape)
        scaled = (fractions % 1.0) * size
        cell = np.floor(scaled)
        part = scaled - cell
        first = cell.astype(int) % size
        i, j = first[..., 0], first[..., 1]
        k, n = (i + 1) % size[0], (j + 1) % size[1]
        u, v = part[..., 0], part[..., 1]
        h = self.heights
        return np.asarray((1 - u) * ((1 - v) * h[i, j] + v * h[i, n]) + u * ((1 - v) * h[k, j] + v * h[k, n]))

    def depth(self, x: npt.ArrayLike) -> FloatArray:
        """To the nearer wall, straight up or down."""
        above = self._above(x)
        return np.asarray(np.minimum(above - self.low, self.high - above))

    def clip(self, x: npt.ArrayLike) -> FloatArray:
        """By the height alone."""
        result = np.array(x, dtype=np.float64)
        floor = self.surface(result[..., :2])
        result[..., 2] = result[..., 2].clip(floor + self.low, floor + self.high)
        return result

    def slide(self, x: npt.ArrayLike, push: npt.ArrayLike, reach: float = TOLERANCE) -> FloatArray:
        """Along the plane."""
        above = self._above(x)
        return _held_along_z(above - self.low, self.high - above, push, reach)

    def sample(self, m: int, rng: np.random.Generator) -> FloatArray:
        """In one cell."""
        plane = rng.random((m, 2)) @ np.array(self.plane)
        return np.column_stack([plane, self.surface(plane) + rng.uniform(self.low, self.high, m)])

    def volume(self, margin: float = 0.0) -> float:
        """Of one cell."""
        return float(abs(np.linalg.det(self.plane))) * (self.high - self.low + 2 * margin)

    def describe(self) -> dict[str, Any]:
        """Heights and walls."""
        heights = np.round(self.heights, 6).tolist()
        return {"kind": "height field", "heights": heights, "low": round(self.low, 6), "high": round(self.high, 6)}

    def _above(self, x: npt.ArrayLike) -> FloatArray:
        positions = np.asarray(x, dtype=np.float64)
        return np.asarray(positions[..., 2] - self.surface(positions[..., :2]))


class Periodic(Region):
    """A region and its images along a surface.

    Args:
        region: With an end on all sides.
        plane: The cell's vectors in plane as rows, shape ``(2, 2)``, in angstrom.

    Raises:
        ValueError: If the region has no end, or the vectors span no plane.
    """

    def __init__(self, region: Region, plane: npt.ArrayLike) -> None:
        self.region: Region = of(Region)("region", region)
        self.plane = np.array(_plane("plane", plane))
        if not np.isfinite(region.bounds).all():
            raise ValueError(f"region={region} has no end in plane; it is periodic by itself")
        self._reduced = shortest_basis(self.plane)
        across = abs(np.linalg.det(self._reduced)) / np.linalg.norm(self._reduced[::-1], axis=1)
        # From a place in the shortest cell around the centre, the nearest image's centre is no farther than half of
        # the diagonal and half of the region.
        reach = np.linalg.norm(self._reduced, axis=1).sum() / 2 + np.linalg.norm(np.diff(region.bounds, axis=0)) / 2
        self._shifts = _lattice(self._reduced, np.ceil(reach / across + 0.5).astype(int))

    @property
    def bounds(self) -> FloatArray:
        """Without end in plane."""
        result = self.region.bounds.copy()
        result[:, :2] = [[-np.inf], [np.inf]]
        return result

    def depth(self, x: npt.ArrayLike) -> FloatArray:
        """In the image that it is deepest in."""
        return np.asarray(self.region.depth(self._images(x)).max(axis=-1))

    def clip(self, x: npt.ArrayLike) -> FloatArray:
        """Into the nearest image."""
        positions = np.asarray(x, dtype=np.float64)
        home = self._home(positions)
        return np.asarray(positions + (self.region.clip(home) - home))

    def slide(self, x: npt.ArrayLike, push: npt.ArrayLike, reach: float = TOLERANCE) -> FloatArray:
        """As in the nearest image."""
        return self.region.slide(self._home(x), push, reach)

    def sample(self, m: int, rng: np.random.Generator) -> FloatArray:
        """Uniform in the region's images in one cell, each place by its own image."""
        found = np.empty((0, 3))
        for _ in range(_ROUNDS):
            if len(found) >= m:
                break
            places = self.region.sample(2 * m + 10, rng)
            # A place in several images comes up once for each.
            shared = np.maximum((self.region.depth(self._images(places)) >= 0).sum(axis=-1), 1)
            found = np.concatenate([found, places[rng.random(len(places)) < 1 / shared]])
        return np.resize(found, (m, 3))

    def volume(self, margin: float = 0.0) -> float:
        """At most: images may overlap, but they fill no more than the cell."""
        low, high = self.region.bounds[:, 2]
        cell = float(abs(np.linalg.det(self.plane)) * (high - low + 2 * margin))
        return min(self.region.volume(margin), cell)

    def describe(self) -> dict[str, Any]:
        """The region; the cell is the template's."""
        return self.region.describe()

    def _images(self, x: npt.ArrayLike) -> FloatArray:
        """Images of positions ``(..., 3)`` that may be near the region, shape ``(..., k, 3)``."""
        positions = np.array(x, dtype=np.float64)
        offset = positions[..., :2] - self.region.bounds[:, :2].mean(axis=0)
        positions[..., :2] -= np.round(offset @ np.linalg.inv(self._reduced)) @ self._reduced
        images = np.repeat(positions[..., None, :], len(self._shifts), axis=-2)
        images[..., :2] += self._shifts
        return images

    def _home(self, x: npt.ArrayLike) -> FloatArray:
        """The image of each position that is deepest inside, shape ``(..., 3)``."""
        images = self._images(x)
        best = self.region.depth(images).argmax(axis=-1)
        return np.take_along_axis(images, best[..., None, None], axis=-2)[..., 0, :]


def _held_along_z(below: FloatArray, above: FloatArray, push: npt.ArrayLike, reach: float) -> FloatArray:
    """Pushes without their vertical part where it points through a wall that is within reach."""
    result = np.array(push, dtype=np.float64)
    z = result[..., 2]
    # Between walls that are nearer than the reach, the nearer one counts.
    on_lower = (below <= reach) & (below <= above)
    on_upper = (above <= reach) & (above < below)
    result[..., 2] = np.where((on_lower & (z < 0)) | (on_upper & (z > 0)), 0.0, z)
    return result


def _lattice(vectors: FloatArray, most: npt.NDArray[np.int64]) -> FloatArray:
    """Sums of two lattice vectors, each taken at most so many times, shape ``(k, 2)``."""
    steps = np.stack(np.meshgrid(*(np.arange(-k, k + 1) for k in most), indexing="ij"), axis=-1)
    return np.asarray(steps.reshape(-1, 2) @ vectors)


def _plane(name: str, value: object) -> tuple[tuple[float, float], tuple[float, float]]:
    """Two vectors that span a plane."""
    vectors: tuple[tuple[float, float], tuple[float, float]] = several(several(_length, 2, 2), 2, 2)(name, value)
    if abs(np.linalg.det(vectors)) < 1e-6:
        raise refused(name, value, "two vectors that span a plane")
    return vectors


def _grid(name: str, value: object) -> FloatArray:
    """Finite heights on a grid."""
    heights = numbers(name, value)
    if heights.ndim != 2 or not heights.size or max(heights.shape) > _LARGEST_GRID:
        raise refused(name, value, f"a table of heights, at most {_LARGEST_GRID} along each side")
    if not np.isfinite(heights).all():
        raise refused(name, value, "finite heights, in angstrom")
    heights.setflags(write=False)
    return heights
