"""Effective medium theory in torch, for many structures at once on a GPU; the formulas are those of :mod:`.emt`.

Neighbours are found densely, each atom against every atom and image, so that nothing waits for the host between the
positions and the energies; forces and the virial are derivatives by autograd. In float64, as on the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import numpy.typing as npt
import torch
from ase import Atoms
from ase.calculators.emt import beta as BETA  # noqa: N812 -- a constant
from torch import Tensor

from matseek.core.potential import EnergyAndForces, ManyAtOnce, device_named
from matseek.potentials.emt import (
    CONSTANTS,
    CUTOFF,
    E0,
    ELEMENT_NUMBERS,
    ETA2,
    GAMMA2,
    KAPPA,
    LAMBDA,
    MIDDLE,
    N0,
    S0,
    SIGMA1,
    SLOPE,
    V0,
    checked,
    stress_of,
)

FloatArray = npt.NDArray[np.float64]

_MOST_PAIRS = 2**24
"""Pairs of atoms and images that are looked at together: some ten arrays of 128 MiB each."""


class TorchEMT(ManyAtOnce):
    """EMT on a GPU: the energies, forces and stress of :class:`BatchedEMT`, to rounding.

    Structures of the same atoms in the same cell are computed together. On a CPU take :class:`BatchedEMT`, which is
    faster there.

    Args:
        device: Such as ``cuda`` or ``cpu``.

    Raises:
        ValueError: If there is no such device; when called, as :class:`BatchedEMT`.

    Example:
        >>> from ase.build import fcc111
        >>> slab = fcc111("Pt", (2, 2, 2), vacuum=6)
        >>> [result] = TorchEMT("cpu").compute_many([slab])
        >>> result.forces.shape
        (8, 3)
    """

    implemented_properties: list[str] = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012 -- as ASE has it
    nolabel = True
    energies_of = "EMT"

    def __init__(self, device: str = "cuda") -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.device = device_named(device)

    @property
    def elements(self) -> frozenset[int]:
        """Atomic numbers of the elements that there are parameters for."""
        return ELEMENT_NUMBERS

    def compute_many(self, structures: Sequence[Atoms]) -> list[EnergyAndForces]:
        """Energies, forces and stress of structures, in order."""
        results: dict[int, EnergyAndForces] = {}
        for members in _alike(structures):
            results.update(zip(members, self._compute([structures[k] for k in members]), strict=True))
        return [results[k] for k in range(len(structures))]

    def _compute(self, alike: Sequence[Atoms]) -> Iterator[EnergyAndForces]:
        """Results of structures that differ in positions alone."""
        rows, cell, inverse, extent = checked(alike[0])
        images = np.array(list(product(*(range(-int(k), int(k) + 1) for k in np.ceil(extent)))), dtype=np.float64)
        together = max(_MOST_PAIRS // (len(rows) ** 2 * len(images)), 1)
        table, shifts = self._tensor(CONSTANTS[rows]), self._tensor(images @ cell)
        itself = torch.eye(len(rows), dtype=torch.bool, device=self.device)[..., None] & (shifts == 0).all(-1)
        for start in range(0, len(alike), together):
            part = alike[start : start + together]
            for atoms in part:
                checked(atoms)
            # Images are counted from positions inside the cell; along vectors that are not periodic nothing is moved.
            positions = np.array([a.positions - np.floor(a.positions @ inverse) @ cell for a in part])
            yield from self._results(part, self._tensor(positions), shifts, itself, table)

    def _results(
        self, part: Sequence[Atoms], positions: Tensor, shifts: Tensor, itself: Tensor, table: Tensor
    ) -> Iterator[EnergyAndForces]:
        x = positions.requires_grad_()
        strain = torch.zeros(len(x), 3, 3, dtype=x.dtype, device=x.device).requires_grad_()
        deformed = torch.eye(3, dtype=x.dtype, device=x.device) + strain
        with torch.enable_grad():
            energies = _energies(x @ deformed, shifts @ deformed, itself, table)
            by_position, by_strain = torch.autograd.grad(energies.sum(), (x, strain))
        values, forces, virials = (t.detach().cpu().numpy() for t in (energies, -by_position, by_strain))
        for atoms, energy, force, virial in zip(part, values, forces, virials, strict=True):
            yield EnergyAndForces(float(energy), force, stress_of(virial, atoms))

    def _tensor(self, array: FloatArray) -> Tensor:
        return torch.tensor(array, dtype=torch.float64, device=self.device)


def _energies(x: Tensor, shifts: Tensor, itself: Tensor, table: Tensor) -> Tensor:
    """Energies ``(B,)`` of structures.

    Args:
        x: Positions ``(B, n, 3)``.
        shifts: Where the images are, ``(B, s, 3)``.
        itself: Which image of which atom is the atom that looks, ``(n, n, s)``.
        table: Constants of the atoms, ``(n, 9)``.
    """
    away = (x[:, None, :, None] + shifts[:, None, None, :]) - x[:, :, None, None]  # (B, i, j, s, 3)
    squares = away.square().sum(-1)
    # What counts nothing, too, must have a distance that can be derived.
    near = (squares < CUTOFF**2) & ~itself
    r = torch.where(near, squares, CUTOFF**2).sqrt()
    w = torch.where(near, torch.sigmoid(-SLOPE * (r - MIDDLE)), 0.0)
    own, other = table[:, None, None], table[None, :, None]
    chi = other[..., N0] / own[..., N0]
    sigma1 = (torch.exp(-other[..., ETA2] * (r - BETA * other[..., S0])) * chi * w).sum((2, 3))
    sigma2 = (torch.exp(-other[..., KAPPA] * (r / BETA - other[..., S0])) * chi * w).sum((2, 3))
    lonely = ~near.flatten(2).any(-1)
    density = torch.where(lonely, 1.0, sigma1) / table[:, SIGMA1]
    ds = -density.log() / (BETA * table[:, ETA2])
    bound = table[:, E0] * (1 + table[:, LAMBDA] * ds) * torch.exp(-table[:, LAMBDA] * ds)
    repelled = 6 * table[:, V0] * torch.exp(-table[:, KAPPA] * ds)
    embedded = torch.where(lonely, 0.0, bound + repelled)
    return (embedded - table[:, E0] - table[:, V0] * sigma2 / (2 * table[:, GAMMA2])).sum(1)


def _alike(structures: Sequence[Atoms]) -> list[list[int]]:
    """Indices of structures that differ in positions alone, group by group."""
    groups: dict[tuple[bytes, ...], list[int]] = {}
    for k, atoms in enumerate(structures):
        key = (atoms.numbers.tobytes(), atoms.cell.array.tobytes(), atoms.pbc.tobytes())
        groups.setdefault(key, []).append(k)
    return list(groups.values())
