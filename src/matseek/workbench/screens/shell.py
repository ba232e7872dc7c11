"""What all screens share: the frame, tables, notes, and how an error is told."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import Any

from nicegui import ui

from matseek.errors import MatseekError
from matseek.report.html import template
from matseek.secrets import masked
from matseek.tables.opening import SUFFIXES

NOTHING_LEARNT = "The models need a few measured recipes that differ; then they tell here what a recipe would give."

TOLD = (MatseekError, ValueError, OSError)
"""Errors whose message is for people; others are faults of the program."""


@cache
def _style() -> str:
    return files("matseek.workbench.screens").joinpath("page.css").read_text(encoding="utf-8")


@contextmanager
def frame(title: str, *, home: bool = True) -> Iterator[None]:
    """The page around a screen.

    Args:
        title: Title of the browser's tab and heading.
        home: Whether a link leads back to the list of campaigns.
    """
    ui.page_title(f"{title} · matseek")
    ui.add_head_html(f"<style>{_style()}</style>")
    with ui.element("main").classes("desk"):
        with ui.element("header"):
            if home:
                with ui.element("nav").classes("crumbs").props('aria-label="Where you are"'):
                    ui.link("All campaigns", "/")
            heading(title, 1)
        yield


def heading(text: str, level: int = 2) -> None:
    """A heading."""
    with ui.element(f"h{level}"):
        ui.html(masked(_escaped(text)), sanitize=False, tag="span")


def said(text: str, classes: str = "") -> ui.element:
    """A paragraph."""
    with ui.element("p").classes(classes) as paragraph:
        ui.html(masked(_escaped(text)), sanitize=False, tag="span")
    return paragraph


def note(sentences: Sequence[str], kind: str = "") -> None:
    """Sentences that stand out.

    Args:
        sentences: The sentences; nothing is shown where there are none.
        kind: ``warn``, ``bad`` or empty.
    """
    if not sentences:
        return
    text = "".join(f"<li>{_escaped(s)}</li>" for s in sentences)
    content = f"<ul>{text}</ul>" if len(sentences) > 1 else _escaped(sentences[0])
    role = ' role="alert"' if kind == "bad" else ""
    ui.html(masked(f'<div class="note {kind}"{role}>{content}</div>'), sanitize=False)


def table(content: Mapping[str, Any], classes: str = "") -> None:
    """A table of texts.

    Args:
        content: ``heads`` and ``rows``; nothing is shown where there are no rows.
        classes: CSS classes.
    """
    if content["rows"]:
        html: Any = template("parts.html.j2").module
        ui.html(str(html.table(content)), sanitize=False).classes(classes)


def numbers_html(pairs: Mapping[str, tuple[str, str]]) -> str:
    """Key numbers: by label, the value and a note; a value that is a colour is shown as one."""
    cells = "".join(
        f"<div><dt>{_escaped(label)}</dt><dd>{_swatch(value)}{_escaped(value)}</dd>"
        + (f'<dd class="note-line">{_escaped(told)}</dd>' if told else "")
        + "</div>"
        for label, (value, told) in pairs.items()
    )
    return masked(f'<dl class="numbers">{cells}</dl>')


def _swatch(value: str) -> str:
    found = re.fullmatch(r"#[0-9a-f]{6}", value)
    return f'<span class="swatch" style="background:{value}" aria-hidden="true"></span>' if found else ""


def tell_error(error: BaseException) -> None:
    """Show what went wrong until it is closed."""
    ui.notify(masked(str(error)), type="negative", multi_line=True, timeout=0, close_button="Close", position="top")


def button(text: str, on_click: Any, kind: str = "other") -> ui.button:  # noqa: ANN401 -- NiceGUI's handlers
    """A button; the main one of a screen is of the kind ``main``."""
    return ui.button(text, on_click=on_click, color=None).classes(kind).props("unelevated no-caps")


def table_chooser(text: str, on_upload: Any) -> None:  # noqa: ANN401 -- NiceGUI's handlers
    """A button that chooses a table, and below it a place to drop one."""
    uploader = ui.upload(label="or drop it here", auto_upload=True, on_upload=on_upload).props(
        f'flat accept="{",".join(SUFFIXES)}"'
    )
    with ui.element("div").classes("line"):
        choose = button(text, None)
        choose.on("click", js_handler=f"() => getElement({uploader.id}).pickFiles()")
    uploader.move()


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
