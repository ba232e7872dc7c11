"""PaiNN, an equivariant message-passing network (Schuett, Unke and Gastegger, ICML 2021, arXiv 2102.03150).

Written from the paper. Three identities make it cheap without changing what it computes. The filter of an edge
multiplies the source's features, so that products of the source's own features (its gates times its vectors) are taken
per atom and not per edge. Filters are linear in the radial functions, so that edges along which an atom receives from
the same source (periodic images; a slab's atoms that translations carry into one another) are summed once, before all
filters. And vectors are zero before the first block, which therefore has no filter for them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from torch_geometric.utils import scatter

from matseek.checks import real, whole
from matseek.networks.graphs import HEAVIEST_ELEMENT

_TINY = 1e-8
"""Added under square roots, so that they have a gradient at zero."""


class RadialBasis(nn.Module):
    """Gaussians of the distance times a cosine cutoff, and the cutoff itself as the last function.

    A linear layer without bias on these functions is the paper's filter: a linear layer with bias on the Gaussians,
    times the cutoff. The Gaussians are as wide as their spacing.

    Args:
        size: Number of Gaussians.
        cutoff: In angstrom.
    """

    centres: Tensor

    def __init__(self, size: int, cutoff: float) -> None:
        super().__init__()
        self.cutoff, self.spacing = cutoff, cutoff / (size - 1)
        self.register_buffer("centres", torch.linspace(0.0, cutoff, size), persistent=False)

    def forward(self, distances: Tensor) -> Tensor:
        """Distances ``(E,)`` in angstrom, below the cutoff, to ``(E, size + 1)``."""
        fade = 0.5 * (torch.cos(distances * (math.pi / self.cutoff)) + 1.0).unsqueeze(-1)
        gaussians = torch.exp(-0.5 * ((distances.unsqueeze(-1) - self.centres) / self.spacing).square())
        return torch.cat([gaussians * fade, fade], dim=-1)

    def slope(self, distances: Tensor) -> Tensor:
        """Derivatives of these functions, per angstrom, shape ``(E, size + 1)``."""
        wave = math.pi / self.cutoff
        fade = 0.5 * (torch.cos(distances * wave) + 1.0).unsqueeze(-1)
        fading = -0.5 * wave * torch.sin(distances * wave).unsqueeze(-1)
        away = (distances.unsqueeze(-1) - self.centres) / self.spacing
        gaussians = torch.exp(-0.5 * away.square())
        return torch.cat([gaussians * (fading - fade * away / self.spacing), fading], dim=-1)


class Edges(NamedTuple):
    """What the message blocks read, made once for all of them.

    Args:
        source: Shape ``(P,)``.
        receiver: Shape ``(P,)``; None where receivers come in order, each with as many sources (P = M m): shapes then
            do not depend on where atoms are.
        radial: Radial functions, shape ``(P, K)``; summed where an edge stands for several.
        directions: Unit vectors from receiver to source, shape ``(P, 3)``; where an edge stands for several, the sum of
            their products with the radial functions, shape ``(P, 3, K)``.
    """

    source: Tensor
    receiver: Tensor | None
    radial: Tensor
    directions: Tensor


class Message(nn.Module):
    """The paper's message block, in two halves: what an atom sends, and what it receives (equations 6-8).

    Args:
        features: Scalar features F of an atom, and its number of vectors.
        basis: Radial functions, the cutoff among them.
        vectors: Whether the atoms have vectors yet.
    """

    def __init__(self, features: int, basis: int, *, vectors: bool) -> None:
        super().__init__()
        self.features, self.vectors = features, vectors
        parts = 3 if vectors else 2
        self.context = nn.Sequential(nn.Linear(features, features), nn.SiLU(), nn.Linear(features, parts * features))
        self.filter = nn.Linear(basis, parts * features, bias=False)

    def send(self, scalars: Tensor, vectors: Tensor) -> Tensor:
        """What an atom sends to whoever sees it.

        Args:
            scalars: Shape ``(N, F)``.
            vectors: Shape ``(N, 3, F)``.

        Returns:
            Shape ``(N, 2 F)``, or ``(N, 5 F)`` with vectors: gates of scalars and directions, then gated vectors.
        """
        context: Tensor = self.context(scalars)
        if not self.vectors:
            return context
        gates, rest = torch.split(context, [self.features, 2 * self.features], dim=-1)
        return torch.cat([rest, (gates.unsqueeze(1) * vectors).flatten(1)], dim=-1)

    def receive(self, sent: Tensor, edges: Edges, size: int) -> tuple[Tensor, Tensor]:
        """Sum what every atom sees.

        Args:
            sent: What the sources send, shape ``(N, 2 F)`` or ``(N, 5 F)``.
            edges: Who sees whom, and where.
            size: Number of receivers, M.

        Returns:
            Changes of the scalars ``(M, F)`` and of the vectors ``(M, 3, F)``, float32.
        """
        if edges.receiver is None:
            return self._receive_rows(sent, edges, size)
        f = self.features
        # Part by part, each gathered and filtered on its own: every tensor of an edge stays small and contiguous, which
        # halves the time of one gather and one product for all parts, forward and backward.
        parts = torch.split(sent, [f, f, 3 * f] if self.vectors else [f, f], dim=-1)
        filters = torch.split(self.filter.weight, f, dim=0)
        own = linear(edges.radial, filters[0]) * parts[0].index_select(0, edges.source)
        along = parts[1].index_select(0, edges.source)
        if edges.directions.ndim == 3:
            turned = linear(edges.directions, filters[1]) * along.unsqueeze(1)
        else:
            turned = edges.directions.unsqueeze(-1) * (linear(edges.radial, filters[1]) * along).unsqueeze(1)
        if self.vectors:
            seen = parts[2].index_select(0, edges.source).view(-1, 3, f)
            turned = torch.addcmul(turned, linear(edges.radial, filters[2]).unsqueeze(1), seen)
        # Sums of some 30 messages are taken in float32 whatever the messages are.
        return (
            scatter(own.float(), edges.receiver, dim=0, dim_size=size),
            scatter(turned.float(), edges.receiver, dim=0, dim_size=size),
        )

    def _receive_rows(self, sent: Tensor, edges: Edges, size: int) -> tuple[Tensor, Tensor]:
        """The same for rows of sources, in few kernels: what counts on a GPU."""
        f = self.features
        parts = [f, f, 3 * f] if self.vectors else [f, f]
        of_own, of_along, *of_vectors = torch.split(sent.index_select(0, edges.source), parts, dim=-1)
        by_own, by_along, *by_vectors = torch.split(linear(edges.radial, self.filter.weight), f, dim=-1)
        if edges.directions.ndim == 3:
            turned = linear(edges.directions, self.filter.weight[f : 2 * f]) * of_along.unsqueeze(1)
        else:
            turned = edges.directions.unsqueeze(-1) * (by_along * of_along).unsqueeze(1)
        if self.vectors:
            turned = torch.addcmul(turned, by_vectors[0].unsqueeze(1), of_vectors[0].view(-1, 3, f))
        own = by_own * of_own
        return (
            own.view(size, -1, f).sum(dim=1, dtype=torch.float32),
            turned.view(size, -1, 3, f).sum(dim=1, dtype=torch.float32),
        )


class Update(nn.Module):
    """The paper's update block: an atom's scalars and vectors act on each other (equations 9-10).

    Args:
        features: F.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features
        self.mix = nn.Linear(features, 2 * features, bias=False)
        self.gates = nn.Sequential(nn.Linear(2 * features, features), nn.SiLU(), nn.Linear(features, 3 * features))

    def forward(self, scalars: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Scalars ``(N, F)`` and vectors ``(N, 3, F)`` to the same, changed."""
        u, v = self.mix(vectors).split(self.features, dim=-1)
        gates = self.gates(torch.cat([scalars, lengths(v)], dim=-1))
        of_vectors, of_products, own = gates.split(self.features, dim=-1)
        scalars = torch.addcmul(scalars + own, of_products, (u * v).sum(dim=1))
        return scalars, torch.addcmul(vectors, of_vectors.unsqueeze(1), u)


class PaiNN(nn.Module):
    """The representation: scalar and vector features of each atom.

    Args:
        features: Scalar features of an atom, and its number of vectors; 64 in GO-Diff.
        blocks: Message and update blocks; 4 in GO-Diff.
        cutoff: In angstrom; 6 in GO-Diff.
        gaussians: Size of the radial basis; 30 in GO-Diff.

    Raises:
        ValueError: If a setting is out of its range.
    """

    def __init__(self, features: int = 64, blocks: int = 4, cutoff: float = 6.0, gaussians: int = 30) -> None:
        super().__init__()
        features, blocks = whole(1, 4096)("features", features), whole(1, 64)("blocks", blocks)
        gaussians = whole(2, 4096)("gaussians", gaussians)
        self.features = features
        self.cutoff: float = real(above=0, high=100, unit="angstrom")("cutoff", cutoff)
        # Every element there is, so that weights load across compositions.
        self.embedding = nn.Embedding(HEAVIEST_ELEMENT + 1, features)
        self.basis = RadialBasis(gaussians, self.cutoff)
        self.messages = nn.ModuleList(Message(features, gaussians + 1, vectors=k > 0) for k in range(blocks))
        self.updates = nn.ModuleList(Update(features) for _ in range(blocks))

    def edges(self, edge_index: Tensor, edge_vectors: Tensor, pair: Tensor | None = None) -> Edges:
        """Prepare edges for all blocks.

        Args:
            edge_index: Sources and receivers, shape ``(2, P)``.
            edge_vectors: From receiver to source, in angstrom, shape ``(E, 3)``.
            pair: Which of the P pairs each vector is of, shape ``(E,)``; None where each is its own (P = E).
        """
        source, receiver = edge_index
        edge_vectors = edge_vectors.float()
        distances = lengths(edge_vectors, dim=-1)
        radial, directions = self.basis(distances), edge_vectors / distances.unsqueeze(-1)
        if pair is None:
            return Edges(source, receiver, radial, directions)
        size = edge_index.shape[1]
        turned = scatter(directions.unsqueeze(-1) * radial.unsqueeze(1), pair, dim=0, dim_size=size)
        return Edges(source, receiver, scatter(radial, pair, dim=0, dim_size=size), turned)

    def forward(
        self,
        numbers: Tensor,
        edges: Edges,
        fixed: Sequence[Tensor] | None = None,
        last: tuple[Tensor, Edges] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Encode atoms from what they see.

        Args:
            numbers: Atomic numbers, shape ``(N,)``.
            edges: From ``edges``; where there are R fixed atoms, sources count them first.
            fixed: What R atoms that are not encoded here send in each block, from ``sent``.
            last: Rows ``(M,)`` of the atoms that are asked for, and the edges into them, their receivers counted among
                these rows; the last block is spared all others.

        Returns:
            Scalars ``(N, F)`` and vectors ``(N, 3, F)``; M in place of N where rows are asked for.
        """
        scalars, vectors = self._begin(numbers)
        for k, (message, update) in enumerate(self._blocks()):
            sent = message.send(scalars, vectors)
            if fixed is not None:
                sent = torch.cat([fixed[k], sent])
            if last is not None and k == len(self.messages) - 1:
                rows, edges = last
                scalars, vectors = scalars.index_select(0, rows), vectors.index_select(0, rows)
            own, turned = message.receive(sent, edges, scalars.shape[0])
            scalars, vectors = update(scalars + own, vectors + turned)
        return scalars, vectors

    def forward_rows(self, numbers: Tensor, fixed: Edges, free: Edges, template: int) -> tuple[Tensor, Tensor]:
        """Encode template atoms and free atoms together, both with rows of sources, and give the free ones.

        Args:
            numbers: Atomic numbers of the R distinct template atoms and of the free atoms, shape ``(R + N,)``.
            fixed: Edges among the template atoms.
            free: Edges into the free atoms, from either, the template's first.
            template: R.

        Returns:
            Scalars ``(N, F)`` and vectors ``(N, 3, F)``.
        """
        parts = zip(fixed, free, strict=True)
        every = Edges(*(None if a is None or b is None else torch.cat([a, b]) for a, b in parts))  # type: ignore[arg-type]
        scalars, vectors = self._begin(numbers)
        for k, (message, update) in enumerate(self._blocks()):
            sent = message.send(scalars, vectors)
            if k == len(self.messages) - 1:
                every, scalars, vectors = free, scalars[template:], vectors[template:]
            own, turned = message.receive(sent, every, scalars.shape[0])
            scalars, vectors = update(scalars + own, vectors + turned)
        return scalars, vectors

    def sent(self, numbers: Tensor, edges: Edges) -> tuple[Tensor, ...]:
        """What atoms send in each block, to be read by others that they do not see themselves.

        Args:
            numbers: Atomic numbers, shape ``(R,)``.
            edges: Among these atoms, from ``edges``.

        Returns:
            One tensor per block, ``(R, 2 F)`` and then ``(R, 5 F)`` each. The last block's update is not needed for it.
        """
        scalars, vectors = self._begin(numbers)
        sent = []
        for message, update in self._blocks():
            sent.append(message.send(scalars, vectors))
            if len(sent) < len(self.messages):
                own, turned = message.receive(sent[-1], edges, scalars.shape[0])
                scalars, vectors = update(scalars + own, vectors + turned)
        return tuple(sent)

    def _begin(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        scalars = self.embedding(numbers)
        return scalars, scalars.new_zeros(scalars.shape[0], 3, scalars.shape[1])

    def _blocks(self) -> Iterable[tuple[Message, Update]]:
        return cast("Iterable[tuple[Message, Update]]", zip(self.messages, self.updates, strict=True))


class GatedVectors(nn.Module):
    """Gated equivariant block (PaiNN, section 3.3): scalars and vectors in, fewer of both out.

    Args:
        features: Scalars and vectors in, F.
        out: Scalars and vectors out.
        condition: Further scalars in, which have no vectors.
    """

    def __init__(self, features: int, out: int, condition: int = 0) -> None:
        super().__init__()
        self.out = out
        self.mix = nn.Linear(features, 2 * out, bias=False)
        self.gates = nn.Sequential(
            nn.Linear(features + out + condition, features), nn.SiLU(), nn.Linear(features, 2 * out)
        )

    def forward(self, scalars: Tensor, vectors: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Scalars ``(N, F)``, vectors ``(N, 3, F)``, condition ``(N, C)`` to ``(N, out)`` and ``(N, 3, out)``."""
        v, w = self.mix(vectors).split(self.out, dim=-1)
        parts = [scalars, lengths(v)] if condition is None else [scalars, lengths(v), condition]
        own, gates = self.gates(torch.cat(parts, dim=-1)).split(self.out, dim=-1)
        return nn.functional.silu(own), gates.unsqueeze(1) * w


def lengths(vectors: Tensor, dim: int = 1) -> Tensor:
    """Lengths of vectors, float32, smooth at zero: ``sqrt(|v|^2 + 1e-8)``."""
    return (vectors.float().square().sum(dim=dim) + _TINY).sqrt()
