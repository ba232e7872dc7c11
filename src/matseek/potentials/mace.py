"""MACE (Batatia et al., NeurIPS 2022, arXiv 2206.07697), many structures in one forward pass (extra ``mace``).

Nothing is ever downloaded: a model is a file that the user has.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, cast

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from vesin import NeighborList

from matseek.errors import ModelFileError
from matseek.potentials.base import EnergyAndForces

PUBLISHED = {
    "small": "20231210mace128L0_energy_epoch249model",
    "medium": "20231203mace128L1_epoch199model",
    "large": "MACE_MPtrj_20229model",
}
"""MACE-MP-0 by the names that mace-torch knows, and the file that it keeps each in."""

_SOURCE = "https://github.com/ACEsuite/mace-foundations/releases"

_TRUSTED = ("mace.", "e3nn.", "torch.", "opt_einsum_fx.", "numpy.", "collections.", "builtins.slice")
"""Packages whose names a model file may hold."""


def model_file(model: str | Path) -> Path:
    """The file of a model.

    Args:
        model: Path, or ``small``, ``medium`` or ``large`` for MACE-MP-0 in mace-torch's cache (``~/.cache/mace``, or
            ``$XDG_CACHE_HOME/mace``).

    Raises:
        ModelFileError: If there is none; it says where to put it.
    """
    path = Path(model).expanduser()
    if path.is_file():
        return path
    name = str(model).removeprefix("mace-mp-0-")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mace"
    if name in PUBLISHED:
        cached = cache / PUBLISHED[name]
        if cached.is_file():
            return cached
        raise ModelFileError(
            f"model={str(model)!r} (MACE-MP-0) is not in the cache: download it from {_SOURCE} and put it at {cached}, "
            "or give the path of the file"
        )
    raise ModelFileError(
        f"model={str(model)!r} is neither a file nor one of {list(PUBLISHED)}; give the path of a MACE model "
        f"(see {_SOURCE}), or put MACE-MP-0 into {cache}"
    )


class MACE(Calculator):
    """A MACE model as an ASE calculator.

    A MACE file is a pickled module. It is read by torch's restricted reader, which takes names of mace, e3nn and torch
    alone; but these models hold programs that torch.fx has written, which reading them runs: take files from sources
    that you trust.

    Args:
        model: Path of the file, or ``small``, ``medium`` or ``large`` for MACE-MP-0 in the user's cache.
        device: Such as ``cpu`` or ``cuda``.
        dtype: ``float32`` or ``float64``.
        batch_size: Structures in one forward pass.

    Raises:
        ModelFileError: If there is no such file, or it is no MACE model.
        ImportError: If the extra is not installed.
        ValueError: If a setting is not as described.
    """

    implemented_properties: list[str] = ["energy", "free_energy", "forces"]  # noqa: RUF012 -- as ASE declares it

    def __init__(
        self, model: str | Path = "medium", device: str = "cpu", dtype: str = "float32", batch_size: int = 32
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        if dtype not in ("float32", "float64"):
            raise ValueError(f"dtype={dtype!r} must be float32 or float64")
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"batch_size={batch_size!r} must be a whole number of at least 1")
        self.file, self.batch_size = model_file(model), batch_size
        self.device, self.dtype = torch.device(device), getattr(torch, dtype)
        self._model = _read(self.file, self.device).to(self.device, self.dtype).eval()
        for parameter in self._model.parameters():
            parameter.requires_grad_(False)
        self._cutoff = float(self._model.r_max)
        self._neighbours = NeighborList(cutoff=self._cutoff, full_list=True)

    @cached_property
    def _rows(self) -> dict[int, int]:
        """Row of each atomic number among the model's elements."""
        return {int(z): row for row, z in enumerate(self._model.atomic_numbers)}

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Energy and forces of one structure; ASE calls this."""
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        (found,) = self.compute_many([cast("Atoms", self.atoms)])
        self.results = {"energy": found.energy, "free_energy": found.energy, "forces": found.forces}

    def compute_many(self, structures: Sequence[Atoms]) -> list[EnergyAndForces]:
        """Energies and forces of structures, ``batch_size`` in each forward pass.

        Raises:
            ValueError: If an element is none of the model's.
        """
        found: list[EnergyAndForces] = []
        for start in range(0, len(structures), self.batch_size):
            found += self._forward(structures[start : start + self.batch_size])
        return found

    def _forward(self, structures: Sequence[Atoms]) -> list[EnergyAndForces]:
        sizes = [len(atoms) for atoms in structures]
        output = self._model(self._batch(structures, sizes), compute_force=True)
        energies = output["energy"].detach().cpu().double().tolist()
        forces = torch.split(output["forces"].detach().cpu().double(), sizes)
        return [EnergyAndForces(e, np.asarray(f.numpy())) for e, f in zip(energies, forces, strict=True)]

    def _batch(self, structures: Sequence[Atoms], sizes: Sequence[int]) -> dict[str, torch.Tensor]:
        """What the model's forward reads: the graphs of all structures, one after the other."""
        edges, shifts, units = [], [], []
        offset = 0
        for atoms in structures:
            missing = sorted({s for s, z in zip(atoms.symbols, atoms.numbers, strict=True) if z not in self._rows})
            if missing:
                raise ValueError(f"{self.file.name} does not know {missing}; take a model that was trained on them")
            cell = np.asarray(atoms.cell, dtype=np.float64)
            # Atoms see no images across a face that is not periodic.
            first, second, images = self._neighbours.compute(
                points=atoms.positions, box=cell, periodic=atoms.pbc, quantities="ijS"
            )
            edges.append(np.stack([first, second]) + offset)
            units.append(images)
            shifts.append(images @ cell)
            offset += len(atoms)
        numbers = np.concatenate([atoms.numbers for atoms in structures])
        rows = torch.tensor([self._rows[int(z)] for z in numbers], device=self.device)

        def real(parts: Sequence[Any]) -> torch.Tensor:
            return torch.as_tensor(np.concatenate(parts), dtype=self.dtype, device=self.device)

        index = torch.as_tensor(np.concatenate(edges, axis=1).astype(np.int64), device=self.device)
        batch = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes)).to(self.device)
        return {
            "node_attrs": torch.nn.functional.one_hot(rows, len(self._rows)).to(self.dtype),
            "positions": real([atoms.positions for atoms in structures]),
            "edge_index": index,
            "shifts": real(shifts),
            "unit_shifts": real(units),
            "cell": real([np.asarray(atoms.cell) for atoms in structures]),
            "batch": batch,
            "ptr": torch.tensor([0, *np.cumsum(sizes)], device=self.device),
            "head": torch.zeros(len(sizes), dtype=torch.int64, device=self.device),
        }


def _read(path: Path, device: torch.device) -> Any:  # noqa: ANN401 -- mace's models have no types
    """The module that a file holds.

    Raises:
        ModelFileError: If it is no MACE model, or names what is neither mace's, e3nn's nor torch's.
    """
    with mace_imported():
        try:
            names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
            strange = [name for name in names if not name.startswith(_TRUSTED)]
            if strange:
                raise ModelFileError(f"{path} names {strange}, which no MACE model does; it was not read")
            with torch.serialization.safe_globals([_named(name) for name in names]):
                model = torch.load(path, map_location=device, weights_only=True)
        except (RuntimeError, ValueError, EOFError, AttributeError, ImportError, UnpicklingError) as error:
            if isinstance(error, ModelFileError):
                raise
            raise ModelFileError(f"{path} is no MACE model that can be read: {error}") from error
    if not hasattr(model, "r_max") or not hasattr(model, "atomic_numbers"):
        raise ModelFileError(f"{path} holds a {type(model).__name__}, not a MACE model")
    return model


@contextmanager
def mace_imported() -> Iterator[None]:
    """Mace and e3nn are imported inside; what mace sets in the environment is undone.

    e3nn 0.4 keeps constants in a file that names ``slice``; mace lets all of torch read any pickle.

    Raises:
        ImportError: If the extra is not installed.
    """
    key = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(key)
    try:
        with torch.serialization.safe_globals([slice]):
            importlib.import_module("e3nn.o3")
            importlib.import_module("mace.modules")
    except ModuleNotFoundError as error:
        raise ImportError("calculator=mace needs the extra: pip install 'matseek[mace]'") from error
    finally:
        if before is None:
            os.environ.pop(key, None)
        else:
            os.environ[key] = before
    yield


def _named(name: str) -> Any:  # noqa: ANN401 -- a class or a function
    """What a dotted name stands for."""
    parts = name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part)
        return found
    raise ImportError(f"{name} is not installed")
