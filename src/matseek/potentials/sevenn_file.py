"""SevenNet checkpoints, read as data.

sevenn publishes its models as pickles of plain settings and tensors, and opens them with torch's unrestricted reader,
which runs whatever a file's author put into it. Here torch's restricted reader opens them: besides tensors, numbers,
texts and containers it makes NumPy arrays of numbers, and refuses everything else. sevenn's own constructors make the
model of the settings.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import pickle
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from matseek.errors import ModelFileError

SHIPPED = {
    "7net-0": "SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth",
    "7net-0_22may2024": "SevenNet_0__22May2024/checkpoint_sevennet_0.pth",
    "7net-l3i5": "SevenNet_l3i5/checkpoint_l3i5.pth",
    "7net-mf-0": "SevenNet_MF_0/checkpoint_sevennet_mf_0.pth",
}
"""The models whose weights come with sevenn 0.13, by the names that sevenn knows, and their files in its package."""

_RECONSTRUCT: Any = np.empty(0).__reduce__()[0]
_ARRAYS: list[Any] = [
    (_RECONSTRUCT, "numpy.core.multiarray._reconstruct"),  # as NumPy 1 calls it, which wrote the published files
    *(_RECONSTRUCT, np.ndarray, np.dtype),
    *(type(np.dtype(kind)) for kind in ("float32", "float64", "int32", "int64", "bool")),
]
"""What makes an array of numbers; restricted readers know none of it by themselves."""

_LOCK = threading.Lock()
"""Names are registered with torch for as long as a file is read, and models begin with random weights."""


def model_file(model: str | Path) -> Path:
    """The file of a model.

    Args:
        model: Path, or the name of a model that comes with sevenn, see :data:`SHIPPED`.

    Raises:
        ModelFileError: If there is none.
        ImportError: If the extra is not installed.
    """
    path = Path(model).expanduser()
    if path.is_file():
        return path
    name = str(model).lower()
    if name not in SHIPPED:
        raise ModelFileError(
            f"model={str(model)!r} is neither a file nor one of {list(SHIPPED)}, which come with sevenn; give the path "
            "of a SevenNet checkpoint (calculator.model=PATH). Nothing is downloaded; sevenn itself keeps what it has "
            "downloaded in ~/.cache/sevennet"
        )
    shipped = Path(str(import_sevenn().__file__)).parent / "pretrained_potentials" / SHIPPED[name]
    if not shipped.is_file():
        raise ModelFileError(f"model={name!r}: {shipped} is missing; install sevenn 0.13 anew, or give a path")
    return shipped


def import_sevenn() -> ModuleType:
    """The package sevenn, with what makes models.

    Raises:
        ImportError: If the extra is not installed, or cannot be used beside another e3nn.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # it still compiles by torch.jit
            for module in ("sevenn.checkpoint", "sevenn.model_build", "sevenn.scripts.backward_compatibility"):
                importlib.import_module(module)
            return importlib.import_module("sevenn")
    except ImportError as error:
        raise ImportError(
            f"calculator=sevenn needs the extra: pip install 'matseek[sevenn]' ({error}). Install it into an "
            "environment without matseek[mace]: mace-torch needs e3nn 0.4.4, and sevenn needs 0.5 or newer"
        ) from error


@dataclass(frozen=True, eq=False)
class SevenNetFile:
    """What a checkpoint holds.

    Args:
        path: The file.
        settings: Of the model, as sevenn names them.
        weights: Its tensors.
        rows: Place of each element among the model's, by atomic number.
        modals: The data sets whose energies it gives, with their numbers; empty for a model of a single one.
    """

    path: Path
    settings: dict[str, Any]
    weights: dict[str, torch.Tensor]
    rows: dict[int, int]
    modals: dict[str, int]

    @classmethod
    def read(cls, path: Path) -> SevenNetFile:
        """Read a checkpoint; nothing that it holds is run.

        Raises:
            ModelFileError: If it is none, or holds what is neither a setting nor an array of numbers.
        """
        try:
            with _LOCK, torch.serialization.safe_globals(_ARRAYS):
                content = torch.load(path, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, TypeError, AttributeError) as error:
            first = str(error).partition("\n")[0]
            raise ModelFileError(
                f"{path} cannot be read as a SevenNet checkpoint ({first}); give a file that sevenn has written"
            ) from error
        settings = content.get("config") if isinstance(content, dict) else None
        weights = content.get("model_state_dict") if isinstance(content, dict) else None
        rows = settings.get("_type_map") if isinstance(settings, dict) else None
        if not (settings and rows and isinstance(weights, dict) and all(map(torch.is_tensor, weights.values()))):
            raise ModelFileError(
                f"{path} is no SevenNet checkpoint: it lacks settings, elements or weights; give a file that sevenn "
                "has written (a deployed TorchScript model is none)"
            )
        modals = settings.get("_modal_map") if settings.get("use_modality") else None
        return cls(path, settings, weights, dict(rows), dict(modals or {}))

    def model(self) -> Any:  # noqa: ANN401 -- sevenn has no types
        """The model, made anew by sevenn's constructors, with the file's weights.

        Raises:
            ModelFileError: If settings and weights are not those of a model that the installed sevenn knows.
            ImportError: If the extra is not installed.
        """
        sevenn = import_sevenn()
        # Without accelerators, whichever it was trained with.
        plain = {"use_flash_tp": False, "cuequivariance_config": {"use": False}, "use_oeq": False}
        written = self.settings.get("version")
        try:
            with _LOCK, warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.random.fork_rng([]):
                warnings.simplefilter("ignore", DeprecationWarning)
                warnings.simplefilter("error", UserWarning)  # of a newer version, with which it goes on
                settings = sevenn.checkpoint._config_cp_routine({**self.settings, **plain})
                model = sevenn.model_build.build_E3_equivariant_model(settings)
                patched = sevenn.scripts.backward_compatibility.patch_state_dict_if_old(self.weights, settings, model)
                model.load_state_dict(patched)
        except Exception as error:  # settings of a file may be anything
            raise ModelFileError(
                f"{self.path} was written by sevenn {written} and does not go with sevenn {sevenn.__version__}, which "
                f"is installed: {type(error).__name__}: {str(error)[:300]}; take a file "
                "of that version, or another model"
            ) from error
        return model.eval().requires_grad_(requires_grad=False)
