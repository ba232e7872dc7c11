"""Sliders for a recipe, and what the models expect of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
from nicegui import events, ui

from matseek.core.records import Evaluation
from matseek.workbench.charts import spectrum, spectrum_update
from matseek.workbench.knobs import Knob, knobs
from matseek.workbench.opened import OpenCampaign
from matseek.workbench.screens.shell import NOTHING_LEARNT, heading, note, numbers_html, said
from matseek.workbench.understanding import SHARE, Prediction, Understanding
from matseek.workbench.view import Snapshot
from matseek.workbench.words import interval, percent

FloatArray = npt.NDArray[np.float64]

_THROTTLE = 0.04
"""Seconds between two predictions while a slider is dragged."""

_BEST, _FAVOURITE = "the best measured", "the model's favourite"


class ExplorePart:
    """A recipe that can be moved, with its predicted spectrum, colour and value.

    Args:
        campaign: The campaign.
    """

    def __init__(self, campaign: OpenCampaign) -> None:
        self._campaign = campaign
        self._point: FloatArray | None = None
        self._sliders: dict[int, ui.element] = {}
        self._choices: dict[int, ui.select] = {}
        self._texts: dict[int, ui.label] = {}
        self._moving = False

    @ui.refreshable_method
    def build(self) -> None:
        """Show the part."""
        heading("What would a recipe give?")
        known = self._campaign.understood
        if known is None:
            said(NOTHING_LEARNT if self._campaign.is_up_to_date else "The models are learning from what is measured.")
            return
        if not self._campaign.is_up_to_date:
            note(["New results have come in; the models are learning from them."])
        now = known.now
        if self._point is None:
            self._point = _start(now)
        with ui.element("div").classes("explore"):
            with ui.element("section").classes("shown"):
                self._shown(known)
            with ui.element("section").classes("knobs"):
                self._knobs(known)
        self._update()

    def go_to(self, point: FloatArray) -> None:
        """Move the sliders to a recipe."""
        self._point = np.array(point, dtype=np.float64)
        known = self._campaign.understood
        if known is None or not (self._sliders or self._choices):
            return
        self._moving = True
        for column, knob in enumerate(_knobs_of(known)):
            if column in self._sliders:
                position = knob.position(float(self._point[column]))
                ui.run_javascript(f"getHtmlElement({self._sliders[column].id}).value = {position!r}")
            elif column in self._choices:
                self._choices[column].value = round(self._point[column])
        self._moving = False
        self._update()

    def _shown(self, known: Understanding) -> None:
        assert self._point is not None
        prediction = known.at(self._point)[0]
        self._target = _target(known, prediction)
        self._numbers = ui.html(sanitize=False).props('aria-live="polite"')
        self._chart: ui.echart | None = None
        if prediction.spectrum is not None:
            chart = spectrum(prediction, self._target, _best_spectrum(known))
            self._chart = ui.echart(chart, renderer="svg").classes("chart")
            self._chart.props(
                'role="img" aria-label="Predicted spectrum of the recipe with its interval and the target"'
            )
        self._rules = ui.html(sanitize=False).props('aria-live="polite"')

    def _knobs(self, known: Understanding) -> None:
        assert self._point is not None
        places = _places(known)
        start = ui.select(list(places), label="Go to a recipe", on_change=lambda e: self._jump(places, e.value))
        start.props("outlined dense options-dense")
        self._sliders, self._choices, self._texts = {}, {}, {}
        for column, knob in enumerate(_knobs_of(known)):
            value = float(self._point[column])
            name = knob.variable.name
            with ui.element("div").classes("knob"):
                with ui.element("div").classes("knob-head"):
                    ui.label(name)
                    self._texts[column] = ui.label(knob.text(value)).classes("knob-value")
                if knob.variable.values:
                    options = dict(enumerate(knob.variable.values))
                    self._choices[column] = (
                        ui.select(options, value=round(value), on_change=partial(self._chosen, column))
                        .props("outlined dense options-dense")
                        .props(f'aria-label="{name}"')
                    )
                elif not knob.is_fixed:
                    self._sliders[column] = _slider(knob, value, partial(self._moved, column, knob))

    def _jump(self, places: dict[str, FloatArray], place: str) -> None:
        if place in places:
            self.go_to(places[place])

    def _chosen(self, column: int, event: events.ValueChangeEventArguments[int | None]) -> None:
        if not self._moving and self._point is not None and event.value is not None:
            self._point[column] = event.value
            self._update()

    def _moved(self, column: int, knob: Knob, event: events.GenericEventArguments) -> None:
        if self._point is not None:
            self._point[column] = knob.value(float(event.args))
            self._update()

    def _update(self) -> None:
        """Predict the recipe and show it."""
        known = self._campaign.understood
        if known is None or self._point is None:
            return
        for column, knob in enumerate(_knobs_of(known)):
            self._texts[column].text = knob.text(float(self._point[column]))
        prediction = known.at(self._point)[0]
        self._numbers.content = numbers_html(_told(known, prediction))
        if self._chart is not None and prediction.spectrum is not None:
            update = spectrum_update(prediction, self._target)
            self._chart.run_chart_method("setOption", update)
        self._rules.content = _rules(known, self._point)


def _slider(knob: Knob, value: float, moved: Callable[[events.GenericEventArguments], None]) -> ui.element:
    """The browser's own slider, which keyboards and screen readers know."""
    low, high = knob.ends
    slider = ui.element("input").classes("slider")
    # The attribute, which is where the slider begins, and not the property, which drawing anew would set back.
    settings = {"type": "range", "min": low, "max": high, "step": knob.step, "^value": knob.position(value)}
    for key, setting in settings.items():
        slider.props[key] = setting
    slider.props["aria-label"] = knob.variable.name
    slider.on("input", moved, js_handler="(e) => emit(e.target.value)", throttle=_THROTTLE)
    return slider


def _knobs_of(known: Understanding) -> list[Knob]:
    return knobs(known.now.domain.readable)


def _start(now: Snapshot) -> FloatArray:
    first = now.best if now.best is not None else now.history.done[0]
    return np.array(first.point, dtype=np.float64)


def _places(known: Understanding) -> dict[str, FloatArray]:
    """Recipes that the sliders can be sent to, by what they are called."""
    places: dict[str, FloatArray] = {}
    if known.now.best is not None:
        places[_BEST] = known.now.best.point
    if known.has_map and known.favourite is not None:
        places[_FAVOURITE] = known.favourite
    return places | {f"waiting: evaluation {e.number}": e.point for e in known.now.pending}


def _target(known: Understanding, prediction: Prediction) -> FloatArray | None:
    objective = known.now.problem.objective
    target = None if objective is None else objective.target_spectrum
    if objective is None or target is None or prediction.spectrum is None:
        return None
    return np.interp(prediction.spectrum.wavelengths, np.asarray(objective.wavelengths), np.asarray(target))


def _best_spectrum(known: Understanding) -> tuple[FloatArray, FloatArray] | None:
    best: Evaluation | None = known.now.best
    objective = known.now.problem.objective
    if best is None or best.response is None or objective is None:
        return None
    rows = np.atleast_2d(np.asarray(best.response, dtype=np.float64))
    rows = rows[np.isfinite(rows).all(axis=1)]
    if not len(rows):
        return None
    step = max(1, rows.shape[1] // 106)
    return np.asarray(objective.wavelengths)[::step], np.median(rows, axis=0)[::step]


def _told(known: Understanding, prediction: Prediction) -> dict[str, tuple[str, str]]:
    expected, low, high = interval(prediction.value)
    told = {
        f"Expected {known.now.value_name}": (expected, f"{100 * SHARE:.0f} %: {low} to {high}"),
        "Chance of beating the best": (percent(prediction.chance), ""),
    }
    if prediction.spectrum is not None:
        peak = prediction.spectrum.peak
        told["Highest band"] = (f"{peak.expected:.0f} nm", f"{100 * SHARE:.0f} %: {peak.low:.0f} to {peak.high:.0f} nm")
        if prediction.spectrum.colour:
            told["Colour in daylight"] = (prediction.spectrum.colour, "")
    return told


def _rules(known: Understanding, point: FloatArray) -> str:
    """What forbids the recipe; empty where nothing does."""
    broken = known.now.broken(point)
    if not broken:
        return ""
    return f'<div class="note warn">No such recipe can be asked: {"; ".join(broken).replace("<", "&lt;")}.</div>'
