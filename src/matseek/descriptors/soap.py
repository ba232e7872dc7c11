"""The local descriptor: the SOAP power spectra of the free atoms, summed, by featomic."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
from ase import Atoms
from scipy.sparse import csr_array

from matseek.checks import check, real, whole
from matseek.core.space import StructureSpace
from matseek.descriptors.base import Descriptor, PreparedDescriptor

logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_FADE = 0.2
"""Share of the cutoff over which neighbours fade out."""

_GAP = 1.0
"""Angstroms that two images of a slab have between them beyond the cutoff."""

_FAR = 500.0
"""Angstroms beyond the confinement at which a lost atom is taken to be: featomic fails in cells of a million."""

_AT_ONCE: Final = 32
"""Structures that featomic is given at a time, so that its gradients do not fill the memory."""


@dataclass(frozen=True)
class Soap(Descriptor):
    """Smooth overlap of atomic positions: power spectra of the densities around free atoms, summed over the atoms.

    Bartok, Kondor and Csanyi, Phys. Rev. B 87, 184115 (2013), as featomic computes it: neighbours are Gaussians,
    expanded in radial functions (Gaussian-type orbitals) and spherical harmonics. A kind of centre with a pair of kinds
    around it has a power spectrum of its own, in fixed columns; free and template atoms of one element are different
    kinds. Of the products of two radial functions within one kind, which come in equal pairs, one is kept, times the
    square root of 2, so that distances are those of the whole spectrum.

    It needs featomic: ``pip install 'matseek[soap]'``. A structure takes some hundred times as long as with
    :class:`~matseek.descriptors.Fingerprint`.

    Args:
        cutoff: Of neighbours, in angstrom; it may be longer than half the cell. They fade out over its last fifth.
        n_max: Radial functions.
        l_max: Largest angular momentum.
        smearing: Standard deviation of the neighbours' Gaussians, in angstrom.

    Raises:
        ValueError: If a setting is out of its range.
        ImportError: If featomic is not installed.
    """

    label: ClassVar[str] = "SOAP"
    cutoff: float = 5.0
    n_max: int = 6
    l_max: int = 4
    smearing: float = 0.5

    def __post_init__(self) -> None:
        check(
            self,
            cutoff=real(1.0, 50.0, unit="angstrom"),
            n_max=whole(1, 20),
            l_max=whole(0, 15),
            smearing=real(0.05, 5.0, unit="angstrom"),
        )
        _imported("featomic")

    def prepare(self, space: StructureSpace) -> PreparedSoap:
        """The power spectra of the structures of a space."""
        return PreparedSoap(self, space)


class PreparedSoap(PreparedDescriptor):
    """The summed power spectra of the structures of one space; each kind of centre is a group.

    Args:
        settings: Cutoff and sizes.
        space: Free atoms and template.
    """

    def __init__(self, settings: Soap, space: StructureSpace) -> None:
        self.settings, self.space = settings, space
        template = space.template
        self._slab = not bool(template.pbc[2])
        heights = template.positions[:, 2]
        near = np.ones(len(template), dtype=bool)
        low, high = space.heights
        if self._slab:
            near = (heights > low - settings.cutoff) & (heights < high + settings.cutoff)
        self._template = np.asarray(template.positions[near], dtype=np.float64)
        self._cell = np.asarray(template.cell, dtype=np.float64)
        free, free_kinds = np.unique(space.numbers, return_inverse=True)
        fixed, fixed_kinds = np.unique(template.numbers[near], return_inverse=True)
        self._kinds = np.concatenate([free_kinds, len(free) + fixed_kinds]) + 1
        pairs = list(combinations_with_replacement(range(1, len(free) + len(fixed) + 1), 2))
        self._blocks = [(centre, *pair) for centre in range(1, len(free) + 1) for pair in pairs]
        columns = [_columns(settings, a == b) for _, a, b in self._blocks]
        self._factors = [
            np.where((a == b) & (c[:, 1] != c[:, 2]), np.sqrt(2.0), 1.0)
            for (_, a, b), c in zip(self._blocks, columns, strict=True)
        ]
        self._ends = np.cumsum([0] + [len(c) for c in columns])
        self._calculator, self._selected = _calculator(settings, space.size, self._blocks, columns)

    @property
    def groups(self) -> IntArray:
        """Kinds of the centres, from 0."""
        centres = np.array([centre - 1 for centre, _, _ in self._blocks], dtype=np.int64)
        return np.repeat(centres, np.diff(self._ends))

    def values(self, points: npt.ArrayLike) -> FloatArray:
        """Summed power spectra of structures ``(m, 3n)``, shape ``(m, D)``."""
        positions = self._positions(points)
        result = np.zeros((len(positions), self.dim))
        for rows in _portions(len(positions)):
            for columns, factors, block in self._computed(positions[rows], ()):
                systems = block.samples.values[:, 0]
                result[rows, columns] = factors * _sums(systems, len(positions[rows]), np.asarray(block.values))
        return result

    def jacobians(self, points: npt.ArrayLike) -> FloatArray:
        """Their derivatives, per angstrom, shape ``(m, D, 3n)``; zero where atoms are on top of each other."""
        positions = self._positions(points)
        result = np.zeros((len(positions), self.dim, 3 * self.space.size))
        for rows in _portions(len(positions)):
            result[rows] = self._derivatives(positions[rows])
        return result

    def pull_back(self, points: npt.ArrayLike, gradients: FloatArray) -> FloatArray:
        """Gradients by the positions, shape ``(m, 3n)``, from those by the power spectra, shape ``(m, D)``."""
        # A surface pulls two gradients back at each structure, whose derivatives are the same.
        positions, which = np.unique(self._positions(points), axis=0, return_inverse=True)
        result = np.zeros((len(which), 3 * self.space.size))
        for rows in _portions(len(positions)):
            derivatives = self._derivatives(positions[rows])
            for at in np.flatnonzero((which >= rows.start) & (which < rows.stop)):
                result[at] = gradients[at] @ derivatives[which[at] - rows.start]
        return result

    def _positions(self, points: npt.ArrayLike) -> FloatArray:
        positions = self.space.wrap(points).reshape(-1, self.space.size, 3).copy()
        low, high = self.space.heights
        positions[..., 2] = positions[..., 2].clip(low - _FAR, high + _FAR)
        return positions

    def _derivatives(self, positions: FloatArray) -> FloatArray:
        m, n = positions.shape[:2]
        result = np.zeros((m, self.dim, n, 3))
        for columns, factors, block in self._computed(positions, ("positions",)):
            gradient = block.gradient("positions")
            owners = gradient.samples.values
            free = owners[:, 2] < n
            # A direction between atoms at one place is not defined, and featomic has NaN for it.
            of_free = np.nan_to_num(np.asarray(gradient.values)[free], posinf=0.0, neginf=0.0)
            summed = _sums(owners[free, 1] * n + owners[free, 2], m * n, of_free.reshape(len(of_free), -1))
            result[:, columns] = (factors * summed.reshape(m, n, 3, -1)).transpose(0, 3, 1, 2)
        return result.reshape(m, -1, 3 * n)

    def _computed(self, positions: FloatArray, gradients: tuple[str, ...]) -> Iterator[tuple[slice, FloatArray, Any]]:
        """Columns, factors and featomic's block of each triple of kinds."""
        systems = [self._system(each) for each in positions]
        computed = self._calculator.compute(systems, gradients=list(gradients), **self._selected)
        for k, block in enumerate(computed.blocks()):
            yield slice(self._ends[k], self._ends[k + 1]), self._factors[k], block

    def _system(self, free: FloatArray) -> Atoms:
        """Free atoms, then the template; along a slab's normal, images are too far away to be seen."""
        positions = np.concatenate([free, self._template])
        cell = self._cell
        if self._slab:
            cell = cell.copy()
            cell[2] = (0.0, 0.0, np.ptp(positions[:, 2]) + self.settings.cutoff + _GAP)
        return Atoms(numbers=self._kinds, positions=positions, cell=cell, pbc=True)


def _columns(settings: Soap, alike: bool) -> npt.NDArray[np.int32]:
    """Degrees ``(l, n_1, n_2)`` of a power spectrum's components; of equal ones, the first alone."""
    degrees = np.indices((settings.l_max + 1, settings.n_max, settings.n_max)).reshape(3, -1).T
    return np.asarray(degrees[degrees[:, 1] <= degrees[:, 2]] if alike else degrees, dtype=np.int32)


def _portions(m: int) -> list[slice]:
    return [slice(first, first + _AT_ONCE) for first in range(0, m, _AT_ONCE)]


def _sums(owners: npt.NDArray[Any], size: int, rows: FloatArray) -> FloatArray:
    """Sums of the rows that have one owner, shape ``(size, ...)``."""
    count = len(owners)
    return np.asarray(csr_array((np.ones(count), (owners, np.arange(count))), shape=(size, count)) @ rows)


def _imported(module: str) -> Any:  # noqa: ANN401 -- a module without types
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError("the descriptor Soap needs the extra: pip install 'matseek[soap]'") from error


def _calculator(
    settings: Soap, centres: int, blocks: list[tuple[int, int, int]], columns: list[npt.NDArray[np.int32]]
) -> tuple[Any, dict[str, Any]]:
    """What computes, and the atoms, kinds and components that it is asked for."""
    featomic, metatensor = _imported("featomic"), _imported("metatensor")
    # It would warn of each pair of atoms that are close, thousands of times while structures are relaxed.
    _imported("featomic.log").set_logging_callback(lambda _, message: logger.debug("%s", message))
    calculator = featomic.SoapPowerSpectrum(
        cutoff={
            "radius": settings.cutoff,
            "smoothing": {"type": "ShiftedCosine", "width": _FADE * settings.cutoff},
        },
        density={"type": "Gaussian", "width": settings.smearing},
        basis={
            "type": "TensorProduct",
            "max_angular": settings.l_max,
            "radial": {"type": "Gto", "max_radial": settings.n_max - 1},
        },
    )
    labels = metatensor.Labels
    keys = labels(["center_type", "neighbor_1_type", "neighbor_2_type"], np.array(blocks, dtype=np.int32))
    wanted = [
        metatensor.TensorBlock(np.zeros((1, len(each))), labels.single(), [], labels(["l", "n_1", "n_2"], each))
        for each in columns
    ]
    return calculator, {
        "selected_samples": labels(["atom"], np.arange(centres, dtype=np.int32)[:, None]),
        "selected_keys": keys,
        "selected_properties": metatensor.TensorMap(keys, wanted),
    }
