"""The contract of an objective: from a spectrum to a value."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, overload

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

FloatArray = npt.NDArray[np.float64]


class Objective(ABC):
    """Turns a spectrum into a value to minimise; defined for every input, NaN where a spectrum is not finite."""

    wavelengths: FloatArray
    """In nm, shape ``(m,)``, strictly increasing."""

    @property
    def response_size(self) -> int:
        """Number of wavelengths, m."""
        return int(np.size(self.wavelengths))

    @overload
    def __call__(self, spectra: Tensor) -> Tensor: ...
    @overload
    def __call__(self, spectra: npt.ArrayLike) -> FloatArray: ...
    @abstractmethod
    def __call__(self, spectra: Tensor | npt.ArrayLike) -> Tensor | FloatArray:
        """Values, shape ``(...)``, of spectra ``(..., m)``; tensors give tensors with gradients."""

    @abstractmethod
    def describe(self) -> str:
        """A name that is the same in every process and differs where two objectives do."""

    def faults(self, spectra: FloatArray) -> Mapping[str, npt.NDArray[np.bool_]]:  # noqa: ARG002 -- for those that know
        """What is wrong with single spectra ``(n, m)``, by the fault in words: which have it, shape ``(n,)``.

        The words follow a number of replicates, for example ``above the absorbance gate``.
        """
        return {}

    def thinned(self, most: int) -> Objective:  # noqa: ARG002 -- for those that can
        """The objective on at most so many of its wavelengths, for models that evaluate it many times.

        By default it is the objective itself.
        """
        return self

    @property
    def label(self) -> str:
        """What the value is called on an axis."""
        return "Loss"

    @property
    def target_spectrum(self) -> FloatArray | None:
        """The spectrum that is wanted, shape ``(m,)``, to be drawn beside the measured ones; None without one."""
        return None

    @property
    def target_lab(self) -> FloatArray | None:
        """The colour that is wanted, CIELAB, shape ``(3,)``; None without one."""
        return None

    @property
    def peaks_wanted(self) -> tuple[float, float] | None:
        """Least and largest highest absorbance of a spectrum that counts fully; None where any does."""
        return None
