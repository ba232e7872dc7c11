"""What acquisitions choose from, made of a history of a box."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from matseek.acquisition.state import ModelledGoals, SearchState
from matseek.core.history import History
from matseek.core.space import BoxSpace
from matseek.surrogates.gp import GaussianProcess
from matseek.surrogates.log_values import LogGaussianProcess
from matseek.surrogates.spectral_gp import SpectralGP

FloatArray = npt.NDArray[np.float64]


def search_state(
    gp: GaussianProcess | LogGaussianProcess | SpectralGP,
    history: History,
    repeats: bool = False,
    candidates: FloatArray | None = None,
    goals: ModelledGoals | None = None,
) -> SearchState:
    """A fitted model, the feasible set and the points, in unit coordinates of the present window.

    Args:
        gp: The Gaussian process of the values, or those of the spectra, fitted to the history.
        history: Of at least two different values.
        repeats: Whether a point may be proposed twice.
        candidates: What a batch is chosen from, shape ``(m, d)``, in the box's units; each is moved to the nearest
            feasible point. None leaves the choice of candidates to the state.
        goals: What is wanted besides the least value; None where that is nothing.
    """
    window = history.window
    polytope = window.unit_polytope

    listed = candidates is None and window.choices is not None

    def unit(points: FloatArray) -> Tensor:
        return torch.as_tensor(window.normalize(points))

    return SearchState(
        model=gp.model,
        source=gp,
        lengthscales=gp.lengthscales,
        polytope=polytope,
        observed=unit(history.points),
        pending=unit(np.vstack([history.pending, history.failed])),
        tried=unit(history.tried[:0] if repeats else history.tried),
        periodic=torch.as_tensor(window.periodic),
        goals=goals,
        candidates=_candidates(window, history, candidates, repeats=repeats),
        allowed=lambda points: torch.as_tensor(window.allowed(points.numpy())),
        along=torch.as_tensor(window.ordered),
        listed=listed,
    )


def _candidates(window: BoxSpace, history: History, given: FloatArray | None, *, repeats: bool) -> torch.Tensor | None:
    """What is given, each moved to the nearest point that may be tried; or, where these are listed, all of them."""
    if given is not None:
        return torch.as_tensor(window.allowed(window.unit_polytope.project(window.normalize(given))))
    choices = window.choices if repeats else history.untried
    return None if choices is None else torch.as_tensor(choices)
