"""Gaussian processes of several outcomes whose variances have been corrected by how far their predictions err."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from botorch.models import SingleTaskGP
from gpytorch.likelihoods import GaussianLikelihood
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

_FURTHER_STEPS = 30
"""Steps with further conditions, from the hyperparameters without them."""

_LATEST = 15
"""Conditions whose predictions, made without them, tell how far those of the next will err; as many are known before.
"""

_CALIBRATION = (0.25, 25.0)
"""Bounds of the factors by which leave-one-out, and the latest conditions, correct a variance."""


@dataclass(frozen=True, eq=False)
class Data:
    """What the Gaussian processes learn from.

    Args:
        X: Conditions in unit coordinates, shape ``(n, d)``.
        targets: Shape ``(n, k)``.
        noise: Variances of the targets, shape ``(n, k)``; None where there are no replicates.
        values: Values of the conditions, shape ``(n,)``; hyperparameters are learnt from the best of too many.
    """

    X: Tensor
    targets: Tensor
    noise: Tensor | None
    values: FloatArray

    def __getitem__(self, rows: slice | npt.NDArray[np.intp]) -> Data:
        noise = None if self.noise is None else self.noise[rows]
        return Data(self.X[rows], self.targets[rows], noise, self.values[rows])


def filled(noise: FloatArray, least: float) -> Tensor | None:
    """Variances ``(n, k)``, at least so large, with typical ones for those that are NaN; None where all are NaN."""
    measured = np.asarray(np.isfinite(noise)).all(axis=1)
    if not measured.any():
        return None
    filled = np.where(measured.reshape(-1, 1), noise, np.median(noise[measured], axis=0))
    return torch.as_tensor(np.maximum(filled, least))


def calibrated(
    data: Data, periodic: Tensor, principal: int, components: int, seed: int, device: Device
) -> tuple[SingleTaskGP, float]:
    """The fitted model, and the factor of its variances with which it would have foretold the latest conditions.

    Hyperparameters are learnt without these first, which costs no more. The factor is 1 of too few conditions.

    Args:
        data: What is learnt from.
        periodic: Which coordinates are periodic, shape ``(d,)``.
        principal: Number of principal components.
        components: Number of components.
        seed: Of the restarts of the maximisation.
        device: Where hyperparameters are learnt.
    """
    before, factor = len(data.X) - _LATEST, 1.0
    if before < _LATEST:
        model = _fitted(data, periodic, seed, device)
    else:
        earlier, latest = _fitted(data[:before], periodic, seed, device), data[before:]
        model = _fitted(data, periodic, seed, device, start=earlier)
        _calibrate(earlier, principal, components)
        with quiet_numerics():
            factor = surprise(earlier, latest.X, latest.targets, latest.noise, principal)
    _calibrate(model, principal, components)
    return model, float(np.clip(factor, *_CALIBRATION))


def _fitted(data: Data, periodic: Tensor, seed: int, device: Device, start: SingleTaskGP | None = None) -> SingleTaskGP:
    """One Gaussian process for each column of the targets; the noise is learnt where there are no replicates.

    Args:
        data: What is learnt from.
        periodic: Which coordinates are periodic, shape ``(d,)``.
        seed: Of the restarts of the maximisation.
        device: Where hyperparameters are learnt.
        start: A model whose hyperparameters are the first guess; None for those of the prior.
    """

    def model_of(rows: Data) -> SingleTaskGP:
        return SingleTaskGP(
            rows.X,
            rows.targets,
            train_Yvar=rows.noise,
            covar_module=matern(periodic, rows.targets.shape[1]),
            outcome_transform=None,
        )

    # Hyperparameters change little with further conditions, and a step costs the cube of their number.
    some = representative(data.X.numpy(), data.values, MOST_MAXIMISED)
    model = model_of(data[some])
    if start is not None:
        _take_over(model, start)
    maximize_likelihood(model, seed, _STEPS if start is None else _FURTHER_STEPS, device=device)
    if len(some) < len(data.X):
        whole = model_of(data)
        _take_over(whole, model)
        model = whole
    return model.eval().requires_grad_(False)


def _take_over(model: SingleTaskGP, other: SingleTaskGP) -> None:
    """Give a model the hyperparameters of another in place."""
    noise = ("likelihood",) if isinstance(model.likelihood, GaussianLikelihood) else ()
    for name in ("covar_module", "mean_module", *noise):
        getattr(model, name).load_state_dict(getattr(other, name).state_dict())


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
