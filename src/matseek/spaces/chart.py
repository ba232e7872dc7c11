"""A single atom's places as a box, for those who search boxes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from matseek.checks import of
from matseek.spaces.adlayer import Adlayer
from matseek.spaces.base import Space
from matseek.spaces.box import Box, Variable

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AtomChart:
    """Coordinates of one free atom: two periodic fractions of the cell, and how high it lies in the room it has.

    The room begins where the atom would overlap with the template, so that every point of the box may be evaluated.

    Args:
        space: An adlayer with a single free atom.

    Raises:
        ValueError: If it has several: whole structures have no box.
    """

    space: Adlayer

    def __post_init__(self) -> None:
        of(Adlayer)("space", self.space)
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


def chart_of(space: Space) -> AtomChart | None:
    """The chart of a space that is no box but can be seen as one; None for others."""
    if not isinstance(space, Adlayer) or space.size != 1:
        return None
    # Above an atom of the template there is the least room; in a thin confinement there may be none.
    highest = space.floor(space.template.positions[:, :2]).max()
    return AtomChart(space) if highest < space.z_high else None
