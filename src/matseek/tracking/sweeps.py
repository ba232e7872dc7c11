"""Trials of a W&B sweep, as its agent announces them in the environment."""

from __future__ import annotations

import os


def trial_id() -> str | None:
    """The run that W&B's agent has made for this process; None where there is no sweep."""
    return os.environ.get("WANDB_RUN_ID") if os.environ.get("WANDB_SWEEP_ID") else None


def trial_folder() -> str | None:
    """The run folder of a trial, one for each: trials differ in settings that the usual name does not tell."""
    trial = trial_id()
    return None if trial is None else f"runs/sweep-{os.environ['WANDB_SWEEP_ID']}/{trial}"
