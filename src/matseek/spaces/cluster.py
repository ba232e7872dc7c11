"""Clusters in the gas phase: free atoms without a template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.data import covalent_radii

from matseek.checks import optional, real
from matseek.core.space import StructureSpace
from matseek.errors import InfeasibleSpaceError
from matseek.spaces.free_atoms import OVERLAP, RESTARTS, TRIES, beside, checked_distance, free_numbers, one_by_one
from matseek.spaces.regions import Sphere

FloatArray = npt.NDArray[np.float64]

_VACUUM = 10.0
"""Between the sphere and the cell's faces taken together, in angstrom: no potential that is periodic sees an image."""

_APART = 2.0
"""Parts of a cluster that are farther apart than this multiple of the sum of the covalent radii have evaporated."""

_FARTHEST = 1e3
"""Largest radius, in angstrom."""

_TOLERANCE = 1e-9

_CHUNK = 64
"""Structures whose distances are held in memory at once."""


@dataclass(frozen=True, eq=False)
class Cluster(StructureSpace):
    """Atoms by themselves, inside a sphere; nothing is periodic.

    A point is the flat float64 array ``(3n,)`` of Cartesian positions in angstrom, ``x1, y1, z1, x2, ...``. The centre
    of the sphere is that of a cubic cell, which is there for potentials and pictures that want one. A cluster whose
    parts have come apart is not evaluated: it has evaporated.

    Args:
        free: Formula, for example ``Pt13`` or ``Ar38``; two atoms at least.
        radius: Of the sphere, in angstrom. None takes ``b (1 + (3 n / (4 pi sqrt(2)))^(1/3))``, which is that of a
            close-packed ball of n atoms and half a bond beyond it; b is twice the mean covalent radius (ASE's, from
            Cordero et al., 2008).
        least_distance: Below this fraction of the sum of their covalent radii two atoms overlap, and the structure is
            not evaluated; above 0 and at most 1. None for 0.6.
        apart: Parts of the cluster that are farther apart than this multiple of the sum of the covalent radii of their
            nearest atoms have evaporated, and the structure is not evaluated; above 1.

    Raises:
        ValueError: If a setting is not as described.
        InfeasibleSpaceError: If the atoms do not fit into the sphere.

    Example:
        >>> space = Cluster("Pt13")
        >>> len(space.atoms(space.sample_contiguous(1, np.random.default_rng(0))))
        13
    """

    free: str
    radius: float
    least_distance: float
    apart: float

    floats: ClassVar[bool] = True

    def __init__(
        self, free: str, radius: float | None = None, least_distance: float | None = None, apart: float = _APART
    ) -> None:
        numbers = free_numbers(free)
        if len(numbers) < 2:
            raise ValueError(f"free={free!r} is a single atom, of which there is one structure; give two at least")
        radii = covalent_radii[numbers]
        given: float | None = optional(real(above=0, high=_FARTHEST, unit="angstrom"))("radius", radius)
        usual = 2 * radii.mean() * (1 + (3 * len(numbers) / (4 * np.pi * np.sqrt(2))) ** (1 / 3))
        object.__setattr__(self, "free", free)
        object.__setattr__(self, "_numbers", numbers)
        object.__setattr__(self, "radius", float(np.round(usual, 3)) if given is None else given)
        object.__setattr__(self, "least_distance", checked_distance(least_distance))
        object.__setattr__(self, "apart", real(above=1, high=100, unit="sums of covalent radii")("apart", apart))
        self._require_room()

    def _require_room(self) -> None:
        cores = self.least_distance * self._radii
        needed = float((cores**3).sum())
        room = (self.radius + float(cores.max())) ** 3
        if needed > room:
            raise InfeasibleSpaceError(
                f"free={self.free!r}: the atoms' hard cores fill {needed / room:.2g} times the sphere of "
                f"radius={self.radius:g} angstrom; take fewer atoms, a larger radius or a shorter least_distance"
            )
        self.sample_uniform(1, np.random.default_rng(0))

    @property
    def numbers(self) -> npt.NDArray[np.int64]:
        """Atomic numbers, shape ``(n,)``, in the formula's order."""
        numbers: npt.NDArray[np.int64] = self.__dict__["_numbers"]
        return numbers

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the coordinates: ``x1, y1, z1, x2, ...``."""
        return tuple(f"{axis}{atom}" for atom in range(1, self.size + 1) for axis in "xyz")

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Names with the unit: the columns of frames."""
        return tuple(f"{name} (A)" for name in self.names)

    @cached_property
    def region(self) -> Sphere:
        """The sphere, in the middle of the cell."""
        middle = self.radius + _VACUUM / 2
        return Sphere((middle, middle, middle), self.radius)

    @cached_property
    def template(self) -> Atoms:  # type: ignore[override]
        """No atoms, and the cell."""
        return Atoms(cell=np.full(3, 2 * self.radius + _VACUUM), pbc=False)

    @property
    def pbc(self) -> tuple[bool, bool, bool]:
        """Along no direction."""
        return (False, False, False)

    @property
    def vacuum(self) -> float:
        """Between the sphere and its image in the next cell, were there one, in angstrom."""
        return _VACUUM

    @property
    def z(self) -> tuple[float, float]:  # type: ignore[override]
        """Lowest and highest place of the sphere above its centre, in angstrom."""
        return -self.radius, self.radius

    @property
    def z_low(self) -> float:
        """Lowest place of the sphere, absolute, in angstrom."""
        return self.region.centre[2] - self.radius

    @property
    def z_high(self) -> float:
        """Highest place of the sphere, absolute, in angstrom."""
        return self.region.centre[2] + self.radius

    @property
    def plane(self) -> FloatArray:
        """The cell's vectors in plane, which are no periods, as rows, shape ``(2, 2)``."""
        return np.array(self.template.cell)[:2, :2]

    @cached_property
    def _radii(self) -> FloatArray:
        return np.asarray(covalent_radii[self.numbers], dtype=np.float64)

    def describe(self) -> dict[str, Any]:
        """The space as plain data, for records and for telling one space from another."""
        usual = abs(self.least_distance - OVERLAP) < _TOLERANCE
        described = {"cluster": self.numbers.tolist(), "radius": round(self.radius, 6), "apart": self.apart}
        return described | ({} if usual else {"least_distance": self.least_distance})

    def columns_of(self, other: Mapping[str, Any]) -> tuple[int, ...]:
        """The same columns where atoms and sphere are the same; what has evaporated or overlaps may differ.

        Raises:
            ValueError: If they are not.
        """
        here = self.describe()
        for key, told in (("cluster", "its atoms are others"), ("radius", "its sphere is of another radius")):
            if other.get(key) != here[key]:
                raise ValueError(told)
        return tuple(range(self.dim))

    def _shape_wanted(self) -> str:
        return f"{self.size} atoms {self.free!r} have {self.dim} coordinates; give one row x1, y1, z1, x2, ... each"

    def _positions(self, points: npt.ArrayLike) -> FloatArray:
        """Positions, shape ``(m, n, 3)``."""
        array = self.as_points(points)
        return array.reshape(len(array), self.size, 3)

    def contains(self, points: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether each structure is finite and inside the sphere, shape ``(m,)``; overlaps are not looked at.

        Args:
            points: Structures, shape ``(m, 3n)``, in angstrom.
        """
        return np.asarray(self.region.contains(self._positions(points)).all(axis=1))

    def refusals(self, points: npt.ArrayLike) -> list[str]:
        """Why each structure should not be evaluated; an empty text where it may be.

        Args:
            points: Structures, shape ``(m, 3n)``, in angstrom.

        Returns:
            One text per structure: ``not finite``, ``outside the confinement``, ``overlap ...``, ``evaporated ...`` or
            nothing.
        """
        positions = self._positions(points)
        finite = np.isfinite(positions).all(axis=(1, 2))
        inside = self.contains(points)
        result = np.where(finite, np.where(inside, "", "outside the confinement"), "not finite").astype(object)
        rows = np.flatnonzero(finite & inside)
        for start in range(0, len(rows), _CHUNK):
            part = rows[start : start + _CHUNK]
            distance = self._distances(positions[part])
            evaporated = self._evaporated(distance)
            for row, each, gone in zip(part, distance, evaporated, strict=True):
                result[row] = self._overlap(each) or gone
        return [str(text) for text in result]

    def _distances(self, positions: FloatArray) -> FloatArray:
        """Distances ``(m, n, n)`` as multiples of the sums of the covalent radii; infinite from an atom to itself."""
        offsets = positions[:, :, None] - positions[:, None]
        distance = np.sqrt((offsets**2).sum(axis=-1)) / (self._radii[:, None] + self._radii)
        distance[:, np.arange(self.size), np.arange(self.size)] = np.inf
        return np.asarray(distance)

    def _overlap(self, distance: FloatArray) -> str:
        """The worst overlap of a structure of distances ``(n, n)`` in words, or an empty text."""
        i, j = divmod(int(distance.argmin()), self.size)
        if distance[i, j] >= self.least_distance:
            return ""
        sum_of_radii = self._radii[i] + self._radii[j]
        return (
            f"overlap of free atom {i + 1} with free atom {j + 1}: {distance[i, j] * sum_of_radii:.3g} A, at least "
            f"{self.least_distance * sum_of_radii:.3g} A needed"
        )

    def _evaporated(self, distance: FloatArray) -> list[str]:
        """Which atoms of structures of distances ``(m, n, n)`` have left the largest part, in words; else nothing."""
        linked = distance <= self.apart
        linked |= np.eye(self.size, dtype=bool)
        reached = linked.astype(np.float32)
        for _ in range(int(np.ceil(np.log2(self.size)))):
            if reached.all():
                break
            reached = (reached @ reached > 0).astype(np.float32)
        texts = []
        for each in reached > 0:
            largest = each[each.sum(axis=1).argmax()]
            gone = (np.flatnonzero(~largest) + 1).tolist()
            texts.append(
                f"evaporated: free atoms {gone} are farther than {self.apart:g} sums of covalent radii from the others"
                if gone
                else ""
            )
        return texts

    def closeness(self, points: npt.ArrayLike) -> FloatArray:
        """The shortest distance of each structure as a multiple of the least one, shape ``(m,)``.

        Args:
            points: Structures, shape ``(m, 3n)``, in angstrom.
        """
        positions = self._positions(points)
        parts = [positions[start : start + _CHUNK] for start in range(0, len(positions), _CHUNK)]
        return np.concatenate([self._distances(part).min(axis=(1, 2)) for part in parts]) / self.least_distance

    def nearest_images(self, offsets: FloatArray) -> FloatArray:
        """Offsets as they are: there are no images."""
        return offsets.copy()

    def recentred(self, points: npt.ArrayLike) -> FloatArray:
        """The same structures with their centre of geometry in that of the sphere, shape ``(m, 3n)``."""
        positions = self._positions(points)
        centred = positions - positions.mean(axis=1, keepdims=True) + self.region.centre
        return np.asarray(centred.reshape(-1, self.dim))

    def confine(self, points: npt.ArrayLike) -> FloatArray:
        """The same structures, atoms outside the sphere put onto it, shape ``(m, 3n)``."""
        return self.region.clip(self._positions(points)).reshape(-1, self.dim)

    def slide(self, points: npt.ArrayLike, push: npt.ArrayLike, reach: float = 1e-9) -> FloatArray:
        """What is left of forces or steps when the sphere does not yield, shape ``(m, 3n)``.

        Args:
            points: Structures, shape ``(m, 3n)``.
            push: A vector for each atom, shape ``(m, 3n)``; what points out of the sphere is left out.
            reach: What counts as on the sphere, in angstrom.
        """
        return self.region.slide(self._positions(points), self._positions(push), reach).reshape(-1, self.dim)

    def walls(self, points: npt.ArrayLike, reach: float = 0.01) -> npt.NDArray[np.int64]:
        """Which atoms lie on the sphere: 1, else 0; shape ``(m, n)``.

        Args:
            points: Structures, shape ``(m, 3n)``, in angstrom.
            reach: What counts as on the sphere, in angstrom.
        """
        return np.asarray(self.region.depth(self._positions(points)) <= reach).astype(np.int64)

    def wall_told(self, wall: int) -> tuple[str, str]:  # noqa: ARG002 -- there is one
        """The sphere, and that it may be larger."""
        larger = self.radius + 2
        return (
            f"the sphere of radius {self.radius:g} angstrom that confines the cluster",
            f"Take a larger one, for example radius={larger:g}, in another run folder.",
        )

    def wrap(self, points: npt.ArrayLike) -> FloatArray:
        """The same structures, shape ``(m, 3n)``: there are no images."""
        return self.as_points(points).copy()

    def atoms(self, point: npt.ArrayLike) -> Atoms:
        """The structure of one point, in a cell that is not periodic.

        Args:
            point: Shape ``(3n,)`` or ``(1, 3n)``, in angstrom.

        Raises:
            ValueError: If there are several points.
        """
        positions = self._positions(point)
        if len(positions) != 1:
            raise ValueError(f"{len(positions)} points were given, but atoms() makes one structure; loop over them")
        return Atoms(self.numbers, positions=positions[0], cell=self.template.cell, pbc=False)

    def point(self, atoms: Atoms) -> FloatArray:
        """The point of a structure of these atoms in this order, shape ``(3n,)``; undoes :meth:`atoms`.

        Raises:
            ValueError: If the structure has other atoms.
        """
        if not np.array_equal(atoms.numbers, self.numbers):
            raise ValueError(
                f"the structure {atoms.get_chemical_formula()!r} is not {self.free!r}, in this order; give one that "
                "atoms() made"
            )
        return np.array(atoms.positions, dtype=np.float64).ravel()

    def sample_uniform(self, m: int, rng: np.random.Generator) -> FloatArray:
        """Structures whose atoms are placed one by one, uniform in the sphere where they overlap with nothing.

        Each also is near enough to one that was placed before that the cluster is in one piece.

        Args:
            m: Number of structures.
            rng: Source of randomness.

        Returns:
            Points, shape ``(m, 3n)``, in angstrom; none of them is refused.

        Raises:
            InfeasibleSpaceError: If the atoms cannot be placed.
        """
        return self._placed(m, rng, contiguous=False)

    def sample_contiguous(self, m: int, rng: np.random.Generator) -> FloatArray:
        """Structures whose atoms are placed one by one, each at a bonding distance of one before, around the centre.

        The elements come in random order. The distance is the sum of the two covalent radii within a tenth, the
        direction uniform; places outside the sphere or overlapping with anything are drawn again. Arguments and result
        are those of :meth:`sample_uniform`.

        Raises:
            InfeasibleSpaceError: If the atoms cannot be placed.
        """
        return self._placed(m, rng, contiguous=True)

    def _placed(self, m: int, rng: np.random.Generator, *, contiguous: bool) -> FloatArray:
        def propose(step: int, placed: FloatArray, radii: FloatArray) -> FloatArray:
            if not contiguous:
                return self.region.sample(len(placed), rng)
            return beside(step, placed, radii, rng) if step else np.tile(self.region.centre, (len(placed), 1))

        placed = one_by_one(m, self._radii, rng, propose, self._accepts)
        if placed is None:
            raise InfeasibleSpaceError(
                f"free={self.free!r}: the atoms could not be placed without overlap in the sphere of "
                f"radius={self.radius:g} angstrom after {RESTARTS} attempts of {TRIES} tries per atom; take fewer "
                "atoms, a larger radius or a shorter least_distance"
            )
        return placed.reshape(-1, self.dim)

    def _accepts(
        self, place: FloatArray, radius: FloatArray, placed: FloatArray, radii: FloatArray
    ) -> npt.NDArray[np.bool_]:
        """Whether places ``(k, 3)`` lie in the sphere, clear of placed atoms ``(k, s, 3)`` and near one of them."""
        inside = self.region.contains(place)
        if not placed.shape[1]:
            return inside
        distance = np.linalg.norm(place[:, None] - placed, axis=-1) / (radius[:, None] + radii)
        clear = (distance >= self.least_distance * (1 + _TOLERANCE)).all(axis=1)
        near = (distance <= self.apart * (1 - _TOLERANCE)).any(axis=1)
        return np.asarray(inside & clear & near)
