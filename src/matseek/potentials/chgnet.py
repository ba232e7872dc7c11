"""CHGNet (Deng et al., Nat. Mach. Intell. 5, 1031 (2023)), whose weights come with its package (extra ``chgnet``)."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.stress import full_3x3_to_voigt_6_stress
from ase.units import GPa

from matseek.checks import flag, optional, whole
from matseek.core.potential import EnergyAndForces, ManyAtOnce, device_named, in_one_pass

_TRAINED_ON = frozenset({*range(1, 84), *range(89, 95)})
"""Atomic numbers of the 89 elements of the Materials Project's trajectories, which hold none of the five between."""


class CHGNet(ManyAtOnce):
    """A universal potential of 89 elements as an ASE calculator.

    It sees a crystal: the cell needs three vectors, and every face counts as periodic, so that a slab needs vacuum.

    Args:
        device: Such as ``cpu`` or ``cuda``.
        version: Of the weights, as chgnet names it.
        batch_size: Structures in one forward pass. None for 32 on a GPU and 1 on a CPU, which loses time by more.
        stress: Whether stress and magnetic moments are computed, too, for others who use the structures; a call takes
            about half as long again then.

    Raises:
        ImportError: If the extra is not installed.
        ValueError: If a setting is not as described.
    """

    about_computing = ManyAtOnce.about_computing | {"stress"}

    def __init__(
        self, device: str = "cpu", version: str = "0.3.0", batch_size: int | None = None, *, stress: bool = False
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.stress = flag("stress", stress)
        batch_size = optional(whole(1))("batch_size", batch_size)
        place = device_named(device)
        try:
            import chgnet
            from chgnet.model.model import CHGNet as Model
            from pymatgen.io.ase import AseAtomsAdaptor
        except ImportError as error:
            raise ImportError("calculator=chgnet needs the extra: pip install 'matseek[chgnet]'") from error
        self.batch_size = in_one_pass(batch_size, place)
        self._structure: Any = AseAtomsAdaptor.get_structure
        files = {path.parent.name: path for path in Path(chgnet.__file__).parent.glob("pretrained/*/*.pth.tar")}
        if version not in files:
            raise ValueError(f"version={version!r} is unknown; choose one of {sorted(files)}")
        # As chgnet's own CHGNet.load reads it, but for torch's restricted reader.
        saved = torch.load(files[version], map_location="cpu", weights_only=True)["model"]
        with contextlib.redirect_stdout(io.StringIO()):  # it says how large it is
            self._model: Any = Model.from_dict(saved, mlp_out_bias=version == "0.2.0", version=version).to(place)
        self._model.requires_grad_(False)

    @property
    def elements(self) -> frozenset[int]:
        """Atomic numbers of the elements that it was trained on."""
        return _TRAINED_ON

    def compute_many(self, structures: Sequence[Atoms]) -> list[EnergyAndForces]:
        """Energies and forces of structures, ``batch_size`` in each forward pass.

        Raises:
            ValueError: If a cell has fewer than three vectors, or an element is unknown.
        """
        self.require_elements({int(z) for atoms in structures for z in atoms.numbers})
        for atoms in structures:
            if atoms.cell.rank < 3:
                raise ValueError(f"CHGNet needs a cell of three vectors, got {atoms.cell}; give the slab a vacuum")
        # pymatgen keeps what ASE says of held atoms as a property, which is no concern of the energy.
        crystals = [self._structure(Atoms(a.numbers, a.positions, cell=a.cell, pbc=True)) for a in structures]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about how it reads a volume
            task = "efsm" if self.stress else "ef"
            result = self._model.predict_structure(crystals, task=task, batch_size=self.batch_size)
        result = [result] if isinstance(result, dict) else result
        return [_told(f, a) for f, a in zip(result, structures, strict=True)]


def _told(found: Mapping[str, Any], atoms: Atoms) -> EnergyAndForces:
    """Energies of an atom and GPa as CHGNet gives them, in the units of ASE."""
    energy, forces = float(found["e"]) * len(atoms), np.asarray(found["f"], dtype=np.float64)
    if "s" not in found:
        return EnergyAndForces(energy, forces)
    stress = np.asarray(found["s"], dtype=np.float64) * GPa
    moments = np.asarray(found["m"], dtype=np.float64)
    return EnergyAndForces(energy, forces, np.asarray(full_3x3_to_voigt_6_stress(stress)), moments)
