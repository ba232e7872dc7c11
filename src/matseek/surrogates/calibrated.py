"""Gaussian processes of several outcomes whose variances have been corrected by how far their predictions err."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from botorch.models import SingleTaskGP
from torch import Tensor

from matseek.surrogates.devices import Device
from matseek.surrogates.foresight import surprise
from matseek.surrogates.gp import matern, maximize_likelihood, quiet_numerics, representative
from matseek.surrogates.left_out import left_out_errors

FloatArray = npt.NDArray[np.float64]

MOST_MAXIMISED = 100
"""Conditions that hyperparameters are learnt from; of more, those that :func:`representative` keeps."""

_STEPS = 75
"""Steps of the maximisation of the marginal likelihood."""

_LATEST = 15
"""Conditions whose predictions, made without them, tell how far those of the next will err; as many are known before.
"""

_CALIBRATION = (0.25, 25.0)
"""Bounds of the factors by which leave-one-out, and the latest conditions, correct a variance."""


@dataclass(frozen=True, eq=False)
class Training:
    """What the Gaussian processes of some components, and of whatever else is learnt with them, are fitted on.

    Args:
        X: Conditions in unit coordinates, shape ``(n, d)``, in the order in which they were measured.
        targets: Shape ``(n, k)``: the principal components, those outside of them, and others.
        noise: Variances of the targets, shape ``(n, k)``; None where there are no replicates.
        values: Values of the conditions, shape ``(n,)``; hyperparameters are learnt from the best of too many.
        periodic: Which coordinates are periodic, shape ``(d,)``.
        principal: Number of principal components.
        components: Number of components.
        seed: Of the restarts of the maximisation.
        device: Where hyperparameters are learnt.
    """

    X: Tensor
    targets: Tensor
    noise: Tensor | None
    values: FloatArray
    periodic: Tensor
    principal: int
    components: int
    seed: int
    device: Device

    def __getitem__(self, rows: slice | npt.NDArray[np.intp]) -> Training:
        noise = None if self.noise is None else self.noise[rows]
        return replace(self, X=self.X[rows], targets=self.targets[rows], noise=noise, values=self.values[rows])

    def model(self) -> SingleTaskGP:
        """Gaussian processes with the likeliest hyperparameters, their amplitudes corrected by leave-one-out."""
        model = _fitted(self)
        _calibrate(model, self.principal, self.components)
        return model

    def factor(self) -> float:
        """The factor of the variances with which a model without the latest conditions would have foretold them.

        1 of too few conditions. It takes as long as :meth:`model`.
        """
        before = len(self.X) - _LATEST
        if before < _LATEST:
            return 1.0
        latest = self[before:]
        with torch.enable_grad(), quiet_numerics():
            factor = surprise(self[:before].model(), latest.X, latest.targets, latest.noise, self.principal)
        return float(np.clip(factor, *_CALIBRATION))


def _fitted(data: Training) -> SingleTaskGP:
    """One Gaussian process for each column of the targets; the noise is learnt where there are no replicates."""

    def model_of(rows: Training) -> SingleTaskGP:
        return SingleTaskGP(
            rows.X,
            rows.targets,
            train_Yvar=rows.noise,
            covar_module=matern(rows.periodic, rows.targets.shape[1]),
            outcome_transform=None,
        )

    # Hyperparameters change little with further conditions, and a step costs the cube of their number.
    some = representative(data.X.numpy(), data.values, MOST_MAXIMISED)
    model = model_of(data[some])
    maximize_likelihood(model, data.seed, _STEPS, device=data.device)
    if len(some) < len(data.X):
        whole = model_of(data)
        parts = ("covar_module", "mean_module", *(["likelihood"] if data.noise is None else []))
        for name in parts:
            getattr(whole, name).load_state_dict(getattr(model, name).state_dict())
        model = whole
    return model.eval().requires_grad_(False)


def _calibrate(model: SingleTaskGP, principal: int, components: int) -> None:
    """Correct the amplitudes in place.

    Those of the principal components by the mean square of the standardised leave-one-out errors (Rasmussen and
    Williams (2006), equation 5.12). Those of the directions outside are the cross-validated ones, which their scores
    near zero say nothing about; how far their data reach is what the principal components have learnt.
    """
    with torch.no_grad():
        kernel = model.covar_module
        errors, _ = left_out_errors(model)
        factors = errors.square().mean(dim=-1).clamp(*_CALIBRATION)
        amplitudes, scales = kernel.outputscale * factors, kernel.base_kernel.lengthscale.clone()
        amplitudes[principal:components] = 1.0
        scales[principal:components] = scales[:principal].log().mean(dim=0).exp()
        kernel.outputscale, kernel.base_kernel.lengthscale = amplitudes, scales
