"""What lies on a surface, in words: sums of species such as ``2CO + O``, and molecules that are known by name."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from ase import Atoms
from ase.build import molecule
from ase.collections import g2
from ase.data import atomic_numbers, chemical_symbols
from ase.formula import Formula

Species = str | Atoms
"""A sum of names, such as ``2CO + O``, or a molecule with a geometry of its own."""

_MOST = 1000
"""Most molecules and atoms."""

_SAME_PLACE = 1e-3
"""Atoms nearer than this, in angstrom, are at the same place."""


def bodies_of(molecules: object) -> list[tuple[str, Atoms]]:
    """Names and geometries of molecules and atoms, in order.

    Args:
        molecules: A text such as ``2CO + O``, an ``Atoms``, or a sequence of these; see
            :class:`matseek.spaces.MolecularAdlayer`.

    Raises:
        ValueError: If they are something else, or a species is not known.

    Example:
        >>> [name for name, atoms in bodies_of("2CO + O")]
        ['CO', 'CO', 'O']
    """
    terms = [molecules] if isinstance(molecules, str | Atoms) else molecules
    if not isinstance(terms, Sequence) or not all(isinstance(term, str | Atoms) for term in terms):
        raise ValueError(
            f"molecules={molecules!r} must be a text such as '2CO + O', an ase.Atoms, or a list of texts and ase.Atoms"
        )
    found: list[tuple[str, Atoms]] = []
    for term in terms:
        found += [_own(term)] if isinstance(term, Atoms) else _summed(term)
    if not found:
        raise ValueError(f"molecules={molecules!r} names nothing; write for example '2CO + O'")
    if len(found) > _MOST:
        raise ValueError(f"molecules={molecules!r} are {len(found)}; at most {_MOST} can be free")
    return found


def _own(atoms: Atoms) -> tuple[str, Atoms]:
    name = atoms.get_chemical_formula()
    if not len(atoms) or not np.isfinite(atoms.positions).all():
        raise ValueError(f"molecules: the ase.Atoms {name!r} needs atoms at finite positions; correct it")
    away = np.linalg.norm(atoms.positions[:, None] - atoms.positions, axis=-1) + np.eye(len(atoms))
    if away.min() < _SAME_PLACE:
        raise ValueError(f"molecules: two atoms of {name!r} are at the same place; correct the ase.Atoms")
    return name, atoms


def _summed(text: str) -> list[tuple[str, Atoms]]:
    """The species of a sum such as ``2CO + O``."""
    found: list[tuple[str, Atoms]] = []
    for term in text.split("+"):
        name, count = term.strip(), 1
        if not name:
            raise ValueError(f"molecules={text!r} has an empty term; write for example '2CO + O'")
        if name not in _known():  # such as 2-butyne
            digits = len(name) - len(name.lstrip("0123456789"))
            count, name = int(name[:digits] or 1), name[digits:].strip()
        if not 1 <= count <= _MOST:
            raise ValueError(f"molecules={text!r}: {term.strip()!r} has the count {count}; give 1 to {_MOST}")
        found += [(name, _geometry(text, name))] * count
    return found


def _geometry(text: str, name: str) -> Atoms:
    if name in chemical_symbols[1:]:
        return Atoms(name)
    if name in _known():
        known: Atoms = molecule(name)
        return Atoms(known.numbers, known.positions)
    raise ValueError(
        f"molecules={text!r}: {name!r} is neither an element nor a molecule that ase.build.molecule knows; write free "
        f"atoms as a sum of elements, such as {_as_atoms(name)!r}, or give the molecule as an ase.Atoms"
    )


def _as_atoms(name: str) -> str:
    """How the atoms of a formula are written, as an example in a message."""
    try:
        counts = Formula(name).count()
    except Exception:  # ASE's parser raises whatever it trips over
        counts = {}
    if not counts or any(symbol not in chemical_symbols[1:] for symbol in counts):
        return "3Pt + O"
    return " + ".join(f"{n if n > 1 else ''}{symbol}" for symbol, n in counts.items())


@cache
def _known() -> frozenset[str]:
    """Names of molecules of several atoms in the G2 set."""
    return frozenset(name for name in g2.names if name not in atomic_numbers)


def is_molecule(formula: str) -> bool:
    """Whether a plain formula has the atoms of a molecule that is known by its formula, such as ``CO`` or ``H2O``."""
    return _hill(formula) in _formulas()


@cache
def _formulas() -> frozenset[str]:
    return frozenset(filter(None, map(_hill, _known())))


def _hill(formula: str) -> str:
    try:
        return str(Formula(formula).format("hill"))
    except Exception:  # a name such as "trans-butane" is no formula
        return ""
