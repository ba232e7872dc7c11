"""What would be written down, to be confirmed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from nicegui import ui

from matseek.report.digits import value_texts
from matseek.results import Entry
from matseek.workbench import acts
from matseek.workbench.opened import OpenCampaign
from matseek.workbench.screens.shell import TOLD, button, heading, note, said, table, tell_error

_SHOWN = 60
"""Conditions that a preview lists."""


class EntryCard:
    """Shows a preview, and writes it down when that is wanted.

    Args:
        campaign: The campaign.
        changed: What is done when it has been written down.
    """

    def __init__(self, campaign: OpenCampaign, changed: Callable[[], Awaitable[None]]) -> None:
        self._campaign = campaign
        self._changed = changed
        self._entry: Entry | None = None
        self._busy = False

    async def preview(self, look: Callable[[], Entry]) -> None:
        """Look, beside the screen, and show what is found."""
        try:
            self._entry = await asyncio.to_thread(look)
        except TOLD as error:
            self._entry = None
            tell_error(error)
        self.build.refresh()

    @ui.refreshable_method
    def build(self) -> None:
        """Show the card, if there is anything to confirm."""
        if self._busy:
            with ui.element("div").classes("line"):
                ui.spinner(size="1.5rem")
                said("writing it down, and learning from it", "soft")
            return
        entry = self._entry
        if entry is None:
            return
        changes = bool(entry.results or entry.changes or entry.new)
        with ui.element("section").classes("card entry").props('aria-live="polite" aria-label="Preview"'):
            heading("What would be written down", 3)
            for line in entry.summary.splitlines() or ["Nothing."]:
                said(line)
            note([str(f) for f in entry.refused], "bad")
            note([str(f) for f in entry.odd], "warn")
            if not entry.refused:
                self._results(entry)
                if not changes:
                    said("Nothing would change.")
            with ui.element("div").classes("line"):
                if changes and not entry.refused:
                    button("Take it nevertheless" if entry.odd else "Take it", self._take, "main")
                button("Leave it", self._leave)

    def _results(self, entry: Entry) -> None:
        problem = self._campaign.snapshot().problem
        known = [(str(number), m) for number, m in entry.results] + [("new", m) for _, m in entry.new]
        sign = problem.sign
        rows: list[list[str]] = []
        for number, measured in known[:_SHOWN]:
            value = str(measured.error) if measured.error is not None else value_texts([sign * measured.value])[0]
            rows.append([number, "-" if measured.error is not None else str(len(measured.replicates)), value])
        name = self._campaign.snapshot().value_name
        table({"heads": ["Evaluation", "Replicates", name], "rows": rows})
        if len(known) > _SHOWN:
            said(f"and {len(known) - _SHOWN} more", "soft small")

    async def _take(self) -> None:
        entry, self._entry = self._entry, None
        if entry is None or self._busy:
            return
        with ui.context.client:  # the button that was pressed goes away meanwhile
            self._busy = True
            self.build.refresh()
            try:
                await asyncio.to_thread(self._campaign.act, lambda: acts.take(self._campaign.folder, entry))
                ui.notify("Written down", type="positive")
            except TOLD as error:
                tell_error(error)
            finally:
                self._busy = False
            self.build.refresh()
            await self._changed()

    def _leave(self) -> None:
        self._entry = None
        self.build.refresh()
