"""What a campaign's models make of everything that was measured until a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from matseek.evaluation import History
from matseek.insight.learning import Learners
from matseek.insight.loss_map import Loss, LossMap, loss_map
from matseek.models import SpectrumNet
from matseek.models.gp import GaussianProcess
from matseek.problems import Problem
from matseek.spaces import Box, chart_of

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Understanding:
    """The models of a history, each made when it is first looked at and kept.

    Args:
        history: Everything until a run.
        learners: How the models are made.
        problem: What is minimised.
    """

    history: History
    learners: Learners
    problem: Problem
    _maps: dict[tuple[str, str], LossMap] = field(default_factory=dict, init=False, repr=False)

    @property
    def axes(self) -> tuple[str, str] | None:
        """Names of the two variables that maps are drawn over, x and y; None where there are none."""
        axes: tuple[str, str] | None = getattr(self.problem, "axes", None)
        return axes

    @property
    def run(self) -> int:
        """The last run that is known."""
        return self.history.iteration - 1

    @cached_property
    def seen(self) -> History:
        """The history as the models see it: in a chart's coordinates where the space has one."""
        chart = chart_of(self.history.space)
        return self.history if chart is None else self.history.seen_through(chart)

    @cached_property
    def gp(self) -> GaussianProcess | None:
        """The Gaussian process; None where there is none, or nothing to learn from."""
        return self.learners.gp(self.seen)

    @cached_property
    def network(self) -> SpectrumNet | None:
        """The network; None where there is none, or too little to learn from."""
        return self.learners.network(self.seen)

    def loss(self, model: str) -> Loss | None:
        """The value that a model (``gp`` or ``network``) expects at points ``(n, d)`` in units; None without it."""
        if model == "gp":
            return None if self.gp is None else self.gp.mean
        net, objective = self.network, self.history.objective
        if net is None:
            return None

        def expected(points: FloatArray) -> FloatArray:
            with torch.no_grad():
                return net.values(torch.tensor(points), objective).mean(dim=0).numpy().astype(np.float64)

        return expected

    def spectra(self, points: FloatArray) -> FloatArray:
        """Responses that the network expects, shape ``(n, m)``.

        Raises:
            ValueError: If there is no network.
        """
        if self.network is None:
            raise ValueError("there is no network that could predict spectra yet")
        return np.asarray(self.network.predict(points).mean(axis=0))

    def map(self, model: str, window: Box | None = None) -> LossMap | None:
        """A model's loss map, over the window of this run or another; None without model or a second variable."""
        over = window or self.seen.window
        loss = self.loss(model)
        if loss is None or self.axes is None:
            return None
        key = (model, str(over.describe()))
        if key not in self._maps:
            self._maps[key] = loss_map(loss, over, *self.axes)
        return self._maps[key]
