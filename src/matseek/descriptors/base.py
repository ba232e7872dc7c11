"""The contract of a descriptor of structures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from matseek.core.space import StructureSpace

FloatArray = npt.NDArray[np.float64]


class PreparedDescriptor(ABC):
    """A descriptor of the structures of one space; what its template alone contributes is left out or made once.

    Points are positions of the free atoms in angstrom, shape ``(m, 3n)``. A descriptor is a smooth function of them.
    """

    @property
    @abstractmethod
    def groups(self) -> npt.NDArray[np.int64]:
        """Which components belong together and share a length scale, numbered from 0, shape ``(D,)``."""

    @abstractmethod
    def values(self, points: npt.ArrayLike) -> FloatArray:
        """Descriptors of structures, shape ``(m, D)``."""

    @abstractmethod
    def jacobians(self, points: npt.ArrayLike) -> FloatArray:
        """Their derivatives by the positions, per angstrom, shape ``(m, D, 3n)``."""

    @abstractmethod
    def pull_back(self, points: npt.ArrayLike, gradients: FloatArray) -> FloatArray:
        """Gradients by the positions, shape ``(m, 3n)``, from gradients by the descriptors, shape ``(m, D)``."""

    @property
    def dim(self) -> int:
        """Components of a descriptor, D."""
        return len(self.groups)


class Descriptor(ABC):
    """Settings of a descriptor; a new one gives ``label`` and :meth:`prepare`."""

    label: ClassVar[str]
    """How people read the name."""

    @abstractmethod
    def prepare(self, space: StructureSpace) -> PreparedDescriptor:
        """The descriptor of the structures of a space."""
