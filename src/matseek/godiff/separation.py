"""Samples whose overlapping atoms are moved apart."""

from __future__ import annotations

import torch
from ase.data import covalent_radii
from torch import Tensor

from matseek.diffusion import Manifold
from matseek.networks.graphs import AtomicSystem, free_edges, surroundings

_SWEEPS = 300
"""Most sweeps over the pairs of a batch."""

_MARGIN = 1.02
"""Distance aimed at, in least distances, so that the next sweep need not correct the last digit of this one."""

_TINY = 1e-6
"""Least distance in angstrom that a direction is divided by."""


@torch.no_grad()
def separated(x: Tensor, system: AtomicSystem, least_distance: float, manifold: Manifold) -> Tensor:
    """Structures in which no two atoms are closer than their least distance, where that can be reached.

    Every pair that is too close is moved apart along its line, in all pairs at once and until none is left: the
    projection onto distance constraints of position-based dynamics (Müller et al., J. Vis. Commun. Image Represent. 18,
    109 (2007)), with a free atom's moves divided by the square root of the number of its pairs. Template atoms stay.
    Structures without such a pair stay as they are, and none depends on the others.

    Args:
        x: Points of the manifold, shape ``(B, n, 3)``.
        system: The template and the free atoms.
        least_distance: Least distance of two atoms, as a fraction of the sum of their covalent radii.
        manifold: Where the free atoms live.

    Returns:
        Shape ``(B, n, 3)``.
    """
    radii = torch.as_tensor(covalent_radii[system.all_numbers], dtype=x.dtype, device=x.device)
    aim = _MARGIN * least_distance * (radii[len(system.numbers) :, None] + radii[None, :])
    around = surroundings(system, float(aim.max()), x.dtype, x.device)
    for _ in range(_SWEEPS):
        structure, receiver, source, vectors = free_edges(around, manifold.positions(x))
        aims, distance = aim[receiver, source], vectors.norm(dim=-1)
        overlapping = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        overlapping[structure[distance < aims / _MARGIN]] = True
        if not bool(overlapping.any()):
            break
        missing = torch.where(overlapping[structure], aims - distance, 0.0).clamp_min(0.0)
        share = torch.where(source < around.n_template, 1.0, 0.5) * missing / distance.clamp_min(_TINY)
        row = structure * x.shape[1] + receiver
        moved = torch.zeros_like(x).flatten(0, 1).index_add(0, row, -share.unsqueeze(-1) * vectors)
        pairs = x.new_zeros(len(moved)).index_add(0, row, (missing > 0).to(x.dtype)).clamp_min(1.0)
        x = manifold.moved(x, (moved / pairs.sqrt().unsqueeze(-1)).view_as(x))
    return x
