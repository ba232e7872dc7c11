"""From a history to the models that learn from it: the surrogates that ship."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch

from matseek.checks import check, flag, of, one_of, whole
from matseek.core.history import History
from matseek.core.objective import Objective
from matseek.core.surrogate import FittedSurrogate, Look, Surrogate
from matseek.errors import ResponseError
from matseek.surrogates.devices import DEVICES, Device
from matseek.surrogates.gp import KERNELS, GaussianProcess, KernelName, informative, representative
from matseek.surrogates.log_values import LogGaussianProcess, LogWarp
from matseek.surrogates.spectra_data import SpectraDataModule
from matseek.surrogates.spectrum_net import SpectrumNet
from matseek.surrogates.training import Training

FloatArray = npt.NDArray[np.float64]

_NO_BOX = "it learns in a box of coordinates, and these points have none"


@dataclass(frozen=True)
class ValueGP(Surrogate):
    """A Gaussian process of the values.

    Args:
        kernel: ``ard`` or ``isotropic``, see :meth:`matseek.surrogates.gp.GaussianProcess.fit`.
        log: Whether it is one of the logarithm of the values, see :class:`~matseek.surrogates.log_values.LogWarp`.
        device: Where hyperparameters are learnt: ``cpu``, ``cuda``, or ``auto`` for a GPU where there is one.
    """

    name: ClassVar[str] = "gp"
    label: ClassVar[str] = "Gaussian process"
    look: ClassVar[Look | None] = ("#0072B2", "s")
    kernel: KernelName = "ard"
    log: bool = True
    device: Device = "cpu"

    def __post_init__(self) -> None:
        check(self, kernel=one_of(KERNELS), log=flag, device=one_of(DEVICES))

    def reason_to_wait(self, history: History) -> str | None:
        """Points without coordinates of a box, or fewer than two different values."""
        if history.space.as_box() is None:
            return "it learns from the coordinates of a box"
        return None if informative(history.values) else "it needs two values that differ"

    def fit(self, history: History) -> GaussianProcess | LogGaussianProcess:
        """Of what has a value, over the present window; of too many observations, of a subset.

        Raises:
            ValueError: If there are fewer than two different values.
        """
        if not self.log:
            return self.fit_values(history, history.values, history.variances)
        warp = LogWarp.of(history.values)
        warped, variances = warp(history.values), warp.variances(history.values, history.variances)
        return LogGaussianProcess(self.fit_values(history, warped, variances), warp)

    def fit_values(self, history: History, values: FloatArray, variances: FloatArray) -> GaussianProcess:
        """Of given numbers of the evaluations that have a value, as they are.

        Args:
            history: What was measured.
            values: Shape ``(n,)``.
            variances: Their variances, shape ``(n,)``; NaN where they are unknown.
        """
        window = history.window
        kept = representative(window.normalize(history.points), history.values)
        return GaussianProcess.fit(
            window,
            history.points[kept],
            values[kept],
            variances[kept],
            kernel=self.kernel,
            seed=history.iteration,
            device=self.device,
        )


@dataclass(frozen=True)
class Network(Surrogate):
    """An ensemble of networks of the responses, or of the values where there are no others.

    Args:
        training: How it is made and trained.
        least: Conditions with a response that it takes to train it.
    """

    name: ClassVar[str] = "network"
    label: ClassVar[str] = "network"
    look: ClassVar[Look | None] = ("#D55E00", "^")
    training: Training = field(default_factory=Training)
    least: int = 2

    def __post_init__(self) -> None:
        check(self, training=of(Training), least=whole(1))

    def reason_to_wait(self, history: History) -> str | None:
        """Too few conditions, or nothing that could be learnt from them.

        Raises:
            ResponseError: If a response does not fit the objective; no further measurement would mend that.
        """
        if history.space.as_box() is None:
            return _NO_BOX
        if len(history.done) < self.least:
            return f"it needs {self.least} conditions with a response to learn from, there are {len(history.done)}"
        try:
            self._data(history)
        except ResponseError:
            raise
        except ValueError as error:
            return str(error)
        return None

    def fit(self, history: History) -> FittedNetwork:
        """Of everything that has a response, over the present window.

        Raises:
            ResponseError: If a response does not fit the objective.
            ValueError: If there is too little to learn from.
        """
        net = self.training.fit(history.window, self._data(history), seed=_seed(history))
        return FittedNetwork(net, history.objective)

    @property
    def predicts_responses(self) -> bool:
        """It does."""
        return True

    @property
    def follows_risk(self) -> bool:
        """It does not: a value is the objective of a predicted response."""
        return False

    def _data(self, history: History) -> SpectraDataModule:
        """Droplets, means or medians (as the training's ``rows`` say) of everything that has a response."""
        objective = history.objective
        if objective is None:
            values = [e.finite_replicates for e in history.done]
            return self.training.data(history.points, values, seed=_seed(history))
        kept = [e for e in history.done if e.response is not None]
        points = np.array([e.point for e in kept]).reshape(-1, history.space.dim)
        responses = [np.asarray(e.response) for e in kept]
        return self.training.data(points, responses, objective.wavelengths, seed=_seed(history))


@dataclass(frozen=True, eq=False)
class FittedNetwork(FittedSurrogate):
    """A trained ensemble, and what the problem makes of its responses.

    Args:
        net: The ensemble.
        objective: Turns spectra into values; None where the response is the value.
    """

    net: SpectrumNet
    objective: Objective | None = None

    def _values(self, points: npt.ArrayLike) -> torch.Tensor:
        with torch.no_grad():
            return self.net.values(torch.tensor(np.asarray(points, dtype=np.float64)), self.objective)

    def mean(self, points: npt.ArrayLike) -> FloatArray:
        """Mean over the members, shape ``(n,)``."""
        return np.asarray(self._values(points).mean(dim=0).numpy(), dtype=np.float64)

    def deviation(self, points: npt.ArrayLike) -> FloatArray:
        """Standard deviation over the members, shape ``(n,)``; 0 for a single one."""
        return np.asarray(self._values(points).std(dim=0, unbiased=False).numpy(), dtype=np.float64)

    @property
    def predicts_responses(self) -> bool:
        """It does."""
        return True

    @property
    def wavelengths(self) -> FloatArray | None:
        """In nm, shape ``(m,)``; None where the response is a value."""
        return self.net.wavelengths

    def responses(self, points: npt.ArrayLike) -> FloatArray:
        """Absorbances or values of each member, shape ``(k, n, m)``."""
        return self.net.predict(points)

    @property
    def suffix(self) -> str:
        """That of a Lightning checkpoint."""
        return ".ckpt"

    def save(self, path: Path) -> None:
        """Write the ensemble's checkpoint."""
        self.net.save(path)


def _seed(history: History) -> int:
    return int(history.rng().integers(2**31))
