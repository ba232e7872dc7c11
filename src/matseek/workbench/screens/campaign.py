"""The screen of one campaign."""

from __future__ import annotations

import asyncio

from nicegui import ui

from matseek.report.page import verdict
from matseek.workbench.screens.batch import BatchPart
from matseek.workbench.screens.results import ResultsPart
from matseek.workbench.screens.shell import TOLD, frame, note, said
from matseek.workbench.view import CampaignView
from matseek.workbench.words import progress, state

_EVERY = 2.0
"""Seconds between two looks at the campaign's files."""


class CampaignScreen:
    """A campaign: the batch and its results, and what is known; it follows what happens elsewhere.

    Args:
        view: The campaign.
    """

    def __init__(self, view: CampaignView) -> None:
        self._view = view
        self._batch = BatchPart(view, self._show)
        self._results = ResultsPart(view)

    async def build(self) -> None:
        """Show the screen."""
        name = self._view.folder.path.name
        with frame(name):
            try:
                await asyncio.to_thread(self._view.snapshot)
            except TOLD as error:
                note([str(error)], "bad")
                return
            self._stamp = self._view.stamp()
            self._standing()
            with ui.tabs().props("align=left outside-arrows mobile-arrows no-caps") as tabs:
                batch, results = ui.tab("batch", "Batch"), ui.tab("results", "Results")
            with ui.tab_panels(tabs, value=batch, animated=False):
                with ui.tab_panel(batch):
                    self._batch.build()
                with ui.tab_panel(results):
                    self._results.build()
        ui.timer(_EVERY, self._follow, immediate=False)

    @ui.refreshable_method
    def _standing(self) -> None:
        now = self._view.snapshot()
        if now.evaluations:
            said(verdict(now.problem, now.evaluations))
        said(" ".join(filter(None, [state(now.standing), progress(now.standing)])), "soft")

    async def _follow(self) -> None:
        if self._view.stamp() != self._stamp:
            await self._show()

    async def _show(self) -> None:
        """Bring everything up to date."""
        self._stamp = self._view.stamp()
        try:
            await asyncio.to_thread(self._view.snapshot)
        except TOLD:  # it is being written; the next look tells
            return
        self._standing.refresh()
        self._batch.waiting.refresh()
        self._results.build.refresh()
