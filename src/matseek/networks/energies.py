"""An ensemble of PaiNN energies as one batched module, with forces that are minus their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch_geometric.data import Data
from torch_geometric.utils import scatter

from matseek import checks
from matseek.networks.graphs import AtomicSystem, surroundings, template_graph
from matseek.networks.painn import Edges, PaiNN, RadialBasis

_SHORTEST = 1e-3
"""Distance in angstrom below which atoms have no direction from one another."""


class AtomicEnergies(nn.Module):
    """PaiNN, and a head that reads an energy from an atom's scalars.

    Args:
        features: Features of an atom.
        blocks: Message-passing blocks.
        cutoff: In angstrom.
        gaussians: Radial basis functions.
    """

    def __init__(self, features: int, blocks: int, cutoff: float, gaussians: int) -> None:
        super().__init__()
        self.representation = PaiNN(features, blocks, cutoff, gaussians)
        self.head = nn.Sequential(nn.Linear(features, features), nn.SiLU(), nn.Linear(features, 1))

    def forward(self, numbers: Tensor, edges: Edges, template: Sequence[Tensor]) -> Tensor:
        """Energies of atoms, shape ``(N,)``, float32.

        Args:
            numbers: Atomic numbers, shape ``(N,)``.
            edges: What they see, template atoms first among the sources.
            template: What template atoms send in each block, see :meth:`matseek.networks.painn.PaiNN.sent`.
        """
        scalars, _ = self.representation(numbers, edges, template)
        energies: Tensor = self.head(scalars).squeeze(-1).float()
        return energies


class _Template(nn.Module):
    """What template atoms send in each block, by the parameters of the representation alone."""

    def __init__(self, representation: PaiNN) -> None:
        super().__init__()
        self.representation = representation

    def forward(self, numbers: Tensor, edges: Edges) -> tuple[Tensor, ...]:
        return self.representation.sent(numbers, edges)


class Neighbours(NamedTuple):
    """What the free atoms of B structures see, and how that changes as they move.

    Attributes:
        graph: From :func:`matseek.networks.graphs.template_graph`.
        seen: Radial functions of each pair, then those along x, y and z, shape ``(P, 4 K)``.
        slopes: Derivatives of ``seen`` by the source's position, per angstrom, shape ``(P, 4 K, 3)``.
        shape: B and the number n of free atoms.
    """

    graph: Data
    seen: Tensor
    slopes: Tensor
    shape: tuple[int, int]


class EnergyEnsemble(nn.Module):
    """Energies of the structures of a system as each of several networks predicts them.

    The free atoms see the template and one another; what the template has without them is a constant and left out. A
    structure's energy is the sum over its free atoms. Every parameter has the members as its first axis, and all
    members are computed at once.

    Args:
        system: Template and free atoms.
        members: Networks, each with initial parameters of its own.
        features: Features of an atom.
        blocks: Message-passing blocks.
        cutoff: In angstrom.
        gaussians: Radial basis functions.
        seed: Seed of the initial parameters.
    """

    def __init__(
        self,
        system: AtomicSystem,
        members: int,
        features: int,
        blocks: int,
        cutoff: float,
        gaussians: int,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.system, self.members, self.cutoff = system, members, cutoff
        # torch's layers draw from the global generator: lend it to them, and put it back as it was.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(checks.seed("seed", seed))
            networks = [AtomicEnergies(features, blocks, cutoff, gaussians) for _ in range(members)]
        stacked, _ = stack_module_state(networks)
        self._names = list(stacked)
        self.stacked = nn.ParameterList(nn.Parameter(value.detach()) for value in stacked.values())
        self.basis = RadialBasis(gaussians, cutoff)
        # In a tuple, so that the patterns' parameters are none of this module's.
        pattern = networks[0].to("meta")
        self._patterns = (pattern, _Template(pattern.representation))

    def neighbours(self, positions: Tensor) -> Neighbours:
        """What the free atoms of structures ``(B, n, 3)`` see; positions in angstrom, anywhere in space, float64."""
        around = surroundings(self.system, self.cutoff, positions.dtype, positions.device)
        graph = template_graph(around, positions)
        vectors, pairs = graph.edge_vectors.float(), graph.edge_index.shape[1]
        seen, slopes = _seen(self.basis, vectors), _slopes(self.basis, vectors)
        return Neighbours(
            graph,
            scatter(seen, graph.pair, dim=0, dim_size=pairs),
            scatter(slopes, graph.pair, dim=0, dim_size=pairs),
            (positions.shape[0], positions.shape[1]),
        )

    def template(self, graph: Data) -> tuple[Tensor, ...]:
        """What the template atoms of a graph send in each block, the members first."""
        each = _seen(self.basis, graph.template_edge_vectors.float())
        seen = scatter(each, graph.template_pair, dim=0, dim_size=graph.template_edge_index.shape[1])
        edges = _edges(graph.template_edge_index, seen)
        pattern = self._patterns[1]

        def sent(parameters: dict[str, Tensor]) -> tuple[Tensor, ...]:
            result: tuple[Tensor, ...] = functional_call(pattern, parameters, (graph.template_numbers, edges))
            return result

        parameters = {k: v for k, v in self._by_name().items() if k.startswith("representation.")}
        result: tuple[Tensor, ...] = vmap(sent)(parameters)
        return result

    def forward(
        self, near: Neighbours, template: Sequence[Tensor] | None = None, *, differentiable: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Energies of each member, and their derivatives by what is seen.

        Args:
            near: From :meth:`neighbours`.
            template: From :meth:`template`; None computes it here.
            differentiable: Whether the derivatives will be differentiated, as training on forces does.

        Returns:
            Energies ``(M, B)``, and the derivative of each by ``near.seen``, shape ``(M, P, 4 K)``.
        """
        sent = self.template(near.graph) if template is None else tuple(template)
        seen = near.seen.expand(self.members, -1, -1)
        pattern, graph = self._patterns[0], near.graph

        def energies_of(parameters: dict[str, Tensor], seen: Tensor, sent: Sequence[Tensor]) -> Tensor:
            edges = _edges(graph.edge_index, seen)
            of_atoms: Tensor = functional_call(pattern, parameters, (graph.numbers, edges, sent))
            return of_atoms.view(near.shape).sum(dim=-1)

        with torch.enable_grad():
            seen = seen.detach().requires_grad_()
            energies = vmap(energies_of)(self._by_name(), seen, sent)
            (by_seen,) = torch.autograd.grad(energies.sum(), seen, create_graph=differentiable)
        return energies if differentiable else energies.detach(), by_seen

    def _by_name(self) -> dict[str, Tensor]:
        return dict(zip(self._names, self.stacked, strict=True))


def pull_back(near: Neighbours, by_seen: Tensor) -> Tensor:
    """Derivatives by the positions of the free atoms from derivatives by what is seen.

    Args:
        near: What is seen.
        by_seen: Shape ``(W, P, 4 K)``.

    Returns:
        Per angstrom, shape ``(W, B, n, 3)``.
    """
    source, receiver = near.graph.edge_index
    along = torch.einsum("wpk,pkc->wpc", by_seen, near.slopes)
    template = near.graph.template_numbers.shape[0]
    atoms = near.graph.numbers.shape[0]
    by_source = along.new_zeros(len(along), template + atoms, 3).index_add(1, source, along)[:, template:]
    by_receiver = along.new_zeros(len(along), atoms, 3).index_add(1, receiver, along)
    return (by_source - by_receiver).view(len(along), *near.shape, 3)


def _edges(edge_index: Tensor, seen: Tensor) -> Edges:
    """Pairs as PaiNN's blocks read them."""
    size = seen.shape[-1] // 4
    return Edges(edge_index[0], edge_index[1], seen[:, :size], seen[:, size:].view(-1, 3, size))


def _seen(basis: RadialBasis, vectors: Tensor) -> Tensor:
    """Radial functions, and their products with the direction, of edges ``(E, 3)``, shape ``(E, 4 K)``."""
    distances = _lengths(vectors)
    radial = basis(distances)
    turned = (vectors / distances.unsqueeze(-1)).unsqueeze(-1) * radial.unsqueeze(1)
    return torch.cat([radial, turned.flatten(1)], dim=-1)


def _slopes(basis: RadialBasis, vectors: Tensor) -> Tensor:
    """Derivatives of :func:`_seen` by the edges, shape ``(E, 4 K, 3)``."""
    distances = _lengths(vectors)
    radial, slope = basis(distances), basis.slope(distances)
    directions = vectors / distances.unsqueeze(-1)
    across = (radial / distances.unsqueeze(-1)).unsqueeze(-1)
    # With u the direction: d(u_a g)/dv_b = u_a u_b (g' - g / r) + [a = b] g / r.
    along = (slope.unsqueeze(-1) - across) * directions.unsqueeze(1)
    turned = directions.view(-1, 3, 1, 1) * along.unsqueeze(1)
    turned = turned + across.unsqueeze(1) * torch.eye(3, device=vectors.device).view(1, 3, 1, 3)
    return torch.cat([slope.unsqueeze(-1) * directions.unsqueeze(1), turned.flatten(1, 2)], dim=1)


def _lengths(vectors: Tensor) -> Tensor:
    return vectors.square().sum(dim=-1).clamp_min(_SHORTEST**2).sqrt()
