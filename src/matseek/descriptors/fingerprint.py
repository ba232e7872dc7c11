"""A global fingerprint: distributions of distances and angles, per pair and triple of elements."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from matseek.checks import check, real, whole
from matseek.core.space import StructureSpace
from matseek.descriptors.base import Descriptor, PreparedDescriptor
from matseek.descriptors.compiled import DERIVATIVES, PULLED_BACK, VALUES, Layout, describe
from matseek.descriptors.surroundings import Surroundings

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_RADIAL_WIDTH = 1.2
"""Of the Gaussians over distances, in spacings of their centres."""

_ANGULAR_WIDTH = 1.125
"""Of the Gaussians over cosines, in spacings of their centres."""


_NOTHING = np.zeros((0, 0))


@dataclass(frozen=True)
class Fingerprint(Descriptor):
    """Distributions of the distances and angles at free atoms, smeared by Gaussians.

    After Valle and Oganov, Acta Cryst. A 66, 507 (2010), in the form that Bisbo and Hammer search with, Phys. Rev. B
    105, 245404 (2022): distances count by their inverse square and a smooth cutoff ``(1 - (r / R)^2)^3``, angles by
    the cutoffs of both sides. Angles enter by their cosine, which has no singular derivative. There is one
    distribution of distances for each pair of kinds and one of angles for each kind of centre with a pair of kinds
    around it; free and template atoms of one element are different kinds, and so are those of the template that move.
    What the template has without the free atoms is constant and left out.

    Args:
        cutoff: Of distances, in angstrom; it may be longer than half the cell.
        angular_cutoff: Of the sides of angles, in angstrom, at most the cutoff.
        radial: Gaussians over the distances.
        angular: Gaussians over the cosines.

    Raises:
        ValueError: If a setting is out of its range.

    Example:
        >>> from matseek.library.platinum import platinum_heptamer
        >>> space = platinum_heptamer().space
        >>> described = Fingerprint().prepare(space)
        >>> described.values(space.sample_uniform(2, np.random.default_rng(0))).shape
        (2, 78)
    """

    label: ClassVar[str] = "fingerprint"
    cutoff: float = 6.0
    angular_cutoff: float = 4.0
    radial: int = 24
    angular: int = 10

    def __post_init__(self) -> None:
        check(
            self,
            cutoff=real(1.0, 50.0, unit="angstrom"),
            angular_cutoff=real(1.0, 50.0, unit="angstrom"),
            radial=whole(2, 1000),
            angular=whole(2, 1000),
        )
        if self.angular_cutoff > self.cutoff:
            raise ValueError(
                f"angular_cutoff={self.angular_cutoff} is longer than cutoff={self.cutoff}; lower it, or raise cutoff"
            )

    def prepare(self, space: StructureSpace) -> PreparedFingerprint:
        """The fingerprint of the structures of a space."""
        return PreparedFingerprint(self, space)


class PreparedFingerprint(PreparedDescriptor):
    """The fingerprint of the structures of a space; distances are the first group, angles the second.

    Args:
        settings: Cutoffs and sizes.
        space: Free atoms and template.
    """

    def __init__(self, settings: Fingerprint, space: StructureSpace) -> None:
        self.settings, self.space = settings, space
        around = Surroundings.of(space, settings.cutoff)
        # Atoms of the template that move, free atoms and those at rest are different kinds.
        numbers = list(zip(np.arange(space.size) >= space.moving, space.numbers.tolist(), strict=True))
        free = sorted(set(numbers))
        fixed = sorted(set(around.template_numbers.tolist()))
        kinds = len(free) + len(fixed)
        free_kinds = np.array([free.index(kind) for kind in numbers], dtype=np.int64)
        fixed_kinds = np.array([len(free) + fixed.index(z) for z in around.template_numbers.tolist()], dtype=np.int64)
        pairs = np.full((kinds, kinds), -1, dtype=np.int64)
        angles = np.full((len(free), kinds, kinds), -1, dtype=np.int64)
        known = 0
        for a, b in combinations_with_replacement(range(kinds), 2):
            if a < len(free):
                pairs[a, b] = pairs[b, a] = known
                known += 1
        self._distances = known * settings.radial
        known = 0
        for centre in range(len(free)):
            for a, b in combinations_with_replacement(range(kinds), 2):
                angles[centre, a, b] = angles[centre, b, a] = known
                known += 1
        self._angles = known * settings.angular
        widths = (
            _RADIAL_WIDTH * settings.cutoff / settings.radial,
            _ANGULAR_WIDTH * 2.0 / max(settings.angular - 1, 1),
        )
        self._layout = Layout(
            around.template,
            fixed_kinds,
            free_kinds,
            around.shifts,
            around.at_home,
            pairs,
            angles,
            settings.cutoff,
            settings.angular_cutoff,
            settings.radial,
            widths[0],
            settings.angular,
            widths[1],
        )

    @property
    def groups(self) -> IntArray:
        """0 for distances, 1 for angles."""
        return np.repeat(np.array([0, 1], dtype=np.int64), [self._distances, self._angles])

    def _positions(self, points: npt.ArrayLike) -> FloatArray:
        return self.space.wrap(points).reshape(-1, self.space.size, 3)

    def values(self, points: npt.ArrayLike) -> FloatArray:
        """Fingerprints of structures ``(m, 3n)``, shape ``(m, D)``."""
        positions = self._positions(points)
        result = np.zeros((len(positions), self.dim))
        describe(positions, self._layout, VALUES, _NOTHING, result[..., None, None])
        return result

    def jacobians(self, points: npt.ArrayLike) -> FloatArray:
        """Their derivatives, per angstrom, shape ``(m, D, 3n)``."""
        positions = self._positions(points)
        result = np.zeros((len(positions), self.dim, self.space.size, 3))
        describe(positions, self._layout, DERIVATIVES, _NOTHING, result)
        return result.reshape(len(positions), self.dim, -1)

    def pull_back(self, points: npt.ArrayLike, gradients: FloatArray) -> FloatArray:
        """Gradients by the positions, shape ``(m, 3n)``, from those by the fingerprints, shape ``(m, D)``."""
        positions = self._positions(points)
        result = np.zeros_like(positions)
        describe(positions, self._layout, PULLED_BACK, np.ascontiguousarray(gradients), result[:, None])
        return result.reshape(len(positions), -1)
