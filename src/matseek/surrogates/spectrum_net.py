"""A network that predicts a whole spectrum from a recipe, as an ensemble that trains as one."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from matseek import checks
from matseek.checks import numbers, of, real, several, whole
from matseek.core.space import BoxSpace
from matseek.files import replacing
from matseek.spaces import Box
from matseek.surrogates.periodic import embed
from matseek.surrogates.spectra_data import EnsembleBatch

FloatArray = npt.NDArray[np.float64]

PAPER_HIDDEN = (50, 100, 200, 500)
"""Hidden layers for spectra; Mekki-Berrada et al., npj Comput. Mater. 7, 55 (2021), Methods."""

SCALAR_HIDDEN = (64, 64)
"""Hidden layers where the response is a single value."""

_ROWS_AT_ONCE = 4096


class SpectrumNet(pl.LightningModule):
    """k multilayer perceptrons (MLPs) with ReLU from recipes to responses, their parameters side by side in one module.

    Every parameter has a leading dimension k, and a layer is one batched matrix product. Members share nothing: the
    training loss is the sum over members, so that each has its own gradient. Inputs are scaled by the box, periodic
    ones enter as points of a circle, and outputs are absorbances (or values) again.

    Args:
        space: The box whose windows scale the inputs, or what a checkpoint says of it.
        wavelengths: Wavelengths in nm, shape ``(m,)``; None for a network that predicts a single value (m = 1).
        members: Networks in the ensemble, k.
        hidden: Sizes of the hidden layers; None for the paper's where there are wavelengths, else two of 64.
        cosine_weight: Share of ``1 - cosine(predicted, measured)`` in the training loss; the rest is the squared error
            in units of the data's scale.
        learning_rate: Adam's, at the start.
        seed: Seed of the initial parameters.

    Raises:
        ValueError: If a setting is out of its range.
    """

    low: Tensor
    width: Tensor
    periodic: Tensor
    offset: Tensor
    scale: Tensor

    def __init__(
        self,
        space: BoxSpace | Mapping[str, Any],
        wavelengths: npt.ArrayLike | None = None,
        *,
        members: int = 5,
        hidden: Sequence[int] | None = None,
        cosine_weight: float = 0.0,
        learning_rate: float = 1e-3,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.space = (
            Box.from_description(space) if isinstance(space, Mapping) else of(BoxSpace, "a Box")("space", space)
        )
        self.wavelengths = None if wavelengths is None else numbers("wavelengths", wavelengths).reshape(-1)
        if hidden is None:
            hidden = SCALAR_HIDDEN if self.wavelengths is None else PAPER_HIDDEN
        members, seed = whole(1, 1000)("members", members), checks.seed("seed", seed)
        hidden = several(whole(1, 100_000), 0, 100)("hidden", hidden)
        cosine_weight = real(0, 1, unit="a share of the training loss")("cosine_weight", cosine_weight)
        learning_rate = real(above=0)("learning_rate", learning_rate)
        if cosine_weight and self.wavelengths is None:
            raise ValueError(
                f"cosine_weight={cosine_weight} needs spectra; the response is a single value: set it to 0"
            )
        self.members, self.cosine_weight, self.learning_rate = members, cosine_weight, learning_rate
        outputs = 1 if self.wavelengths is None else self.wavelengths.size
        inputs = self.space.dim + int(self.space.periodic.sum())
        self.sizes = (inputs, *hidden, outputs)
        # save_hyperparameters would compare arrays with == to find its argument's name.
        self.hparams.update(
            {
                "space": self.space.describe(),
                "wavelengths": None if self.wavelengths is None else self.wavelengths.tolist(),
                "members": self.members,
                "hidden": list(self.sizes[1:-1]),
                "cosine_weight": self.cosine_weight,
                "learning_rate": self.learning_rate,
                "seed": seed,
            }
        )
        self._epoch_losses: list[Tensor] = []
        self.held_out_loss: float | None = None
        """Mean over the members of each one's least loss on held-out recipes; None where none were held out."""
        self._initialize(torch.Generator().manual_seed(seed))
        self.register_buffer("low", torch.tensor(self.space.lower, dtype=torch.float32))
        self.register_buffer("width", torch.tensor(self.space.upper - self.space.lower, dtype=torch.float32))
        self.register_buffer("periodic", torch.tensor(self.space.periodic), persistent=False)
        self.register_buffer("offset", torch.zeros(outputs))
        self.register_buffer("scale", torch.ones(()))

    def _initialize(self, generator: torch.Generator) -> None:
        """Weights by He et al., ICCV 2015 (hidden layers), and half that variance for the linear output; biases 0."""
        layers = list(zip(self.sizes[:-1], self.sizes[1:], strict=True))
        weights = []
        for i, (fan_in, fan_out) in enumerate(layers):
            spread = math.sqrt((1.0 if i == len(layers) - 1 else 2.0) / fan_in)
            weights.append(nn.Parameter(torch.randn(self.members, fan_in, fan_out, generator=generator) * spread))
        self.weights = nn.ParameterList(weights)
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(self.members, 1, fan_out)) for _, fan_out in layers)

    def standardize(self, offset: npt.ArrayLike, scale: float) -> None:
        """Set what the last layer is scaled by, from training data.

        Args:
            offset: Mean response, shape ``(m,)``.
            scale: Typical distance from it, one number for all outputs; it keeps the squared error's meaning.
        """
        self.offset.copy_(torch.as_tensor(offset, dtype=torch.float32))
        self.scale.fill_(float(scale))

    def forward(self, points: Tensor) -> Tensor:
        """Predict, differentiably.

        Args:
            points: Recipes in the variables' units, shape ``(n, d)``, or ``(k, n, d)`` with each member's own; any
                floating type, the network computes in float32.

        Returns:
            Absorbances or values of each member, shape ``(k, n, m)``, float32.
        """
        x = embed((points.to(torch.float32) - self.low) / self.width, self.periodic)
        if x.ndim == 2:
            x = x.unsqueeze(0).expand(self.members, -1, -1)
        last = len(self.weights) - 1
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x, weight)
            if i < last:
                x = torch.relu(x)
        return self.offset + self.scale * x

    def values(self, points: Tensor, objective: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Value to minimise that each member predicts, differentiably.

        Args:
            points: Recipes in the variables' units, shape ``(n, d)``.
            objective: Turns spectra ``(..., m)`` into values ``(...)``; None where the response is the value itself.

        Returns:
            Shape ``(k, n)``, float32.
        """
        responses = self(points)
        values: Tensor = responses.squeeze(-1) if objective is None else objective(responses)
        return values

    def predict(self, points: npt.ArrayLike) -> FloatArray:
        """Predict, for people: arrays in the variables' units in, arrays out.

        Args:
            points: Shape ``(n, d)``.

        Returns:
            Absorbances or values of each member, shape ``(k, n, m)``.
        """
        rows = torch.tensor(self.space.as_points(points), dtype=torch.float32, device=self.device)
        with torch.no_grad():
            chunks = [self(chunk).cpu() for chunk in torch.split(rows, _ROWS_AT_ONCE)]
        return torch.cat(chunks, dim=1).numpy().astype(np.float64)

    def losses(self, batch: EnsembleBatch) -> Tensor:
        """Training loss of each member on its own rows, shape ``(k,)``."""
        predicted = self(batch.points)
        loss = ((predicted - batch.targets) / self.scale).square().mean(dim=-1)
        if self.cosine_weight:
            norm = predicted.square().sum(dim=-1).clamp_min(torch.finfo(predicted.dtype).tiny).sqrt()
            mismatch = 1.0 - (predicted * batch.directions).sum(dim=-1) / norm
            loss = (1.0 - self.cosine_weight) * loss + self.cosine_weight * mismatch
        mean: Tensor = (batch.weights * loss).sum(dim=1) / batch.weights.sum(dim=1).clamp_min(1e-12)
        return mean

    def training_step(self, batch: EnsembleBatch) -> Tensor:
        """Sum over members: the gradient of each member's parameters is that of its own loss."""
        losses = self.losses(batch)
        self._epoch_losses.append(losses.detach().mean())
        total: Tensor = losses.sum()
        return total

    def on_train_epoch_end(self) -> None:
        """Log ``training_loss``, the mean over members and batches."""
        if self._epoch_losses:
            self.log("training_loss", torch.stack(self._epoch_losses).mean())
        self._epoch_losses.clear()

    def validation_step(self, batch: EnsembleBatch) -> Tensor:
        """Loss of each member on the recipes that it was not trained on, shape ``(k,)``; logs ``validation_loss``."""
        losses = self.losses(batch)
        self.log("validation_loss", losses.mean(), batch_size=batch.points.shape[-2])
        return losses

    def configure_optimizers(self) -> Any:  # noqa: ANN401 -- Lightning's own union of dictionaries
        """Adam, its rate falling to zero along half a cosine (Loshchilov and Hutter, ICLR 2017)."""
        # Parameters are many and batches small: fused, a step of Adam costs a tenth of the plain loop's on one core.
        optimizer = torch.optim.Adam(self.parameters(), lr=self.learning_rate, fused=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=max(1, self.trainer.max_epochs or 1))
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def save(self, path: str | Path) -> None:
        """Write a checkpoint: parameters, normalisation, box and wavelengths, as tensors and plain data."""
        with replacing(path) as draft:
            torch.save({"state_dict": self.state_dict(), "hyper_parameters": dict(self.hparams)}, draft)

    @classmethod
    def load(cls, path: str | Path) -> SpectrumNet:
        """Read a checkpoint, also one that Lightning's trainer wrote; nothing in it is executed.

        Raises:
            ValueError: If the file is no checkpoint of a SpectrumNet.
        """
        try:
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
            net = cls(**checkpoint["hyper_parameters"])
            net.load_state_dict(checkpoint["state_dict"])
        except (RuntimeError, pickle.UnpicklingError, KeyError, TypeError, EOFError) as error:
            raise ValueError(
                f"{str(path)!r} is no checkpoint of a SpectrumNet ({type(error).__name__}); "
                "name a file that SpectrumNet.save or Lightning's trainer wrote"
            ) from error
        return net.eval()

    def require(self, space: BoxSpace, wavelengths: npt.ArrayLike | None) -> SpectrumNet:
        """Make sure that this network is of a problem; a window that has been widened since does not matter.

        Args:
            space: The problem's box.
            wavelengths: The objective's wavelengths in nm; None where the problem's response is a value.

        Returns:
            The network itself.

        Raises:
            ValueError: If the box or the wavelengths are another problem's.
        """
        own, wanted = _without_windows(self.space), _without_windows(space)
        if own != wanted:
            raise ValueError(
                f"the network was trained for another problem: its box is {own}, the problem's is {wanted}; "
                "load the checkpoint of this problem, or train one"
            )
        if (self.wavelengths is None) != (wavelengths is None) or (
            self.wavelengths is not None and not np.array_equal(self.wavelengths, np.asarray(wavelengths))
        ):
            raise ValueError(
                f"the network was trained for another problem: it predicts {_range(self.wavelengths)}, the problem "
                f"measures {_range(wavelengths)}; load the checkpoint of this problem, or train one"
            )
        return self


def _without_windows(space: BoxSpace) -> list[str]:
    """What stays the same of a box when its windows widen."""
    variables = [
        f"{v.limits[0]:g} <= {v.label} <= {v.limits[1]:g}{', periodic' if v.periodic else ''}" for v in space.variables
    ]
    return variables + space.rules


def _range(wavelengths: npt.ArrayLike | None) -> str:
    if wavelengths is None:
        return "a single value"
    nm = np.asarray(wavelengths, dtype=np.float64)
    return f"{nm.size} absorbances at {nm[0]:g}-{nm[-1]:g} nm"
