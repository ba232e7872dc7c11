"""The folder whose campaigns the page shows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from matseek.run_folder import RunFolder

_NAME = re.compile(r"\w[\w .-]{0,59}")
"""Names that every file system takes and that lead nowhere else."""


@dataclass(frozen=True)
class CampaignsFolder:
    """A folder with a run folder for each campaign.

    Args:
        path: The folder.

    Raises:
        NotADirectoryError: If it is a file, or a folder that does not exist.
    """

    path: Path

    def __post_init__(self) -> None:
        if not self.path.is_dir():
            raise NotADirectoryError(f"{self.path} is no folder; name the folder that holds, or will hold, campaigns")

    def names(self) -> list[str]:
        """The campaigns, in the order of their names."""
        return sorted(p.name for p in self.path.iterdir() if RunFolder(p).config.is_file())

    def campaign(self, name: str) -> RunFolder:
        """The run folder of a campaign.

        Raises:
            FileNotFoundError: If there is none of this name.
        """
        if name not in self.names():
            raise FileNotFoundError(f"{self.path} holds no campaign {name!r}; it holds {self.names()}")
        return RunFolder(self.path / name)

    def free(self, name: str) -> RunFolder:
        """A run folder for a new campaign; nothing is made yet.

        Raises:
            ValueError: If the name cannot be that of a folder everywhere.
            FileExistsError: If something of this name is there already.
        """
        if not _NAME.fullmatch(name) or name.endswith((".", " ")):
            raise ValueError(
                f"the campaign's name {name!r} cannot be that of a folder; write letters, digits, spaces, '.', '-' and "
                "'_', 60 at most, beginning with a letter or a digit"
            )
        path = self.path / name
        if path.exists():
            raise FileExistsError(f"{path} is there already; give the campaign another name")
        return RunFolder(path)
