"""What stands in a config instead of a value: names of other settings are followed, the environment is left alone."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import GrammarParseError
from omegaconf.grammar.gen.OmegaConfGrammarParser import OmegaConfGrammarParser
from omegaconf.grammar_parser import parse

from matseek.secrets import keep_secret

OPENS = "${"

_HARMLESS = {"oc.select", "oc.deprecated", "oc.dict.keys", "oc.dict.values"}
"""Resolvers that look at nothing but the config; ``oc.decode`` and ``oc.create`` evaluate what their text holds."""


def recordable(config: DictConfig) -> dict[str, Any]:
    """A config as plain data with the values of the settings that it refers to; what looks outside stays as written.

    ``${oc.env:KEY}``, and a setting that takes it over from another, are recorded as ``${oc.env:KEY}``.

    Raises:
        OmegaConfBaseException: If an interpolation names no setting.
    """
    written: dict[str, str] = {}

    def hold(text: str) -> str:
        if not _looks_outside(text):
            return text
        token = f"held{uuid.uuid4().hex}"
        written[token] = text
        return token

    def release(text: str) -> str:
        text = text.replace(OPENS, rf"\{OPENS}")  # a text that was no interpolation must not become one
        for token, original in written.items():
            text = text.replace(token, original)
        return text

    held = OmegaConf.create(_texts_changed(OmegaConf.to_container(config, resolve=False), hold))
    plain: dict[str, Any] = _texts_changed(OmegaConf.to_container(held, resolve=True), release)
    return plain


def unresolved(config: object, at: str = "") -> dict[str, str]:
    """Texts of plain data that still hold an interpolation, by the dotted names of their places."""
    return {place: text for place, text in _texts(config, at) if OPENS in text}


def keep_secrets(config: DictConfig, places_told: tuple[str, ...] = ()) -> None:
    """Have the values masked that a config takes from the environment.

    Args:
        config: As written, with its interpolations.
        places_told: Settings that are told on purpose, such as the folder of a run.
    """
    for place, text in _texts(OmegaConf.to_container(config, resolve=False), ""):
        if place in places_told or not _looks_outside(text):
            continue
        keep_secret(str(OmegaConf.select(config, place)))
        for variable in re.findall(r"oc\.env\s*:\s*([^,}\s]+)", text):
            keep_secret(os.environ.get(variable, ""))


def _looks_outside(text: str) -> bool:
    """Whether a text names a resolver that looks at more than the config; so does one that cannot be understood."""
    if OPENS not in text:
        return False
    try:
        return bool(_resolvers(parse(text)) - _HARMLESS)
    except GrammarParseError:
        return True


def _resolvers(tree: Any) -> set[str]:  # noqa: ANN401 -- antlr's
    """Names of the resolvers in a parsed text."""
    resolves = isinstance(tree, OmegaConfGrammarParser.InterpolationResolverContext)
    own = {str(tree.resolverName().getText())} if resolves else set()
    return own.union(*(_resolvers(child) for child in getattr(tree, "children", None) or ()))


def _texts(config: object, at: str) -> Iterator[tuple[str, str]]:
    if isinstance(config, Mapping):
        for key, value in config.items():
            yield from _texts(value, f"{at}.{key}" if at else str(key))
    elif isinstance(config, list):
        for i, value in enumerate(config):
            yield from _texts(value, f"{at}[{i}]")
    elif isinstance(config, str):
        yield at, config


def _texts_changed(config: Any, change: Callable[[str], str]) -> Any:  # noqa: ANN401 -- plain data
    if isinstance(config, Mapping):
        return {key: _texts_changed(value, change) for key, value in config.items()}
    if isinstance(config, list):
        return [_texts_changed(value, change) for value in config]
    return change(config) if isinstance(config, str) else config
