"""The network of GO-Diff: score and forces of the free atoms from one PaiNN representation.

Sigma enters in the score head only. So the representation, and with it all that the template sends, does not depend on
sigma: a sampling run encodes the template once for all its steps, and the forces, read from the same representation,
cannot depend on sigma by construction.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from matseek.diffusion import Manifold
from matseek.godiff.score_matching import Fields
from matseek.godiff.score_model import AtomicScoreModel, ScoreAndForces, TemplateFeatures, require_positions
from matseek.networks.full_rows import full_plan
from matseek.networks.graphs import AtomicSystem, Surroundings, full_graph, surroundings
from matseek.networks.painn import Edges, GatedVectors, PaiNN
from matseek.networks.rows import RowPlan, row_plan

_FREQUENCIES = 8


class AtomicScore(AtomicScoreModel):
    """PaiNN with a head for the score and one for the forces.

    The two forms, ``TemplateScore`` and ``FullScore``, have the same parameters under the same names.
    """

    frequencies: Tensor

    def make(self, features: int, blocks: int, cutoff: float, gaussians: int) -> None:
        """PaiNN, the embedding of the noise, and the heads."""
        self.representation = PaiNN(features, blocks, cutoff, gaussians)
        waves = 2 * _FREQUENCIES
        # Sines and cosines of log sigma, with periods from 0.8 to 100.
        frequencies = 2 * math.pi / torch.logspace(2, -0.1, _FREQUENCIES)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.noise = nn.Sequential(nn.Linear(waves, features), nn.SiLU(), nn.Linear(features, features))
        self.score_head = VectorHead(features, condition=features)
        self.force_head = VectorHead(features)

    def same_shapes(self, device: torch.device) -> bool:
        """Not on a CPU, where work counts and launches do not."""
        return device.type != "cpu"

    @abstractmethod
    def _represent(self, graph: Data, template: TemplateFeatures | None) -> tuple[Tensor, Tensor]:
        """Scalars ``(B n, F)`` and vectors ``(B n, 3, F)`` of the free atoms."""

    def forward(self, graph: Data, sigma: Tensor, template: TemplateFeatures | None = None) -> ScoreAndForces:
        """Score and forces in one pass."""
        scalars, vectors = self._represent(graph, template)
        forces = self.force_head(scalars, vectors).view(len(sigma), -1, 3)
        return ScoreAndForces(self._score(scalars, vectors, sigma), forces)

    def score(self, graph: Data, sigma: Tensor, template: TemplateFeatures | None = None) -> Tensor:
        """Without the forces' head."""
        return self._score(*self._represent(graph, template), sigma)

    def forces(self, graph: Data, sigma: Tensor, template: TemplateFeatures | None = None) -> Tensor:
        """Without the score's head."""
        forces: Tensor = self.force_head(*self._represent(graph, template))
        return forces.view(len(sigma), -1, 3)

    def _score(self, scalars: Tensor, vectors: Tensor, sigma: Tensor) -> Tensor:
        batch = sigma.shape[0]
        n = scalars.shape[0] // batch
        angles = sigma.to(scalars.dtype).log().unsqueeze(-1) * self.frequencies
        noise = self.noise(torch.cat([angles.sin(), angles.cos()], dim=-1))
        noise = noise.unsqueeze(1).expand(-1, n, -1).flatten(0, 1)
        score: Tensor = self.score_head(scalars, vectors, noise)
        return score.view(batch, n, 3)


class TemplateScore(AtomicScore):
    """The template is encoded without the free atoms, once; free atoms read it and one another.

    It is PaiNN on a graph without the edges from free atoms to template atoms. What is lost is that the template's
    features do not respond to the free atoms; what is won is that they are the same for every structure and step.
    Template atoms that a translation carries into one another are encoded once.
    """

    def graph(self, system: AtomicSystem, positions: Tensor) -> Data:
        """On a CPU lists of neighbours; elsewhere rows of one length, see :mod:`matseek.networks.rows`."""
        if not self.same_shapes(positions.device):
            return super().graph(system, positions)
        require_positions(system, positions)
        basis, n = self.representation.basis, len(positions)
        plan = row_plan(system, len(basis.centres), self.cutoff, positions.dtype, positions.device)
        numbers = torch.cat([plan.around.distinct.numbers, plan.around.numbers[plan.around.n_template :].repeat(n)])
        return Data(numbers=numbers, plan=plan, free=plan.free(basis, positions), num_nodes=len(numbers))

    def encode_template(self, system: AtomicSystem) -> TemplateFeatures:
        """What the R distinct template atoms send in each block."""
        weight = self.representation.embedding.weight
        distinct = surroundings(system, self.cutoff, weight.dtype, weight.device).distinct
        edges = self.representation.edges(distinct.edge_index, distinct.edge_vectors, distinct.pair)
        return self.representation.sent(distinct.numbers, edges)

    def _represent(self, graph: Data, template: TemplateFeatures | None) -> tuple[Tensor, Tensor]:
        if "plan" in graph:
            return self._represent_rows(graph.numbers, graph.plan, graph.free, template)
        if template is None:
            within = self.representation.edges(
                graph.template_edge_index, graph.template_edge_vectors, graph.template_pair
            )
            template = self.representation.sent(graph.template_numbers, within)
        edges = self.representation.edges(graph.edge_index, graph.edge_vectors, graph.pair)
        represented: tuple[Tensor, Tensor] = self.representation(graph.numbers, edges, template)
        return represented

    def _represent_rows(
        self, numbers: Tensor, plan: RowPlan, free: Edges, template: TemplateFeatures | None
    ) -> tuple[Tensor, Tensor]:
        if template is None:
            return self.representation.forward_rows(numbers, plan.fixed, free, plan.distinct)
        represented: tuple[Tensor, Tensor] = self.representation(numbers[plan.distinct :], free, template)
        return represented


class FullScore(AtomicScore):
    """Every atom sees every other, as in the paper: exact and slow."""

    def graph(self, system: AtomicSystem, positions: Tensor) -> Data:
        """On a CPU lists of neighbours; elsewhere rows of one length, see :mod:`matseek.networks.full_rows`."""
        if not self.same_shapes(positions.device):
            return super().graph(system, positions)
        require_positions(system, positions)
        basis = self.representation.basis
        plan = full_plan(system, len(basis.centres), self.cutoff, positions.dtype, positions.device)
        numbers = plan.around.numbers.repeat(len(positions))
        return Data(numbers=numbers, rows=plan.rows(basis, positions), num_nodes=len(numbers))

    def _graph(self, around: Surroundings, positions: Tensor) -> Data:
        return full_graph(around, positions)

    def encode_template(self, system: AtomicSystem) -> TemplateFeatures:  # noqa: ARG002 -- the interface's
        """Nothing: every atom's features depend on the free atoms."""
        return ()

    def _represent(self, graph: Data, template: TemplateFeatures | None) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        represented: tuple[Tensor, Tensor]
        if "rows" in graph:
            edges, into_free, free = graph.rows
            represented = self.representation(graph.numbers, edges, last=(free, into_free))
            return represented
        edges = self.representation.edges(graph.edge_index, graph.edge_vectors)
        source, receiver = graph.free_edge_index
        into_free = Edges(source, receiver, edges.radial[: len(source)], edges.directions[: len(source)])
        represented = self.representation(graph.numbers, edges, last=(graph.free, into_free))
        return represented


class Place(NamedTuple):
    """Where atoms are.

    Attributes:
        system: The template and the free atoms.
        manifold: Where points live.
    """

    system: AtomicSystem
    manifold: Manifold


class AtomicFields(nn.Module):
    """An atomic score on one system, as the diffusion core sees it: from positions and sigmas to fields.

    Args:
        model: The network. It says what is left of the score beside that of the manifold's prior.
        system: The template and the free atoms.
        manifold: Where points live.
    """

    def __init__(self, model: AtomicScoreModel, system: AtomicSystem, manifold: Manifold) -> None:
        super().__init__()
        self.model, self.place = model, Place(system, manifold)
        self._template: TemplateFeatures | None = None

    def forward(self, x: Tensor, sigma: Tensor) -> Fields:
        """Score and forces at points ``(B, n, 3)`` under noise of widths ``(B,)``."""
        result = self.model(self._graph(x), sigma, self._template)
        return Fields(result.score + self.manifold.prior_score(x, sigma), result.forces)

    def score(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The score alone."""
        return self.model.score(self._graph(x), sigma, self._template) + self.manifold.prior_score(x, sigma)

    def forces(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The forces alone."""
        return self.model.forces(self._graph(x), sigma, self._template)

    def _graph(self, x: Tensor) -> Data:
        return self.model.graph(self.system, self.manifold.positions(x))

    @property
    def system(self) -> AtomicSystem:
        """The template and the free atoms."""
        return self.place.system

    @property
    def manifold(self) -> Manifold:
        """Where points live."""
        return self.place.manifold

    def same_shapes(self, device: torch.device) -> bool:
        """As the model says."""
        return self.model.same_shapes(device)

    def freeze_force_head(self) -> None:
        """The force head stays as it is."""
        self.model.freeze_force_head()

    @contextmanager
    def cached_template(self) -> Iterator[None]:
        """The template is encoded once for everything inside."""
        self._template = self.model.encode_template(self.system)
        try:
            yield
        finally:
            self._template = None


class VectorHead(nn.Module):
    """One vector per atom from its scalars and vectors, by two gated equivariant blocks (PaiNN, section 3.3).

    Args:
        features: F.
        condition: Further scalars that both blocks read.
    """

    def __init__(self, features: int, condition: int = 0) -> None:
        super().__init__()
        self.first = GatedVectors(features, features, condition)
        self.last = GatedVectors(features, 1, condition)

    def forward(self, scalars: Tensor, vectors: Tensor, condition: Tensor | None = None) -> Tensor:
        """Scalars ``(N, F)``, vectors ``(N, 3, F)`` and condition ``(N, C)`` to ``(N, 3)``, float32."""
        _, vectors = self.last(*self.first(scalars, vectors, condition), condition)
        return vectors.squeeze(-1).float()
