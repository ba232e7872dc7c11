"""The batch that is to be measured, and its results."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import events, ui

from matseek.report.digits import amount
from matseek.tables.opening import SUFFIXES
from matseek.workbench import acts
from matseek.workbench.opened import OpenCampaign
from matseek.workbench.screens.entry import EntryCard
from matseek.workbench.screens.shell import TOLD, button, heading, said, table, tell_error
from matseek.workbench.understanding import SHARE, Understanding
from matseek.workbench.view import Snapshot
from matseek.workbench.words import counted, interval, percent

_LARGEST_FILE = 100 * 2**20


class BatchPart:
    """Recipes out, results back.

    Args:
        campaign: The campaign.
        changed: What is done when the campaign has changed.
    """

    def __init__(self, campaign: OpenCampaign, changed: Callable[[], Awaitable[None]]) -> None:
        self._campaign = campaign
        self._changed = changed
        self._card = EntryCard(campaign, changed)
        self._asking = False

    def build(self) -> None:
        """Show the part."""
        self.waiting()
        if self._campaign.snapshot().laboratory is None:
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
            choose = button("Choose a file with results", None, "main")
            # In the browser alone: a file chooser opens only at once after a click.
            choose.on("click", js_handler=f"() => getElement({uploader.id}).pickFiles()")
        uploader.move()
        with ui.expansion("How tables are read"), ui.element("div").classes("choices"):
            self._sheet = ui.input("Sheet, where several hold results").props("outlined")
            self._resampling = ui.checkbox("Interpolate spectra that were measured on other wavelengths")
            self._adding = ui.checkbox("Results of what is measured already are further replicates")
            self._new = ui.checkbox("Take recipes that were never asked: own ideas, earlier data")
            self._correcting = ui.checkbox("The table is right, and what is recorded is wrong: correct it")
        with ui.expansion("Or paste cells from a spreadsheet"):
            self._pasted = ui.textarea(
                "Cells with their headings", placeholder="evaluation\tvalue 1\tvalue 2\n1\t0.31\t0.29"
            ).props("outlined autogrow")
            button("Look at these cells", self._look_at_pasted)
        self._card.build()

    @ui.refreshable_method
    def waiting(self) -> None:
        """The recipes that wait, and what can be done with them."""
        now = self._campaign.snapshot()
        heading("To be measured")
        if not now.pending:
            said("No recipe waits for a result.")
        else:
            waiting = counted(len(now.pending), "recipe")
            said(f"{waiting} to be measured. Download them, fill in the results, upload them.")
            table(_recipes(now, self._campaign.understood))
            with ui.element("div").classes("line"):
                for suffix, text in zip(acts.TABLES, ("Download as workbook", "Download as CSV"), strict=True):
                    kind = "button main" if suffix == acts.TABLES[0] else "button"
                    ui.link(text, f"/campaign/{now.name}/waiting{suffix}").classes(kind).props(
                        f'download="{now.name}-batch-{now.pending[-1].iteration}{suffix}"'
                    )
        if now.laboratory is None:
            said("This campaign is computed and needs no results.")
            return
        with ui.element("div").classes("line"):
            if self._asking:
                ui.spinner(size="1.5rem")
                said("choosing recipes; this takes some seconds", "soft")
            elif now.pending:
                button("Ask for more recipes before these are measured", self._ask)
            else:
                button("Ask for the next batch", self._ask, "main")

    @property
    def _reading(self) -> acts.Reading:
        return acts.Reading(
            str(self._sheet.value or ""),
            bool(self._resampling.value),
            bool(self._adding.value),
            bool(self._new.value),
            bool(self._correcting.value),
        )

    async def _uploaded(self, event: events.UploadEventArguments) -> None:
        content, name, reading = await event.file.read(), event.file.name, self._reading
        uploader: Any = event.sender
        uploader.reset()
        await self._card.preview(lambda: acts.preview(self._campaign.folder, name, content, reading))

    async def _look_at_pasted(self) -> None:
        text, reading = str(self._pasted.value or ""), self._reading
        await self._card.preview(lambda: acts.preview_pasted(self._campaign.folder, text, reading))

    async def _ask(self) -> None:
        if self._asking:
            return
        with ui.context.client:  # the button that was pressed goes away meanwhile
            self._asking = True
            self.waiting.refresh()
            try:
                await asyncio.to_thread(self._campaign.act, lambda: acts.ask(self._campaign.folder))
            except TOLD as error:
                tell_error(error)
            finally:
                self._asking = False
            await self._changed()


def _recipes(now: Snapshot, known: Understanding | None) -> dict[str, Any]:
    """The recipes that wait, with what the models expect of them."""
    variables = now.problem.space.readable
    rows = [
        [str(e.number), str(e.iteration), *(amount(v, float(x)) for v, x in zip(variables, e.point, strict=True))]
        for e in now.pending
    ]
    heads = ["Evaluation", "Batch", *(v.label for v in variables)]
    if known is not None:
        heads += [f"Expected {now.value_name}", f"{100 * SHARE:.0f} % interval", "Chance to beat the best"]
        for row, prediction in zip(rows, known.at([e.point for e in now.pending]), strict=True):
            expected, low, high = interval(prediction.value)
            row += [expected, f"{low} to {high}", percent(prediction.chance)]
    return {"heads": heads, "rows": rows}
