"""Models of further objectives and of constraints on outcomes: an independent Gaussian process for each outcome."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from botorch.models import ModelListGP
from botorch.utils.multi_objective.hypervolume import infer_reference_point
from botorch.utils.multi_objective.pareto import is_non_dominated
from torch import Tensor

from matseek.acquisition.state import ModelledGoals
from matseek.core.history import History
from matseek.surrogates.gp import GaussianProcess, informative, representative
from matseek.surrogates.learning import ValueGP

FloatArray = npt.NDArray[np.float64]

_REACH = 1.0
"""By how much the reference point lies beyond the measured front, in ranges of the front."""


def modelled_goals(surrogate: ValueGP, gp: GaussianProcess, history: History) -> ModelledGoals | None:
    """A model of each outcome that varies, and what is wanted of it.

    An outcome that has not varied yet teaches nothing and is left out, also as a constraint. The reference point is the
    worst of the measured Pareto front in each objective (of all measurements, as long as none meets the constraints),
    worsened by the front's range. BoTorch worsens it by a tenth (Ishibuchi et al., IEEE CEC 2011); but nothing beyond
    the reference point counts, and a front that is short by chance would only ever be filled.

    Args:
        surrogate: Settings of the Gaussian process of the value, which those of the outcomes share.
        gp: The Gaussian process of the value, fitted to the history.
        history: Of at least two different values, in coordinates of a box.

    Returns:
        The goals; None where no outcome has varied, or nothing measured has all objectives.
    """
    goals, recorded = history.goals, history.recorded_done
    table = goals.table(recorded)
    varied = [k for k, column in enumerate(table.T) if informative(column[np.isfinite(column)])]
    if not varied:
        return None
    fitted = {k: _fit(surrogate, history, table[:, k]) for k in varied}
    # The outcomes of the objectives come first in the table, in their order, and so they do in the model.
    objectives = [(goal, k) for goal in goals.objectives if (k := goals.place(goal.outcome)) in fitted]
    scales = [gp.scale, *(fitted[k].scale for _, k in objectives)]
    costs = np.column_stack([history.values, *(goal.sign * table[:, k] for goal, k in objectives)]) / scales
    whole = np.isfinite(costs).all(axis=1)
    if not whole.any():
        return None
    feasible = whole & goals.feasible(recorded)
    constraints: list[Callable[[Tensor], Tensor]] = []
    for rule in goals.constraints:
        k = goals.place(rule.outcome)
        for sign, bound in ((1.0, rule.upper), (-1.0, rule.lower)):
            if k in fitted and bound is not None:
                constraints.append(partial(_excess, 1 + varied.index(k), sign, sign * bound / fitted[k].scale))
    return ModelledGoals(
        model=ModelListGP(gp.model, *(model.model for model in fitted.values())),
        signs=torch.tensor([1.0, *(goal.sign for goal, _ in objectives)], dtype=torch.float64),
        reference=_reference(torch.as_tensor(costs[feasible if feasible.any() else whole])),
        constraints=tuple(constraints),
    )


def _fit(surrogate: ValueGP, history: History, numbers: FloatArray) -> GaussianProcess:
    """A Gaussian process of an outcome ``(n,)`` of what has a value, with noise that is learnt."""
    known = np.flatnonzero(np.isfinite(numbers))
    kept = known[representative(history.window.normalize(history.points[known]), history.values[known])]
    unknown = np.full(len(kept), np.nan)
    return GaussianProcess.fit(
        history.window, history.points[kept], numbers[kept], unknown, kernel=surrogate.kernel, seed=history.iteration
    )


def _excess(outcome: int, sign: float, bound: float, draws: Tensor) -> Tensor:
    """By how much an outcome lies beyond a bound, at most 0 where it does not."""
    return sign * draws[..., outcome] - bound


def _reference(costs: Tensor) -> Tensor:
    """The reference point of measured objectives ``(n, m)``, all to be minimised, shape ``(m,)``."""
    return -infer_reference_point(-costs[is_non_dominated(-costs)], scale=_REACH)
