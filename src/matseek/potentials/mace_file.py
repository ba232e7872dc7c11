"""MACE model files, read as data.

mace-torch publishes its models as pickled modules. Reading a pickle runs whatever its author put into it, and these
hold programs besides (torch.fx graphs, TorchScript). Here nothing of a file runs: torch's restricted reader is given
an inert stand-in for every class and function that the file names, which leaves a tree of settings and tensors. From
its settings mace's own constructors make a model anew, and the tensors become its weights.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import math
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from matseek.errors import ModelFileError

_SOURCE = "https://github.com/ACEsuit/mace-mp/releases/download/mace_mp_0/"

PUBLISHED = {
    "small": "2023-12-10-mace-128-L0_energy_epoch-249.model",
    "medium": "2023-12-03-mace-128-L1_epoch-199.model",
    "large": "MACE_MPtrj_2022.9.model",
}
"""MACE-MP-0 by the names that mace-torch knows, and the file that each is published as."""

_LOCK = threading.Lock()
"""Stand-ins are registered with torch, and models begin with random weights: one file at a time."""


def model_file(model: str | Path) -> Path:
    """The file of a model.

    Args:
        model: Path; or ``small``, ``medium`` or ``large`` for MACE-MP-0 (``mace-mp-0-`` may stand before), which is
            looked for where mace-torch keeps it: ``~/.cache/mace``, or ``$XDG_CACHE_HOME/mace``.

    Raises:
        ModelFileError: If there is none; it says where to put it, and where it is published. Nothing is downloaded.
    """
    path = Path(model).expanduser()
    if path.is_file():
        return path
    name = str(model).removeprefix("mace-mp-0-")
    if name not in PUBLISHED:
        raise ModelFileError(
            f"model={str(model)!r} is neither a file nor one of {list(PUBLISHED)} (MACE-MP-0, looked for in {_cache()})"
            "; give the path of a MACE model"
        )
    cached = cached_file(name)
    if not cached.is_file():
        raise ModelFileError(
            f"model={str(model)!r} is MACE-MP-0, and {cached} does not exist: download {_SOURCE}{PUBLISHED[name]} and "
            "put it there, or give the path of the file (calculator.model=PATH)"
        )
    return cached


def cached_file(name: str) -> Path:
    """Where mace-torch keeps a published model: letters, digits and underscores of its name."""
    return _cache() / "".join(c for c in PUBLISHED[name] if c.isalnum() or c == "_")


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mace"


@contextlib.contextmanager
def mace_imported() -> Iterator[None]:
    """Imports mace and e3nn; what mace sets in the environment is undone.

    e3nn 0.4 keeps constants in a file that names ``slice``; mace has all of torch read any pickle.

    Raises:
        ImportError: If the extra is not installed.
    """
    key = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(key)
    try:
        # mace says on standard output what it does without.
        with torch.serialization.safe_globals([slice]), contextlib.redirect_stdout(io.StringIO()):
            importlib.import_module("e3nn.o3")
            importlib.import_module("mace.modules")
        yield
    except ModuleNotFoundError as error:
        raise ImportError(
            f"calculator=mace needs the extra: pip install 'matseek[mace]' ({error}). Install it into an environment "
            "without matseek[sevenn]: mace-torch needs e3nn 0.4.4, and sevenn needs 0.5 or newer"
        ) from error
    finally:
        if before is None:
            os.environ.pop(key, None)
        else:
            os.environ[key] = before


class _Inert:
    """Stands for an object of any class: keeps what the file gives it, and does nothing.

    Attributes are found as torch's modules find theirs.
    """

    def __new__(cls, *args: object) -> _Inert:
        new = super().__new__(cls)
        new.__dict__["arguments"] = args
        return new

    def __init__(self, *args: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- whatever the file holds
        for kind in ("_parameters", "_buffers", "_modules"):
            held = self.__dict__.get(kind)
            if isinstance(held, dict) and name in held:
                return held[name]
        raise AttributeError(name)

    def _members(self) -> list[Any]:
        """Of a list of modules or of parameters."""
        return [*self.__dict__.get("_parameters", {}).values(), *self.__dict__.get("_modules", {}).values()]

    def __len__(self) -> int:
        return len(self._members())

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, place: int) -> Any:  # noqa: ANN401
        return self._members()[place]

    def tensors(self, prefix: str = "") -> Iterator[tuple[str, torch.Tensor]]:
        """Parameters and buffers by the names that ``state_dict`` would give them."""
        for kind in ("_parameters", "_buffers"):
            for name, tensor in self.__dict__.get(kind, {}).items():
                if isinstance(tensor, torch.Tensor):
                    yield prefix + name, tensor.detach()
        for name, module in self.__dict__.get("_modules", {}).items():
            if isinstance(module, _Inert):
                yield from module.tensors(f"{prefix}{name}.")


def _numpy_scalar(kind: _Inert, data: bytes) -> float:
    """A number that was saved as NumPy's: settings of old files are such."""
    (code, *_) = kind.arguments
    if code not in ("f2", "f4", "f8", "i4", "i8"):
        raise ModelFileError(f"a NumPy scalar of kind {code!r} is no setting of a MACE model")
    return float(np.frombuffer(data, dtype=np.dtype(str(code)))[0])


def _stand_in(name: str) -> Any:  # noqa: ANN401 -- what torch's reader takes: (stand-in, name)
    """What the reader takes for a name in a file."""
    from e3nn import o3

    if name.startswith("e3nn.o3._irreps."):  # tuples that parse and check what they are given
        irreps = {"Irreps": o3.Irreps, "Irrep": o3.Irrep, "_MulIr": o3._irreps._MulIr}
        return irreps[name.removeprefix("e3nn.o3._irreps.")], name
    if name in ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"):
        return _numpy_scalar, name
    return type(name.rpartition(".")[2], (_Inert,), {}), name


@dataclass(frozen=True, eq=False)
class MACEFile:
    """What a MACE file holds.

    Args:
        path: Of the file.
        settings: Arguments of mace's ``ScaleShiftMACE``.
        weights: Its state, by name, on the CPU.
    """

    path: Path
    settings: dict[str, Any]
    weights: dict[str, torch.Tensor]

    @property
    def elements(self) -> tuple[int, ...]:
        """Atomic numbers that the model knows, in its order."""
        return tuple(self.settings["atomic_numbers"])

    @property
    def heads(self) -> list[str]:
        """Names of the energies that the model predicts."""
        return list(self.settings["heads"])

    @classmethod
    def read(cls, path: Path) -> MACEFile:
        """Read a file; nothing that it holds is run.

        Raises:
            ImportError: If the extra is not installed.
            ModelFileError: If it is no ``ScaleShiftMACE``, which all published models of energies are.
        """
        with _LOCK, mace_imported():
            try:
                names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
                with torch.serialization.safe_globals([_stand_in(name) for name in names]):
                    tree = torch.load(path, map_location="cpu", weights_only=True)
                kind = type(tree).__name__
                if kind == "ScaleShiftMACE":
                    return cls(path, _settings(tree), dict(tree.tensors()))
            except Exception as error:  # a torn or a foreign file fails anywhere
                raise ModelFileError(f"{path} is no MACE model that can be read: {error}") from error
        raise ModelFileError(f"{path} is no MACE model that can be read: it holds a {kind}, not a ScaleShiftMACE")

    def model(self, elements: Sequence[int], dtype: torch.dtype) -> torch.nn.Module:
        """The model, of some of its elements alone; the energies are the same, and cost less.

        mace multiplies by a one-hot vector of all elements that a model knows, 89 in MACE-MP-0.

        Args:
            elements: Atomic numbers, some of :attr:`elements`.
            dtype: Of the weights.

        Raises:
            ModelFileError: If the weights are not those of the settings.
        """
        with _LOCK, mace_imported(), torch.random.fork_rng(devices=[]):
            from mace.modules import ScaleShiftMACE

            chosen = [self.elements.index(z) for z in elements]
            settings = self.settings | {"num_elements": len(chosen), "atomic_numbers": list(elements)}
            settings["atomic_energies"] = np.asarray(settings["atomic_energies"])[..., chosen]
            try:
                model: torch.nn.Module = ScaleShiftMACE(**settings).to(dtype)
                self._load(model, chosen)
            except Exception as error:  # settings of another version of mace
                raise ModelFileError(f"{self.path} cannot be made by this version of mace-torch: {error}") from error
        return model.eval().requires_grad_(False)

    def _load(self, model: torch.nn.Module, chosen: Sequence[int]) -> None:
        """Copy the weights; what is a constant of the theory, and no weight, is computed."""
        from e3nn import o3

        owners = dict(model.named_modules())
        state = model.state_dict()
        for name, tensor in state.items():
            owner, _, leaf = name.rpartition(".")
            if "_w3j_" in name:
                constant = o3.wigner_3j(*map(int, leaf.split("_")[2:]), dtype=torch.float64)
                tensor.copy_(constant.to(self.weights["r_max"].dtype))  # as exact as the file has it
            elif name in self.weights:
                tensor.copy_(_of_elements(self.weights[name], tensor, owners[owner], chosen, len(self.elements)))
            elif not leaf.endswith("_zeroed"):  # a note that old files do not have, and no energy needs
                raise ModelFileError(f"the file has no {name}")
        extra = {name for name in self.weights if name not in state and "_compiled_" not in name}
        if extra:
            raise ModelFileError(f"the file has {sorted(extra)}, which the model has not")


def _of_elements(
    saved: torch.Tensor, wanted: torch.Tensor, owner: torch.nn.Module, chosen: Sequence[int], known: int
) -> torch.Tensor:
    """The part of a weight that belongs to some elements.

    e3nn divides by the square root of the number of inputs, elements among them, which the weight makes up for.
    """
    from e3nn import o3

    if saved.numel() == wanted.numel():
        return saved.reshape(wanted.shape)
    saved, scale = saved.double(), math.sqrt(len(chosen) / known)
    if isinstance(owner, o3.FullyConnectedTensorProduct):  # features by elements, path after path
        shapes = [(i.path_shape[0], known, i.path_shape[2]) for i in owner.instructions]
        parts = torch.split(saved, [math.prod(shape) for shape in shapes])
        return scale * torch.cat([p.view(s)[:, chosen].flatten() for p, s in zip(parts, shapes, strict=True)])
    if isinstance(owner, o3.Linear) and owner.irreps_in == o3.Irreps(f"{len(chosen)}x0e"):
        return scale * saved.view(known, -1)[chosen].flatten()
    axes = [axis for axis, size in enumerate(saved.shape) if size == known and wanted.shape[axis] == len(chosen)]
    if saved.ndim != wanted.ndim or len(axes) != 1:
        raise ModelFileError(f"a weight of shape {tuple(saved.shape)} does not fit into {tuple(wanted.shape)}")
    return saved.index_select(axes[0], torch.tensor(chosen))


def _settings(tree: Any) -> dict[str, Any]:  # noqa: ANN401 -- an inert stand-in for a module
    """Arguments of the constructor, as mace itself reads them off a model; classes and functions are found by name."""
    from mace.modules import gate_dict, interaction_classes, readout_classes
    from mace.tools.scripts_utils import extract_config_mace_model

    settings: dict[str, Any] = extract_config_mace_model(tree)
    for key in ("cueq_config", "embedding_specs"):
        if settings[key] is not None:
            raise ModelFileError(f"it has {key}, which is not read; take the model as it was published")
    classes: dict[str, dict[str, Any]] = {
        "interaction_cls": interaction_classes,
        "interaction_cls_first": interaction_classes,
        "readout_cls": readout_classes,
    }
    for key, known in classes.items():
        settings[key] = known[settings[key].__name__]
    gates: dict[str, Callable[..., Any] | None] = {**gate_dict, "NoneType": None}
    settings["gate"] = gates[getattr(settings["gate"], "__name__", "NoneType")]
    settings["atomic_numbers"] = [int(z) for z in settings["atomic_numbers"]]
    settings["avg_num_neighbors"] = float(settings["avg_num_neighbors"])
    return settings
