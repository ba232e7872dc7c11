"""What a campaign's models make of everything that was measured up to a batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from matseek.core.history import History
from matseek.core.problem import Problem
from matseek.core.surrogate import FittedSurrogate, Surrogate
from matseek.insight.loss_map import Loss, LossMap, loss_map

FloatArray = npt.NDArray[np.float64]

_POINTS, _BASELINES = 32, 16
"""Points and baselines of the attribution that chooses the variables of maps."""


@dataclass(frozen=True, eq=False)
class FittedModels:
    """The models of a history, each fitted when it is first looked at and kept.

    Args:
        history: Everything up to a batch.
        surrogates: Which models there are, and how they are fitted.
        problem: What is minimised.
    """

    history: History
    surrogates: tuple[Surrogate, ...]
    problem: Problem
    _fitted: dict[str, FittedSurrogate | None] = field(default_factory=dict, init=False, repr=False)
    _maps: dict[tuple[str, str], LossMap] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def axes(self) -> tuple[str, str] | None:
        """Names of the two variables that maps are drawn over, x and y; None where there are none.

        They are the problem's own, or else the two that matter most: those of the largest mean absolute Shapley values
        on the value that the first model expects.
        """
        own, view = self.problem.axes, self.problem.space.as_box()
        if view is None or not self.problem.space.readable:
            return own
        window = self.seen.window
        if own is not None and set(own) <= set(window.names):
            return own
        # The columns of a category are no axes.
        known = [name for name, ordered in zip(window.names, window.ordered, strict=True) if ordered]
        if len(known) < 2:
            return None
        model = next((m for s in self.surrogates if (m := self.fitted(s.name)) is not None), None)
        if len(known) == 2 or model is None:
            return known[0], known[1]
        from matseek.insight.attribution import explain  # with torch

        ranking = explain(model.mean, window, points=_POINTS, background=_BASELINES).ranking
        x, y = [name for name in ranking if name in known][:2]
        return x, y

    @property
    def batch(self) -> int:
        """The last batch that is known."""
        return self.history.iteration - 1

    @cached_property
    def seen(self) -> History:
        """The history as the models see it: in the coordinates of a box."""
        return self.history.in_box()

    def fitted(self, name: str) -> FittedSurrogate | None:
        """A model by name; None where the searcher has none of that name, or there is too little to learn from."""
        if name not in self._fitted:
            surrogate = next((s for s in self.surrogates if s.name == name), None)
            ready = surrogate is not None and surrogate.reason_to_wait(self.seen) is None
            self._fitted[name] = surrogate.fit(self.seen) if surrogate is not None and ready else None
        return self._fitted[name]

    @property
    def predictor(self) -> FittedSurrogate | None:
        """The first model that predicts responses; None without one."""
        models = (self.fitted(s.name) for s in self.surrogates if s.predicts_responses)
        return next((m for m in models if m is not None), None)

    def loss(self, name: str) -> Loss | None:
        """The value that a model expects at points ``(n, d)`` in units; None without it."""
        model = self.fitted(name)
        return None if model is None else model.mean

    def spectra(self, points: FloatArray) -> FloatArray:
        """Responses that :attr:`predictor` expects, shape ``(n, m)``.

        Raises:
            ValueError: If there is no such model.
        """
        model = self.predictor
        if model is None:
            raise ValueError("there is no model that could predict responses yet")
        return np.asarray(model.responses(points).mean(axis=0))

    def map(self, name: str, like: FittedModels | None = None) -> LossMap | None:
        """A model's loss map; None without the model or a second variable.

        Args:
            name: The model.
            like: Models of a later batch, over whose window and variables the map is drawn; None for these.
        """
        axes, loss = (like or self).axes, self.loss(name)
        if loss is None or axes is None:
            return None
        over = (like or self).seen.window
        key = (name, str((axes, over.describe())))
        if key not in self._maps:
            self._maps[key] = loss_map(loss, over, *axes)
        return self._maps[key]
