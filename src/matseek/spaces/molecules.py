"""Rigid molecules on a surface: the space of their positions and orientations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms
from scipy.spatial.transform import Rotation

from matseek.checks import whole
from matseek.errors import InfeasibleSpaceError
from matseek.geometry.rigid import RigidBodies, longest
from matseek.spaces.adlayer import Adlayer
from matseek.spaces.free_atoms import JITTER
from matseek.spaces.regions import TOLERANCE
from matseek.spaces.species import Species, bodies_of

FloatArray = npt.NDArray[np.float64]
_STRAIN = 1e-3
"""How far an atom may be from where its molecule's shape has it, in angstrom: more than tables lose by rounding."""

_IMAGE = 2.4
"""In multiples of its longest distance, how far a molecule must be from its image, so that both are told apart."""

_TOGETHER, _TRIES = 8, 40
"""Places that are looked at together for one molecule, and how often, before its structure is begun anew."""

_RESTARTS = 30
"""Times that a structure is begun anew before placement is given up."""


class MolecularAdlayer(Adlayer):
    """Rigid molecules, and atoms, above a fixed template that is periodic in plane.

    A molecule has a position and an orientation and keeps its shape: bonds neither break nor form. A point is, as for
    :class:`Adlayer`, the positions of all free atoms, ``(3n,)`` in angstrom, so that models, tables and pages read
    it like any other; what is not made of whole molecules is refused. For molecules that may fall apart, give their
    atoms to :class:`Adlayer`.

    Args:
        template: As for :class:`Adlayer`.
        molecules: What lies on it. A text is a sum of species, each with a count before it: ``"2CO + O"`` is two carbon
            monoxide molecules and an oxygen atom. A species is an element, which is a free atom, or a name that
            ``ase.build.molecule`` knows (``CO``, ``OH``, ``H2O``, ``CH3OH``, ...), with the geometry that it has
            there (G2 test set: MP2/6-31G* in the gas phase). A molecule of another geometry, for example relaxed
            with the potential of the search, is an ``Atoms``; several are a list of texts and ``Atoms``.
        z: Confinement of every atom, as for :class:`Adlayer`.
        least_distance: Of atoms of different molecules, as for :class:`Adlayer`; distances within a molecule are what
            they are.

    Raises:
        ValueError: If a species is not known, or a setting is not as described.
        InfeasibleSpaceError: If a molecule does not fit the cell or the confinement, or all together do not.

    Example:
        >>> from ase.build import fcc111
        >>> space = MolecularAdlayer(fcc111("Pt", (3, 3, 3), vacuum=8), "2CO + O", z=(0.8, 5.0))
        >>> space.size, space.species
        (5, ('CO', 'CO', 'O'))
    """

    species: tuple[str, ...]
    """The formula of each body, in the order of its atoms."""

    def __init__(
        self,
        template: Atoms,
        molecules: Species | Sequence[Species],
        z: tuple[float, float],
        least_distance: float | None = None,
    ) -> None:
        given = bodies_of(molecules)
        ends = np.cumsum([len(atoms) for _, atoms in given])
        members = tuple(
            tuple(range(end - len(atoms), end)) for (_, atoms), end in zip(given, ends.tolist(), strict=True)
        )
        object.__setattr__(self, "species", tuple(name for name, _ in given))
        object.__setattr__(self, "_members", members)
        object.__setattr__(self, "_shapes", tuple(np.array(atoms.positions, dtype=np.float64) for _, atoms in given))
        super().__init__(template, "".join(str(atoms.symbols) for _, atoms in given), z, least_distance)
        if self.moving:
            raise ValueError(
                f"template: {self.moving} of its atoms are not held by FixAtoms, but molecules lie on a template at "
                "rest; remove the constraint, del template.constraints, or hold all atoms"
            )

    def _require_wide_cell(self) -> None:
        super()._require_wide_cell()
        apart = float(np.linalg.norm(self._reduced[0]))
        cores = 2 * self.least_distance * float(self._radii.max())
        for name, shape in zip(self.species, self.bodies.shapes, strict=True):
            length = longest(shape)
            needed = max(_IMAGE * length, length + cores)
            if apart < needed:
                raise InfeasibleSpaceError(
                    f"molecules: {name} is {length:.3g} angstrom long, but the template's cell repeats after "
                    f"{apart:.3g} angstrom in plane and must after {needed:.3g}, or it meets its own image; repeat the "
                    "template, for example template.repeat((2, 2, 1))"
                )

    @property
    def bodies(self) -> RigidBodies:
        """Molecules and atoms, in the order of their atoms."""
        return self._rigid

    @cached_property
    def _rigid(self) -> RigidBodies:
        return RigidBodies(self.__dict__["_members"], self.__dict__["_shapes"], self.plane)

    def describe(self) -> dict[str, Any]:
        """The space as plain data: also which atoms make a molecule, and of what shape, in angstrom."""
        shapes = [np.round(np.linalg.norm(shape[:, None] - shape, axis=-1), 6).tolist() for shape in self.bodies.shapes]
        members = [list(atoms) for atoms in self.bodies.members]
        return super().describe() | {"molecules": {"members": members, "distances": shapes}}

    def columns_of(self, other: Mapping[str, Any]) -> tuple[int, ...]:
        """The same columns where template, atoms and molecules are the same.

        Raises:
            ValueError: If they are not.
        """
        columns = super().columns_of(other)
        if other.get("molecules") != self.describe()["molecules"]:
            raise ValueError("its molecules are others, or not rigid")
        return columns

    def refusals(self, points: npt.ArrayLike) -> list[str]:
        """As for :class:`Adlayer`, and ``broken ...`` where a molecule has not its shape."""
        texts = super().refusals(points)
        strains = self.bodies.strain(np.nan_to_num(self._positions(points)))
        for row, strain in enumerate(strains):
            worst = int(strain.argmax())
            if not texts[row] and strain[worst] > _STRAIN:
                texts[row] = (
                    f"broken molecule {worst + 1} ({self.species[worst]}): an atom is {strain[worst]:.3g} A from where "
                    f"the molecule's shape has it, at most {_STRAIN:g} A are allowed"
                )
        return texts

    def confine(self, points: npt.ArrayLike) -> FloatArray:
        """The same structures, molecules with their shape and as a whole within the confinement, shape ``(m, 3n)``."""
        bodies, positions = self.bodies, self._positions(points)
        inside = bodies.confined(bodies.snapped(bodies.gathered(positions)), self.z_low, self.z_high)
        return inside.reshape(-1, self.dim)

    def slide(self, points: npt.ArrayLike, push: npt.ArrayLike, reach: float = TOLERANCE) -> FloatArray:
        """What moves molecules as a whole and takes no atom through a wall, shape ``(m, 3n)``.

        Of forces, the force and the torque on each molecule, see :meth:`matseek.geometry.rigid.RigidBodies.along`.
        """
        positions, vectors = self.bodies.gathered(self._positions(points)), self._positions(push)
        return self.bodies.along(positions, vectors, self.walls(points, reach)).reshape(-1, self.dim)

    def wrap(self, points: npt.ArrayLike) -> FloatArray:
        """The same structures, every molecule in one piece and its first atom inside the cell, shape ``(m, 3n)``."""
        whole_ones = self.bodies.gathered(self._positions(points))
        inside = super().wrap(whole_ones.reshape(len(whole_ones), self.dim)).reshape(whole_ones.shape)
        first = [self.bodies.members[body][0] for body in self.bodies.owner]
        shifts = (inside - whole_ones)[:, first]
        return np.asarray((whole_ones + shifts).reshape(-1, self.dim))

    def _pairs(self, positions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Distances as for atoms; those within a molecule do not count."""
        distance, least = super()._pairs(positions)
        distance[:, :, : self.size][:, self.bodies.together] = np.inf
        return distance, least

    def sample_uniform(self, m: int, rng: np.random.Generator) -> FloatArray:
        """Structures whose molecules are placed one by one, each uniformly where it overlaps with nothing.

        Positions are uniform in cell and confinement, orientations uniform over all rotations.

        Args:
            m: Number of structures.
            rng: Source of randomness.

        Returns:
            Points, shape ``(m, 3n)``, in angstrom; none of them is refused.

        Raises:
            InfeasibleSpaceError: If the molecules cannot be placed.
        """
        return self._arranged(m, rng, lambda turned, _: self._anywhere(len(turned), rng)[:, None] + turned)

    def sample_contiguous(self, m: int, rng: np.random.Generator) -> FloatArray:
        """Structures that hang together: one atom of each molecule lies at a bonding distance of one placed before.

        Which atoms, the direction and the orientations are uniform. Arguments and result are those of
        :meth:`sample_uniform`.

        Raises:
            InfeasibleSpaceError: If the molecules cannot be placed.
        """

        def beside(turned: FloatArray, placement: _Placement) -> FloatArray:
            if not len(placement.placed):
                return self._anywhere(len(turned), rng)[:, None] + turned
            anchor = rng.choice(placement.placed, size=len(turned))
            own = rng.integers(turned.shape[1], size=len(turned))
            direction = rng.standard_normal((len(turned), 3))
            direction /= np.linalg.norm(direction, axis=1, keepdims=True)
            radii = self._radii[anchor] + self._radii[np.array(placement.members)[own]]
            bond = radii * rng.uniform(1 - JITTER, 1 + JITTER, len(turned))
            to = placement.positions[anchor] + bond[:, None] * direction
            return np.asarray(turned + (to - turned[np.arange(len(turned)), own])[:, None])

        return self.wrap(self._arranged(m, rng, beside))

    def _arranged(
        self, m: int, rng: np.random.Generator, propose: Callable[[FloatArray, _Placement], FloatArray]
    ) -> FloatArray:
        """Structures placed molecule by molecule, in random order.

        ``propose(turned, placement)`` gives places of a molecule's atoms for orientations ``(t, k, 3)``.
        """
        m = whole(1)("m", m)
        result = [self._one_arranged(rng, propose) for _ in range(m)]
        return self.wrap(np.array(result).reshape(m, self.dim))

    def _one_arranged(
        self, rng: np.random.Generator, propose: Callable[[FloatArray, _Placement], FloatArray]
    ) -> FloatArray:
        stuck = 0
        for _ in range(_RESTARTS):
            positions, placed = np.zeros((self.size, 3)), np.zeros(0, dtype=np.int64)
            for body in rng.permutation(len(self.bodies)):
                members = self.bodies.members[body]
                found = self._room_for(body, _Placement(positions, placed, members), rng, propose)
                if found is None:
                    stuck = int(body)
                    break
                positions[list(members)] = found
                placed = np.append(placed, members)
            else:
                return positions
        shape = self.bodies.shapes[stuck]
        raise InfeasibleSpaceError(
            f"molecules: {' + '.join(self.species)} do not fit: {self.species[stuck]}, {longest(shape):.3g} angstrom "
            f"long, found no place without overlap in the confinement z={self.z} after {_RESTARTS} attempts of "
            f"{_TOGETHER * _TRIES} tries; take fewer or smaller molecules, a larger cell, a wider confinement or a "
            "shorter least_distance"
        )

    def _room_for(
        self,
        body: int,
        placement: _Placement,
        rng: np.random.Generator,
        propose: Callable[[FloatArray, _Placement], FloatArray],
    ) -> FloatArray | None:
        """Places ``(k, 3)`` of a molecule's atoms that overlap with nothing; None where none was found."""
        rows = list(placement.members)
        shape = self.bodies.shapes[body] - self.bodies.shapes[body].mean(axis=0)
        others, other_radii = placement.positions[placement.placed], self._radii[placement.placed]
        for _ in range(_TRIES):
            turned = np.broadcast_to(shape, (_TOGETHER, *shape.shape))
            if len(rows) > 1:
                turned = np.einsum("tij,kj->tki", Rotation.random(_TOGETHER, rng).as_matrix(), shape)
            places = propose(turned, placement)
            flat = places.reshape(-1, 3)
            free = self._is_free(
                flat,
                np.tile(self._radii[rows], _TOGETHER),
                np.broadcast_to(others, (len(flat), *others.shape)),
                np.broadcast_to(other_radii, (len(flat), len(others))),
            ).reshape(_TOGETHER, len(rows))
            fits = np.flatnonzero(free.all(axis=1))
            if len(fits):
                return np.asarray(places[fits[0]])
        return None


class _Placement:
    """What is placed of a structure, and what comes next.

    Args:
        positions: Of all atoms, ``(n, 3)``; those not placed are anywhere.
        placed: Which atoms are placed, ``(s,)``.
        members: The atoms of the next molecule.
    """

    def __init__(self, positions: FloatArray, placed: npt.NDArray[np.int64], members: tuple[int, ...]) -> None:
        self.positions, self.placed, self.members = positions, placed, members
