"""MACE (Batatia et al., NeurIPS 2022, arXiv 2206.07697), many structures in one forward pass (extra ``mace``).

Nothing is ever downloaded: a model is a file that the user has.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from vesin import NeighborList

from matseek.checks import one_of, optional, path, text, whole
from matseek.core.potential import EnergyAndForces, InPasses, device_named, in_one_pass
from matseek.potentials.mace_file import MACEFile, model_file


class MACE(InPasses):
    """A MACE model as an ASE calculator.

    The model is made of those elements alone that occur in what it is given, see :meth:`MACEFile.model`; an element
    that has not occurred before costs seconds once.

    Args:
        model: Path of the file, or ``small``, ``medium`` or ``large`` for MACE-MP-0 in the user's cache. Nothing that
            the file holds is run, see :mod:`matseek.potentials.mace_file`.
        device: Such as ``cpu`` or ``cuda``.
        dtype: ``float32`` or ``float64``.
        batch_size: Structures in one forward pass. None for 32 on a GPU and 1 on a CPU, which gains nothing from more:
            its caches are too small for the features of many edges.
        head: Which energy, for files with several; None for the only one, or the one that is called default.

    Raises:
        ModelFileError: If there is no such file, or it is no MACE model.
        ImportError: If the extra is not installed.
        ValueError: If a setting is not as described.
    """

    def __init__(
        self,
        model: str | Path = "medium",
        device: str = "cpu",
        dtype: str = "float32",
        batch_size: int | None = None,
        head: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.dtype: torch.dtype = getattr(torch, one_of(("float32", "float64"))("dtype", dtype))
        head = optional(text)("head", head)
        self.device = device_named(device)
        self.batch_size = in_one_pass(optional(whole(1))("batch_size", batch_size), self.device)
        self.file = MACEFile.read(model_file(path("model", model)))
        self._head = _place_of(head, self.file.heads)
        self._cutoff = float(self.file.settings["r_max"])
        self._neighbours = NeighborList(cutoff=self._cutoff, full_list=True)
        self._rows: dict[int, int] = {}
        self.file.model(self.file.elements[:1], self.dtype)  # a file that does not fit is refused here, not in use

    @property
    def title(self) -> str:
        """Name of the file."""
        return self.file.path.name

    @property
    def elements(self) -> frozenset[int]:
        """Atomic numbers of the elements that the file knows."""
        return frozenset(self.file.elements)

    def _prepare(self, numbers: set[int]) -> None:
        """Also make the model anew if it lacks an element that occurs."""
        super()._prepare(numbers)
        if not numbers <= self._rows.keys():
            elements = sorted(numbers | self._rows.keys())
            self._model: Any = self.file.model(elements, self.dtype).to(self.device)
            self._rows = {z: row for row, z in enumerate(elements)}

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
            "head": torch.full((len(sizes),), self._head, device=self.device),
        }


def _place_of(head: str | None, heads: Sequence[str]) -> int:
    """Place of a head among those of a file."""
    if head is None:
        named = [place for place, name in enumerate(heads) if len(heads) == 1 or name.lower() == "default"]
    else:
        named = [place for place, name in enumerate(heads) if name == head]
    if not named:
        raise ValueError(f"head={head!r} must be one of {list(heads)}")
    return named[0]
