"""SevenNet (Park et al., J. Chem. Theory Comput. 20, 4857 (2024)), many structures in one pass (extra ``sevenn``).

The weights of four universal models come with the package sevenn; nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from vesin import NeighborList

from matseek.checks import optional, path, text, whole
from matseek.core.potential import EnergyAndForces, InPasses, device_named, in_one_pass
from matseek.potentials.sevenn_file import SevenNetFile, model_file


class SevenNet(InPasses):
    """A SevenNet model as an ASE calculator.

    It computes in single precision, as sevenn does; the energies of atoms are added in double precision.

    Args:
        model: ``7net-0``, ``7net-l3i5`` or ``7net-mf-0``, whose weights come with sevenn, or the path of a checkpoint
            that sevenn has written. Nothing that the file holds is run, see :mod:`matseek.potentials.sevenn_file`.
        device: Such as ``cpu`` or ``cuda``.
        batch_size: Structures in one forward pass. None for 32 on a GPU and 1 on a CPU, which loses time by more.
        modal: Whose energies, for models of several data sets (``7net-mf-0``: ``PBE`` or ``R2SCAN``); else None.

    Raises:
        ModelFileError: If there is no such file, or it is no checkpoint that the installed sevenn can use.
        ImportError: If the extra is not installed.
        ValueError: If a setting is not as described.

    Example:
        >>> from ase.build import bulk
        >>> SevenNet("7net-0").get_potential_energy(bulk("Pt"))  # doctest: +SKIP
        -6.05
    """

    def __init__(
        self,
        model: str | Path = "7net-0",
        device: str = "cpu",
        batch_size: int | None = None,
        modal: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.device = device_named(device)
        self.batch_size = in_one_pass(optional(whole(1))("batch_size", batch_size), self.device)
        modal = optional(text)("modal", modal)
        self.file = SevenNetFile.read(model_file(path("model", model)))
        self._modal = _place_of(modal, self.file)
        self._model: Any = self.file.model().to(self.device)
        self._model.eval_modal_map = False  # which asks for names; numbers are given
        self._neighbours = NeighborList(cutoff=float(self.file.settings["cutoff"]), full_list=True)

    @property
    def title(self) -> str:
        """Name of the file."""
        return self.file.path.name

    @property
    def elements(self) -> frozenset[int]:
        """Atomic numbers of the elements that the model was trained on."""
        return frozenset(self.file.rows)

    def _forward(self, structures: Sequence[Atoms]) -> list[EnergyAndForces]:
        sizes = [len(atoms) for atoms in structures]
        output = self._model(self._batch(structures, sizes))
        energies = torch.split(output["atomic_energy"].detach().cpu().double().ravel(), sizes)
        forces = torch.split(output["inferred_force"].detach().cpu().double(), sizes)
        return [EnergyAndForces(float(e.sum()), np.asarray(f.numpy())) for e, f in zip(energies, forces, strict=True)]

    def _batch(self, structures: Sequence[Atoms], sizes: Sequence[int]) -> dict[str, torch.Tensor]:
        """What the model's forward reads: the graphs of all structures, one after the other."""
        edges, vectors = [], []
        offset = 0
        for atoms in structures:
            # Atoms see no images across a face that is not periodic.
            first, second, between = self._neighbours.compute(
                points=atoms.positions, box=np.asarray(atoms.cell), periodic=atoms.pbc, quantities="ijD"
            )
            edges.append(np.stack([first, second]).astype(np.int64) + offset)
            vectors.append(between)
            offset += len(atoms)
        given = {
            "atomic_numbers": torch.as_tensor(np.concatenate([atoms.numbers for atoms in structures])).long(),
            "edge_index": torch.as_tensor(np.concatenate(edges, axis=1)),
            "edge_vec": torch.as_tensor(np.concatenate(vectors), dtype=torch.float32),
            "batch": torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes)),
            "num_atoms": torch.tensor(sizes),
            "cell_volume": torch.ones(len(sizes)),  # of the stress, which is not asked for
        }
        if self._modal is not None:
            given["modal_type"] = torch.full((len(sizes),), self._modal)
        return {name: tensor.to(self.device) for name, tensor in given.items()}


def _place_of(modal: str | None, file: SevenNetFile) -> int | None:
    """Number of a data set among those of a file; None where the file has a single one."""
    if modal is None and not file.modals:
        return None
    if modal not in file.modals:
        raise ValueError(
            f"modal={modal!r} must be one of {list(file.modals)}, whose energies {file.path.name} gives"
            if file.modals
            else f"modal={modal!r}: {file.path.name} gives the energies of a single data set; leave modal out"
        )
    return file.modals[modal]
