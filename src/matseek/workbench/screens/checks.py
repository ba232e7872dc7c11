"""What the models have learnt, and how far they can be trusted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from nicegui import events, ui

from matseek.core.surrogate import LeftOut
from matseek.insight.loss_map import LossMap
from matseek.workbench.charts import left_out, loss_map
from matseek.workbench.opened import OpenCampaign
from matseek.workbench.screens.shell import NOTHING_LEARNT, heading, note, said, table
from matseek.workbench.understanding import Understanding
from matseek.workbench.words import trust, when_to_stop

FloatArray = npt.NDArray[np.float64]

_LEARNING = "The models are learning from what is measured."


@dataclass
class _Found:
    """What has been computed so far."""

    known: Understanding
    left: LeftOut | None = None
    map: LossMap | None = None
    stop: tuple[str, ...] = ()
    is_complete: bool = False


class ChecksPart:
    """The map of the two variables that matter most, leave-one-out predictions, and when to stop.

    Args:
        campaign: The campaign.
        go_to: Shows a recipe on the sliders.
    """

    def __init__(self, campaign: OpenCampaign, go_to: Callable[[FloatArray], None]) -> None:
        self._campaign = campaign
        self._go_to = go_to
        self._found: _Found | None = None

    async def bring_up_to_date(self) -> None:
        """Compute what the part shows, beside the screen, and show it as it comes."""
        known = self._campaign.understood
        if known is None:
            self._show()
            return
        found = self._found
        if found is None or found.known is not known:
            found = _Found(known, left=await asyncio.to_thread(lambda: known.left_out))
            self._found = found
            self._show()
            found.map = await asyncio.to_thread(lambda: known.map)
            self._show()
        waiting = self._campaign.snapshot().pending
        found.stop = tuple(await asyncio.to_thread(when_to_stop, known, waiting))
        found.is_complete = True
        self._show()

    def _show(self) -> None:
        self.maps.refresh()
        self.stop.refresh()

    @ui.refreshable_method
    def maps(self) -> None:
        """The map and the checks."""
        found = self._found
        if found is None:
            heading("What the models have learnt")
            said(self._nothing)
            return
        self._map(found)
        heading("Can the predictions be trusted?")
        name = found.known.now.value_name
        if found.left is None:
            said("This model would have to be trained anew to be checked condition by condition.")
            for sentence in found.known.outlook.model_trust():
                said(sentence)
            return
        for sentence in trust(found.left):
            said(sentence)
        ui.echart(left_out(found.left, name, found.known.sign), renderer="svg").classes("chart square").props(
            'role="img" aria-label="Predicted against measured values, each left out once"'
        )

    def _map(self, found: _Found) -> None:
        drawn, known, name = found.map, found.known, found.known.now.value_name
        if drawn is None:
            if not found.is_complete:
                heading("Where good recipes lie")
                said("The map is being computed.", "soft")
            return
        heading("Where good recipes lie")
        said(
            f"The best {name} that the {known.label} expect for each {drawn.x.name} and {drawn.y.name}, the two "
            "variables that matter most here, the others chosen as well as possible. Dark is good. Click a place to "
            "see its recipe on the sliders."
        )
        window = known.models.seen.window
        columns = window.names.index(drawn.x.name), window.names.index(drawn.y.name)
        chart = loss_map(drawn, known.models.seen.points, name, known.sign, columns)
        ui.echart(chart, on_point_click=self._clicked, renderer="svg").classes("chart map").props(
            f'role="img" aria-label="Map of the expected {name} over {drawn.x.name} and {drawn.y.name}"'
        )

    @ui.refreshable_method
    def stop(self) -> None:
        """When to stop."""
        heading("Is it worth going on?")
        found = self._found
        if found is None:
            said(self._nothing)
            return
        if not found.is_complete:
            said("What may still be reached is being computed.", "soft")
        note(found.stop)
        criteria = found.known.outlook.when_to_stop()
        if criteria["rows"]:
            heading("What was measured after each batch", 3)
            table(criteria, "words")

    @property
    def _nothing(self) -> str:
        """Why nothing is shown."""
        idle = self._campaign.is_up_to_date and self._campaign.understood is None
        return NOTHING_LEARNT if idle else _LEARNING

    def _clicked(self, event: events.EChartPointClickEventArguments) -> None:
        if self._found is None or self._found.map is None or event.series_index != 0:
            return
        cell: Any = event.data
        recipe = self._found.map.recipes[int(cell[1]), int(cell[0])]
        if np.isfinite(recipe).all():
            self._go_to(self._found.known.models.history.placed(recipe[None])[0])
