"""From Hydra configs to objects."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from omegaconf import DictConfig, ListConfig, OmegaConf

from matseek.checks import Rule, seed, several, shown, text, whole
from matseek.choices import GROUPS, choices_of, config_dir, plain_defaults, written
from matseek.core.problem import Problem
from matseek.core.searcher import Searcher
from matseek.deprecation import current_override
from matseek.errors import ConfigurationError
from matseek.evaluation.earlier import sources_of
from matseek.evaluation.executors import Executor, SerialExecutor
from matseek.insight.stopping import StopCriterion
from matseek.interpolations import keep_secrets, recordable
from matseek.parts import TARGET
from matseek.plugins import CONFIGS, offered, part
from matseek.run_folder import RunFolder
from matseek.secrets import masked_data
from matseek.stored_config import FILES, explained, made, recorded_plain, stored
from matseek.tracking import Tracking, trial_folder

_NEEDED = ("problem", "searcher", "stop", "budget", "seed", "opening")
"""What reading a run folder needs."""


@dataclass(frozen=True, eq=False)
class RunSettings:
    """Everything that ``matseek run`` needs.

    Args:
        problem: What is minimised.
        searcher: Who chooses.
        executor: How the truth is called.
        stop: When to stop before the budget is spent.
        tracking: Where progress is shown; None: nowhere.
        budget: Evaluations in all.
        seed: Seed of the campaign.
        opening: First points that no searcher chooses.
        run_dir: Where results go.
        history: Ledgers of earlier campaigns to begin with.
        files: Files that the problem was set up with, such as its target; the run folder gets copies.
        config: The composed config, for the record: without what was taken from the environment, and without passwords.
    """

    problem: Problem
    searcher: Searcher
    executor: Executor
    stop: tuple[StopCriterion, ...]
    tracking: Tracking | None
    budget: int
    seed: int
    opening: int
    run_dir: Path
    history: tuple[str, ...]
    files: tuple[Path, ...]
    config: DictConfig


def recorded_settings(run_dir: Path, *, trust: bool = False) -> RunSettings:
    """The settings that a run folder's ``config.yaml`` holds, as far as reading and the laboratory's desk need them.

    The file is data: it may name matseek's own parts and those of installed extensions (:mod:`matseek.parts`), and
    nothing is read from the environment. How the truth is called and where progress is shown are left out.

    Args:
        run_dir: The folder.
        trust: The user's word that whatever the file names may be run, and read from the environment.

    Raises:
        ConfigurationError: If there is no such file, it asks for more than it may without the user's word, or its
            values are refused.
    """
    config = stored(RunFolder(run_dir).config)
    with explained():
        plain = recorded_plain(config, run_dir, _NEEDED, trust=trust)
        return _made_settings(OmegaConf.create(plain), SerialExecutor(), None, run_dir, config)


def run_settings(overrides: Sequence[str], problem: Mapping[str, Any] | None = None) -> RunSettings:
    """Compose ``run.yaml`` with overrides and make the objects.

    Args:
        overrides: In Hydra's syntax, for example ``["problem=silver", "searcher.batch_size=10"]``.
        problem: Plain settings of the problem, ``_target_`` among them, in place of the composed ones.

    Raises:
        ConfigurationError: If an override names nothing that exists, or a value is refused.
    """
    with explained():
        overrides = prepared(overrides)
        _require_choices(overrides)
        with initialize_config_dir(version_base="1.3", config_dir=str(config_dir())):
            composed = compose("run", overrides=overrides, return_hydra_config=True)
        choices = composed.hydra.runtime.choices
        config = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
        _require_use_of_calculator(overrides, config, choices.problem)
        if problem is not None:
            config.problem = dict(problem)
        default = trial_folder() or f"runs/{choices.problem}-{choices.searcher}-{config.seed}"
        if OmegaConf.is_config(config.run_dir) or not str(config.run_dir).strip():
            raise ConfigurationError(f"run_dir must be a path, got {shown(config.run_dir)}; put quotes around it")
        if config.run_dir is None:
            config.run_dir = default
        run_dir = Path(str(config.run_dir))  # before it is resolved: a name may look like an interpolation
        record = OmegaConf.create(masked_data(recordable(config)))
        assert isinstance(record, DictConfig)
        keep_secrets(config, places_told=("run_dir",))
        OmegaConf.resolve(config)
        return _settings(config, record, run_dir, choices.searcher)


def prepared(overrides: Sequence[str]) -> list[str]:
    """Overrides as Hydra needs them: by their current names, with the config folders of installed packages.

    Parts of installed packages that have no config file are offered to Hydra as well.
    """
    given = [current_override(o) for o in several(text)("overrides", overrides)]
    _offer_plugins(given)
    return [*_search_path(), *given]


def quoted(text: object) -> str:
    """A text as the value of an override, whatever quotes and interpolations are in it."""
    plain = re.sub(r"(\\*)\$\{", r"\1\1\\${", str(text))
    return QuotedString(plain, Quote.single).with_quotes()


def _search_path() -> list[str]:
    """The override that lets Hydra search the config folders of installed packages."""
    packages = [f"pkg://{point.value}" for point in offered(CONFIGS).values()]
    return [f"hydra.searchpath=[{','.join(packages)}]"] if packages else []


def _offer_plugins(overrides: Sequence[str]) -> None:
    """Let Hydra know the parts of installed packages that have no config file: with the defaults of their own.

    Of those that the overrides choose, settings with plain defaults are there by name, so that they can be overridden.
    """
    store = ConfigStore.instance()
    chosen = {o.key_or_group: o.value() for o in OverridesParser.create().parse_overrides(list(overrides))}
    for group, name in GROUPS.items():
        known_files = written(group)
        for point in offered(name).values():
            if point.name not in known_files:
                known = plain_defaults(part(name, point.name)) if chosen.get(group) == point.name else {}
                partial = {"_partial_": True} if group == "calculator" else {}
                store.store(point.name, {TARGET: point.value.replace(":", "."), **partial, **known}, group=group)


def _require_choices(overrides: Sequence[str]) -> None:
    """Refuse what names no config of a group: Hydra tells of numbers and lists there by errors of its own code."""
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        names, value = choices_of(override.key_or_group), override.value()
        if names and not isinstance(value, str) and not (value is None and override.is_delete()):
            raise ConfigurationError(
                f"{override.key_or_group}={shown(value)} names no config; choose one of {names}: "
                f"{override.key_or_group}=NAME"
            )


def _require_use_of_calculator(overrides: Sequence[str], config: DictConfig, problem: str) -> None:
    """Refuse a calculator that the problem would not use.

    Raises:
        ConfigurationError: If it has one of its own, or none.
    """
    keys = [o.key_or_group for o in OverridesParser.create().parse_overrides(list(overrides))]
    given = [key for key in keys if key == "calculator" or key.startswith("calculator.")]
    used = OmegaConf.to_container(config.problem, resolve=False)
    if not given or "${calculator}" in str(used):
        return
    own = isinstance(used, dict) and "calculator" in used
    raise ConfigurationError(
        f"calculator has no effect: problem={problem} "
        + (
            "has a calculator of its own, whose energies its known minimum is of; leave it out, or set "
            "problem.calculator._target_ and the energy to reach (problem.lowest, where the problem has it)"
            if own
            else "is not given one; leave it out"
        )
    )


def _criteria(config: DictConfig) -> tuple[StopCriterion, ...]:
    stop = config.get("stop") or OmegaConf.create()
    if not isinstance(stop, DictConfig):
        raise ConfigurationError(f"stop={shown(stop)} must be criteria by name; choose none, watch, paper or solved")
    return tuple(made(stop, str(name), StopCriterion) for name in stop)


def _settings(config: DictConfig, record: DictConfig, run_dir: Path, searcher: str) -> RunSettings:
    logger = config.get("logger")
    # An empty group follows nothing.
    nothing = logger is None or (isinstance(logger, DictConfig) and not logger)
    tracking: Tracking | None = None if nothing else made(config, "logger", Tracking)
    if tracking is not None:
        everything = cast("dict[str, Any]", OmegaConf.to_container(record))
        tracking = replace(tracking, folder=tracking.folder or run_dir, searcher=searcher, config=everything)
    return _made_settings(config, made(config, "evaluator", Executor), tracking, run_dir, record)


def _made_settings(
    config: DictConfig, executor: Executor, tracking: Tracking | None, run_dir: Path, record: DictConfig
) -> RunSettings:
    """The settings whose problem, searcher and stop criteria a config names."""
    return RunSettings(
        problem=made(config, "problem", Problem),
        searcher=made(config, "searcher", Searcher),
        executor=executor,
        stop=_criteria(config),
        tracking=tracking,
        budget=_whole(config, "budget", whole(1)),
        seed=_whole(config, "seed", seed),
        opening=0 if config.get("opening") is None else _whole(config, "opening", whole()),
        run_dir=run_dir,
        history=_history(config),
        files=_files(config),
        config=record,
    )


def _files(config: DictConfig) -> tuple[Path, ...]:
    problem = config.get("problem")
    named = [problem.get(key) for key in FILES] if isinstance(problem, DictConfig) else []
    return tuple(Path(file) for file in named if isinstance(file, str) and Path(file).is_file())


def _history(config: DictConfig) -> tuple[str, ...]:
    given = config.get("history")
    return sources_of(OmegaConf.to_container(given) if isinstance(given, ListConfig) else given)


def _whole(config: DictConfig, key: str, rule: Rule) -> int:
    try:
        number: int = rule(key, config.get(key))
    except ValueError as error:
        raise ConfigurationError(f"{error}; write it without quotes and decimal point") from error
    return number
