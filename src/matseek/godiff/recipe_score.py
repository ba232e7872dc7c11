"""A score for points without particles' symmetries: recipes in a box, a coordinate or two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import pairwise

import torch
from torch import Tensor, nn

from matseek import checks
from matseek.checks import of, real, several, whole
from matseek.diffusion import Manifold
from matseek.godiff.score_matching import Fields

_OCTAVES = 4
"""Pairs of waves in which log sigma is told to the network."""


class MLPScore(nn.Module):
    """A multilayer perceptron (MLP) from a point and sigma to sigma times the score.

    Points enter by the manifold's features, so that periodic images are one; sigma by its logarithm and waves of it
    (Song et al., ICLR 2021, use random ones). Every layer sees sigma. The last layer starts at zero, the score of the
    uniform distribution.

    Args:
        manifold: Where points live.
        sigma_range: Lowest and highest sigma of the schedule, which scale the embedding.
        hidden: Sizes of the hidden layers.
        seed: Seed of the initial parameters.

    Raises:
        ValueError: If a size is below 1, or the range of sigma is not 0 < low < high.
    """

    def __init__(
        self,
        manifold: Manifold,
        sigma_range: tuple[float, float],
        *,
        hidden: Sequence[int] = (128, 128, 128),
        seed: int = 0,
    ) -> None:
        super().__init__()
        of(Manifold, "a manifold")("manifold", manifold)
        low, high = several(real(above=0, unit="widths of noise"), 2, 2)("sigma_range", sigma_range)
        if low >= high:
            raise ValueError(f"sigma_range={sigma_range} must be two widths, 0 < low < high: those of the schedule")
        hidden = several(whole(1, 100_000), 1, 100)("hidden", hidden)
        self.manifold = manifold
        self._centre, self._half = math.log(low * high) / 2, math.log(high / low) / 2
        embedded = 1 + 2 * _OCTAVES
        sizes = (manifold.features, *hidden)
        self.layers = nn.ModuleList(nn.Linear(a + embedded, b) for a, b in pairwise(sizes))
        self.head = nn.Linear(sizes[-1], math.prod(manifold.shape))
        generator = torch.Generator().manual_seed(checks.seed("seed", seed))
        with torch.no_grad():
            for layer in self.layers:
                assert isinstance(layer, nn.Linear)
                layer.weight.normal_(0, math.sqrt(2 / layer.in_features), generator=generator)
                layer.bias.zero_()
            self.head.weight.zero_()
            self.head.bias.zero_()

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Sigma times the score.

        Args:
            x: Points, shape ``(B, *shape)``.
            sigma: Widths of the noise, shape ``(B,)``.

        Returns:
            Of the points' shape.
        """
        u = ((sigma.log() - self._centre) / self._half).unsqueeze(-1)
        phases = u * (math.pi / 2 * 2.0 ** torch.arange(_OCTAVES, dtype=u.dtype, device=u.device))
        embedding = torch.cat([u, phases.cos(), phases.sin()], dim=-1)
        h = self.manifold.featurize(x)
        for layer in self.layers:
            h = nn.functional.silu(layer(torch.cat([h, embedding], dim=-1)))
        score: Tensor = self.head(h).reshape(x.shape)
        return score


class RecipeScore(nn.Module):
    """An MLP's score as fields: recipes have no forces.

    Args:
        net: The MLP.
    """

    def __init__(self, net: MLPScore) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, sigma: Tensor) -> Fields:
        """Sigma times the score, and no forces."""
        return Fields(self.net(x, sigma), None)

    def score(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Sigma times the score."""
        score: Tensor = self.net(x, sigma)
        return score

    def forces(self, x: Tensor, sigma: Tensor) -> None:  # noqa: ARG002 -- recipes have none
        """No forces."""
        return

    def same_shapes(self, device: torch.device) -> bool:  # noqa: ARG002 -- wherever it is
        """Always."""
        return True

    def freeze_force_head(self) -> None:
        """Nothing: no parameter is the forces' alone."""

    def cached_template(self) -> nullcontext[None]:
        """Nothing depends on the parameters alone."""
        return nullcontext()
