"""What a configuration may make without its author's word: matseek's own parts, and those of installed extensions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hydra.utils import get_object

from matseek.deprecation import ADDED, SETTINGS, current_name
from matseek.plugins import targets

TARGET = "_target_"

_ROOMS = (
    "acquisition",
    "candidates",
    "core",
    "descriptors",
    "diffusion",
    "evaluation",
    "godiff",
    "insight",
    "library",
    "potentials",
    "problems",
    "searchers",
    "spaces",
    "surrogates",
    "tracking",
    "training",
)
"""Rooms whose frozen dataclasses are parts: making one only keeps and checks values."""


def with_current_names(config: object) -> Any:  # noqa: ANN401 -- plain data
    """Stored plain data as today's versions read it, see :mod:`matseek.deprecation`.

    The values of ``_target_`` and the settings have today's names. Settings that an earlier version
    lacked have what it did.
    """
    if isinstance(config, Mapping):
        target = config.get(TARGET)
        target = current_name(target) if isinstance(target, str) else with_current_names(target)
        settings = SETTINGS.get(target, {}) if isinstance(target, str) else {}
        added = ADDED.get(target, {}) if isinstance(target, str) else {}
        return {**added} | {
            settings.get(key, key): target if key == TARGET else with_current_names(value)
            for key, value in config.items()
        }
    if isinstance(config, Sequence) and not isinstance(config, str):
        return [with_current_names(value) for value in config]
    return config


def foreign_targets(config: object, shipped: Path, at: str = "") -> dict[str, str]:
    """What a config would have run that is no part.

    A part is what a config that comes with matseek names (code of other packages only with the settings that are named
    there), a frozen dataclass of matseek, or an entry point of an installed package in a group ``matseek.*``, for
    example ``[project.entry-points."matseek.searchers"]``.

    Args:
        config: Plain data, without interpolations.
        shipped: Folder of the configs that come with matseek.
        at: Dotted name of the config's place.

    Returns:
        By the dotted name of its place, what each foreign ``_target_`` names.
    """
    return {
        place or "config": str(node[TARGET])
        for place, node in _nodes(config, at)
        if TARGET in node and not _is_part(node, shipped)
    }


def _is_part(node: Mapping[str, Any], shipped: Path) -> bool:
    target = node[TARGET]
    if not isinstance(target, str):
        return False
    known = _shipped(shipped).get(target)
    if known is not None and (target.startswith("matseek.") or known >= node.keys()):
        return True
    return target in targets() or (target.startswith("matseek.") and _is_value(target))


def _is_value(target: str) -> bool:
    """Whether a name inside matseek is that of a frozen dataclass, or of nothing, which Hydra will say."""
    try:
        result = get_object(target)
    except Exception:
        return True
    if not isinstance(result, type) or not is_dataclass(result):
        return False
    package, _, inside = result.__module__.partition(".")
    frozen: bool = result.__dataclass_params__.frozen  # type: ignore[attr-defined]
    return frozen and package == "matseek" and inside.partition(".")[0] in _ROOMS


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The same, written in C, where it is there."""


@cache
def _shipped(folder: Path) -> Mapping[str, frozenset[str]]:
    """What the configs in a folder name, with the settings that they give it."""
    result: dict[str, frozenset[str]] = {}
    for path in sorted(folder.rglob("*.yaml")):
        # Names are all that counts here, and OmegaConf would take a second for all files.
        text = path.read_text(encoding="utf-8")
        for _, node in _nodes(yaml.load(text, Loader=_LOADER), ""):
            if TARGET in node:
                result[node[TARGET]] = result.get(node[TARGET], frozenset()) | node.keys()
    return result


def _nodes(config: object, at: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All mappings inside a config with the dotted names of their places, itself among them."""
    if isinstance(config, Mapping):
        yield at, config
        for key, value in config.items():
            yield from _nodes(value, f"{at}.{key}" if at else str(key))
    elif isinstance(config, Sequence) and not isinstance(config, str):
        for i, value in enumerate(config):
            yield from _nodes(value, f"{at}[{i}]")
