"""What has been measured: the best, what failed, what happened."""

from __future__ import annotations

from nicegui import ui

from matseek.report.page import best_table, failures
from matseek.workbench.screens.shell import heading, note, said, table
from matseek.workbench.view import CampaignView


class ResultsPart:
    """The best recipes and the record.

    Args:
        view: The campaign.
    """

    def __init__(self, view: CampaignView) -> None:
        self._view = view

    @ui.refreshable_method
    def build(self) -> None:
        """Show the part."""
        now = self._view.snapshot()
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
