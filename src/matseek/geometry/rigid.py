"""Particles that keep their distances: rigid bodies, and what their motions make of positions and forces.

Positions of rigid bodies are a surface in the space of all positions. Motions along it are translations and rotations;
the nearest point on it is a superposition of every body's shape. Searches on it project gradients and step lengths so
(Absil, Mahony and Sepulchre, "Optimization Algorithms on Matrix Manifolds", Princeton 2008, chapters 3 and 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from matseek.geometry.cells import shortest_basis

FloatArray = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_FLAT = 1e-6
"""Rotations that move nothing, as about a linear molecule's axis, have singular values below this, relative."""


@dataclass(frozen=True, eq=False)
class RigidBodies:
    """Particles in bodies: each translates and rotates as one and keeps its shape and its handedness.

    Positions are arrays ``(..., n, 3)``. A body of a single particle is that particle.

    Args:
        members: The particles of each body, in the order of its shape; each particle is in one body.
        shapes: Where each body's particles lie relative to one another, ``(k, 3)`` each.
        plane: In-plane vectors, ``(2, 2)``, by which positions may be shifted and stay the same; None for none. They
            must be longer than 2.4 times any distance within a body (:func:`longest`), so that images are told apart.
    """

    members: tuple[tuple[int, ...], ...]
    shapes: tuple[FloatArray, ...]
    plane: FloatArray | None = None

    @staticmethod
    def loose(n: int) -> RigidBodies:
        """Each of n particles for itself."""
        return _loose(n)

    def __len__(self) -> int:
        """Number of bodies, b."""
        return len(self.members)

    @cached_property
    def molecules(self) -> tuple[int, ...]:
        """The bodies of more than one particle."""
        return tuple(k for k, members in enumerate(self.members) if len(members) > 1)

    @cached_property
    def owner(self) -> Integers:
        """The body of each particle, shape ``(n,)``."""
        result = np.zeros(sum(map(len, self.members)), dtype=np.int64)
        for k, members in enumerate(self.members):
            result[list(members)] = k
        return result

    @cached_property
    def together(self) -> npt.NDArray[np.bool_]:
        """Which pairs of particles belong to one body, shape ``(n, n)``; each with itself."""
        return np.asarray(self.owner[:, None] == self.owner)

    def kinds(self, numbers: Integers) -> Integers:
        """A number for each body, the same for those of the same elements, shape ``(b,)``.

        Args:
            numbers: Atomic numbers, shape ``(n,)``.
        """
        made_of = [tuple(numbers[list(members)].tolist()) for members in self.members]
        order = sorted(set(made_of))
        return np.array([order.index(each) for each in made_of], dtype=np.int64)

    def gathered(self, positions: FloatArray) -> FloatArray:
        """The same positions with every body in one piece: each particle at the image nearest to its body's first."""
        if not self.molecules or self.plane is None:
            return positions
        result = positions.copy()
        basis = shortest_basis(self.plane)
        inverse = np.linalg.inv(basis)
        for k in self.molecules:
            rows = list(self.members[k])
            away = positions[..., rows, :2] - positions[..., rows[:1], :2]
            result[..., rows, :2] -= np.round(away @ inverse) @ basis
        return result

    def centres(self, positions: FloatArray) -> FloatArray:
        """Centres of geometry of bodies in one piece, shape ``(..., b, 3)``."""
        if not self.molecules:
            return positions[..., [m[0] for m in self.members], :]
        return np.stack([positions[..., list(m), :].mean(axis=-2) for m in self.members], axis=-2)

    def carried(self, positions: FloatArray, centres: FloatArray) -> FloatArray:
        """Bodies in one piece, moved without turning to where their centres are given, ``(..., b, 3)``."""
        if not self.molecules:
            result = np.empty_like(positions)
            result[..., [m[0] for m in self.members], :] = centres
            return result
        return np.asarray(positions + (centres - self.centres(positions))[..., self.owner, :])

    def turned(
        self, positions: FloatArray, rng: np.random.Generator, bodies: Sequence[int] | None = None
    ) -> FloatArray:
        """A structure ``(n, 3)`` in which bodies are turned about their centres, uniformly over all rotations.

        Args:
            positions: Bodies in one piece.
            rng: Source of randomness; nothing is drawn where no molecule turns.
            bodies: Which turn; None for all.
        """
        turning = [k for k in self.molecules if bodies is None or k in bodies]
        result = positions.copy()
        for k in turning:
            rows = list(self.members[k])
            centre = positions[rows].mean(axis=0)
            result[rows] = centre + Rotation.random(None, rng).apply(positions[rows] - centre)
        return result

    def snapped(self, positions: FloatArray) -> FloatArray:
        """The nearest positions in which every body has its shape; bodies must be in one piece.

        Each shape is superposed by the rotation with least squared distances (Kabsch, Acta Cryst. A 34, 827 (1978)).
        """
        if not self.molecules:
            return positions
        result = positions.copy()
        for k in self.molecules:
            rows = list(self.members[k])
            place, shape = positions[..., rows, :], self.shapes[k] - self.shapes[k].mean(axis=0)
            centre = place.mean(axis=-2, keepdims=True)
            u, _, vh = np.linalg.svd(np.swapaxes(place - centre, -1, -2) @ shape)
            u[..., :, 2] *= np.linalg.det(u @ vh)[..., None]
            result[..., rows, :] = centre + shape @ np.swapaxes(u @ vh, -1, -2)
        return result

    def strain(self, positions: FloatArray) -> FloatArray:
        """How far the farthest particle is from where its body's shape has it, shape ``(..., b)``; any images."""
        whole = self.gathered(positions)
        away = np.linalg.norm(whole - self.snapped(whole), axis=-1)
        return np.stack([away[..., list(m)].max(axis=-1) for m in self.members], axis=-1)

    def along(self, positions: FloatArray, vectors: FloatArray, walls: Integers | None = None) -> FloatArray:
        """The part of vectors on particles that translates and rotates bodies, shape ``(..., n, 3)``.

        Of forces, that is the force and the torque on each body, told as what they would do to its particles if all
        had the same mass: a force F on a body of k particles is F / k on each.

        Args:
            positions: Bodies in one piece.
            vectors: Such as forces.
            walls: On which wall along z each particle lies: -1 the lower, 1 the upper, 0 neither, shape ``(..., n)``.
                Motions then take no particle through its wall, but slide and pivot on it.
        """
        result = np.array(vectors, dtype=np.float64)
        if walls is not None:
            single = [m[0] for m in self.members if len(m) == 1]
            through = np.zeros(result.shape[:-1], dtype=bool)
            through[..., single] = (walls * result[..., 2] > 0)[..., single]
            result[..., 2][through] = 0.0
        for k in self.molecules:
            rows = list(self.members[k])
            basis = self._motions(positions[..., rows, :])
            flat = result[..., rows, :].reshape(*result.shape[:-2], -1, 1)
            moved = (basis @ (np.swapaxes(basis, -1, -2) @ flat))[..., 0]
            if walls is not None:
                for place in np.argwhere((walls[..., rows] != 0).any(axis=-1)):
                    here = tuple(place)
                    moved[here] = _sliding(basis[here], moved[here], walls[here][rows])
            result[..., rows, :] = moved.reshape(*result.shape[:-2], len(rows), 3)
        return result

    @staticmethod
    def _motions(place: FloatArray) -> FloatArray:
        """Orthonormal motions of a body ``(..., k, 3)``, shape ``(..., 3k, 6)``; zeros where it has fewer."""
        arms = place - place.mean(axis=-2, keepdims=True)
        shifts = np.broadcast_to(np.eye(3), (*arms.shape[:-1], 3, 3))  # (..., particle, direction, axis)
        turns = np.stack([np.cross(axis, arms) for axis in np.eye(3)], axis=-1)
        columns = np.concatenate([np.swapaxes(shifts, -1, -2), turns], axis=-1)
        u, s, _ = np.linalg.svd(columns.reshape(*arms.shape[:-2], -1, 6), full_matrices=False)
        return np.asarray(u * (s > _FLAT * s[..., :1])[..., None, :])

    def confined(self, positions: FloatArray, low: float, high: float) -> FloatArray:
        """Positions put back between two heights: every body in one piece is moved along z by what it sticks out.

        A body that is taller than the room is left with its lowest particle at ``low``.
        """
        result = positions.copy()
        result[..., 2] = result[..., 2].clip(low, high)
        for k in self.molecules:
            rows = list(self.members[k])
            z = positions[..., rows, 2]
            down = np.minimum(high - z.max(axis=-1), 0.0)
            up = np.maximum(low - (z.min(axis=-1) + down), 0.0)
            result[..., rows, 2] = z + (down + up)[..., None]
        return result


def longest(shape: FloatArray) -> float:
    """The longest distance within a shape ``(k, 3)``."""
    return float(np.linalg.norm(shape[:, None] - shape, axis=-1).max())


@lru_cache(maxsize=64)
def _loose(n: int) -> RigidBodies:
    return RigidBodies(tuple((k,) for k in range(n)), (np.zeros((1, 3)),) * n)


def _sliding(basis: FloatArray, motion: FloatArray, walls: Integers) -> FloatArray:
    """The nearest rigid motion ``(3k,)`` that takes no particle on a wall ``(k,)`` through it.

    Particles that would go through are held one after the other (an active set), until none is left.
    """
    held: list[int] = []
    moved = motion
    for _ in range(len(walls)):
        push = walls * moved[2::3]
        push[held] = 0.0
        worst = int(push.argmax())
        if push[worst] <= _FLAT * float(np.abs(motion).max(initial=0.0)):
            break
        held.append(worst)
        bounds = basis.T @ np.eye(len(motion))[:, [3 * k + 2 for k in held]]
        inside = basis.T @ motion
        moved = basis @ (inside - bounds @ np.linalg.lstsq(bounds, inside, rcond=_FLAT)[0])
    return moved
