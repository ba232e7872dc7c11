"""Many campaigns from one command: a run folder for each combination of settings, by Hydra's multirun."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from matseek.checks import shown
from matseek.choices import config_dir
from matseek.configuration import prepared, quoted
from matseek.errors import ConfigurationError
from matseek.stored_config import explained

Trial = Callable[[list[str]], float]
"""Runs the campaign of some overrides, ``run_dir`` among them, and gives its best value: what sweepers minimise."""


def sweep(overrides: Sequence[str], trial: Trial) -> Path:
    """Run a campaign for each combination of the values that settings have.

    Trials have folders of their own, named by what they override, so that the same command goes on with what was cut
    off. Hydra's launchers and sweepers serve where their packages are installed: ``hydra/launcher=submitit_slurm``
    makes each trial a job of Slurm.

    Args:
        overrides: As of ``matseek run``, several values for at least one of them: ``["seed=0,1,2"]``,
            ``["searcher.batch_size=range(5,20,5)"]``. ``hydra.sweep.dir`` is where the folders go.
        trial: Runs one of them; launchers send it to other processes by its name.

    Returns:
        The folder of the trials' folders.

    Raises:
        ConfigurationError: If nothing has several values, ``run_dir`` is given, or an override cannot be read.
    """
    with explained():
        given = prepared(overrides)
        parsed = OverridesParser.create().parse_overrides(given)
    keys = [o.key_or_group for o in parsed]
    if "run_dir" in keys:
        raise ConfigurationError(
            f"run_dir={shown(parsed[keys.index('run_dir')].value())} would be the folder of every trial; give "
            "hydra.sweep.dir=FOLDER, in which each has a folder of its own"
        )
    varied = [o.key_or_group for o in parsed if o.is_sweep_override()]
    if not varied and "hydra/sweeper" not in keys:
        raise ConfigurationError(
            "nothing varies from trial to trial; give several values to a setting, for example seed=0,1,2"
        )
    problem = next((o.value() for o in parsed if o.key_or_group == "problem" and not o.is_sweep_override()), None)
    folder = f"runs/sweep-{problem}" if isinstance(problem, str) else "runs/sweep"
    places = {o.key_or_group: str(o.value()) for o in parsed if o.key_or_group == "hydra.sweep.dir"}
    # A path in a folder's name would be a path of folders, and a larger budget goes on in the same folder.
    fixed = [o for o in parsed if not o.is_sweep_override()]
    unnamed = [o.key_or_group for o in fixed if o.key_or_group in ("problem", "budget") or "/" in str(o.value())]
    own = [
        "hydra/job_logging=none",
        "hydra/hydra_logging=none",
        "hydra.output_subdir=null",
        f"hydra.job.config.override_dirname.exclude_keys=[{','.join(map(quoted, unnamed))}]",
        "hydra.sweep.subdir=${hydra.job.override_dirname}",
        *([] if places else [f"hydra.sweep.dir={quoted(folder)}"]),
    ]

    def run(config: DictConfig) -> float:  # noqa: ARG001 -- the trial composes it again, as the command line does
        job = HydraConfig.get()
        with _another_hydra():
            return trial([*job.overrides.task, f"run_dir={quoted(job.runtime.output_dir)}"])

    result = Path(places.get("hydra.sweep.dir", folder))
    try:
        with _arguments(["--multirun", *own, *given]):
            hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="run")(run)()
    finally:  # what was typed, with every password; each trial's folder has a config without
        (result / "multirun.yaml").unlink(missing_ok=True)
    return result


@contextmanager
def _another_hydra() -> Iterator[None]:
    """Lets a trial compose its config within Hydra's own run."""
    instance = GlobalHydra.instance()
    outer = instance.hydra
    instance.clear()
    try:
        yield
    finally:
        instance.clear()
        if outer is not None:
            instance.initialize(outer)


@contextmanager
def _arguments(given: Sequence[str]) -> Iterator[None]:
    """The command line as Hydra reads it, and only there."""
    before = sys.argv
    sys.argv = [before[0], *given]
    try:
        yield
    finally:
        sys.argv = before
