"""The model zoo: trained score networks, each one safetensors file that says what it is.

A file's metadata hold the architecture, the units and the training record as JSON; its tensors are float32, or float16
to be half as large. Files come with the package (``matseek/godiff/trained``) and from the user's own folder,
``$MATSEEK_MODELS`` or ``~/.cache/matseek/models``; any other file is named by its path.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from matseek.errors import ModelFileError
from matseek.files import write_bytes
from matseek.godiff.score_model import AtomicScoreModel
from matseek.run_folder import MODEL_SUFFIX

FORMAT = "matseek-atomic-score-1"
UNITS = {"length": "angstrom", "energy": "eV", "forces": "eV/angstrom", "score": "sigma * grad log p, dimensionless"}
_SHIPPED = Path(__file__).parent / "trained"


@dataclass(frozen=True, eq=False)
class ModelCard:
    """What a model file says of itself.

    Args:
        path: The file.
        architecture: Arguments of :class:`matseek.godiff.score_model.AtomicScoreModel` that parameters depend on.
        units: Units of what the network takes and gives.
        training: Where it was trained and on how much: problem, evaluations, steps, and more.
    """

    path: Path
    architecture: dict[str, Any]
    units: dict[str, str]
    training: dict[str, Any]

    @property
    def name(self) -> str:
        """Name in the zoo: that of the file."""
        return self.path.stem

    @property
    def potential(self) -> str | None:
        """Whose energies it learnt from, see :func:`matseek.core.problem.potential_name`; None where it is not told."""
        told = self.training.get("potential", self.training.get("calculator"))
        return None if told is None else str(told)


def folders() -> tuple[Path, ...]:
    """Where models are looked for by name: the user's own first."""
    own = os.environ.get("MATSEEK_MODELS")
    return (Path(own) if own else Path.home() / ".cache" / "matseek" / "models", _SHIPPED)


def models() -> list[ModelCard]:
    """Every model that has a name, the user's own before those that come with the package."""
    result: dict[str, ModelCard] = {}
    for folder in folders():
        for path in sorted(folder.glob(f"*{MODEL_SUFFIX}")):
            result.setdefault(path.stem, read_card(path))
    return list(result.values())


def find(reference: str | Path) -> Path:
    """The file of a model.

    Args:
        reference: Name in the zoo, or path of a file.

    Raises:
        ModelFileError: If there is none.
    """
    path = Path(reference)
    if path.is_file():
        return path
    if path.name == str(reference):
        for folder in folders():
            if (named := folder / f"{reference}{MODEL_SUFFIX}").is_file():
                return named
    known = sorted(card.name for card in models())
    raise ModelFileError(
        f"there is no model {str(reference)!r}: neither a file of that path nor one of {known}; "
        f"put NAME{MODEL_SUFFIX} into {folders()[0]}, or give the path of a file"
    )


def read_card(path: Path) -> ModelCard:
    """What a file says of itself, without reading its tensors.

    Raises:
        ModelFileError: If it is no model of this format.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ModelFileError(
            f"{path} is no safetensors file ({error}); name a model that matseek has written"
        ) from error
    if metadata.get("format") != FORMAT:
        raise ModelFileError(
            f"{path} has the format {metadata.get('format')!r}, not {FORMAT!r}; name a model that matseek has written"
        )
    try:
        architecture, units, training = (json.loads(metadata[key]) for key in ("architecture", "units", "training"))
    except (KeyError, json.JSONDecodeError) as error:
        raise ModelFileError(f"{path} lacks its {error} or holds no JSON there; write the model again") from error
    if units != UNITS:
        raise ModelFileError(f"{path} has the units {units}, where these are read: {UNITS}; convert the model")
    return ModelCard(Path(path), architecture, units, training)


def save_model(path: Path, model: AtomicScoreModel, training: Mapping[str, Any], *, half: bool = False) -> ModelCard:
    """Write a model; a file that is there is replaced at once or not at all.

    Args:
        path: Where; its name without suffix is the model's name.
        model: The network.
        training: Its training record, plain data.
        half: Whether tensors are rounded to float16: half the size, and errors of a few parts in ten thousand.
    """
    path, kind = Path(path), torch.float16 if half else torch.float32
    metadata = {
        "format": FORMAT,
        "architecture": json.dumps(model.architecture),
        "units": json.dumps(UNITS),
        "training": json.dumps(dict(training)),
    }
    tensors = {key: value.detach().cpu().to(kind).contiguous() for key, value in model.state_dict().items()}
    content = _ordered(save(tensors, metadata))
    if not path.is_file() or path.read_bytes() != content:
        write_bytes(path, content)
    return read_card(path)


def _ordered(content: bytes) -> bytes:
    """A safetensors file with its header's entries in order: the library writes them in any, so that files differ."""
    size = int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8 : 8 + size]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[8 + size :]


def load_weights(model: AtomicScoreModel, reference: str | Path) -> ModelCard:
    """Give a network the parameters of a model; template and number of atoms may be others than it was trained on.

    Args:
        model: The network, changed in place.
        reference: Name in the zoo, or path of a file.

    Raises:
        ModelFileError: If there is no such model, or its architecture is another.
    """
    card = read_card(find(reference))
    own = model.architecture
    if card.architecture != own:
        names = sorted({*own, *card.architecture})
        differ = [n for n in names if own.get(n) != card.architecture.get(n)]
        message = ", ".join(f"{n}={own.get(n)!r} where the model has {card.architecture.get(n)!r}" for n in differ)
        raise ModelFileError(f"network: {message}; set them as the model {card.path} has them")
    with safe_open(card.path, framework="pt") as file:
        tensors: dict[str, torch.Tensor] = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise ModelFileError(f"{card.path} does not hold the tensors of its architecture ({error})") from error
    return card
