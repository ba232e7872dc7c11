"""From settings to a campaign in its run folder: one way for the command line, comparisons and notebooks."""

from __future__ import annotations

from omegaconf import OmegaConf

from matseek.campaign import Campaign
from matseek.configuration import RunSettings
from matseek.files import write_bytes, write_text
from matseek.run_folder import RunFolder


def open_campaign(settings: RunSettings) -> Campaign:
    """The campaign of a run folder, which is made if it is missing; nothing is evaluated.

    Args:
        settings: From :func:`matseek.configuration.run_settings` or ``recorded_settings``.

    Raises:
        MatseekError: If the settings do not go together, or the folder holds another campaign.

    Example:
        >>> from matseek.configuration import run_settings
        >>> settings = run_settings(["problem=silver", "searcher=lhs", "budget=15", "run_dir=runs/first"])
        >>> campaign = open_campaign(settings).run(settings.budget)
    """
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    return Campaign(
        settings.problem,
        settings.searcher,
        ledger=RunFolder(settings.run_dir).ledger,
        seed=settings.seed,
        executor=settings.executor,
        stop=settings.stop,
        opening=settings.opening,
        tracking=settings.tracking,
        history=settings.history,
    )


def keep_config(settings: RunSettings) -> None:
    """Write down how a campaign is set up, with copies of its files; a file that says the same is left as it is."""
    folder = RunFolder(settings.run_dir)
    config, path = OmegaConf.to_yaml(settings.config), folder.config
    for file in settings.files:
        content, copy = file.read_bytes(), folder.kept(file)
        if not (copy.is_file() and copy.read_bytes() == content):
            write_bytes(copy, content)
    if not (path.is_file() and path.read_bytes() == config.encode()):
        write_text(path, config)
