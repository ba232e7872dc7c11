"""What a campaign varies, and how that is changed on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import events, ui

from matseek.desk.amending import Amendment
from matseek.workbench.opened import OpenCampaign
from matseek.workbench.redefine import Definition, Limits, Rule, redefined
from matseek.workbench.screens.shell import TOLD, button, heading, said, table_chooser, tell_error
from matseek.workbench.set_up import Ingredient

_LIMITS = (("low", "From"), ("high", "To"), ("least", "Least possible"), ("most", "Most possible"))
_RULE = (("factors", "Variables and factors: Qa=1; Qb=1"), ("lower", "At least"), ("upper", "At most"))
_ADDED = (("name", "New variable"), ("low", "From"), ("high", "To"), ("unit", "Unit"), ("choices", "or choices"))


class DefinitionPart:
    """The limits and rules of a campaign, to be changed after a look at what that does.

    Args:
        campaign: The campaign.
        changed: What is done when the campaign has changed.
    """

    def __init__(self, campaign: OpenCampaign, changed: Callable[[], Awaitable[None]]) -> None:
        self._campaign, self._changed = campaign, changed
        self._found: Amendment | None = None
        self._target: tuple[str, bytes] | None = None

    @ui.refreshable_method
    def build(self) -> None:
        """Show the part."""
        known = Definition.of(self._campaign.folder)
        if known is None or self._campaign.snapshot().laboratory is None:
            said("The definition of this campaign is changed at the command line: matseek amend.")
            return
        said(
            "Limits, rules, the target and a variable more may change in the course of a campaign. You see what that "
            "does before it is written down; the old definition stays in the record."
        )
        heading("Limits")
        self._limits = {name: self._limit_row(name, found) for name in known.variables if (found := known.limits(name))}
        heading("Rules")
        self._lines = ui.element("div").classes("variables")
        self._rules: list[dict[str, Any]] = []
        for rule in known.rules:
            self._add_rule(rule)
        with ui.element("div").classes("line"):
            button("Add a rule", lambda: self._add_rule(Rule("")))
        heading("A variable more")
        with ui.element("div").classes("choices"):
            self._added = {key: ui.input(label).props("outlined dense") for key, label in _ADDED}
            self._past = ui.input("What it was so far").props("outlined dense")
        if self._campaign.snapshot().problem.objective is not None:
            heading("Another target")
            said("A table with wavelengths in nm and absorbances; everything measured is scored anew.")
            table_chooser("Choose another target", self._uploaded)
        with ui.element("div").classes("line"):
            button("Look at what that does", self._look, "main")
        self._card()

    def _limit_row(self, name: str, known: Limits) -> dict[str, Any]:
        with ui.element("div").classes("variable limits"):
            said(name)
            row: dict[str, Any] = {
                key: ui.input(label, value=getattr(known, key)).props(f'outlined dense aria-label="{label}, {name}"')
                for key, label in _LIMITS
            }
            row["hard"] = ui.checkbox("never widened", value=known.hard)
        return row

    def _add_rule(self, rule: Rule) -> None:
        with self._lines, ui.element("div").classes("variable sum") as line:
            row: dict[str, Any] = {
                key: ui.input(label, value=getattr(rule, key)).props("outlined dense") for key, label in _RULE
            }
            row["line"] = line
            button("Remove", lambda: self._remove(row), "danger").props('aria-label="Remove this rule"')
        self._rules.append(row)

    def _remove(self, row: dict[str, Any]) -> None:
        self._rules.remove(row)
        row["line"].delete()

    async def _uploaded(self, event: events.UploadEventArguments) -> None:
        self._target = event.file.name, await event.file.read()
        ui.notify(f"{event.file.name} is the target of the next look")

    async def _look(self) -> None:
        """Show what the entered definition would change."""
        text: Callable[[Any], str] = lambda field: str(field.value or "")  # noqa: E731 -- a word for it
        limits = {
            name: Limits(**{key: text(row[key]) for key, _ in _LIMITS}, hard=bool(row["hard"].value))
            for name, row in self._limits.items()
        }
        rules = [Rule(*(text(row[key]) for key, _ in _RULE)) for row in self._rules]
        added = Ingredient(**{key: text(field) for key, field in self._added.items()})
        past, target, folder = text(self._past), self._target, self._campaign.folder
        try:
            self._found = await asyncio.to_thread(
                redefined, folder, limits, rules, added if added.name.strip() else None, past, target
            )
        except TOLD as error:
            self._found = None
            tell_error(error)
        self._card.refresh()

    @ui.refreshable_method
    def _card(self) -> None:
        found = self._found
        if found is None:
            return
        with ui.element("section").classes("card entry").props('aria-live="polite" aria-label="Preview"'):
            heading("What would change", 3)
            for line in found.summary.splitlines():
                said(line)
            with ui.element("div").classes("line"):
                if found.differences:
                    button("Write it down", self._write, "main")
                button("Leave it", self._leave)

    async def _write(self) -> None:
        found, self._found = self._found, None
        if found is None:
            return
        with ui.context.client:  # the button that was pressed goes away meanwhile
            try:
                await asyncio.to_thread(self._campaign.act, found.write)
                ui.notify("Written down", type="positive")
                self._target = None
            except TOLD as error:
                tell_error(error)
            self.build.refresh()
            await self._changed()

    def _leave(self) -> None:
        self._found = None
        self._card.refresh()
