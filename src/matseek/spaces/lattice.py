"""Which atom sits on which site of a crystal: substitutions and vacancies in a fixed cell."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.data import chemical_symbols

from matseek.checks import of
from matseek.core.space import Space
from matseek.spaces.free_atoms import free_numbers

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_MOST_SITES = 256

_SAME = 1e-3
"""Sites that are nearer to one another than this, in angstrom, are one."""

_TRIES = 50
"""Draws for a neighbour that is another structure."""


class Lattice(Space):
    """Arrangements of atoms and vacancies on the sites of a crystal whose cell and positions are fixed.

    A point has the atomic number of what sits on each open site, 0 for a vacancy, in the order of the sites. All points
    have the same numbers of atoms of each element.

    Args:
        crystal: Cell, periodicity and positions. Sites that are not open keep their atoms.
        occupants: Formula of what the open sites hold, for example ``Cu8Au8``; sites that it leaves are vacancies.
        sites: The open ones: their indices, or the symbol of the element whose places they are; None opens all.

    Raises:
        ValueError: If the occupants do not fit, or leave a single arrangement.

    Example:
        >>> from ase.build import bulk
        >>> space = Lattice(bulk("Cu", cubic=True), "Cu3Au")
        >>> space.atoms(space.sample_uniform(1, np.random.default_rng(0))[0]).get_chemical_formula()
        'AuCu3'
    """

    def __init__(self, crystal: Atoms, occupants: str, sites: Sequence[int] | str | None = None) -> None:
        given = of(Atoms)("crystal", crystal)
        if not np.isfinite(given.positions).all() or (given.pbc.any() and not given.cell.rank == 3):
            raise ValueError("crystal: positions must be finite, and the cell needs three vectors; correct it")
        self.crystal = Atoms(given.numbers, given.positions, cell=given.cell, pbc=given.pbc)
        self.crystal.wrap()
        self.occupants = occupants
        self.sites = _open_sites(self.crystal, sites)
        atoms = free_numbers(occupants)
        if len(atoms) > len(self.sites):
            raise ValueError(
                f"occupants={occupants!r} are {len(atoms)} atoms for {len(self.sites)} open sites; take a larger "
                "crystal, or fewer atoms"
            )
        vacancies = len(self.sites) - len(atoms)
        self.content = np.sort(np.concatenate([atoms, np.zeros(vacancies, dtype=np.int64)]))
        if self.content[0] == self.content[-1]:
            raise ValueError(
                f"occupants={occupants!r} fill all {len(self.sites)} open sites alike, so that there is nothing to "
                "search; name several elements, or leave sites vacant"
            )
        self.content.setflags(write=False)

    @property
    def names(self) -> tuple[str, ...]:
        """``site_1`` for the first atom of the crystal, if it is open, and so on."""
        return tuple(f"site_{k + 1}" for k in self.sites)

    @property
    def size(self) -> int:
        """Atoms of a structure, all of which belong to its point."""
        return len(self.crystal) - int((self.content == 0).sum())

    @property
    def elements(self) -> set[int]:
        """Atomic numbers of the elements of every structure."""
        return {*self.content[self.content > 0].tolist(), *np.delete(self.crystal.numbers, self.sites).tolist()}

    def contains(self, points: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether each point has the occupants on its sites."""
        return np.asarray((np.sort(self.as_points(points), axis=1) == self.content).all(axis=1))

    def refusals(self, points: npt.ArrayLike) -> list[str]:
        """What is on the sites instead of the occupants."""
        return [
            "" if inside else f"the sites do not hold {self.occupants} and vacancies on the rest"
            for inside in self.contains(points)
        ]

    def sample_uniform(self, m: int, rng: np.random.Generator) -> FloatArray:
        """Arrangements, all equally likely."""
        return rng.permuted(np.tile(self.content.astype(np.float64), (m, 1)), axis=1)

    @property
    def has_variants(self) -> bool:
        """By exchanges of two sites."""
        return True

    def variant(self, point: npt.ArrayLike, rng: np.random.Generator) -> FloatArray:
        """The point with two unlike sites exchanged, drawn until it is another structure, shape ``(d,)``."""
        (start,) = self.as_points(point)
        changed, same = start.copy(), self.canonical(start)
        for _ in range(_TRIES):
            changed = start.copy()
            one = int(rng.integers(len(start)))
            other = int(rng.choice(np.flatnonzero(start != start[one])))
            changed[[one, other]] = start[[other, one]]
            if not np.array_equal(self.canonical(changed), same):
                break
        return np.asarray(changed)

    def canonical(self, points: npt.ArrayLike) -> FloatArray:
        """One point for all that a symmetry of the open sites carries into one another, shape ``(m, d)``."""
        result = []
        for point in self.as_points(points):
            images = point[self.symmetries]
            result.append(images[np.lexsort(images.T[::-1])[0]])
        return np.array(result).reshape(-1, self.dim)

    @cached_property
    def symmetries(self) -> IntArray:
        """Permutations of the open sites by symmetries of the crystal as it is given, shape ``(g, d)``.

        Rotations, reflections and translations that carry the cell into itself, every atom that is not open into one
        of its element, and open sites into open sites, whatever they hold. Only lattices that are periodic along all
        vectors are looked at; of others the identity alone is given.
        """
        identity = np.arange(len(self.sites), dtype=np.int64)[None]
        if not self.crystal.pbc.all():
            return identity
        fractions = self.crystal.get_scaled_positions()
        kinds = self.crystal.numbers.copy()
        kinds[self.sites] = 0
        place = np.full(len(kinds), -1)
        place[self.sites] = np.arange(len(self.sites))
        rows = [
            place[found[self.sites]]
            for turned in (fractions @ turn.T for turn in _turns(self.crystal.cell.array))
            for first in np.flatnonzero(kinds == kinds[self.sites[0]])
            if (found := self._carried(turned + fractions[first] - turned[self.sites[0]], fractions, kinds)) is not None
        ]
        return np.unique(np.array([identity[0], *rows], dtype=np.int64), axis=0)

    def _carried(self, moved: FloatArray, fractions: FloatArray, kinds: IntArray) -> IntArray | None:
        """Which atom each comes to lie on; None where one lies on none of its kind."""
        apart = moved[:, None] - fractions[None]
        apart -= np.round(apart)
        distance = np.linalg.norm(apart @ self.crystal.cell.array, axis=2)
        nearest = distance.argmin(axis=1)
        if distance.min(axis=1).max() > _SAME or not np.array_equal(kinds[nearest], kinds):
            return None
        return np.asarray(nearest, dtype=np.int64)

    def atoms(self, point: npt.ArrayLike) -> Atoms:
        """The structure of one point, in the order of the crystal's atoms; vacancies are left out."""
        (row,) = self.as_points(point)
        numbers = self.crystal.numbers.copy()
        numbers[self.sites] = row.astype(np.int64)
        structure = self.crystal.copy()
        structure.numbers = numbers
        kept: Atoms = structure[numbers > 0]
        return kept

    def describe(self) -> dict[str, Any]:
        """Crystal, open sites and occupants."""
        return {
            "lattice": {
                "cell": self.crystal.cell.array.tolist(),
                "pbc": self.crystal.pbc.tolist(),
                "positions": self.crystal.positions.tolist(),
                "held": [chemical_symbols[z] for z in np.delete(self.crystal.numbers, self.sites)],
            },
            "sites": self.sites.tolist(),
            "content": [chemical_symbols[z] for z in self.content],
        }


def _open_sites(crystal: Atoms, sites: Sequence[int] | str | None) -> IntArray:
    """Indices of the open sites, in ascending order.

    Raises:
        ValueError: If they are none of the crystal's, too few or too many.
    """
    if sites is None:
        result = np.arange(len(crystal), dtype=np.int64)
    elif isinstance(sites, str):
        result = np.flatnonzero(np.array(crystal.get_chemical_symbols()) == sites)
    else:
        result = np.unique(np.asarray(sites))
        if result.dtype.kind not in "iu" or not ((result >= 0) & (result < len(crystal))).all():
            raise ValueError(f"sites={sites!r} must be indices from 0 to {len(crystal) - 1} of the crystal's atoms")
    if not 2 <= len(result) <= _MOST_SITES:
        raise ValueError(
            f"sites={sites!r} opens {len(result)} sites of {crystal.get_chemical_formula()}; "
            f"it must be 2 to {_MOST_SITES}"
        )
    return result.astype(np.int64)


def _turns(cell: FloatArray) -> list[FloatArray]:
    """Rotations and reflections of fractional coordinates, as columns, that keep the lengths and angles of a cell."""
    metric = cell @ cell.T
    scale = np.sqrt(np.outer(metric.diagonal(), metric.diagonal()))
    rows = np.array(list(product((-1, 0, 1), repeat=3)), dtype=np.float64)
    lengths = np.einsum("ri,ij,rj->r", rows, metric, rows)
    fitting = [rows[np.abs(lengths - metric[k, k]) < 1e-6 * metric[k, k]] for k in range(3)]
    found = []
    for chosen in product(*fitting):
        turn = np.array(chosen)
        if np.abs(turn @ metric @ turn.T - metric).max() < 1e-6 * scale.max():
            found.append(turn.T)
    return found
