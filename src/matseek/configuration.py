"""From Hydra configs to objects."""

from __future__ import annotations

from collections.abc import Sequence
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


def run_settings(overrides: Sequence[str]) -> RunSettings:
    """Compose ``run.yaml`` with overrides and make the objects.

    Args:
        overrides: In Hydra's syntax, for example ``["problem=silver", "searcher.batch_size=10"]``.

    Raises:
        ConfigurationError: If an override names nothing that exists, or a value is refused.
    """
    try:
        with initialize_config_dir(version_base="1.3", config_dir=str(config_dir())):
            config = compose("run", overrides=list(overrides), return_hydra_config=True)
        choices = config.hydra.runtime.choices
        own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        OmegaConf.resolve(own)
        config = own
        problem, searcher = instantiate(config.problem), instantiate(config.searcher)
        executor = instantiate(config.evaluator)
    except (HydraException, OmegaConfBaseException) as error:
        # Hydra wraps what a constructor raised; its own words are what helps.
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        raise ConfigurationError(str(cause)) from error
    run_dir = config.run_dir or f"runs/{choices.problem}-{choices.searcher}-{config.seed}"
    config.run_dir = str(run_dir)
    return RunSettings(
        problem, searcher, executor, _whole(config, "budget"), _whole(config, "seed"), Path(run_dir), config
    )


def _whole(config: DictConfig, key: str) -> int:
    value = config[key]
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigurationError(f"{key}={value!r} must be a whole number")
    return value
