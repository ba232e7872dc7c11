"""A single atom's places as a box, for those who search boxes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from matseek.checks import of
from matseek.spaces.box import Box
from matseek.spaces.variables import Variable

FloatArray = npt.NDArray[np.float64]


@runtime_checkable
class OneAtom(Protocol):
    """What the chart asks of its space: a single free atom above a surface."""

    @property
    def size(self) -> int:
        """Number of free atoms."""
        ...

    @property
    def free(self) -> str:
        """Their formula."""
        ...

    @property
    def z_high(self) -> float:
        """Upper end of the confinement, absolute, in angstrom."""
        ...

    @property
    def plane(self) -> FloatArray:
        """In-plane cell vectors as rows, shape ``(2, 2)``."""
        ...

    def as_points(self, points: npt.ArrayLike) -> FloatArray:
        """Positions, shape ``(m, 3)``."""
        ...

    def wrap(self, points: npt.ArrayLike) -> FloatArray:
        """The same inside the cell."""
        ...

    def floor(self, plane: npt.ArrayLike) -> FloatArray:
        """The height from which upwards the atom overlaps with nothing, shape ``(m,)``."""
        ...


@dataclass(frozen=True, eq=False)
class AtomChart:
    """Coordinates of one free atom: two periodic fractions of the cell, and how high it lies in the room it has.

    The room begins where the atom would overlap with the template, so that every point of the box may be evaluated.

    Args:
        space: An adlayer with a single free atom.

    Raises:
        ValueError: If it has several: whole structures have no box.
    """

    space: OneAtom

    def __post_init__(self) -> None:
        of(OneAtom, "an adlayer with a single free atom")("space", self.space)
        if self.space.size != 1:
            raise ValueError(
                f"{self.space.size} free atoms {self.space.free!r} have no box of coordinates; take searcher=rss, "
                "searcher=random or searcher=godiff"
            )

    @cached_property
    def box(self) -> Box:
        """The coordinates: ``a`` and ``b`` along the cell's vectors, and ``height`` from 0 to 1."""
        return Box(
            [
                Variable("a", 0.0, 1.0, unit="cell vectors", periodic=True),
                Variable("b", 0.0, 1.0, unit="cell vectors", periodic=True),
                Variable("height", 0.0, 1.0, unit="of the room"),
            ]
        )

    def coordinates(self, points: npt.ArrayLike) -> FloatArray:
        """Points of the box, shape ``(m, 3)``, of positions ``(m, 3)`` in angstrom; what overlaps lies at height 0."""
        positions = self.space.as_points(points)
        plane = self.space.wrap(positions)[:, :2] @ np.linalg.inv(self.space.plane) % 1.0
        floor = self.space.floor(positions[:, :2])
        height = (positions[:, 2] - floor) / (self.space.z_high - floor)
        return np.column_stack([plane, height.clip(0.0, 1.0)])

    def points(self, coordinates: npt.ArrayLike) -> FloatArray:
        """Positions in angstrom, shape ``(m, 3)``, of points of the box ``(m, 3)``."""
        given = self.box.as_points(coordinates)
        plane = given[:, :2] @ self.space.plane
        floor = self.space.floor(plane)
        return np.column_stack([plane, floor + given[:, 2] * (self.space.z_high - floor)])
