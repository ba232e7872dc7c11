"""Relaxation of many structures at once on an acquisition function of a model; it costs no evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matseek.checks import check, real, whole
from matseek.core.space import StructureSpace

FloatArray = npt.NDArray[np.float64]
Function = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
"""Of structures ``(m, 3n)``: values ``(m,)`` and gradients ``(m, 3n)``."""

_FIRST = 0.05
"""Square angstroms per eV: what a gradient is multiplied by before there is any curvature."""

_SOFTEST, _STIFFEST = 1.0, 1e-3
"""Bounds of that factor afterwards."""


@dataclass(frozen=True)
class AcquisitionRelaxation:
    """Limited-memory BFGS (Liu and Nocedal, Math. Program. 45, 503 (1989)) with bounded steps, for many at once.

    Each structure has its own memory and step. There is no line search: what is returned is the best that was seen. An
    atom that would leave the confinement is put onto its wall.

    Args:
        steps: Steps, each one call of the model for all structures together.
        longest: Longest step of an atom in angstrom.
        fmax: Largest gradient of an atom, in eV/A, at which a structure moves no more.
        memory: Steps that are remembered.

    Raises:
        ValueError: If a setting is out of its range.
    """

    steps: int = 60
    longest: float = 0.2
    fmax: float = 0.05
    memory: int = 8

    def __post_init__(self) -> None:
        check(
            self,
            "relaxation.",
            steps=whole(1, 100_000),
            longest=real(above=0, high=10, unit="angstrom"),
            fmax=real(above=0, unit="eV/A"),
            memory=whole(1, 1000),
        )

    def relax(self, function: Function, points: FloatArray, space: StructureSpace) -> tuple[FloatArray, FloatArray]:
        """Relaxed structures, shape ``(m, 3n)``, wrapped into the cell, and their values, shape ``(m,)``.

        Args:
            function: What is minimised.
            points: Where to begin, shape ``(m, 3n)``, inside the confinement.
            space: Free atoms and template.
        """
        x = space.confine(points)
        value, gradient = function(x)
        gradient = -space.slide(x, -gradient)
        best, best_value = x.copy(), np.where(np.isfinite(value), value, np.inf)
        moves: list[FloatArray] = []
        changes: list[FloatArray] = []
        for _ in range(self.steps):
            moving = np.linalg.norm(gradient.reshape(len(x), -1, 3), axis=2).max(axis=1) > self.fmax
            moving &= np.isfinite(value)
            if not moving.any():
                break
            step = self._step(gradient, moves, changes)
            step[~moving] = 0.0
            to = space.confine(x + step)
            value, new = function(to)
            new = -space.slide(to, -np.nan_to_num(new))
            moves = [*moves, to - x][-self.memory :]
            changes = [*changes, new - gradient][-self.memory :]
            x, gradient = to, new
            better = value < best_value
            best[better], best_value[better] = x[better], value[better]
        return space.wrap(best), best_value

    def _step(self, gradient: FloatArray, moves: list[FloatArray], changes: list[FloatArray]) -> FloatArray:
        """The two-loop recursion for each structure, its longest atomic step bounded."""
        q = gradient.copy()
        inverse = [_inverse((s * y).sum(axis=1)) for s, y in zip(moves, changes, strict=True)]
        kept = []
        for s, y, rho in reversed(list(zip(moves, changes, inverse, strict=True))):
            a = rho * (s * q).sum(axis=1)
            q -= a[:, None] * y
            kept.append(a)
        factor = np.full(len(q), _FIRST)
        if moves:
            curvature = (moves[-1] * changes[-1]).sum(axis=1)
            squares = np.maximum((changes[-1] ** 2).sum(axis=1), 1e-300)
            factor = np.where(curvature > 1e-12, np.clip(curvature / squares, _STIFFEST, _SOFTEST), factor)
        q *= factor[:, None]
        for s, y, rho, a in zip(moves, changes, inverse, reversed(kept), strict=True):
            q += s * (a - rho * (y * q).sum(axis=1))[:, None]
        uphill = (q * gradient).sum(axis=1) <= 0
        q[uphill] = gradient[uphill] * _FIRST
        longest = np.linalg.norm(q.reshape(len(q), -1, 3), axis=2).max(axis=1)
        return np.asarray(-q * np.minimum(1.0, self.longest / np.maximum(longest, 1e-12))[:, None])


def _inverse(curvature: FloatArray) -> FloatArray:
    """``1 / s.y`` where the curvature is positive, else 0, so that the pair is passed over."""
    return np.where(curvature > 1e-12, 1.0 / np.where(curvature > 1e-12, curvature, 1.0), 0.0)
