"""The contract of a model of the energy of structures: what it predicts, with gradients, and its metric."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from matseek.core.history import History
from matseek.core.surrogate import FittedSurrogate, Surrogate

FloatArray = npt.NDArray[np.float64]


class SurfacePrediction(NamedTuple):
    """What a model says of the energies of m structures of n free atoms.

    Attributes:
        mean: Expected energies in eV, shape ``(m,)``.
        deviation: Standard deviations in eV, shape ``(m,)``; above 0.
        mean_gradient: Of the mean with respect to the positions, in eV/A, shape ``(m, 3n)``.
        deviation_gradient: Of the standard deviation, in eV/A, shape ``(m, 3n)``.
    """

    mean: FloatArray
    deviation: FloatArray
    mean_gradient: FloatArray
    deviation_gradient: FloatArray


class EnergySurface(FittedSurrogate):
    """A fitted model of the energy of structures; a point is ``x1, y1, z1, x2, ...`` in angstrom, shape ``(3n,)``.

    It is differentiable, so that structures can be relaxed on it, and it has a metric: the Euclidean distance between
    the :meth:`features` of two structures says how much it can tell of one from the other. Two structures that differ
    by a permutation of like atoms, by a lattice vector or by a symmetry of the template are at distance 0.
    """

    @abstractmethod
    def predict(self, points: npt.ArrayLike) -> SurfacePrediction:
        """Energies of structures ``(m, 3n)``, how sure the model is of them, and the gradients of both."""

    @abstractmethod
    def features(self, points: npt.ArrayLike) -> FloatArray:
        """Structures as vectors of a Euclidean space with the model's metric, shape ``(m, D)``."""

    @abstractmethod
    def draw(self, points: npt.ArrayLike, rng: np.random.Generator) -> FloatArray:
        """One draw of the energies of structures ``(m, 3n)`` from the joint posterior, in eV, shape ``(m,)``."""

    def mean(self, points: npt.ArrayLike) -> FloatArray:
        """Expected energies in eV, shape ``(m,)``."""
        return self.predict(points).mean

    def deviation(self, points: npt.ArrayLike) -> FloatArray:
        """Standard deviations of the energies in eV, shape ``(m,)``."""
        return self.predict(points).deviation


class SurfaceSurrogate(Surrogate):
    """Settings of a model of the energy of structures."""

    def check_machine(self) -> None:
        """Refuse settings that this machine has no place for, before anything is paid.

        Raises:
            ConfigurationError: If fitting could not begin.
        """

    @abstractmethod
    def fit(self, history: History) -> EnergySurface:
        """Learn from every structure that has an energy.

        Raises:
            ValueError: If there is too little to learn from, see :meth:`reason_to_wait`.
        """
