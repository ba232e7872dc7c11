"""Free atoms of any space of structures: their formula, their least distance, and placing them one by one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from ase.data import chemical_symbols, covalent_radii
from ase.formula import Formula
from ase.symbols import symbols2numbers

from matseek.checks import optional, real, text, whole

FloatArray = npt.NDArray[np.float64]

OVERLAP = 0.6
"""Least distance of two atoms where none is given: this fraction of the sum of their covalent radii."""

CLOSE = 1.15
"""Distances are exact up to this multiple of the least one."""

JITTER = 0.1
"""Bonding distances of contiguous placement lie within this fraction of the sum of the covalent radii."""

TRIES = 300
"""Places tried for one atom before its structure is begun anew."""

RESTARTS = 30
"""Times that a structure is begun anew before placement is given up."""

_MOST_FREE = 1000
"""Most free atoms: beyond, random placements take hours."""

_UNKNOWN_RADIUS = 0.2
"""What ASE's table holds for elements without a covalent radius, in angstrom."""

Propose = Callable[[int, FloatArray, FloatArray], FloatArray]
"""``(step, placed, radii)``: places ``(k, 3)`` for the next atom of k structures, where ``step`` are placed."""

Accept = Callable[[FloatArray, FloatArray, FloatArray, FloatArray], npt.NDArray[np.bool_]]
"""``(place, radius, placed, radii)``: whether places ``(k, 3)`` beside placed atoms ``(k, s, 3)`` may be taken."""


def free_numbers(free: object) -> npt.NDArray[np.int64]:
    """Atomic numbers of a formula, in its order.

    Raises:
        ValueError: If it is none, or names too many atoms or elements without a covalent radius.
    """
    formula = text("free", free)
    try:
        count = sum(Formula(formula).count().values())
        numbers = np.array(symbols2numbers(formula) if count <= _MOST_FREE else (), dtype=np.int64)
    except Exception as error:  # ASE's parser raises whatever it trips over
        raise ValueError(f"free={free!r} is no chemical formula; write for example 'Pt7' or 'Pt3Cu4'") from error
    if count > _MOST_FREE:
        raise ValueError(f"free={free!r} has {count} atoms; at most {_MOST_FREE} can be free")
    if not len(numbers):
        raise ValueError(f"free={free!r} names no atoms; write for example 'Pt7'")
    unknown = sorted({chemical_symbols[k] for k in numbers if k == 0 or covalent_radii[k] <= _UNKNOWN_RADIUS})
    if unknown:
        raise ValueError(f"free={free!r}: no covalent radius is known for {unknown}; take other elements")
    numbers.setflags(write=False)
    return numbers


def checked_distance(least: object) -> float:
    """A least distance as a fraction of the sum of two covalent radii; the usual one for None.

    Raises:
        ValueError: If it is no such fraction.
    """
    of_radii = real(above=0, high=1, unit="a fraction of the sum of two covalent radii")
    given: float | None = optional(of_radii)("least_distance", least)
    return OVERLAP if given is None else given


def one_by_one(
    m: int, radii: FloatArray, rng: np.random.Generator, propose: Propose, accept: Accept
) -> FloatArray | None:
    """Structures placed atom by atom, in random order; None where that fails.

    Args:
        m: Number of structures.
        radii: Covalent radii of the atoms, shape ``(n,)``.
        rng: Source of randomness.
        propose: Gives places for the next atom; radii are those of the atoms in the order of placement, ``(k, n)``.
        accept: Says which of them may be taken.

    Returns:
        Positions, shape ``(m, n, 3)``.
    """
    m = whole(1)("m", m)
    size = len(radii)
    finished = np.empty((m, size, 3))
    missing = np.arange(m)
    for _ in range(RESTARTS):
        order = rng.permuted(np.tile(np.arange(size), (len(missing), 1)), axis=1)
        ordered = radii[order]
        placed = np.zeros((len(missing), size, 3))
        alive = np.ones(len(missing), dtype=bool)
        for step in range(size):
            waiting = np.flatnonzero(alive)
            for _ in range(TRIES):
                place = propose(step, placed[waiting], ordered[waiting])
                free = accept(place, ordered[waiting, step], placed[waiting, :step], ordered[waiting, :step])
                placed[waiting[free], step] = place[free]
                waiting = waiting[~free]
                if not len(waiting):
                    break
            alive[waiting] = False
        done = np.flatnonzero(alive)
        finished[missing[done][:, None], order[done]] = placed[done]
        missing = missing[~alive]
        if not len(missing):
            return finished
    return None


def beside(step: int, placed: FloatArray, radii: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Places ``(k, 3)`` for the next atom, each at a bonding distance of an atom that is placed, in any direction."""
    rows, anchor = np.arange(len(placed)), rng.integers(step, size=len(placed))
    direction = rng.standard_normal((len(placed), 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    bond = (radii[:, step] + radii[rows, anchor]) * rng.uniform(1 - JITTER, 1 + JITTER, len(placed))
    return np.asarray(placed[rows, anchor] + bond[:, None] * direction)
