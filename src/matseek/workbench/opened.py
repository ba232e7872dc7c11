"""The campaigns of a folder as the running page keeps them."""

from __future__ import annotations

from matseek.run_folder import RunFolder
from matseek.workbench.folder import CampaignsFolder
from matseek.workbench.view import CampaignView


class OpenCampaigns:
    """The campaigns that somebody has looked at since the page was started; browsers share what was read.

    Args:
        folder: The folder that holds them.
    """

    def __init__(self, folder: CampaignsFolder) -> None:
        self.folder = folder
        self._views: dict[str, CampaignView] = {}

    def view(self, name: str) -> CampaignView:
        """A campaign by name.

        Raises:
            FileNotFoundError: If there is none of this name.
        """
        folder: RunFolder = self.folder.campaign(name)
        if name not in self._views:
            self._views[name] = CampaignView(folder)
        return self._views[name]
