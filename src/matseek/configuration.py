"""From Hydra configs to objects."""

from __future__ import annotations

import inspect
import re
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException, InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from matseek.checks import Rule, of, seed, several, shown, text, whole
from matseek.core.problem import Problem
from matseek.core.searcher import Searcher
from matseek.deprecation import current_override
from matseek.errors import ConfigurationError, MatseekError
from matseek.evaluation.earlier import sources_of
from matseek.evaluation.executors import Executor, SerialExecutor
from matseek.insight.stopping import StopCriterion
from matseek.interpolations import keep_secrets, recordable, unresolved
from matseek.parts import TARGET, foreign_targets, with_current_names
from matseek.plugins import CONFIGS, POTENTIALS, PROBLEMS, SEARCHERS, offered, part
from matseek.run_folder import RunFolder
from matseek.secrets import masked, masked_data
from matseek.tracking import Tracking

_GROUPS = {"problem": PROBLEMS, "searcher": SEARCHERS, "calculator": POTENTIALS}
"""By Hydra group, the entry points whose parts it offers."""

_NEEDED = ("problem", "searcher", "stop", "budget", "seed", "opening")
"""What reading a run folder needs."""

_FILES = ("target", "candidates")
"""Settings of a problem that name files."""

_MOST_BYTES, _DEEPEST = 4 * 2**20, 50
"""Size and nesting of a stored config."""

_OPENING = (
    yaml.FlowSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.BlockMappingStartToken,
)
_CLOSING = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)


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


def config_dir() -> Path:
    """Folder of the configs: inside the installed package, or at the top of a source checkout."""
    shipped = Path(str(files("matseek"))) / "configs"
    return shipped if shipped.is_dir() else Path(__file__).resolve().parents[2] / "configs"


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
    path = RunFolder(run_dir).config
    config = _stored(path)
    with _explained():
        record = recordable(config)
        plain = {key: record.get(key) for key in _NEEDED}
        if trust:
            keep_secrets(config)
            plain = {key: _resolved(config.get(key)) for key in _NEEDED}
        else:
            _require_trust(path, foreign_targets(plain, config_dir()), "would run")
            _require_trust(path, unresolved(plain), "would read")
        _use_copies(plain, RunFolder(run_dir))
        return _made_settings(OmegaConf.create(plain), SerialExecutor(), None, run_dir, config)


def recorded_problem(run_dir: Path, *, trust: bool = False) -> Problem:
    """The problem that a run folder's ``config.yaml`` names, see :func:`recorded_settings`."""
    return recorded_settings(run_dir, trust=trust).problem


def _use_copies(plain: dict[str, Any], folder: RunFolder) -> None:
    """Have a stored problem read the run folder's copies of its files, wherever the command is given."""
    problem = plain.get("problem")
    if isinstance(problem, dict):
        for key in _FILES:
            if isinstance(file := problem.get(key), str) and folder.kept(file).is_file():
                problem[key] = str(folder.kept(file))


def _stored(path: Path) -> DictConfig:
    """What a stored config says, as it is written."""
    if not path.is_file():
        raise ConfigurationError(
            f"{path.parent} holds no campaign (no {path.name}); name the folder of one, or start one: "
            f"matseek ask {path.parent} problem=... searcher=..."
        )
    if path.stat().st_size > _MOST_BYTES:
        raise ConfigurationError(f"{path} has more than {_MOST_BYTES >> 20} MiB; no configuration is so long")
    try:
        text, depth = path.read_text(encoding="utf-8"), 0
        for token in yaml.scan(text):
            # A file that repeats itself can grow without bound, and matseek writes none.
            if isinstance(token, yaml.AliasToken):
                raise ConfigurationError(f"{path} uses aliases (*name) of YAML; write out what they stand for")
            depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
            if depth > _DEEPEST:
                raise ConfigurationError(f"{path} is nested more than {_DEEPEST} deep; no configuration is")
        if not isinstance(yaml.compose(text), yaml.MappingNode):
            raise ConfigurationError(f"{path} holds no settings by name; name the folder of a campaign")
        return cast("DictConfig", OmegaConf.create(with_current_names(OmegaConf.to_container(OmegaConf.create(text)))))
    except (yaml.YAMLError, RecursionError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read as YAML: {masked(str(error))}") from error
    except OmegaConfBaseException as error:
        raise ConfigurationError(f"{path} holds what is no setting: {masked(str(error))}") from error


def _resolved(node: Any) -> Any:  # noqa: ANN401 -- plain data
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


def _require_trust(path: Path, result: Mapping[str, str], deed: str) -> None:
    if result:
        message = ", ".join(f"{what} ({place})" for place, what in result.items())
        raise ConfigurationError(
            f"{path} {deed} {masked(message)}. A stored file may name only matseek's own parts and those of installed "
            "extensions, and nothing of the environment; if you know who wrote it, add --trust"
        )


def run_settings(overrides: Sequence[str]) -> RunSettings:
    """Compose ``run.yaml`` with overrides and make the objects.

    Args:
        overrides: In Hydra's syntax, for example ``["problem=silver", "searcher.batch_size=10"]``.

    Raises:
        ConfigurationError: If an override names nothing that exists, or a value is refused.
    """
    overrides = [current_override(o) for o in several(text)("overrides", overrides)]
    with _explained():
        _offer_plugins(overrides)
        _require_choices(overrides)
        with initialize_config_dir(version_base="1.3", config_dir=str(config_dir())):
            composed = compose("run", overrides=[*_search_path(), *overrides], return_hydra_config=True)
        choices = composed.hydra.runtime.choices
        config = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
        default = f"runs/{choices.problem}-{choices.searcher}-{config.seed}"
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


def quoted(text: object) -> str:
    """A text as the value of an override, whatever quotes and interpolations are in it."""
    plain = re.sub(r"(\\*)\$\{", r"\1\1\\${", str(text))
    return QuotedString(plain, Quote.single).with_quotes()


def choices_of(group: str) -> list[str]:
    """Names of the configs of a group, those of installed packages among them; none where there is no such group."""
    written = _written(group)
    return sorted(written | offered(_GROUPS[group]).keys() if group in _GROUPS else written)


def _written(group: str) -> set[str]:
    """Names of the configs of a group that are files, of matseek and of installed packages."""
    folders = [config_dir(), *(Path(str(files(point.value))) for point in offered(CONFIGS).values())]
    return {path.stem for folder in folders for path in (folder / group).glob("*.yaml")}


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
    for group, name in _GROUPS.items():
        written = _written(group)
        for point in offered(name).values():
            if point.name not in written:
                known = _plain_defaults(part(name, point.name)) if chosen.get(group) == point.name else {}
                partial = {"_partial_": True} if group == "calculator" else {}
                store.store(point.name, {TARGET: point.value.replace(":", "."), **partial, **known}, group=group)


def _plain_defaults(target: Callable[..., object]) -> dict[str, Any]:
    """The parameters of a part that have plain defaults, by name; none where it does not tell."""
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return {}
    return {
        p.name: p.default for p in parameters if p.default is None or isinstance(p.default, (bool, int, float, str))
    }


def _require_choices(overrides: Sequence[str]) -> None:
    """Refuse what names no config of a group: Hydra tells of numbers and lists there by errors of its own code."""
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        names, value = choices_of(override.key_or_group), override.value()
        if names and not isinstance(value, str) and not (value is None and override.is_delete()):
            raise ConfigurationError(
                f"{override.key_or_group}={shown(value)} names no config; choose one of {names}: "
                f"{override.key_or_group}=NAME"
            )


def _criteria(config: DictConfig) -> tuple[StopCriterion, ...]:
    stop = config.get("stop") or OmegaConf.create()
    if not isinstance(stop, DictConfig):
        raise ConfigurationError(f"stop={shown(stop)} must be criteria by name; choose none, watch, paper or solved")
    return tuple(_made(stop, str(name), StopCriterion) for name in stop)


def _settings(config: DictConfig, record: DictConfig, run_dir: Path, searcher: str) -> RunSettings:
    logger = config.get("logger")
    # An empty group follows nothing.
    nothing = logger is None or (isinstance(logger, DictConfig) and not logger)
    tracking: Tracking | None = None if nothing else _made(config, "logger", Tracking)
    if tracking is not None:
        everything = cast("dict[str, Any]", OmegaConf.to_container(record))
        tracking = replace(tracking, folder=tracking.folder or run_dir, searcher=searcher, config=everything)
    return _made_settings(config, _made(config, "evaluator", Executor), tracking, run_dir, record)


def _made_settings(
    config: DictConfig, executor: Executor, tracking: Tracking | None, run_dir: Path, record: DictConfig
) -> RunSettings:
    """The settings whose problem, searcher and stop criteria a config names."""
    return RunSettings(
        problem=_made(config, "problem", Problem),
        searcher=_made(config, "searcher", Searcher),
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
    named = [problem.get(key) for key in _FILES] if isinstance(problem, DictConfig) else []
    return tuple(Path(file) for file in named if isinstance(file, str) and Path(file).is_file())


def _history(config: DictConfig) -> tuple[str, ...]:
    given = config.get("history")
    return sources_of(OmegaConf.to_container(given) if isinstance(given, ListConfig) else given)


def _made(config: DictConfig, group: str, kind: type) -> Any:  # noqa: ANN401 -- whatever the config names
    """The object of a group; what its constructor says about a value is told with the group's name.

    Raises:
        ConfigurationError: If a value is refused, or the group does not name an object of the kind.
    """
    node = config.get(group)
    if not isinstance(node, DictConfig) or "_target_" not in node:
        names = choices_of(group)
        remedy = f"choose one of {names}: {group}=NAME" if names else "give it a _target_"
        raise ConfigurationError(f"{group}={shown(node)} names no object; {remedy}")
    try:
        return of(kind)(group, instantiate(node, _convert_="all"))
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, (MatseekError, ValueError, OSError, ImportError)) or _unfit_call(cause):
            raise ConfigurationError(masked(f"{group}: {cause}")) from error
        if cause is None:
            raise ConfigurationError(masked(f"{group}: {error}")) from error
        raise
    except (TypeError, ValueError) as error:
        if isinstance(error, TypeError) and not _unfit_call(error):
            raise
        raise ConfigurationError(masked(f"{group}: {error}")) from error


def _unfit_call(error: BaseException | None) -> bool:
    """Whether an error is Hydra's about a call or its flags: no line of what is called has run."""
    frames = traceback.extract_tb(error.__traceback__) if isinstance(error, TypeError) else []
    return bool(frames) and "hydra" in Path(frames[-1].filename).parts


@contextmanager
def _explained() -> Iterator[None]:
    """Tell Hydra's refusals as ours, with the settings that there are."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        known = sorted(str(key) for key in OmegaConf.load(config_dir() / "run.yaml") if key != "defaults")
        groups = sorted(p.name for p in config_dir().iterdir() if p.is_dir())
        raise ConfigurationError(f"{masked(str(error))}\nsettings are {known}, groups are {groups}") from error


def _whole(config: DictConfig, key: str, rule: Rule) -> int:
    try:
        number: int = rule(key, config.get(key))
    except ValueError as error:
        raise ConfigurationError(f"{error}; write it without quotes and decimal point") from error
    return number
