"""What a run folder's config says, and the objects of its groups; nothing here needs torch."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from hydra.errors import HydraException, InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from matseek.checks import of, shown
from matseek.choices import choices_of, config_dir
from matseek.core.problem import Problem
from matseek.core.records import AMENDED
from matseek.errors import ConfigurationError, LedgerError, MatseekError
from matseek.evaluation.ledger import LedgerReader
from matseek.files import write_bytes, write_text
from matseek.interpolations import keep_secrets, recordable, unresolved
from matseek.parts import foreign_targets, with_current_names
from matseek.run_folder import RunFolder
from matseek.secrets import masked

FILES = ("target", "candidates")
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


def recorded_problem(run_dir: Path, *, trust: bool = False) -> Problem:
    """The problem that a run folder's ``config.yaml`` names, see :func:`matseek.configuration.recorded_settings`."""
    return _problem_of(stored(RunFolder(run_dir).config), run_dir, trust=trust)


def recorded_plain(config: DictConfig, run_dir: Path, needed: Sequence[str], *, trust: bool) -> dict[str, Any]:
    """Settings of a stored config as plain data, with the run folder's own files.

    Args:
        config: What is stored.
        run_dir: The folder.
        needed: Names of the settings.
        trust: The user's word that whatever the file names may be run, and read from the environment.

    Raises:
        ConfigurationError: If it asks for more than it may without the user's word.
    """
    path = RunFolder(run_dir).config
    record = recordable(config)
    plain = {key: record.get(key) for key in needed}
    if trust:
        keep_secrets(config)
        plain = {key: resolved(config.get(key)) for key in needed}
    else:
        require_trust(path, foreign_targets(plain, config_dir()), "would run")
        require_trust(path, unresolved(plain), "would read")
    use_copies(plain, RunFolder(run_dir))
    return plain


def _problem_of(config: DictConfig, run_dir: Path, *, trust: bool) -> Problem:
    with explained():
        plain = recorded_plain(config, run_dir, ("problem",), trust=trust)
        problem: Problem = made(OmegaConf.create(plain), "problem", Problem)
        return problem


@dataclass(frozen=True, eq=False)
class Changed:
    """A stored config, and what it becomes.

    Args:
        folder: The run folder.
        before: The text of the config as it holds now.
        text: The text that it becomes.
        old: The problem as it is.
        new: The problem that it becomes.
        files: Copies that the folder needs: the new file by the copy's path.
    """

    folder: RunFolder
    before: str
    text: str
    old: Problem
    new: Problem
    files: Mapping[Path, bytes]

    def keep_files(self) -> None:
        """Copy what the new problem is set up with into the folder; files that are there stay."""
        for path, content in self.files.items():
            if not path.is_file():
                write_bytes(path, content)

    def keep(self) -> None:
        """Have the folder's config say what it becomes; one that says so is left alone."""
        if not (self.folder.config.is_file() and self.folder.config.read_text(encoding="utf-8") == self.text):
            write_text(self.folder.config, self.text)


def changed_settings(
    run_dir: Path,
    overrides: Sequence[str] = (),
    *,
    settings: Mapping[str, Any] | None = None,
    trust: bool = False,
) -> Changed:
    """What a stored config becomes by overrides of its problem.

    Args:
        run_dir: The folder.
        overrides: In Hydra's syntax: ``problem.NAME=VALUE``, ``+problem...``, ``~problem...``, or ``data=FILE``.
        settings: Settings of the problem as plain data, which take the place of those of the same names.
        trust: As for :func:`matseek.configuration.recorded_settings`.

    Raises:
        ConfigurationError: If an override is none, or names another setting.
        FileNotFoundError: If there is no such file.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser  # builds a grammar

    folder = RunFolder(run_dir)
    config = stored(folder.config)
    before = _config_text(folder.config)
    old = _problem_of(_created(OmegaConf.to_yaml(config)), run_dir, trust=trust)
    sources: dict[str, Path] = {}
    names: dict[str, str] = {}

    def change(key: str, value: Any) -> None:  # noqa: ANN401 -- plain data
        name = key.removeprefix("problem.")
        if name in FILES and value is not None:
            sources[name] = Path(str(value))
            names[name] = value = _own_name(folder, sources[name])
        OmegaConf.update(config, key, value, merge=False, force_add=True)

    with explained():
        for name, value in (settings or {}).items():
            change(f"problem.{name}", value)
        for override in OverridesParser.create().parse_overrides(list(overrides)):
            key = str(override.key_or_group)
            if key == "data":
                key = "problem.target"
            if key != "problem.target" and not key.startswith("problem."):
                raise ConfigurationError(
                    f"{override.input_line}: amend changes the problem (problem.NAME=..., data=FILE); other "
                    f"settings are changed in {folder.config}"
                )
            if override.is_delete():
                _delete(config, key)
                continue
            change(key, override.value())
    if "target" in names and "data" in config:
        config.data = names["target"]
    text = OmegaConf.to_yaml(config)
    with explained():
        plain = recorded_plain(_created(text), run_dir, ("problem",), trust=trust)
        # What is not in the folder yet is read from where it is.
        plain["problem"] |= {name: str(path) for name, path in sources.items()}
        new: Problem = made(OmegaConf.create(plain), "problem", Problem)
    copies = {folder.path / str(plain_name): sources[name].read_bytes() for name, plain_name in names.items()}
    return Changed(folder, before, text, old, new, copies)


def _created(text: str) -> DictConfig:
    return cast("DictConfig", OmegaConf.create(text))


def _delete(config: DictConfig, key: str) -> None:
    parent, _, last = key.rpartition(".")
    node = OmegaConf.select(config, parent)
    if not isinstance(node, DictConfig) or last not in node:
        raise ConfigurationError(f"~{key}: there is no such setting; look into config.yaml")
    del node[last]


def _own_name(folder: RunFolder, file: Path) -> str:
    """The name of a file's copy in a folder, which takes no other file's."""
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {file}; give the path of one")
    content, name = file.read_bytes(), file.name
    for count in range(2, 1000):
        copy = folder.path / name
        if not copy.is_file() or copy.read_bytes() == content:
            return name
        name = f"{file.stem}-{count}{file.suffix}"
    raise ConfigurationError(f"{folder.path} holds a thousand files that are named like {file.name}; rename it")


def _config_text(path: Path) -> str:
    """What a config says; of one whose amendment was cut off, what the ledger says that it becomes."""
    text = path.read_text(encoding="utf-8")
    ledger = RunFolder(path.parent).ledger
    if not ledger.is_file():
        return text
    try:
        amended = [e.data for e in LedgerReader(ledger).events() if e.kind == AMENDED]
    except LedgerError:  # whoever needs the ledger is told
        return text
    cut_off = bool(amended) and amended[-1]["config_before"] == text
    return str(amended[-1]["config"]) if cut_off else text


def use_copies(plain: dict[str, Any], folder: RunFolder) -> None:
    """Have a stored problem read the run folder's copies of its files, wherever the command is given."""
    problem = plain.get("problem")
    if isinstance(problem, dict):
        for key in FILES:
            if isinstance(file := problem.get(key), str) and folder.kept(file).is_file():
                problem[key] = str(folder.kept(file))


def stored(path: Path) -> DictConfig:
    """What a stored config says, as it is written."""
    if not path.is_file():
        raise ConfigurationError(
            f"{path.parent} holds no campaign (no {path.name}); name the folder of one, or start one: "
            f"matseek ask {path.parent} problem=... searcher=..."
        )
    if path.stat().st_size > _MOST_BYTES:
        raise ConfigurationError(f"{path} has more than {_MOST_BYTES >> 20} MiB; no configuration is so long")
    try:
        text, depth = _config_text(path), 0
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
        raise ConfigurationError(f"{path} cannot be read as YAML: {masked(str(error))}{_yaml_hint(error)}") from error
    except OmegaConfBaseException as error:
        raise ConfigurationError(f"{path} holds what is no setting: {masked(str(error))}") from error


def resolved(node: Any) -> Any:  # noqa: ANN401 -- plain data
    """A setting as plain data, with what it refers to."""
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


def require_trust(path: Path, result: Mapping[str, str], deed: str) -> None:
    """Refuse what a stored config asks for beyond what it may.

    Raises:
        ConfigurationError: If there is anything.
    """
    if result:
        message = ", ".join(f"{what} ({place})" for place, what in result.items())
        raise ConfigurationError(
            f"{path} {deed} {masked(message)}. A stored file may name only matseek's own parts and those of installed "
            "extensions, and nothing of the environment; if you know who wrote it, add --trust"
        )


def _yaml_hint(error: Exception) -> str:
    """What a message of YAML's parser means, where people cannot know."""
    if "'\\t'" in str(error):
        return ". YAML takes no tabs: replace the tab before the text by blanks, as many as the lines beside it have"
    return ""


def made(config: DictConfig, group: str, kind: type) -> Any:  # noqa: ANN401 -- whatever the config names
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
def explained() -> Iterator[None]:
    """Tell Hydra's refusals as ours, with the settings that there are."""
    try:
        yield
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        known = sorted(str(key) for key in OmegaConf.load(config_dir() / "run.yaml") if key != "defaults")
        groups = sorted(p.name for p in config_dir().iterdir() if p.is_dir())
        raise ConfigurationError(
            f"{masked(str(error))}{_yaml_hint(error)}\nsettings are {known}, groups are {groups}"
        ) from error
