"""What atoms of a slab have around them: all images of template and free atoms within a cutoff."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from matseek.core.space import StructureSpace

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Surroundings:
    """The images that a free atom inside the cell can have within a cutoff.

    Images count one by one, so that a cutoff may be longer than half the cell.

    Attributes:
        template: Positions of the template's images, shape ``(t, 3)``.
        template_numbers: Their atomic numbers, shape ``(t,)``.
        shifts: Lattice vectors to the images of free atoms, 0 among them, shape ``(s, 3)``.
        at_home: Which of the shifts is 0.
    """

    template: FloatArray
    template_numbers: IntArray
    shifts: FloatArray
    at_home: int

    @classmethod
    def of(cls, space: StructureSpace, cutoff: float) -> Surroundings:
        """The surroundings in a space.

        Args:
            space: Free atoms and template.
            cutoff: In angstrom.
        """
        template = space.template
        cell = np.asarray(template.cell, dtype=np.float64)
        # The distance between two faces of the cell is its volume over the area of the face.
        heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
        # Two atoms inside the cell are less than one lattice vector apart.
        reach = [
            int(np.ceil(cutoff / h)) + (k < 2) if p else 0
            for k, (h, p) in enumerate(zip(heights, space.pbc, strict=True))
        ]
        steps = np.array(list(product(*(range(-k, k + 1) for k in reach))))
        shifts = steps @ cell
        images = (template.positions[None] + shifts[:, None]).reshape(-1, 3)
        numbers = np.tile(template.numbers, len(shifts))
        fractions = images @ np.linalg.inv(cell)
        margin = cutoff / heights
        low, high = space.heights
        near = (images[:, 2] > low - cutoff) & (images[:, 2] < high + cutoff)
        for axis in (0, 1):
            near &= (fractions[:, axis] > -margin[axis]) & (fractions[:, axis] < 1 + margin[axis])
        home = int(np.flatnonzero((steps == 0).all(axis=1))[0])
        return cls(
            np.ascontiguousarray(images[near]), numbers[near].astype(np.int64), np.ascontiguousarray(shifts), home
        )
