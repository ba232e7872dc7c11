"""The campaigns of a folder as the running page keeps them."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from matseek.run_folder import RunFolder
from matseek.workbench.folder import CampaignsFolder
from matseek.workbench.understanding import Understanding, learnt_from
from matseek.workbench.view import CampaignView, Snapshot


class OpenCampaign:
    """A campaign that somebody looks at: as it is read, and what its models say.

    Args:
        folder: Its run folder.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.view = CampaignView(folder)
        self.folder = folder
        self._fitting, self._acting = Lock(), Lock()
        self._fitted: tuple[tuple[object, ...], Understanding | None] | None = None

    def snapshot(self) -> Snapshot:
        """The campaign as it is now, see :meth:`CampaignView.snapshot`."""
        return self.view.snapshot()

    def act(self, act: Callable[[], object]) -> None:
        """Do something to the campaign when what else this page does to it has ended: one at a time writes a ledger."""
        with self._acting:
            act()

    @property
    def understood(self) -> Understanding | None:
        """What the models said when they were last fitted; None before that, or where there is nothing to learn."""
        return None if self._fitted is None else self._fitted[1]

    @property
    def is_up_to_date(self) -> bool:
        """Whether :attr:`understood` knows everything that is measured."""
        return self._fitted is not None and self._fitted[0] == learnt_from(self.snapshot())

    def understand(self) -> Understanding | None:
        """Fit the models, unless they know everything already; takes seconds, and is to be done beside the screens."""
        with self._fitting:
            now = self.snapshot()
            key = learnt_from(now)
            if self._fitted is None or self._fitted[0] != key:
                self._fitted = key, Understanding.of(now)
            return self._fitted[1]


class OpenCampaigns:
    """The campaigns that somebody has looked at since the page was started; browsers share what was read and fitted.

    Args:
        folder: The folder that holds them.
    """

    def __init__(self, folder: CampaignsFolder) -> None:
        self.folder = folder
        self._open: dict[str, OpenCampaign] = {}

    def campaign(self, name: str) -> OpenCampaign:
        """A campaign by name.

        Raises:
            FileNotFoundError: If there is none of this name.
        """
        folder = self.folder.campaign(name)
        if name not in self._open:
            self._open[name] = OpenCampaign(folder)
        return self._open[name]
