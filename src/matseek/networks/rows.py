"""Neighbours in rows of one length: shapes that do not depend on where atoms are.

A GPU is kept waiting where the host must know how many neighbours there are. Here every free atom has a row of places
for sources, as many as it can ever need, and empty places count nothing: the host never asks, and a step may be
captured in a CUDA graph. On a CPU lists of just the neighbours take less work, see :mod:`matseek.networks.graphs`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial import KDTree
from torch import Tensor
from torch_geometric.data import Data

from matseek.geometry.products import combine
from matseek.networks.graphs import AtomicSystem, Surroundings, surroundings
from matseek.networks.painn import Edges, RadialBasis, lengths

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_GRID = 0.5
"""Spacing in angstrom of the points at which neighbours are counted."""

_FILLED = 0.5
"""Part of the places of orbits that must be filled for orbits to be summed place by place."""


@dataclass(frozen=True)
class RowPlan:
    """What does not change while the free atoms of a system move, as tensors on one device.

    With orbits, sources are the R distinct template atoms and the free atoms; an atom's row sums all atoms of an orbit,
    and all images, before any filter. Otherwise it has the nearest atoms and images one by one.

    Args:
        around: The system's surroundings.
        template: Template positions in the order of the row's places, shape ``(L, 3)``; empty places repeat an atom.
        source: Row of the distinct template atom at each of these places, shape ``(L,)``.
        there: Whether a place is filled, for each free atom, place and image, shape ``(n, L + n, S)``.
        members: Atoms of an orbit at most, G, where orbits are summed (L = R G); 0 where they are not.
        length: Sources of a row, m.
        fixed: Edges among the R distinct template atoms, each with a row of m sources.
    """

    around: Surroundings
    template: Tensor
    source: Tensor
    there: Tensor
    members: int
    length: int
    fixed: Edges

    @property
    def distinct(self) -> int:
        """Number of distinct template atoms, R."""
        return len(self.around.distinct.numbers)

    def free(self, basis: RadialBasis, positions: Tensor, first: int = 0) -> Edges:
        """What free atoms see.

        Args:
            basis: Radial functions.
            positions: Free atoms in angstrom, shape ``(B, n, 3)``, anywhere in space.
            first: Rows of other atoms between the template's and the free atoms' (0).

        Returns:
            Edges in rows, ``P = B n m``: the sources of the first free atom of the first structure come first.
        """
        around, (batch, n) = self.around, positions.shape[:2]
        places = torch.cat([self.template.expand(batch, -1, -1), positions], dim=1)
        vectors, squared = to_images(around, positions, places)
        near = (squared < around.cutoff**2) & self.there
        own = torch.arange(batch * n, device=positions.device).view(batch, 1, n) + self.distinct + first
        if self.members:
            return self._in_orbits(basis, vectors.float(), near, own)
        sources = torch.cat([self.source.expand(batch, 1, -1), own], dim=2).unsqueeze(3)
        sources = sources.expand(-1, n, -1, near.shape[3]).flatten(2)
        squared = torch.where(near, squared, torch.inf).flatten(2)
        edges = nearest_rows(basis, vectors.flatten(2, 3), squared, sources, self.length)
        return Edges(edges.source.flatten(), None, edges.radial.flatten(0, 2), edges.directions.flatten(0, 2))

    def _in_orbits(self, basis: RadialBasis, vectors: Tensor, near: Tensor, own: Tensor) -> Edges:
        batch, n, _, images, _ = vectors.shape
        distances = lengths(vectors, dim=-1)
        radial = basis(distances) * near.unsqueeze(-1)
        turned = (vectors / distances.unsqueeze(-1)).unsqueeze(-1) * radial.unsqueeze(-2)
        split = self.template.shape[0]

        def summed(each: Tensor) -> Tensor:
            of_orbits = each[:, :, :split].reshape(batch, n, self.distinct, self.members * images, *each.shape[4:])
            parts = [of_orbits.sum(dim=3), each[:, :, split:].sum(dim=3)]
            return torch.cat(parts, dim=2).flatten(0, 2)

        template = torch.arange(self.distinct, device=own.device).expand(batch, 1, -1)
        source = torch.cat([template, own], dim=2).expand(-1, n, -1).reshape(-1)
        return Edges(source, None, summed(radial), summed(turned))


@lru_cache(maxsize=256)
def row_plan(system: AtomicSystem, basis_size: int, cutoff: float, dtype: torch.dtype, device: torch.device) -> RowPlan:
    """Prepare a system for neighbours in rows; made once, then remembered.

    Args:
        system: The system.
        basis_size: Gaussians of the radial basis.
        cutoff: In angstrom.
        dtype: Type in which distances are computed.
        device: Where.
    """
    around = surroundings(system, cutoff, dtype, device)
    n, images = system.n_free, around.shifts.shape[0]
    first, orbit, sizes = np.unique(system.orbits, return_inverse=True, return_counts=True)
    members = int(sizes.max(initial=0))
    most = most_neighbours(system, cutoff)
    together = len(orbit) > 0 and len(first) + n <= most and len(orbit) >= _FILLED * len(first) * members
    order: IntArray
    filled: npt.NDArray[np.bool_]
    if together:
        order, filled = _in_places(orbit, len(first), members)
    else:
        order, filled, members = np.arange(len(orbit)), np.ones(len(orbit), dtype=bool), 0
    there = np.ones((n, len(order) + n, images), dtype=bool)
    there[:, : len(order)] = filled[None, :, None]
    there[np.arange(n), len(order) + np.arange(n), images // 2] = False
    length = len(first) + n if together else min(most, (len(order) + n) * images)
    basis = RadialBasis(basis_size, cutoff).to(device)
    fixed, length = fixed_rows(around.distinct, basis, length, summed=together)
    return RowPlan(
        around=around,
        template=around.positions[torch.as_tensor(order, device=device)],
        source=torch.as_tensor(orbit[order], device=device),
        there=torch.as_tensor(there, device=device),
        members=members,
        length=length,
        fixed=fixed,
    )


def _in_places(orbit: IntArray, distinct: int, members: int) -> tuple[IntArray, npt.NDArray[np.bool_]]:
    """Template atoms by orbit, each orbit in as many places, and which of the places are filled."""
    order, filled = np.zeros((distinct, members), dtype=np.int64), np.zeros((distinct, members), dtype=np.bool_)
    for k in range(distinct):
        atoms = np.flatnonzero(orbit == k)
        order[k, : len(atoms)], filled[k, : len(atoms)] = atoms, True
    return order.reshape(-1), filled.reshape(-1)


def to_images(around: Surroundings, positions: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """From atoms to the images of others, the nearest one and those around it.

    Args:
        around: Cell and images.
        positions: Atoms in angstrom, shape ``(B, n, 3)``.
        places: The others, shape ``(B, p, 3)``.

    Returns:
        Vectors, shape ``(B, n, p, images, 3)``, and their squared lengths, which have no gradient.
    """
    vectors = places.unsqueeze(1) - positions.unsqueeze(2)
    with torch.no_grad():
        nearest = combine(combine(vectors, around.inverse).round(), around.cell)
    vectors = (vectors - nearest).unsqueeze(3) + around.shifts
    return vectors, vectors.detach().square().sum(dim=-1)


def nearest_rows(basis: RadialBasis, vectors: Tensor, squared: Tensor, sources: Tensor, length: int) -> Edges:
    """Rows of the nearest of P candidates.

    Args:
        basis: Radial functions.
        vectors: From a row's receiver to its candidates, in angstrom, shape ``(B, r, P, 3)``.
        squared: Their squared lengths, infinite where there is no neighbour, shape ``(B, r, P)``.
        sources: The atom that each candidate is, shape ``(B, r, P)``.
        length: Places of a row, m, at most P.

    Returns:
        Sources ``(B, r, m)``, radial functions ``(B, r, m, K)``, zero in empty places, and directions ``(B, r, m, 3)``.
    """
    chosen = squared.topk(length, dim=2, largest=False, sorted=False)
    vectors = vectors.gather(2, chosen.indices.unsqueeze(3).expand(-1, -1, -1, 3)).float()
    distances = lengths(vectors, dim=-1).unsqueeze(-1)
    radial = basis(distances.squeeze(-1)) * torch.isfinite(chosen.values).unsqueeze(-1)
    return Edges(sources.gather(2, chosen.indices), None, radial, vectors / distances)


def fixed_rows(graph: Data, basis: RadialBasis, least: int, *, summed: bool) -> tuple[Edges, int]:
    """Edges among atoms that stay where they are as rows of m sources each, and m, at least so many.

    Where edges are summed, a source is a pair of atoms with all of its edges; else each edge is its own.
    """
    rows = graph.numbers.shape[0]
    device = graph.edge_vectors.device
    pairs, pair = graph.edge_index, graph.pair
    receiver = pairs[1] if summed else pairs[1][pair]
    order = receiver.argsort(stable=True)
    degree = torch.bincount(receiver, minlength=rows)
    length = max(least, int(degree.max()) if rows else 0)
    begins = degree.cumsum(0) - degree
    rank = torch.empty_like(order).index_copy(0, order, torch.arange(len(order), device=device))
    place = receiver * length + rank - begins[receiver]
    vectors = graph.edge_vectors.float()
    distances = lengths(vectors, dim=-1)
    radial, directions = basis(distances), vectors / distances.unsqueeze(-1)
    at = place[pair] if summed else place
    source = torch.zeros(rows * length, dtype=torch.int64, device=device)
    source = source.index_copy(0, place, pairs[0] if summed else pairs[0][pair])
    functions = radial.new_zeros(rows * length, radial.shape[1]).index_add(0, at, radial)
    along = directions.unsqueeze(-1) * radial.unsqueeze(1) if summed else directions
    along = along.new_zeros(rows * length, *along.shape[1:]).index_add(0, at, along)
    return Edges(source, None, functions, along), length


def most_neighbours(system: AtomicSystem, cutoff: float) -> int:
    """As many sources as a free atom can ever have within the cutoff, or more."""
    of_one = most_around(np.zeros((1, 3)), system, cutoff)
    return most_around(system.positions, system, cutoff) + system.n_free * of_one


def most_around(atoms: FloatArray, system: AtomicSystem, cutoff: float) -> int:
    """Images of atoms within the cutoff of any place: within a little more of the nearest of a grid of points."""
    if not len(atoms):
        return 0
    inverse = np.linalg.inv(system.cell)
    heights = 1.0 / np.linalg.norm(inverse, axis=0)
    counts, lows, spans = [], [], []
    fractional = atoms @ inverse
    for k in range(3):
        low, high = (
            (0.0, 1.0)
            if system.pbc[k]
            else (
                fractional[:, k].min() - cutoff / heights[k],
                fractional[:, k].max() + cutoff / heights[k],
            )
        )
        length = float(np.linalg.norm(system.cell[k])) * (high - low)
        counts.append(max(math.ceil(length / _GRID), 1))
        lows.append(low)
        spans.append(high - low)
    axes = [low + span * (np.arange(c) + 0.5) / c for low, span, c in zip(lows, spans, counts, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3) @ system.cell
    corners = np.array(list(product((-0.5, 0.5), repeat=3))) * (np.array(spans) / counts)
    radius = cutoff + float(np.linalg.norm(corners @ system.cell, axis=1).max())
    reach = [math.ceil(radius / h) + 1 if p else 0 for h, p in zip(heights, system.pbc, strict=True)]
    shifts = np.array(list(product(*(range(-r, r + 1) for r in reach)))) @ system.cell
    home = (fractional - np.floor(fractional) * np.array(system.pbc)) @ system.cell
    every = (home[:, None] + shifts).reshape(-1, 3)
    return int(KDTree(every).query_ball_point(grid, radius, return_length=True).max())
