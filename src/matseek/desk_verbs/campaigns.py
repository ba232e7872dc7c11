"""The campaign of a run folder, opened for a verb."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matseek.run_folder import RunFolder
from matseek.terminal import Telling, out

if TYPE_CHECKING:
    from matseek.campaign import Campaign
    from matseek.configuration import RunSettings
    from matseek.results import Logbook


def at_the_desk(run_dir: Path, overrides: Sequence[str], telling: Telling, *, trust: bool) -> Campaign:
    """The campaign of a folder; the first ask sets it up."""
    with out.status("loading torch and BoTorch"):
        from omegaconf import OmegaConf

        from matseek.configuration import quoted, recorded_settings, run_settings
        from matseek.errors import ConfigurationError
        from matseek.evaluation.ledger import address_text
        from matseek.runs import keep_config

        if overrides:
            settings = run_settings([*overrides, f"run_dir={quoted(run_dir)}"])
            own = address_text(RunFolder(run_dir).ledger)
            config = RunFolder(run_dir).config
            same = config.is_file() and config.read_text(encoding="utf-8") == OmegaConf.to_yaml(settings.config)
            if config.is_file() and not same and own not in map(address_text, settings.history):
                raise ConfigurationError(
                    f"{run_dir} holds a campaign already, so {list(overrides)} would change it; leave them out, name "
                    f"another folder, or add history={run_dir} to go on with another target: what is measured is then "
                    "scored by it, and the ledger so far is set aside"
                )
        else:
            require_campaign(run_dir)
            telling.log_in(run_dir)
            settings = recorded_settings(run_dir, trust=trust)
    campaign = open_campaign_in(settings, telling)
    if overrides:
        keep_config(settings)
    return campaign


def open_campaign_in(settings: RunSettings, telling: Telling) -> Campaign:
    """The campaign of a run folder, with a log beside it."""
    from matseek.runs import open_campaign

    settings.run_dir.mkdir(parents=True, exist_ok=True)
    telling.log_in(settings.run_dir)
    return open_campaign(settings)


def require_campaign(run_dir: Path) -> None:
    """Refuse a folder that holds no campaign, before anything heavy is imported or written."""
    if not RunFolder(run_dir).config.is_file():
        raise FileNotFoundError(
            f"{run_dir} holds no campaign (no config.yaml); name the folder of one, or start one: "
            f"matseek ask {run_dir} problem=... searcher=..."
        )


def has_constraints(run_dir: Path) -> bool:
    """Whether a folder's problem has constraints on outcomes, which only the problem can tell of an evaluation."""
    from omegaconf import DictConfig, OmegaConf
    from yaml import YAMLError

    try:
        config = OmegaConf.load(RunFolder(run_dir).config)
    except (OSError, ValueError, YAMLError):  # it was damaged, and the ledger tells what there is to tell
        return False
    return isinstance(config, DictConfig) and bool(OmegaConf.select(config, "problem.outcome_constraints"))


def open_logbook_in(run_dir: Path, telling: Telling, *, trust: bool) -> Logbook:
    """The logbook of a folder's campaign."""
    require_campaign(run_dir)
    telling.log_in(run_dir)
    from matseek.desk import open_logbook

    return open_logbook(run_dir, trust=trust)


def require_table(path: Path) -> None:
    """Refuse results that are not there, before anything is opened."""
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}; give the table with the results")
