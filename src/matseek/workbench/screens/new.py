"""The form of a new campaign."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
from nicegui import events, ui

from matseek.workbench.folder import CampaignsFolder
from matseek.workbench.screens.shell import TOLD, button, frame, heading, note, said, table_chooser, tell_error
from matseek.workbench.set_up import Design, Ingredient, Sum, begin, number, read_target

_SPECTRA, _VALUE = "spectra, compared with a target", "a number"
_KINDS = ["at most", "at least", "exactly"]
_FIRST_ROWS = 3


class NewScreen:
    """The form: what is varied, what is measured, how many at a time.

    Args:
        folder: The folder of the campaigns.
    """

    def __init__(self, folder: CampaignsFolder) -> None:
        self._folder = folder
        self._rows: list[dict[str, Any]] = []
        self._sums: list[dict[str, Any]] = []
        self._target: tuple[str, bytes] | None = None
        self._target_told = ""
        self._busy = False

    async def build(self) -> None:
        """Show the screen."""
        with frame("A new campaign"):
            self._name = ui.input("Name of the campaign").props("outlined").classes("name")
            heading("What is varied")
            said(
                "One line for each ingredient, flow or temperature, with the limits between which it may be set. A "
                "step is the least difference that your pump or balance can set. Where the apparatus can do more than "
                "you want to try, say how little and how much: the limits widen if the best recipes lie there; "
                "empty, they stay. What is chosen and not dosed, such as a solvent, has choices in place of limits."
            )
            self._variables = ui.element("div").classes("variables")
            for _ in range(_FIRST_ROWS):
                self._add_variable()
            with ui.element("div").classes("line"):
                button("Add a variable", self._add_variable)
            heading("Sums")
            said("Such as: flows together at most 90 %.")
            self._rules = ui.element("div").classes("variables")
            with ui.element("div").classes("line"):
                button("Add a sum", self._add_sum)
            heading("What is measured")
            self._kind = ui.radio([_SPECTRA, _VALUE], value=_SPECTRA).props('aria-label="What is measured"')
            with ui.element("div").bind_visibility_from(self._kind, "value", value=_SPECTRA):
                self._build_target()
            with ui.element("div").classes("choices").bind_visibility_from(self._kind, "value", value=_VALUE):
                self._quantity = ui.input("What it is called, such as yield", value="yield").props("outlined")
                self._unit = ui.input("Unit").props("outlined")
                self._maximize = ui.checkbox("It is to be large", value=True)
            heading("How many at a time")
            self._count = (
                ui.number("Recipes of a batch", value=15, min=1, precision=0).props("outlined").classes("name")
            )
            with ui.element("div").classes("line"):
                self._make = button("Make the campaign and its first recipes", self._begin, "main")
                self._spinner = ui.spinner(size="1.5rem")
                self._spinner.visible = False

    def _build_target(self) -> None:
        said("The spectrum that you want: a table with wavelengths in nm and absorbances. Its scale does not matter.")
        table_chooser("Choose the target", self._uploaded)
        self._told_target()

    @ui.refreshable_method
    def _told_target(self) -> None:
        if self._target_told:
            note([self._target_told])

    def _add_variable(self) -> None:
        with self._variables, ui.element("div").classes("variable") as line:
            place = len(self._rows) + 1
            row: dict[str, Any] = {"line": line}
            for key, label in (
                ("name", "Name"),
                ("low", "From"),
                ("high", "To"),
                ("unit", "Unit"),
                ("step", "Step, if any"),
                ("least", "Least possible"),
                ("most", "Most possible"),
                ("choices", "or choices: PVP, PSS"),
            ):
                row[key] = ui.input(label).props("outlined dense").props(f'aria-label="{label}, variable {place}"')
            button("Remove", lambda: self._remove(self._rows, row), "danger").props(
                f'aria-label="Remove variable {place}"'
            )
        row["name"].on_value_change(self._name_sums)
        self._rows.append(row)

    def _add_sum(self) -> None:
        with self._rules, ui.element("div").classes("variable sum") as line:
            row: dict[str, Any] = {
                "line": line,
                "names": ui.select(self._names(), label="Variables", multiple=True).props("outlined dense use-chips"),
                "kind": ui.select(_KINDS, value=_KINDS[0], label="are together").props("outlined dense"),
                "bound": ui.input("Sum").props("outlined dense"),
            }
            button("Remove", lambda: self._remove(self._sums, row), "danger").props('aria-label="Remove this sum"')
        self._sums.append(row)

    def _remove(self, rows: list[dict[str, Any]], row: dict[str, Any]) -> None:
        rows.remove(row)
        row["line"].delete()
        self._name_sums()

    def _names(self) -> list[str]:
        return [name for row in self._rows if (name := str(row["name"].value or "").strip())]

    def _name_sums(self) -> None:
        """Let the sums know the variables' names."""
        names = self._names()
        for row in self._sums:
            kept = [n for n in row["names"].value or [] if n in names]
            row["names"].set_options(names, value=kept)

    async def _uploaded(self, event: events.UploadEventArguments) -> None:
        name, content = event.file.name, await event.file.read()
        uploader: Any = event.sender
        uploader.reset()
        try:
            spectrum = await asyncio.to_thread(read_target, name, content)
        except TOLD as error:
            tell_error(error)
            return
        at, absorbances = spectrum["wavelength"].to_numpy(), spectrum["absorbance"].to_numpy()
        self._target = name, content
        extent, top = f"{at[0]:g} to {at[-1]:g} nm", f"{at[np.argmax(absorbances)]:g} nm"
        self._target_told = f"{name}: {len(at)} wavelengths from {extent}, highest at {top}."
        self._told_target.refresh()

    def _design(self) -> Design:
        """What was entered.

        Raises:
            ValueError: If something is missing.
        """
        spectra = self._kind.value == _SPECTRA
        if spectra and self._target is None:
            raise ValueError("the target is missing; choose the spectrum that you want, or measure a number")
        filled = [row for row in self._rows if any(str(row[k].value or "").strip() for k in row if k != "line")]
        nameless = [k for k, row in enumerate(filled, start=1) if not str(row["name"].value or "").strip()]
        if nameless:
            raise ValueError(f"variable {nameless[0]} has no name; enter one, or remove the line")
        keys: tuple[str, ...] = ("name", "low", "high", "unit", "step", "least", "most", "choices")
        text: Callable[[Any], str] = lambda field: str(field.value or "")  # noqa: E731 -- a word for it
        return Design(
            name=text(self._name),
            variables=tuple(Ingredient(**{key: text(row[key]) for key in keys}) for row in filled),
            sums=tuple(
                Sum(tuple(row["names"].value or ()), row["kind"].value, text(row["bound"])) for row in self._sums
            ),
            target=self._target if spectra else None,
            quantity=text(self._quantity),
            unit=text(self._unit),
            maximize=bool(self._maximize.value) and not spectra,
            batch_size=int(number(text(self._count), "the number of recipes of a batch")),
        )

    async def _begin(self) -> None:
        if self._busy:
            return
        self._busy = self._spinner.visible = True
        try:
            run = await asyncio.to_thread(begin, self._folder, self._design())
        except TOLD as error:
            tell_error(error)
        else:
            ui.navigate.to(f"/campaign/{run.path.name}")
        finally:
            self._busy = self._spinner.visible = False
