"""The contract of a score network of structures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from matseek import checks
from matseek.networks.graphs import AtomicSystem, Surroundings, surroundings, template_graph

TemplateFeatures = tuple[Tensor, ...]
"""What is computed of the template once; empty where nothing can be computed ahead."""


class ScoreAndForces(NamedTuple):
    """What the network says of a batch of B structures with n free atoms.

    Args:
        score: Sigma times the score, dimensionless, shape ``(B, n, 3)``.
        forces: In eV/A, shape ``(B, n, 3)``.
    """

    score: Tensor
    forces: Tensor


class AtomicScoreModel(nn.Module, ABC):
    """Score and forces of the free atoms of any system; no parameter depends on the system.

    A new network gives :meth:`make`, which makes the layers (``force_head`` among them), and :meth:`forward`. It is
    known as ``network.representation=NAME`` by its entry point in ``matseek.score_networks``, which names the class:
    the constructor takes the settings below and nothing else. Both vectors turn with the atoms, do not depend on their
    order or image, and forces do not depend on sigma. ``matseek.testing.check_score_network`` certifies it.

    Args:
        features: Features of an atom.
        blocks: Message-passing blocks.
        cutoff: In angstrom.
        gaussians: Radial basis functions.
        seed: Seed of the initial parameters.
    """

    form: ClassVar[str] = ""
    """The entry point's name, kept in model files. Empty for the forms of PaiNN, whose parameters fit each other."""

    force_head: nn.Module
    """Everything that only forces depend on."""

    def __init__(
        self, features: int = 64, blocks: int = 4, cutoff: float = 6.0, gaussians: int = 30, *, seed: int = 0
    ) -> None:
        super().__init__()
        self._sizes = {"features": features, "blocks": blocks, "cutoff": cutoff, "gaussians": gaussians}
        # torch's layers draw from the global generator: lend it to them, and put it back as it was.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(checks.seed("seed", seed))
            self.make(features, blocks, cutoff, gaussians)

    @abstractmethod
    def make(self, features: int, blocks: int, cutoff: float, gaussians: int) -> None:
        """Make the layers; the global generator that initial parameters come from is seeded.

        Raises:
            ValueError: If a setting is out of its range.
        """

    @abstractmethod
    def forward(self, graph: Data, sigma: Tensor, template: TemplateFeatures | None = None) -> ScoreAndForces:
        """Score and forces in one pass.

        Args:
            graph: From :meth:`graph`.
            sigma: Noise level of each structure in angstrom, shape ``(B,)``, positive.
            template: From :meth:`encode_template`; None encodes it here, with a gradient (a training step).
        """

    def score(self, graph: Data, sigma: Tensor, template: TemplateFeatures | None = None) -> Tensor:
        """The score alone, of ``forward``; a network that can leave out its forces does so here."""
        return self(graph, sigma, template).score  # type: ignore[no-any-return]

    def forces(self, graph: Data, sigma: Tensor, template: TemplateFeatures | None = None) -> Tensor:
        """The forces alone, of ``forward``; a network that can leave out its score does so here."""
        return self(graph, sigma, template).forces  # type: ignore[no-any-return]

    def same_shapes(self, device: torch.device) -> bool:  # noqa: ARG002 -- for those that can
        """Whether, on a device, a pass asks the host for nothing and its shapes do not depend on where atoms are."""
        return False

    @property
    def cutoff(self) -> float:
        """In angstrom."""
        return self._sizes["cutoff"]

    @property
    def architecture(self) -> dict[str, int | float | str]:
        """What parameters depend on, by name, as model files hold it."""
        return {**self._sizes, **({"representation": self.form} if self.form else {})}

    def graph(self, system: AtomicSystem, positions: Tensor) -> Data:
        """Neighbours of a batch, on the positions' device; no parameters are involved.

        Args:
            system: The system.
            positions: Free atoms in angstrom, shape ``(B, n, 3)``, anywhere in space, float32 or float64.

        Returns:
            What ``forward`` takes.

        Raises:
            ValueError: If the shape is not the system's.
        """
        require_positions(system, positions)
        return self._graph(surroundings(system, self.cutoff, positions.dtype, positions.device), positions)

    def _graph(self, around: Surroundings, positions: Tensor) -> Data:
        """Free atoms that see the template and one another, see :func:`matseek.networks.graphs.template_graph`."""
        return template_graph(around, positions)

    def encode_template(self, system: AtomicSystem) -> TemplateFeatures:  # noqa: ARG002 -- for those that can
        """What a sampling run computes once: pass it to every ``forward`` of the run, under ``torch.no_grad``."""
        return ()

    def freeze_force_head(self) -> None:
        """What only forces depend on is trained no more."""
        self.force_head.requires_grad_(False)


def require_positions(system: AtomicSystem, positions: Tensor) -> None:
    """Refuse positions of another shape than ``(B, n, 3)`` of a system.

    Raises:
        ValueError: If they have another.
    """
    if positions.ndim != 3 or positions.shape[1:] != (system.n_free, 3):
        raise ValueError(
            f"positions has shape {tuple(positions.shape)}; the system has {system.n_free} free atoms: "
            f"give (structures, {system.n_free}, 3)"
        )
