"""Neighbours of all atoms in rows of one length, where template atoms are nodes of the network too.

What :mod:`matseek.networks.rows` is to the template form, for the full form: the host is asked for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad
from torch_geometric.data import Data

from matseek.networks.graphs import AtomicSystem, Surroundings, surroundings
from matseek.networks.painn import Edges, RadialBasis
from matseek.networks.rows import fixed_rows, most_around, most_neighbours, nearest_rows, to_images


class FullRows(NamedTuple):
    """Rows of a batch of B structures.

    Args:
        edges: Edges into all atoms, the template first in each structure, ``P = B (T + n) m``.
        into_free: Those into the free atoms, ``P = B n m``.
        free: Numbers of the free atoms among all, shape ``(B n,)``.
    """

    edges: Edges
    into_free: Edges
    free: Tensor


@dataclass(frozen=True)
class FullPlan:
    """What does not change while the free atoms of a system move, as tensors on one device.

    The row of a template atom begins with what it sees of the template, which is the same in every structure.

    Args:
        around: The system's surroundings.
        fixed: What the template atoms see of the template: sources ``(T, d)``, radial functions ``(T, d, K)`` and
            directions ``(T, d, 3)``.
        moving: Free atoms and images that a template atom can see, at most.
        length: Sources of a row, m.
    """

    around: Surroundings
    fixed: Edges
    moving: int
    length: int

    def rows(self, basis: RadialBasis, positions: Tensor) -> FullRows:
        """What every atom sees.

        Args:
            basis: Radial functions.
            positions: Free atoms in angstrom, shape ``(B, n, 3)``, anywhere in space.
        """
        around, (batch, n) = self.around, positions.shape[:2]
        template = around.n_template
        places = torch.cat([around.positions.expand(batch, -1, -1), positions], dim=1)
        vectors, squared = to_images(around, positions, places)
        squared = torch.where((squared < around.cutoff**2) & around.allowed, squared, torch.inf)
        atoms = torch.arange(batch * (template + n), device=positions.device).view(batch, -1)
        free = atoms[:, template:]
        seen = _candidates(atoms, n, squared.shape[3])
        count = min(self.length, seen.shape[2])
        of_free = nearest_rows(basis, vectors.flatten(2, 3), squared.flatten(2), seen, count)
        # A template atom sees the free atoms that see it, the other way.
        back = vectors[:, :, :template].transpose(1, 2).flatten(2, 3).neg()
        away = squared[:, :, :template].transpose(1, 2).flatten(2)
        moving = nearest_rows(basis, back, away, _candidates(free, template, squared.shape[3]), self.moving)
        source, _, radial, directions = self.fixed
        source = source + atoms[:, :1].unsqueeze(2)
        resting = Edges(source, None, *(t.expand(batch, -1, -1, -1) for t in (radial, directions)))
        into_template = _padded(_joined(resting, moving, dim=2), self.length)
        into_free = _padded(of_free, self.length)
        return FullRows(_flat(_joined(into_template, into_free, dim=1)), _flat(into_free), free.flatten())


@lru_cache(maxsize=256)
def full_plan(
    system: AtomicSystem, basis_size: int, cutoff: float, dtype: torch.dtype, device: torch.device
) -> FullPlan:
    """Prepare a system for neighbours of all atoms in rows; made once, then remembered.

    Args:
        system: The system.
        basis_size: Gaussians of the radial basis.
        cutoff: In angstrom.
        dtype: Type in which distances are computed.
        device: Where.
    """
    around = surroundings(system, cutoff, dtype, device)
    basis, whole = RadialBasis(basis_size, cutoff).to(device), around.whole
    each = torch.arange(len(whole.edge_vectors), device=device)
    graph = Data(numbers=whole.numbers, edge_index=whole.edge_index, edge_vectors=whole.edge_vectors, pair=each)
    edges, degree = fixed_rows(graph, basis, 0, summed=False)
    fixed = Edges(*(None if t is None else t.view(around.n_template, degree, *t.shape[1:]) for t in edges))  # type: ignore[arg-type]
    images, n = around.shifts.shape[0], system.n_free
    moving = min(n * most_around(np.zeros((1, 3)), system, cutoff), n * images)
    of_free = min(most_neighbours(system, cutoff), (around.n_template + n) * images)
    return FullPlan(around, fixed, moving, max(degree + moving, of_free))


def _candidates(atoms: Tensor, rows: int, images: int) -> Tensor:
    """Atoms ``(B, a)``, each with its images, as candidates of every row: ``(B, rows, a images)``."""
    return atoms.view(len(atoms), 1, -1, 1).expand(-1, rows, -1, images).flatten(2)


def _joined(a: Edges, b: Edges, dim: int) -> Edges:
    source, radial, directions = (torch.cat(pair, dim=dim) for pair in ((a[k], b[k]) for k in (0, 2, 3)))  # type: ignore[arg-type]
    return Edges(source, None, radial, directions)


def _padded(edges: Edges, length: int) -> Edges:
    """Rows with empty places at their end."""
    more = length - edges.source.shape[2]
    if not more:
        return edges
    radial, directions = (pad(t, (0, 0, 0, more)) for t in (edges.radial, edges.directions))
    return Edges(pad(edges.source, (0, more)), None, radial, directions)


def _flat(edges: Edges) -> Edges:
    return Edges(edges.source.flatten(), None, edges.radial.flatten(0, 2), edges.directions.flatten(0, 2))
