"""The list of campaigns."""

from __future__ import annotations

import asyncio

from nicegui import ui

from matseek.run_folder import RunFolder
from matseek.workbench.folder import CampaignsFolder
from matseek.workbench.screens.shell import TOLD, frame, note, said
from matseek.workbench.view import Glance
from matseek.workbench.words import progress, state

_EVERY = 3.0
"""Seconds between two looks at the folder."""


class HomeScreen:
    """The campaigns of a folder, and how each stands.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: CampaignsFolder) -> None:
        self._folder = folder
        self._known: list[tuple[str, Glance | str]] = []

    async def build(self) -> None:
        """Show the screen."""
        with frame("Campaigns", home=False):
            said(f"In {self._folder.path.resolve()}", "soft small")
            self._known = await asyncio.to_thread(self._look)
            self._list()
            with ui.element("div").classes("line"):
                ui.link("Start a new campaign", "/new").classes("button main")
        ui.timer(_EVERY, self._follow, immediate=False)

    def _look(self) -> list[tuple[str, Glance | str]]:
        return [(name, _glance(self._folder.campaign(name))) for name in self._folder.names()]

    async def _follow(self) -> None:
        now = await asyncio.to_thread(self._look)
        if [(name, _told(found)) for name, found in now] != [(name, _told(found)) for name, found in self._known]:
            self._known = now
            self._list.refresh()

    @ui.refreshable_method
    def _list(self) -> None:
        if not self._known:
            said("There is no campaign in this folder yet.")
        with ui.element("ul").classes("campaigns"):
            for name, found in self._known:
                with ui.element("li"), ui.element("div").classes("card"):
                    ui.link(name, f"/campaign/{name}")
                    if isinstance(found, str):
                        note([found], "bad")
                        continue
                    for sentence in _told(found):
                        said(sentence, "small")


def _glance(folder: RunFolder) -> Glance | str:
    try:
        return Glance.at(folder)
    except TOLD as error:
        return str(error)


def _told(found: Glance | str) -> list[str]:
    if isinstance(found, str):
        return [found]
    best = [] if found.best is None else [f"Best value {found.best:.4g}."]
    return [state(found.standing), *filter(None, [progress(found.standing)]), *best]
