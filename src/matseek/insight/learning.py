"""From a history to the models that learn from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matseek.data import SpectraDataModule
from matseek.errors import ResponseError
from matseek.evaluation import History
from matseek.models import SpectrumNet, Training
from matseek.models.gp import GaussianProcess, KernelName, informative, representative


@dataclass(frozen=True)
class Learners:
    """How a searcher's models are made from a history; the same history gives the same models.

    Args:
        kernel: Of the Gaussian process, see :meth:`GaussianProcess.fit`; None for a searcher without one.
        training: Of the network; None for a searcher without one.
        least: Conditions with a response that it takes to train the network.
    """

    kernel: KernelName | None = None
    training: Training | None = None
    least: int = 2

    @property
    def names(self) -> tuple[str, ...]:
        """The models that there are: ``gp``, ``network``."""
        return ("gp",) * (self.kernel is not None) + ("network",) * (self.training is not None)

    def gp(self, history: History) -> GaussianProcess | None:
        """The Gaussian process of the values; None without one, or with fewer than two different values."""
        if self.kernel is None or not informative(history.values):
            return None
        return fit_gp(history, self.kernel)

    def network(self, history: History) -> SpectrumNet | None:
        """The network of the responses; None without one, or with too little to learn from."""
        if self.training is None or self.reason_to_wait(history) is not None:
            return None
        return fit_network(history, self.training)

    def reason_to_wait(self, history: History) -> str | None:
        """Why a network cannot learn from a history yet; None if it can.

        Raises:
            ResponseError: If a response does not fit the objective; no further measurement would mend that.
        """
        if len(history.done) < self.least:
            return f"it needs {self.least} conditions with a response to learn from, there are {len(history.done)}"
        try:
            network_data(history, self.training or Training())
        except ResponseError:
            raise
        except ValueError as error:
            return str(error)
        return None


def fit_gp(history: History, kernel: KernelName) -> GaussianProcess:
    """A Gaussian process of what has a value, over the present window; of too many observations, of a subset.

    Raises:
        ValueError: If there are fewer than two different values.
    """
    window = history.window
    kept = representative(window.normalize(history.points), history.values)
    return GaussianProcess.fit(
        window,
        history.points[kept],
        history.values[kept],
        history.variances[kept],
        kernel=kernel,
        seed=history.iteration,
    )


def fit_network(history: History, training: Training) -> SpectrumNet:
    """A network of everything that has a response, over the present window.

    Raises:
        ResponseError: If a response does not fit the objective.
        ValueError: If there is too little to learn from.
    """
    return training.fit(history.window, network_data(history, training), seed=_seed(history))


def network_data(history: History, training: Training) -> SpectraDataModule:
    """Droplets, means or medians (as the training's ``rows`` say) of everything that has a response.

    Raises:
        ResponseError: If a response does not fit the objective.
        ValueError: If nothing can be learnt from it.
    """
    objective = history.objective
    if objective is None:
        values = [e.finite_replicates for e in history.done]
        return training.data(history.points, values, seed=_seed(history))
    kept = [e for e in history.done if e.response is not None]
    points = np.array([e.point for e in kept]).reshape(-1, history.space.dim)
    responses = [np.asarray(e.response) for e in kept]
    return training.data(points, responses, objective.wavelengths, seed=_seed(history))


def _seed(history: History) -> int:
    return int(history.rng().integers(2**31))
