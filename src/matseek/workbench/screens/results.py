"""What has been measured: the best, what failed, what happened, and how it is corrected."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from nicegui import ui

from matseek.report.recipe_tables import as_told, best_table, everything, failures
from matseek.results import Entry
from matseek.run_folder import RunFolder
from matseek.workbench import acts
from matseek.workbench.opened import OpenCampaign
from matseek.workbench.screens.entry import EntryCard
from matseek.workbench.screens.shell import button, heading, note, said, table, tell_error


class ResultsPart:
    """The best recipes and the record, and its corrections.

    Args:
        campaign: The campaign.
        changed: What is done when the campaign has changed.
    """

    def __init__(self, campaign: OpenCampaign, changed: Callable[[], Awaitable[None]]) -> None:
        self._campaign = campaign
        self._card = EntryCard(campaign, changed)

    def build(self) -> None:
        """Show the part."""
        self.measured()
        now = self._campaign.snapshot()
        if now.laboratory is None:
            return
        heading("Correct what was written down")
        said(
            "What was there before stays in the record. A corrected spectrum is uploaded with the results, as a "
            "correction; a value or the recipe that was really run is corrected here."
        )
        with ui.element("div").classes("choices"):
            self._numbers = ui.input("Evaluations").props('outlined hint="such as 7, or 7; 9"')
            if now.laboratory.objective is None:
                self._values = ui.input("Right values").props('outlined hint="of its replicates: 71.5; 70.2"')
            self._recipe = ui.input("Recipe really run").props('outlined hint="what differs: NAME=800; NAME=PVP"')
            self._reason = ui.input("Reason").props('outlined hint="stands in the record"')
        with ui.element("div").classes("line"):
            button("Correct", lambda: self._look(self._correction))
            button("Withdraw", lambda: self._look(acts.withdrawal))
            button("Withdraw and measure again", lambda: self._look(_to_be_measured_again))
            button("Skip, will not be measured", lambda: self._look(acts.skipping))
        self._card.build()

    @ui.refreshable_method
    def measured(self) -> None:
        """What has been measured."""
        now = self._campaign.snapshot()
        best = best_table(now.problem, now.evaluations)
        heading(f"Best {now.problem.point_name}s")
        if not best["rows"]:
            said("Nothing has been measured yet.")
        table(best, "best")
        for sentence in best["sentences"]:
            said(sentence)
        failed = failures(now.evaluations)
        if failed:
            heading("Failed")
            note([f"{f['message']} ({f['count']}: evaluation {f['numbers']})" for f in failed], "warn")
        events = [e.message for e in now.history.events if not e.for_programs]
        if events:
            heading("What happened")
            note(events)
        if now.evaluations:
            with ui.expansion("All evaluations"):
                table(everything(as_told(now.problem, now.record.to_frame()), now.problem.value_decimals))

    async def _look(self, act: Callable[..., Entry]) -> None:
        """Show what an act would change in the evaluations that are named."""
        try:
            numbers = [int(part) for part in str(self._numbers.value or "").replace(",", ";").split(";")]
        except ValueError:
            tell_error(ValueError(f"{self._numbers.value!r} are no numbers of evaluations; write 7, or 7; 9"))
            return
        await self._card.preview(lambda: act(self._campaign.folder, numbers, str(self._reason.value or "")))

    def _correction(self, folder: RunFolder, numbers: Sequence[int], reason: str) -> Entry:
        if len(numbers) > 1:
            raise ValueError("one evaluation is corrected at a time; give a single number")
        values = str(self._values.value or "") if hasattr(self, "_values") else ""
        return acts.correction(folder, numbers[0], values, str(self._recipe.value or ""), reason)


def _to_be_measured_again(folder: RunFolder, numbers: Sequence[int], reason: str) -> Entry:
    return acts.withdrawal(folder, numbers, reason, again=True)
