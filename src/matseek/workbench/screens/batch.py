"""The batch that is to be measured, and its results."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from nicegui import events, ui

from matseek.report.page import amount, value_texts
from matseek.results import Taking
from matseek.tables.opening import SUFFIXES
from matseek.workbench import acts
from matseek.workbench.screens.shell import TOLD, button, heading, note, said, table, tell_error
from matseek.workbench.view import CampaignView, Snapshot
from matseek.workbench.words import counted

_LARGEST_FILE = 100 * 2**20
_SHOWN = 60
"""Conditions that a preview lists."""


class BatchPart:
    """Recipes out, results back.

    Args:
        view: The campaign.
        changed: What is done when the campaign has changed.
    """

    def __init__(self, view: CampaignView, changed: Callable[[], Awaitable[None]]) -> None:
        self._view = view
        self._changed = changed
        self._taking: Taking | None = None
        self._busy = ""

    def build(self) -> None:
        """Show the part."""
        self.waiting()
        if self._view.snapshot().laboratory is None:
            return
        heading("Give results")
        said(
            "Upload the workbook with its empty cells filled in, or any table with the evaluations' numbers: CSV, "
            "text, Excel, OpenDocument, Parquet. You see what would be taken before anything is written down. What "
            "stays empty goes on waiting; a failed measurement is the word “failed”."
        )
        uploader = ui.upload(
            label="or drop a file here",
            auto_upload=True,
            max_file_size=_LARGEST_FILE,
            on_upload=self._uploaded,
            on_rejected=lambda: tell_error(ValueError("the file is larger than 100 MB; give the results of one batch")),
        ).props(f'flat accept="{",".join(SUFFIXES)}"')
        with ui.element("div").classes("line"):
            choose = button("Choose a file with results", None, "main" if self._view.snapshot().pending else "other")
            # In the browser alone: a file chooser opens only at once after a click.
            choose.on("click", js_handler=f"() => getElement({uploader.id}).pickFiles()")
        uploader.move()
        with ui.expansion("How the file is read"):
            self._sheet = ui.input("Sheet, where several hold results").props("outlined")
            self._resampling = ui.checkbox("Interpolate spectra that were measured on other wavelengths")
        with ui.expansion("Or paste cells from a spreadsheet").classes("paste"):
            self._pasted = ui.textarea(
                "Cells with their headings", placeholder="evaluation\tvalue 1\tvalue 2\n1\t0.31\t0.29"
            ).props("outlined autogrow")
            button("Look at these cells", self._look_at_pasted)
        self.taking()

    @ui.refreshable_method
    def waiting(self) -> None:
        """The recipes that wait, and what can be done with them."""
        now = self._view.snapshot()
        heading("To be measured")
        if not now.pending:
            said("No recipe waits for a result.")
        else:
            waiting = counted(len(now.pending), "recipe")
            said(f"{waiting} to be measured. Download them, fill in the results, upload them.")
            table(_recipes(now))
            with ui.element("div").classes("line"):
                for suffix, text in zip(acts.TABLES, ("Download as workbook", "Download as CSV"), strict=True):
                    ui.link(text, f"/campaign/{now.name}/waiting{suffix}").classes(
                        "button main" if suffix == acts.TABLES[0] else "button"
                    ).props(f'download="{now.name}-batch-{now.pending[-1].iteration}{suffix}"')
        if now.laboratory is None:
            said("This campaign is computed and needs no results.")
            return
        with ui.element("div").classes("line"):
            if self._busy:
                ui.spinner(size="1.5rem")
                said(self._busy, "soft")
            elif now.pending:
                button("Ask for more recipes before these are measured", self._ask)
            else:
                button("Ask for the next batch", self._ask, "main")

    @ui.refreshable_method
    def taking(self) -> None:
        """What the last table would add."""
        found = self._taking
        if found is None:
            return
        with ui.element("section").classes("card taking").props('aria-live="polite"'):
            heading("What would be taken", 3)
            said(found.summary)
            note([str(f) for f in found.refused], "bad")
            note([str(f) for f in found.odd], "warn")
            if not found.refused:
                table(self._results(found))
                if len(found.taken) > _SHOWN:
                    said(f"and {len(found.taken) - _SHOWN} more", "soft small")
            with ui.element("div").classes("line"):
                if not found.refused and found.taken:
                    text = "Take it nevertheless" if found.odd else "Take these results"
                    button(text, self._take, "main")
                button("Leave it", self._leave)

    def _results(self, found: Taking) -> dict[str, list[list[str]] | list[str]]:
        problem = self._view.snapshot().problem
        rows = []
        for one in found.taken[:_SHOWN]:
            measured = one.measurement
            value = one.measurement.error if one.failed else value_texts([measured.value])[0]
            rows.append([str(one.number), "failed" if one.failed else str(len(one.response)), str(value)])
        return {"heads": ["Evaluation", "Replicates", problem.value_label], "rows": rows}

    async def _uploaded(self, event: events.UploadEventArguments) -> None:
        content = await event.file.read()
        name, sheet, resampling = event.file.name, str(self._sheet.value or ""), bool(self._resampling.value)
        event.sender.run_method("reset")
        await self._preview(
            lambda: acts.preview(self._view.snapshot(), name, content, sheet=sheet, resampling=resampling)
        )

    async def _look_at_pasted(self) -> None:
        text, resampling = str(self._pasted.value or ""), bool(self._resampling.value)
        await self._preview(lambda: acts.preview_pasted(self._view.snapshot(), text, resampling=resampling))

    async def _preview(self, look: Callable[[], Taking]) -> None:
        try:
            self._taking = await asyncio.to_thread(look)
        except TOLD as error:
            self._taking = None
            tell_error(error)
        self.taking.refresh()

    async def _take(self) -> None:
        found, self._taking = self._taking, None
        self.taking.refresh()
        if found is None:
            return
        await self._do("taking the results, and learning from them", lambda: acts.take(self._view.folder, found))
        ui.notify(f"Taken: {counted(len(found.taken), 'condition')}", type="positive")

    def _leave(self) -> None:
        self._taking = None
        self.taking.refresh()

    async def _ask(self) -> None:
        await self._do("choosing recipes; this takes some seconds", lambda: acts.ask(self._view.folder))

    async def _do(self, told: str, act: Callable[[], object]) -> None:
        if self._busy:
            return
        self._busy = told
        self.waiting.refresh()
        try:
            await asyncio.to_thread(act)
        except TOLD as error:
            tell_error(error)
        finally:
            self._busy = ""
        await self._changed()


def _recipes(now: Snapshot) -> dict[str, list[list[str]] | list[str]]:
    variables = now.problem.space.readable
    rows = [
        [str(e.number), str(e.iteration), *(amount(v, float(x)) for v, x in zip(variables, e.point, strict=True))]
        for e in now.pending
    ]
    return {"heads": ["Evaluation", "Batch", *(v.label for v in variables)], "rows": rows}
