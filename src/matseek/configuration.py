"""From Hydra configs to objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from matseek.errors import ConfigurationError
from matseek.evaluation.executors import Executor
from matseek.problems import Problem
from matseek.searchers import Searcher


@dataclass(frozen=True, eq=False)
class RunSettings:
    """Everything that ``matseek run`` needs.

    Args:
        problem: What is minimised.
        searcher: Who chooses.
        executor: How the truth is called.
        budget: Evaluations in all.
        seed: Seed of the campaign.
        run_dir: Where results go.
        config: The composed config, for the record.
    """

    problem: Problem
    searcher: Searcher
    executor: Executor
    budget: int
    seed: int
    run_dir: Path
    config: DictConfig


def config_dir() -> Path:
    """Folder of the configs: inside the installed package, or at the top of a source checkout."""
    shipped = Path(str(files("matseek"))) / "configs"
    return shipped if shipped.is_dir() else Path(__file__).resolve().parents[2] / "configs"


def recorded_settings(run_dir: Path) -> RunSettings:
    """The settings that a run folder's ``config.yaml`` holds.

    Raises:
        ConfigurationError: If there is no such file, or its values are refused.
    """
    path = run_dir / "config.yaml"
    if not path.is_file():
        raise ConfigurationError(
            f"{run_dir} holds no campaign (no config.yaml); name the folder of one, or start one: "
            f"matseek ask {run_dir} problem=... searcher=..."
        )
    config = OmegaConf.load(path)
    assert isinstance(config, DictConfig)
    with _explained():
        return _settings(config, run_dir)


def run_settings(overrides: Sequence[str]) -> RunSettings:
    """Compose ``run.yaml`` with overrides and make the objects.

    Args:
        overrides: In Hydra's syntax, for example ``["problem=silver", "searcher.batch_size=10"]``.

    Raises:
        ConfigurationError: If an override names nothing that exists, or a value is refused.
    """
    with _explained():
        with initialize_config_dir(version_base="1.3", config_dir=str(config_dir())):
            composed = compose("run", overrides=list(overrides), return_hydra_config=True)
        choices = composed.hydra.runtime.choices
        config = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
        OmegaConf.resolve(config)
        config.run_dir = str(config.run_dir or f"runs/{choices.problem}-{choices.searcher}-{config.seed}")
        return _settings(config, Path(config.run_dir))


def _settings(config: DictConfig, run_dir: Path) -> RunSettings:
    return RunSettings(
        problem=instantiate(config.problem),
        searcher=instantiate(config.searcher),
        executor=instantiate(config.evaluator),
        budget=_whole(config, "budget"),
        seed=_whole(config, "seed"),
        run_dir=run_dir,
        config=config,
    )


@contextmanager
def _explained() -> Iterator[None]:
    """Hydra wraps what a constructor raised; its own words are what helps."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        raise ConfigurationError(str(cause)) from error


def _whole(config: DictConfig, key: str) -> int:
    value = config[key]
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigurationError(f"{key}={value!r} must be a whole number")
    return value
