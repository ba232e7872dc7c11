"""Effective medium theory, compiled: the energies of ``ase.calculators.emt.EMT`` some thirty times faster.

Jacobsen, Stoltze and Norskov, Surf. Sci. 366, 394 (1996), with the parameters and the cutoff of ASE. With d_ij the
vector from atom i to a neighbour j, r its length and w(r) = 1 / (1 + exp(a (r - r_c))):

    sigma1_i = sum_j chi_ij exp(-eta2_j (r - beta s0_j)) w(r),      chi_ij = n0_j / n0_i
    sigma2_i = sum_j chi_ij exp(-kappa_j (r / beta - s0_j)) w(r)
    ds_i = -log(sigma1_i / (12 gamma1_i)) / (beta eta2_i)
    E_i = E0_i ((1 + lambda_i ds_i) exp(-lambda_i ds_i) - 1) + 6 V0_i exp(-kappa_i ds_i) - V0_i sigma2_i / (2 gamma2_i)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.emt import beta as BETA  # noqa: N812 -- a constant
from ase.calculators.emt import parameters
from ase.data import atomic_numbers, chemical_symbols
from ase.geometry import complete_cell
from ase.units import Bohr

from matseek.compilation import compiled
from matseek.core.potential import EnergyAndForces, ManyAtOnce

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

ELEMENTS = tuple(sorted(parameters, key=lambda symbol: int(atomic_numbers[symbol])))
"""Chemical symbols that there are parameters for."""

ELEMENT_NUMBERS = frozenset(int(atomic_numbers[symbol]) for symbol in ELEMENTS)
"""Their atomic numbers."""

# The cutoff is the same whatever elements there are, as in ASE: by the element of the largest atoms.
_NEAREST = BETA * max(values[1] for values in parameters.values()) * Bohr
MIDDLE = _NEAREST * (np.sqrt(3.0) + 2.0) / 2
SLOPE = np.log(1e4 - 1) / (2 * _NEAREST - MIDDLE)
CUTOFF = float(MIDDLE + 0.5)
"""In angstrom; w has fallen below 1e-4 where it ends."""

E0, S0, V0, ETA2, KAPPA, LAMBDA, N0, SIGMA1, GAMMA2 = range(9)
"""Columns of ``CONSTANTS``; the last two are 12 gamma1 and gamma2."""


def _constants() -> tuple[FloatArray, IntArray]:
    """Constants of each element, in eV and angstrom, and the row of each atomic number, -1 where there is none."""
    table = np.zeros((len(ELEMENTS), 9))
    row_of = np.full(len(chemical_symbols), -1)
    for row, symbol in enumerate(ELEMENTS):
        e0, s0, v0, eta2, kappa, lambda_, n0 = parameters[symbol]
        s0, eta2, kappa = s0 * Bohr, eta2 / Bohr, kappa / Bohr
        # Of an atom in the perfect crystal: its 12, 6 and 24 nearest neighbours.
        distances = BETA * s0 * np.sqrt([1.0, 2.0, 3.0])
        shares = np.array([12.0, 6.0, 24.0]) / 12 / (1 + np.exp(SLOPE * (distances - MIDDLE)))
        gamma1 = shares @ np.exp(-eta2 * (distances - BETA * s0))
        gamma2 = shares @ np.exp(-kappa / BETA * (distances - BETA * s0))
        table[row] = e0, s0, v0, eta2, kappa, lambda_ / Bohr, n0 / Bohr**3, 12 * gamma1, gamma2
        row_of[atomic_numbers[symbol]] = row
    return table, row_of


CONSTANTS, _ROW_OF = _constants()
"""In eV and angstrom, a row per element of ``ELEMENTS``; and the row of each atomic number."""


@compiled
def _find_pairs(
    positions: FloatArray,
    cell: FloatArray,
    inverse: FloatArray,
    extent: FloatArray,
    cutoff: float,
    result: tuple[IntArray, IntArray, FloatArray],
) -> int:
    """Pairs of atoms, each once, with the vectors between them; gives their number, and writes as many as fit.

    The image n cells away along vector k is at least ``|f + n|`` heights of the cell away, f being the difference of
    the fractional coordinates, so that only ``|f + n| <= extent``, the cutoff in heights, is looked at. Along a vector
    that is not periodic, the inverse and the extent are zero.
    """
    count, capacity = 0, len(result[0])
    first, second, vectors = result
    fractions = positions @ inverse
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    for i in range(len(positions)):
        for j in range(i, len(positions)):
            for k in range(3):
                f = fractions[j, k] - fractions[i, k]
                low[k], high[k] = np.ceil(-extent[k] - f), np.floor(extent[k] - f)
            for p in range(low[0], high[0] + 1):
                for q in range(low[1], high[1] + 1):
                    for r in range(low[2], high[2] + 1):
                        # An atom and its own images are half of them enough.
                        if i == j and (p, q, r) <= (0, 0, 0):
                            continue
                        x = positions[j, 0] - positions[i, 0] + p * cell[0, 0] + q * cell[1, 0] + r * cell[2, 0]
                        y = positions[j, 1] - positions[i, 1] + p * cell[0, 1] + q * cell[1, 1] + r * cell[2, 1]
                        z = positions[j, 2] - positions[i, 2] + p * cell[0, 2] + q * cell[1, 2] + r * cell[2, 2]
                        if x * x + y * y + z * z < cutoff * cutoff:
                            if count < capacity:
                                first[count], second[count] = i, j
                                vectors[count, 0], vectors[count, 1], vectors[count, 2] = x, y, z
                            count += 1
    return count


@compiled
def _evaluate(
    table: FloatArray,
    rows: IntArray,
    first: IntArray,
    second: IntArray,
    vectors: FloatArray,
    energies: FloatArray,
    forces: FloatArray,
    virial: FloatArray,
) -> None:
    """Energies, forces and virial of one structure from its pairs, added to zeros; pairs share their repulsion."""
    pairs, n = len(first), len(rows)
    terms = np.empty((pairs, 4))  # sigma1 of i and of j, sigma2 of i and of j
    fades = np.empty((pairs, 2))  # length of the vector, and d log w / dr
    sigma1, slope = np.zeros(n), np.zeros(n)
    neighbours = np.zeros(n)
    for pair in range(pairs):
        i, j = first[pair], second[pair]
        s, o = table[rows[i]], table[rows[j]]
        r = np.sqrt(vectors[pair, 0] ** 2 + vectors[pair, 1] ** 2 + vectors[pair, 2] ** 2)
        w = 1.0 / (1.0 + np.exp(SLOPE * (r - MIDDLE)))
        chi = o[N0] / s[N0]
        terms[pair, 0] = np.exp(-o[ETA2] * (r - BETA * o[S0])) * chi * w
        terms[pair, 2] = np.exp(-o[KAPPA] * (r / BETA - o[S0])) * chi * w
        if rows[i] == rows[j]:
            terms[pair, 1], terms[pair, 3] = terms[pair, 0], terms[pair, 2]
        else:
            terms[pair, 1] = np.exp(-s[ETA2] * (r - BETA * s[S0])) / chi * w
            terms[pair, 3] = np.exp(-s[KAPPA] * (r / BETA - s[S0])) / chi * w
        fades[pair, 0], fades[pair, 1] = r, SLOPE * (w - 1.0)
        sigma1[i] += terms[pair, 0]
        sigma1[j] += terms[pair, 1]
        shared = -s[V0] / (4 * s[GAMMA2]) * terms[pair, 2] - o[V0] / (4 * o[GAMMA2]) * terms[pair, 3]
        energies[i] += shared
        energies[j] += shared
        neighbours[i] += 1
        neighbours[j] += 1
    for i in range(n):
        s = table[rows[i]]
        energies[i] -= s[E0]
        if neighbours[i] == 0:
            continue
        ds = -np.log(sigma1[i] / s[SIGMA1]) / (BETA * s[ETA2])
        bound = s[E0] * np.exp(-s[LAMBDA] * ds)
        repelled = 6 * s[V0] * np.exp(-s[KAPPA] * ds)
        energies[i] += bound * (1 + s[LAMBDA] * ds) + repelled
        by_ds = -bound * s[LAMBDA] ** 2 * ds - s[KAPPA] * repelled
        slope[i] = -by_ds / (BETA * s[ETA2] * sigma1[i])  # dE / d sigma1
    for pair in range(pairs):
        i, j = first[pair], second[pair]
        s, o = table[rows[i]], table[rows[j]]
        r, fade = fades[pair]
        by_r = slope[i] * terms[pair, 0] * (fade - o[ETA2])
        by_r += slope[j] * terms[pair, 1] * (fade - s[ETA2])
        by_r -= s[V0] / (2 * s[GAMMA2]) * terms[pair, 2] * (fade - o[KAPPA] / BETA)
        by_r -= o[V0] / (2 * o[GAMMA2]) * terms[pair, 3] * (fade - s[KAPPA] / BETA)
        for k in range(3):
            pull = by_r * vectors[pair, k] / r
            forces[i, k] += pull
            forces[j, k] -= pull
            for m in range(3):
                virial[k, m] += pull * vectors[pair, m]


class BatchedEMT(ManyAtOnce):
    """EMT as an ASE calculator; the same energies and forces as ASE's own, to rounding.

    The first call in a process compiles, which takes seconds. Two atoms in one place have no finite forces.

    Raises:
        ValueError: When it is given an element without parameters (it names those that have some), no atoms, positions
            or a cell that are not finite, or periodicity along cell vectors that are zero or coplanar.
    """

    implemented_properties: list[str] = [  # noqa: RUF012 -- as ASE declares it
        "energy",
        "free_energy",
        "energies",
        "forces",
        "stress",
    ]
    nolabel = True
    energies_of = "EMT"

    @property
    def elements(self) -> frozenset[int]:
        """Atomic numbers of the elements that there are parameters for."""
        return ELEMENT_NUMBERS

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 -- ASE's own settings
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        self._capacity = 1024

    def results_of(self, atoms: Atoms, properties: Sequence[str]) -> dict[str, Any]:
        """Everything at once."""
        energies, forces, virial = self._compute(atoms)
        energy, stress = float(energies.sum()), stress_of(virial, atoms)
        results = {"energy": energy, "free_energy": energy, "energies": energies, "forces": forces}
        if stress is not None:
            results["stress"] = stress
        elif "stress" in properties:
            raise PropertyNotImplementedError("stress needs a cell of three vectors")
        return results

    def compute_many(self, structures: Sequence[Atoms]) -> list[EnergyAndForces]:
        """Energies and forces of structures, without what ASE does around a call."""
        computed = ((atoms, *self._compute(atoms)) for atoms in structures)
        return [EnergyAndForces(float(e.sum()), f, stress_of(virial, atoms)) for atoms, e, f, virial in computed]

    def _compute(self, atoms: Atoms) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Energies ``(n,)``, forces ``(n, 3)`` and virial ``(3, 3)``."""
        rows, cell, inverse, extent = checked(atoms)
        first, second, vectors = self._pairs(np.ascontiguousarray(atoms.positions), cell, inverse, extent)
        energies, forces, virial = np.zeros(len(rows)), np.zeros((len(rows), 3)), np.zeros((3, 3))
        _evaluate(CONSTANTS, rows, first, second, vectors, energies, forces, virial)
        return energies, forces, virial

    def _pairs(
        self, positions: FloatArray, cell: FloatArray, inverse: FloatArray, extent: FloatArray
    ) -> tuple[IntArray, IntArray, FloatArray]:
        count = self._capacity
        for _ in range(2):  # the first pass may only count
            size = self._capacity = max(self._capacity, count)
            result = np.empty(size, np.int64), np.empty(size, np.int64), np.empty((size, 3))
            count = _find_pairs(positions, cell, inverse, extent, CUTOFF, result)
            if count <= size:
                break
        return result[0][:count], result[1][:count], result[2][:count]


def checked(atoms: Atoms) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
    """What both forms of EMT need of a structure.

    Returns:
        The row in ``CONSTANTS`` of each atom; the cell, completed; its inverse, zero along vectors that are not
        periodic; and the cutoff in heights of the cell, zero there too.

    Raises:
        ValueError: If the structure cannot be computed.
    """
    if not len(atoms):
        raise ValueError("the structure has no atoms; give one at least")
    rows = _ROW_OF[atoms.numbers]
    if (rows < 0).any():
        missing = sorted({chemical_symbols[z] for z in atoms.numbers[rows < 0]})
        raise ValueError(f"EMT has no parameters for {missing}; it knows {list(ELEMENTS)}, take another calculator")
    if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
        raise ValueError("positions and cell vectors must be finite numbers; correct those that are not")
    cell = np.ascontiguousarray(complete_cell(atoms.cell), dtype=np.float64)
    if not atoms.cell[atoms.pbc].any(axis=1).all() or abs(np.linalg.det(cell)) < 1e-9:
        raise ValueError(
            f"pbc={atoms.pbc.tolist()} needs cell vectors that are neither zero nor coplanar, got "
            f"{atoms.cell.tolist()}; correct the cell, or switch off pbc where there is no vector"
        )
    inverse = np.linalg.inv(cell) * atoms.pbc
    extent = CUTOFF * np.linalg.norm(inverse, axis=0) * (1 + 1e-9)
    return rows, cell, inverse, extent


def stress_of(virial: FloatArray, atoms: Atoms) -> FloatArray | None:
    """Stress of a virial ``(3, 3)``, eV/angstrom^3, ``(6,)`` in Voigt's order; None where the cell has no volume."""
    if atoms.cell.rank < 3:
        return None
    return np.asarray((virial / atoms.get_volume()).flat[[0, 4, 8, 5, 2, 1]])
