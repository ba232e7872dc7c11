"""The contract of an acquisition, see :class:`matseek.acquisition.Acquisition`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from matseek.acquisition import Acquisition, SearchState
from matseek.core.history import History
from matseek.searchers.bayesian import BayesianSearcher
from matseek.surrogates.gp import quiet_numerics
from matseek.testing.rules import ConformanceError, Rules, global_seed

_SLACK = 1e-6
"""By how much a constraint may be violated, in unit coordinates."""

_APART = 1e-4
"""Points nearer than this in every unit coordinate are the same."""


def check_acquisition(acquisition: Acquisition, history: History, n: int = 3, seed: int = 0) -> None:
    """Certify an acquisition by a few batches from a Gaussian process of a history.

    Batches have the number of points that is asked for, in unit coordinates inside the feasible set; no point repeats
    another one, or one that was tried; the same generator gives the same batch, and what is pending is avoided.

    Args:
        acquisition: The settings.
        history: Evaluations to learn from, for example ``measured(problem, 12)``; it is seen through its box.
        n: Points of a batch.
        seed: Of the batches.

    Raises:
        ConformanceError: If it breaks a rule; the message says which, what was found and what to change.
    """
    rules = Rules(f"the acquisition {type(acquisition).__name__}")
    rules.require(
        isinstance(acquisition, Acquisition), "it is an Acquisition", type(acquisition).__name__, "derive from it"
    )
    rules.require_text("label", acquisition.label)
    copy: Acquisition = rules.require_frozen_settings(acquisition)
    state = BayesianSearcher().state(history.in_box())
    with global_seed(1):
        first = _check_batch(rules, acquisition, state, n, seed)
    with global_seed(2):
        again = _check_batch(rules, copy, state, n, seed)
    rules.require_close(
        again.numpy(),
        first.numpy(),
        "the same generator gives the same batch",
        "draw from rng alone, and seed every other generator from it",
        tolerance=1e-9,
    )
    waiting = replace(state, pending=torch.cat([state.pending, first]), tried=torch.cat([state.tried, first]))
    _check_batch(rules, acquisition, waiting, n, seed)


def _check_batch(rules: Rules, acquisition: Acquisition, state: SearchState, n: int, seed: int) -> Tensor:
    before = [state.observed.clone(), state.pending.clone(), state.tried.clone()]
    try:
        with quiet_numerics():
            batch = acquisition.batch(state, n, np.random.default_rng(seed))
    except Exception as error:
        raise ConformanceError(
            rules.subject, f"batch(state, {n}, rng) ends without an error", f"{type(error).__name__}: {error}", "see it"
        ) from error
    kept = all(map(torch.equal, before, [state.observed, state.pending, state.tried]))
    rules.require(kept, "batch() leaves the state as it is", "it has changed", "work on copies")
    rules.require(isinstance(batch, Tensor), "batch() gives a tensor", type(batch).__name__, "return a torch.Tensor")
    shape = (n, state.observed.shape[1])
    points = rules.require_array(f"batch(state, {n}, rng)", batch.detach().numpy(), shape)
    polytope = state.polytope
    excess = points @ polytope.A.T - polytope.b
    rules.require(
        excess.max(initial=0.0) <= _SLACK,
        "a batch lies inside the feasible set, in unit coordinates",
        points[excess.max(axis=1).argmax()],
        "project onto state.polytope",
    )
    taken = torch.cat([state.tried, batch])
    for row, point in enumerate(batch):
        others = torch.cat([taken[: len(state.tried) + row], taken[len(state.tried) + row + 1 :]])
        nearest = float((others - point).abs().amax(dim=1).min()) if len(others) else 1.0
        rules.require(
            nearest > _APART,
            "a point of a batch repeats neither another one nor one that was tried",
            point.tolist(),
            "choose by state.first_new",
        )
    return batch.detach()
