"""The screen of one campaign."""

from __future__ import annotations

import asyncio
import logging

import numpy as np
import numpy.typing as npt
from nicegui import ui

from matseek.report.sentences import verdict
from matseek.workbench.opened import OpenCampaign
from matseek.workbench.screens.batch import BatchPart
from matseek.workbench.screens.checks import ChecksPart
from matseek.workbench.screens.definition import DefinitionPart
from matseek.workbench.screens.explore import ExplorePart
from matseek.workbench.screens.results import ResultsPart
from matseek.workbench.screens.shell import TOLD, frame, note, said, tell_error
from matseek.workbench.words import progress, state

FloatArray = npt.NDArray[np.float64]

logger = logging.getLogger(__name__)

_CHECKED = ("models", "stop")
"""Tabs that show maps and checks."""

_EVERY = 2.0
"""Seconds between two looks at the campaign's files."""


class CampaignScreen:
    """A campaign: the batch and its results, and what is known; it follows what happens elsewhere.

    Args:
        campaign: The campaign.
    """

    def __init__(self, campaign: OpenCampaign) -> None:
        self._campaign = campaign
        self._batch = BatchPart(campaign, self._show)
        self._results = ResultsPart(campaign, self._show)
        self._explore = ExplorePart(campaign)
        self._checks = ChecksPart(campaign, self._go_to)
        self._definition = DefinitionPart(campaign, self._show)
        self._learning = self._checking = False

    async def build(self) -> None:
        """Show the screen."""
        with frame(self._campaign.folder.path.name):
            try:
                await asyncio.to_thread(self._campaign.snapshot)
            except TOLD as error:
                note([str(error)], "bad")
                return
            self._stamp = self._campaign.view.stamp()
            self._standing()
            with ui.tabs(on_change=self._check).props("align=left outside-arrows mobile-arrows no-caps") as self._tabs:
                for name, label in (
                    ("batch", "Batch"),
                    ("results", "Results"),
                    ("explore", "Explore"),
                    ("models", "Models"),
                    ("stop", "When to stop"),
                    ("definition", "Definition"),
                ):
                    ui.tab(name, label)
            with ui.tab_panels(self._tabs, value="batch", animated=False):
                with ui.tab_panel("batch"):
                    self._batch.build()
                with ui.tab_panel("results"):
                    self._results.build()
                with ui.tab_panel("explore"):
                    self._explore.build()
                with ui.tab_panel("models"):
                    self._checks.maps()
                with ui.tab_panel("stop"):
                    self._checks.stop()
                with ui.tab_panel("definition"):
                    self._definition.build()
        ui.timer(_EVERY, self._follow, immediate=False)
        ui.timer(0, self._learn, once=True)

    @ui.refreshable_method
    def _standing(self) -> None:
        now = self._campaign.snapshot()
        if now.evaluations:
            said(verdict(now.problem, now.evaluations))
        said(" ".join(filter(None, [state(now.standing), progress(now.standing)])), "soft")

    async def _follow(self) -> None:
        if self._campaign.view.stamp() != self._stamp:
            await self._show()

    async def _show(self) -> None:
        """Bring everything up to date: at once what is recorded, and what models say when they have learnt it."""
        self._stamp = self._campaign.view.stamp()
        try:
            await asyncio.to_thread(self._campaign.snapshot)
        except TOLD:  # it is being written; the next look tells
            return
        self._standing.refresh()
        self._batch.waiting.refresh()
        self._results.measured.refresh()
        self._explore.build.refresh()
        await self._learn()

    async def _learn(self) -> None:
        if self._learning:
            return
        self._learning = True
        try:
            await asyncio.to_thread(self._campaign.understand)
            self._batch.waiting.refresh()
            self._explore.build.refresh()
        except TOLD as error:
            logger.warning("the models could not be fitted: %s", error)
            tell_error(error)
        finally:
            self._learning = False
        await self._check()

    async def _check(self) -> None:
        """Compute what the open tab shows of the models: maps take seconds, and may not be wanted."""
        if self._tabs.value not in _CHECKED or self._checking:
            return
        self._checking = True
        try:
            await self._checks.bring_up_to_date()
        finally:
            self._checking = False

    def _go_to(self, point: FloatArray) -> None:
        """Show a recipe on the sliders."""
        self._tabs.value = "explore"
        self._explore.go_to(point)
