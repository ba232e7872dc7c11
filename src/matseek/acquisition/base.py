"""The contract of an acquisition."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from botorch.exceptions import NumericsWarning
from torch import Tensor

from matseek.acquisition.state import SearchState
from matseek.checks import of, one_of
from matseek.plugins import ACQUISITIONS, offered, part


@dataclass(frozen=True)
class Acquisition(ABC):
    """Settings of a way to choose a batch; the state of a search is given to it, and it keeps none.

    A new acquisition is a frozen dataclass with a ``label``. Derive from
    :class:`~matseek.acquisition.monte_carlo.MonteCarlo` or
    :class:`~matseek.acquisition.locally_penalized.LocallyPenalized` and give the function that is to be maximised, or
    derive from this class and give :meth:`batch`. Its name is that of its entry point in ``matseek.acquisitions``.
    """

    label: ClassVar[str]
    """How people read it."""

    serves_goals: ClassVar[bool] = False
    """Whether it looks at :attr:`SearchState.goals`, and may be named as ``searcher.several``."""

    @abstractmethod
    def batch(self, state: SearchState, n: int, rng: np.random.Generator) -> Tensor:
        """Choose n points; the same state of the generator gives the same points.

        Args:
            state: The model of the value to minimise, and the feasible set.
            n: Number of points, at least 1.
            rng: Source of all randomness.

        Returns:
            Feasible points in unit coordinates, shape ``(n, d)``.
        """


def acquisition_of(setting: str, value: object) -> Acquisition:
    """The acquisition that a setting holds, or names by an entry point.

    Args:
        setting: The setting's name, for messages.
        value: An acquisition, or the name of one.

    Raises:
        ValueError: If it is neither.
        ConfigurationError: If what an installed package offers by the name cannot be imported.
    """
    if isinstance(value, str):
        value = part(ACQUISITIONS, one_of(sorted(offered(ACQUISITIONS)))(setting, value))()
    return of(Acquisition, "an acquisition or the name of one")(setting, value)  # type: ignore[no-any-return]


@contextmanager
def chosen_by_name() -> Iterator[None]:
    """Leave out BoTorch's advice to take the log acquisition: a user who names the plain one wants it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumericsWarning)
        yield
