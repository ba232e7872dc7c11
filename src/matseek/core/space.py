"""The contract of a space: what may be tried, and how others see it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd
    from ase import Atoms

    from matseek.geometry.polytope import Polytope
    from matseek.geometry.rigid import RigidBodies

FloatArray = npt.NDArray[np.float64]


class Space(ABC):
    """What may be tried: points are float64 arrays of shape ``(m, d)`` whose columns have names and units.

    A new space gives ``names``, ``contains``, ``sample_uniform`` and ``describe``; everything else has a default. What
    else it can do is asked of it: :meth:`as_box` for searchers that need bounded coordinates, and
    :meth:`as_structures` for those that need atoms. ``matseek.testing.check_space`` certifies it.
    """

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the coordinates."""

    @abstractmethod
    def contains(self, points: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether each point of ``(m, d)`` lies in the space, shape ``(m,)``; NaN is never contained."""

    @abstractmethod
    def sample_uniform(self, m: int, rng: np.random.Generator) -> FloatArray:
        """Points that may be evaluated, uniformly distributed, shape ``(m, d)``."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """The space as plain data: two spaces are the same if these are equal."""

    def columns_of(self, other: Mapping[str, Any]) -> tuple[int, ...]:
        """Where another space has this one's coordinates, so that what was measured there can be used here.

        By default only the same space has them.

        Args:
            other: What the other space's :meth:`describe` says.

        Returns:
            For each of this space's coordinates the column of the other's points.

        Raises:
            ValueError: If the other has other coordinates, or the same in other units.
        """
        if other != self.describe():
            raise ValueError("its space is another one")
        return tuple(range(self.dim))

    def reaches(self, points: FloatArray) -> npt.NDArray[np.bool_]:
        """Which points ``(m, d)``, measured elsewhere, models of this space may learn from; by default those inside."""
        return self.contains(points)

    @property
    def dim(self) -> int:
        """Number of coordinates of a point, d."""
        return len(self.names)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names with units: the columns of frames."""
        return self.names

    @property
    def readable(self) -> Sequence[Coordinate]:
        """The coordinates whose numbers tell a reader something, in the order of the columns; by default none."""
        return ()

    def refusals(self, points: npt.ArrayLike) -> list[str]:
        """Why each point should not be evaluated; an empty text where it may be."""
        return ["" if inside else "outside the space" for inside in self.contains(points)]

    @property
    def has_variants(self) -> bool:
        """Whether :meth:`variant` gives points near to a point, one small change away."""
        return False

    def variant(self, point: npt.ArrayLike, rng: np.random.Generator) -> FloatArray:
        """A point that is one small change away from another, shape ``(d,)``.

        Raises:
            NotImplementedError: Unless :attr:`has_variants`.
        """
        raise NotImplementedError

    def canonical(self, points: npt.ArrayLike) -> FloatArray:
        """One point for all that are the same thing, such as images by a symmetry, shape ``(m, d)``; usually itself."""
        return self.as_points(points)

    def sample_opening(self, m: int, rng: np.random.Generator) -> FloatArray:
        """First points of a campaign that no searcher chooses, shape ``(m, d)``; uniform by default."""
        return self.sample_uniform(m, rng)

    def as_box(self) -> BoxView | None:
        """The space seen as a box of coordinates; None where it cannot be."""
        return None

    def as_structures(self) -> StructureSpace | None:
        """The space as positions of free atoms; None where its points are no structures."""
        return None

    def as_points(self, points: npt.ArrayLike) -> FloatArray:
        """Points as a float64 array of shape ``(m, d)``.

        Raises:
            ValueError: If the shape is another one.
        """
        array = np.atleast_2d(np.asarray(points, dtype=np.float64))
        if array.ndim != 2 or array.shape[1] != self.dim:
            raise ValueError(f"points have shape {np.shape(points)}, but {self._shape_wanted()}")
        return array

    def _shape_wanted(self) -> str:
        """How points must be given, in words."""
        return f"the space has {self.dim} coordinates {list(self.names)}; give one column per coordinate"

    def to_frame(self, points: npt.ArrayLike) -> pd.DataFrame:
        """Points as a table whose columns are named with units."""
        import pandas as pd  # takes a third of a second, and a campaign's standing is told without it

        return pd.DataFrame(self.as_points(points), columns=list(self.labels))

    def from_frame(self, frame: pd.DataFrame) -> FloatArray:
        """Points of a table, whose columns are found by label (name with unit) or by bare name.

        Raises:
            ValueError: If a column is missing, carries another unit, or holds something other than numbers.
        """
        pairs = zip(self.names, self.labels, strict=True)
        return np.column_stack([as_numbers(column_of(frame, name, label)) for name, label in pairs])

    def differ(self, a: npt.ArrayLike, b: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Which coordinates of points ``(m, d)`` differ by more than rounding, shape ``(m, d)``."""
        one, other = self.as_points(a), self.as_points(b)
        return np.asarray(~np.isclose(one, other, rtol=1e-6, atol=1e-9))


def column_of(frame: pd.DataFrame, name: str, label: str) -> pd.Series:
    """The column that is named by a coordinate.

    Args:
        frame: The table.
        name: The coordinate's name.
        label: Its name with unit.

    Raises:
        ValueError: If it is missing, is there twice, or carries another unit.
    """
    names = dict.fromkeys((label, name))
    matching = [c for c in frame.columns if c in names]
    if len(matching) > 1:
        raise ValueError(f"the table has several columns {matching} for {name!r}; keep one")
    if not matching:
        similar = [c for c in frame.columns if str(c).split(" (")[0].split("(")[0].strip() == name]
        unit = label.removeprefix(name).strip(" ()")
        hint = f"; found {similar[0]!r}: convert it to {unit or 'a pure number'}" if similar else ""
        raise ValueError(
            f"no column {label!r} (or {name!r}) in the table with columns {[str(c) for c in frame.columns]}{hint}"
        )
    return frame[matching[0]]


def as_numbers(cells: pd.Series) -> FloatArray:
    """The numbers of a column.

    Raises:
        ValueError: If a cell holds something else.
    """
    import pandas as pd

    numbers = pd.to_numeric(cells, errors="coerce")
    if numbers.isna().any():
        row = int(np.flatnonzero(numbers.isna().to_numpy())[0])
        raise ValueError(f"column {cells.name!r}, row {row}: {cells.iloc[row]!r} is not a number; correct it")
    return np.asarray(numbers.to_numpy(dtype=np.float64))


class Coordinate(Protocol):
    """A coordinate with a window and a unit, such as :class:`matseek.spaces.Variable`."""

    @property
    def name(self) -> str:
        """Name, unique within a space."""
        ...

    @property
    def label(self) -> str:
        """Name with unit."""
        ...

    @property
    def unit(self) -> str:
        """Unit; empty for a pure number."""
        ...

    @property
    def low(self) -> float:
        """Lower end of the window."""
        ...

    @property
    def high(self) -> float:
        """Upper end of the window."""
        ...

    @property
    def limits(self) -> tuple[float, float]:
        """Ends up to which people may go: what the apparatus can do."""
        ...

    @property
    def widest(self) -> tuple[float, float]:
        """Ends up to which the window may be widened."""
        ...

    @property
    def periodic(self) -> bool:
        """Whether both ends of the window are the same place."""
        ...

    @property
    def values(self) -> tuple[str, ...]:
        """Names of the values of a category, which points count from 0; empty for numbers."""
        ...


class BoxView(Protocol):
    """A space seen as a box: the box, and the way there and back."""

    @property
    def box(self) -> BoxSpace:
        """The box of coordinates."""
        ...

    def coordinates(self, points: npt.ArrayLike) -> FloatArray:
        """Points of the box ``(m, b)`` for points of the space ``(m, d)``."""
        ...

    def points(self, coordinates: npt.ArrayLike) -> FloatArray:
        """Points of the space ``(m, d)`` for points of the box ``(m, b)``."""
        ...


class BoxSpace(Space):
    """Bounded coordinates under linear constraints: what Gaussian processes and networks learn on."""

    variables: Sequence[Coordinate]
    """The coordinates, in the order of the columns of points."""

    @property
    @abstractmethod
    def lower(self) -> FloatArray:
        """Lower ends of the windows, shape ``(d,)``."""

    @property
    @abstractmethod
    def upper(self) -> FloatArray:
        """Upper ends of the windows, shape ``(d,)``."""

    @property
    @abstractmethod
    def periodic(self) -> npt.NDArray[np.bool_]:
        """Which coordinates are periodic, shape ``(d,)``."""

    @property
    @abstractmethod
    def unit_polytope(self) -> Polytope:
        """The feasible set in coordinates that run from 0 to 1 over each window."""

    @property
    def rules(self) -> list[str]:
        """Constraints in words; none by default."""
        return []

    @abstractmethod
    def sample_latin_hypercube(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Feasible Latin hypercube, shape ``(n, d)``."""

    @abstractmethod
    def widen(self, name: str, *, low: float | None = None, high: float | None = None) -> Self:
        """The box with the window of one coordinate widened, at most to its limits."""

    def reaches(self, points: FloatArray) -> npt.NDArray[np.bool_]:
        """Those within the limits up to which the windows may be widened, whatever the constraints say."""
        low, high = np.array([v.limits for v in self.variables]).T
        slack = 1e-9 * (high - low)
        return np.asarray(((points >= low - slack) & (points <= high + slack)).all(axis=1))

    @property
    def origin(self) -> Space:
        """The space whose points the coordinates stand for: itself, unless it is the box of a view."""
        return self

    def points(self, coordinates: npt.ArrayLike) -> FloatArray:
        """Points of :attr:`origin`, shape ``(m, d)``, for coordinates ``(m, b)``."""
        return self.as_points(coordinates)

    def allowed(self, unit_points: npt.ArrayLike) -> FloatArray:
        """The nearest points that may be tried, shape ``(n, d)``, all in unit coordinates.

        The points themselves where everything between the bounds may be tried; steps, categories and lists of
        candidates leave only some.
        """
        return np.asarray(unit_points, dtype=np.float64)

    @property
    def choices(self) -> FloatArray | None:
        """All points that may be tried, in unit coordinates, shape ``(c, d)``; None where they are too many to list."""
        return None

    @property
    def ordered(self) -> npt.NDArray[np.bool_]:
        """Along which coordinates a gradient says where to go, shape ``(d,)``; the columns of a category do not."""
        return np.ones(self.dim, dtype=np.bool_)

    def numbers_of(self, held: Mapping[str, object]) -> dict[str, float]:
        """Values as people give them, by the variable's name, as numbers of points.

        Raises:
            ValueError: If a variable is unknown or a value cannot be set.
        """
        raise ValueError(f"{dict(held)} cannot be held: these coordinates are not set by hand; leave it out")

    def hold(self, held: Mapping[str, float]) -> BoxSpace:
        """The same coordinates, of which some variables of the space are held at values.

        Args:
            held: Numbers of points by name, see :meth:`numbers_of`.

        Raises:
            ValueError: If nothing can be held here, or a value lies outside the window.
            InfeasibleSpaceError: If the values leave no point.
        """
        raise ValueError(f"{dict(held)} cannot be held: these coordinates are not set by hand; leave it out")

    def unit_offset(self, a: npt.ArrayLike, b: npt.ArrayLike) -> FloatArray:
        """``a - b`` in unit coordinates, periodic ones by the nearest image, shape ``(..., d)``."""
        offset = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
        return np.asarray(np.where(self.periodic, offset - np.round(offset), offset))

    def differ(self, a: npt.ArrayLike, b: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Which coordinates differ by more than a millionth of their windows, shape ``(m, d)``."""
        offset = self.normalize(self.as_points(a)) - self.normalize(self.as_points(b))
        return np.asarray(~(np.abs(offset) <= 1e-6))

    @property
    def extent(self) -> FloatArray:
        """Widths of the windows, shape ``(d,)``; 1 where a window is a single value."""
        width = self.upper - self.lower
        return np.asarray(np.where(width > 0, width, 1.0))

    def normalize(self, points: npt.ArrayLike) -> FloatArray:
        """Points in coordinates that run from 0 to 1 over each window, shape ``(n, d)``."""
        return np.asarray((np.asarray(points, dtype=np.float64) - self.lower) / self.extent)

    def unnormalize(self, unit_points: npt.ArrayLike) -> FloatArray:
        """Points in the coordinates' units from unit coordinates, shape ``(n, d)``."""
        # Twelve digits are more than any pump has; without rounding an edge reads 39.999999999999.
        unit = np.round(np.asarray(unit_points, dtype=np.float64), 12)
        points = self.lower + unit * self.extent
        return np.asarray(np.clip(points, self.lower, self.upper))

    @property
    def readable(self) -> Sequence[Coordinate]:
        """All of them."""
        return self.variables

    def sample_opening(self, m: int, rng: np.random.Generator) -> FloatArray:
        """A feasible Latin hypercube, shape ``(m, d)``."""
        return self.sample_latin_hypercube(m, rng)

    def as_box(self) -> BoxView:
        """Itself."""
        return _Itself(self)


class _Itself:
    """A box as seen by itself."""

    def __init__(self, box: BoxSpace) -> None:
        self.box = box

    def coordinates(self, points: npt.ArrayLike) -> FloatArray:
        return self.box.as_points(points)

    def points(self, coordinates: npt.ArrayLike) -> FloatArray:
        return self.box.as_points(coordinates)


class StructureSpace(Space):
    """Positions of free atoms, beside a template or by themselves; a point is ``x1, y1, z1, x2, ...`` in angstrom.

    The first atoms of a point may be atoms of the template that move (:attr:`moving`): they are relaxed with the free
    atoms, and are never placed anew. Where there are none, everything below about them has its default.
    """

    template: Atoms
    free: str
    z: tuple[float, float]
    least_distance: float

    floats: ClassVar[bool] = False
    """Whether nothing holds the free atoms, so that shifting and turning all of them changes nothing."""

    @property
    @abstractmethod
    def numbers(self) -> npt.NDArray[np.int64]:
        """Atomic numbers of a point's atoms, shape ``(n,)``: those of the template that move, then the free ones."""

    @property
    @abstractmethod
    def z_low(self) -> float:
        """Lower end of the confinement, absolute, in angstrom."""

    @property
    @abstractmethod
    def z_high(self) -> float:
        """Upper end of the confinement, absolute, in angstrom."""

    @property
    @abstractmethod
    def plane(self) -> FloatArray:
        """In-plane cell vectors as rows, shape ``(2, 2)``."""

    @abstractmethod
    def atoms(self, point: npt.ArrayLike) -> Atoms:
        """The structure of one point, shape ``(3n,)``: the atoms that never move, then the free ones."""

    @abstractmethod
    def point(self, atoms: Atoms) -> FloatArray:
        """The point of a structure whose last atoms are the free ones, shape ``(3n,)``; undoes :meth:`atoms`."""

    @abstractmethod
    def wrap(self, points: npt.ArrayLike) -> FloatArray:
        """The same structures with every free atom inside the cell, shape ``(m, 3n)``."""

    @abstractmethod
    def sample_contiguous(self, m: int, rng: np.random.Generator) -> FloatArray:
        """Structures whose free atoms are bonded to one another, shape ``(m, 3n)``."""

    @abstractmethod
    def closeness(self, points: npt.ArrayLike) -> FloatArray:
        """The shortest distance of each structure as a multiple of the least allowed one, shape ``(m,)``."""

    @abstractmethod
    def walls(self, points: npt.ArrayLike, reach: float = 0.01) -> npt.NDArray[np.int64]:
        """On which wall each free atom lies: -1 the lower, 1 the upper, 0 neither, shape ``(m, n)``."""

    @property
    def size(self) -> int:
        """Number of a point's atoms, n."""
        return len(self.numbers)

    @property
    def moving(self) -> int:
        """How many of them belong to the template: the first ones."""
        return 0

    @property
    def homes(self) -> FloatArray:
        """Their places in the template, shape ``(moving, 3)``."""
        return np.zeros((0, 3))

    @property
    def placements(self) -> StructureSpace:
        """The space of the free atoms alone, the template at rest: what searchers place and move by hand."""
        return self

    def free_of(self, points: npt.ArrayLike) -> FloatArray:
        """The free atoms of points ``(m, 3n)``: points of :attr:`placements`, shape ``(m, 3f)``."""
        return self.as_points(points)[:, 3 * self.moving :]

    def with_free(self, points: npt.ArrayLike, free: npt.ArrayLike) -> FloatArray:
        """Points ``(m, 3n)`` with other free atoms, those of points ``(m, 3f)`` of :attr:`placements`."""
        return np.concatenate([self.as_points(points)[:, : 3 * self.moving], self.placements.as_points(free)], axis=1)

    @property
    def pbc(self) -> tuple[bool, bool, bool]:
        """Along which cell vectors structures repeat; by default in plane, and along z where the template does."""
        return (True, True, bool(self.template.pbc[2]))

    @property
    def vacuum(self) -> float:
        """Room between the confinement and the next image along z, were there one, in angstrom."""
        return float(self.template.positions[:, 2].min() + self.template.cell[2, 2]) - self.z_high

    def nearest_images(self, offsets: FloatArray) -> FloatArray:
        """Offsets ``(..., 3)`` taken to the images nearest in fractions of the cell; in plane by default."""
        fractions = offsets[..., :2] @ np.linalg.inv(self.plane)
        result = offsets.copy()
        result[..., :2] = (fractions - np.round(fractions)) @ self.plane
        return result

    def recentred(self, points: npt.ArrayLike) -> FloatArray:
        """The same structures where the space has them, shape ``(m, 3n)``: shifted if :attr:`floats`."""
        return self.as_points(points)

    @property
    def heights(self) -> tuple[float, float]:
        """The least and the largest height that an atom of a point can have, absolute, in angstrom."""
        return self.z_low, self.z_high

    def confine(self, points: npt.ArrayLike) -> FloatArray:
        """The same structures, what lies outside the confinement put onto its wall, shape ``(m, 3n)``."""
        result = np.array(self.as_points(points))
        result[:, 2::3] = result[:, 2::3].clip(self.z_low, self.z_high)
        return result

    def slide(self, points: npt.ArrayLike, push: npt.ArrayLike, reach: float = 1e-9) -> FloatArray:
        """What is left of forces or steps when no wall of the confinement yields, shape ``(m, 3n)``.

        Args:
            points: Structures, shape ``(m, 3n)``.
            push: A vector for each atom, shape ``(m, 3n)``; what points out of a wall is left out.
            reach: What counts as on a wall, in angstrom.
        """
        x, result = self.as_points(points), np.array(self.as_points(push))
        z, vertical = x[:, 2::3], result[:, 2::3]
        outwards = ((z <= self.z_low + reach) & (vertical < 0)) | ((z >= self.z_high - reach) & (vertical > 0))
        result[:, 2::3] = np.where(outwards, 0.0, vertical)
        return result

    def astray(self, points: npt.ArrayLike) -> list[str]:
        """Which atom of the template has left its place in each structure, in words; empty where none has."""
        return [""] * len(self.as_points(points))

    def wall_told(self, wall: int) -> tuple[str, str]:
        """Where a wall is, -1 the lower and 1 the upper, and what to do where the best lies on it, in words."""
        low, high = self.z
        side, end = ("upper", high) if wall > 0 else ("lower", low)
        where = f"the {side} wall of the confinement, {end:g} angstrom above the template's highest atom"
        if wall > 0:
            return where, f"Widen z, for example z=[{low:g}, {high + 2:g}], in another run folder."
        return where, f"Widen z, for example z=[{low - 1:g}, {high:g}], in another run folder."

    @property
    def bodies(self) -> RigidBodies:
        """Which free atoms keep their distances to one another; by default none, each is a body for itself."""
        from matseek.geometry.rigid import RigidBodies  # loads ASE and SciPy, without which a standing is told

        return RigidBodies.loose(self.size)

    def as_structures(self) -> StructureSpace:
        """Itself."""
        return self
