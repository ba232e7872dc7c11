"""Lennard-Jones pairs without a cutoff, compiled: clusters as the Cambridge Cluster Database has them.

Jones, Proc. R. Soc. A 106, 463 (1924). The energy of a cluster is the sum over pairs

    4 epsilon ((s / r)^12 - (s / r)^6)

``ase.calculators.lj.LennardJones`` cuts pairs off at three s and shifts them, which moves the energy of the
icosahedron of 13 atoms by 0.43 epsilon; here all pairs count in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.data import covalent_radii

from matseek.checks import optional, real
from matseek.compilation import compiled
from matseek.core.potential import EnergyAndForces, ManyAtOnce

FloatArray = npt.NDArray[np.float64]

_MINIMUM = 2.0 ** (1 / 6)
"""Distance of least energy, in s."""


@compiled
def _pairs(positions: FloatArray, lengths: FloatArray, depth: float, forces: FloatArray) -> float:
    """Energy; adds to the forces ``(n, 3)``. A pair's s is the mean of its atoms' ``lengths`` ``(n,)``."""
    energy = 0.0
    for i in range(len(positions)):
        for j in range(i):
            x, y, z = (
                positions[i, 0] - positions[j, 0],
                positions[i, 1] - positions[j, 1],
                positions[i, 2] - positions[j, 2],
            )
            squared = x * x + y * y + z * z
            length = (lengths[i] + lengths[j]) / 2
            sixth = (length * length / squared) ** 3
            energy += 4 * depth * sixth * (sixth - 1)
            push = 24 * depth * sixth * (2 * sixth - 1) / squared
            forces[i, 0] += push * x
            forces[i, 1] += push * y
            forces[i, 2] += push * z
            forces[j, 0] -= push * x
            forces[j, 1] -= push * y
            forces[j, 2] -= push * z
    return energy


class ClusterLennardJones(ManyAtOnce):
    """Lennard-Jones pairs of any elements, without a cutoff; for structures that are not periodic.

    Args:
        epsilon: Depth of a pair's minimum, in eV.
        sigma: Distance at which a pair's energy is zero, in angstrom; None puts the minimum of a pair at the sum of its
            covalent radii (ASE's), so that what counts as a bond elsewhere is one here.
        kwargs: Settings of ``ase.calculators.calculator.Calculator``.

    Raises:
        ValueError: If a setting is not as described.

    Example:
        >>> from ase import Atoms
        >>> pair = Atoms("Ar2", [[0, 0, 0], [0, 0, 2.12]])
        >>> round(ClusterLennardJones().get_potential_energy(pair), 9)
        -1.0
    """

    def __init__(self, epsilon: float = 1.0, sigma: float | None = None, **kwargs: Any) -> None:  # noqa: ANN401 -- ASE's
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        self.epsilon: float = real(above=0, high=1e6, unit="eV")("epsilon", epsilon)
        self.sigma: float | None = optional(real(above=0, high=1e3, unit="angstrom"))("sigma", sigma)

    def compute_many(self, structures: Sequence[Atoms]) -> list[EnergyAndForces]:
        """Energies and forces of structures.

        Raises:
            ValueError: If one is periodic, has no atoms or a position that is not finite.
        """
        return [self._compute(atoms) for atoms in structures]

    def _compute(self, atoms: Atoms) -> EnergyAndForces:
        if atoms.pbc.any():
            raise ValueError(
                f"pbc={atoms.pbc.tolist()}: pairs without a cutoff are for clusters that are not periodic; take "
                "ase.calculators.lj.LennardJones, which has a cutoff"
            )
        if not len(atoms):
            raise ValueError("the structure has no atoms; give one at least")
        if not np.isfinite(atoms.positions).all():
            raise ValueError("positions must be finite numbers; correct those that are not")
        if self.sigma is None:
            lengths = np.asarray(2 * covalent_radii[atoms.numbers] / _MINIMUM, dtype=np.float64)
        else:
            lengths = np.full(len(atoms), self.sigma)
        forces = np.zeros((len(atoms), 3))
        energy = _pairs(np.ascontiguousarray(atoms.positions), lengths, self.epsilon, forces)
        return EnergyAndForces(float(energy), forces)
