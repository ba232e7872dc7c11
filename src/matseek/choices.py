"""The groups of the configuration, what may be chosen in each, and the settings of a choice; files alone are read."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from importlib.resources import files
from itertools import takewhile
from pathlib import Path
from typing import Any

from matseek.errors import ConfigurationError
from matseek.plugins import CONFIGS, POTENTIALS, PROBLEMS, SEARCHERS, offered, part

GROUPS = {"problem": PROBLEMS, "searcher": SEARCHERS, "calculator": POTENTIALS}
"""By Hydra group, the entry points whose parts it offers."""

_OF_THEMSELVES = ("effort", "protocol")
"""Groups whose choices follow from those of others."""


def config_dir() -> Path:
    """Folder of the configs: inside the installed package, or at the top of a source checkout."""
    shipped = Path(str(files("matseek"))) / "configs"
    return shipped if shipped.is_dir() else Path(__file__).resolve().parents[2] / "configs"


def groups() -> list[str]:
    """Names of the groups that people choose in."""
    return sorted(f.name for f in config_dir().iterdir() if f.is_dir() and f.name not in _OF_THEMSELVES)


def choices_of(group: str) -> list[str]:
    """Names of the configs of a group, those of installed packages among them; none where there is no such group."""
    names = written(group)
    return sorted(names | offered(GROUPS[group]).keys() if group in GROUPS else names)


def written(group: str) -> set[str]:
    """Names of the configs of a group that are files, of matseek and of installed packages."""
    return {path.stem for folder in _folders() for path in (folder / group).glob("*.yaml")}


def described(group: str) -> dict[str, str]:
    """By the name of each choice of a group, what its file says of it in its first sentence.

    Raises:
        ConfigurationError: If there is no such group.
    """
    if group not in groups():
        raise ConfigurationError(f"there is no group {group!r}; there are {', '.join(groups())}")
    return {name: _first_sentence(_file(group, name)) or _offer(group, name) for name in choices_of(group)}


def settings_text(group: str, name: str) -> str:
    """The settings of a choice with their defaults, in YAML as it ships.

    Raises:
        ConfigurationError: If there is no such choice.
    """
    if name not in (known := described(group)):
        raise ConfigurationError(f"{group}={name} names no config; choose one of {', '.join(known)}")
    path = _file(group, name)
    if path is not None:
        return path.read_text(encoding="utf-8").strip()
    defaults = plain_defaults(part(GROUPS[group], name))
    return "\n".join([f"# {_offer(group, name)}", *(f"{key}: {value}" for key, value in defaults.items())])


def plain_defaults(target: Callable[..., object]) -> dict[str, Any]:
    """The parameters of a part that have plain defaults, by name; none where it does not tell."""
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return {}
    return {
        p.name: p.default for p in parameters if p.default is None or isinstance(p.default, (bool, int, float, str))
    }


def _folders() -> Iterator[Path]:
    yield config_dir()
    for point in offered(CONFIGS).values():
        yield Path(str(files(point.value)))


def _file(group: str, name: str) -> Path | None:
    places = (folder / group / f"{name}.yaml" for folder in _folders())
    return next((path for path in places if path.is_file()), None)


def _offer(group: str, name: str) -> str:
    return f"Of an installed package: {offered(GROUPS[group])[name].value}." if group in GROUPS else ""


def _first_sentence(path: Path | None) -> str:
    """The first sentence of the comment that a file begins with; empty where there is none."""
    if path is None:
        return ""
    lines = path.read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if not line.startswith("# @package")]
    comment = " ".join(line.lstrip("# ") for line in takewhile(lambda line: line.startswith("#"), lines))
    sentence, stop, _ = comment.partition(". ")
    return sentence + stop.strip()
