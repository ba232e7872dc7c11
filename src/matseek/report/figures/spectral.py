"""Measured spectra against the one that is wanted."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from matseek.core.objective import Objective
from matseek.core.problem import Problem
from matseek.core.records import Evaluation
from matseek.insight.holdout import spectral_cosine
from matseek.report.figures.house import (
    BEST,
    INK,
    LAYERS,
    SUCCESS,
    FloatArray,
    axes_of,
    legend,
    tidy,
)

_MOST_PANELS = 24
_PREDICTED = "#D55E00"
_RUNNERS_UP = 3
BAND = 1.2816
"""Standard deviations on either side of the mean that hold 80 % of a normal distribution."""

_RUNNER_UP_LOOKS = (("#4f7fa8", "-."), ("#9a7bb0", ":"), ("#a08c5b", (0, (6, 1.5, 1, 1.5, 1, 1.5))))


@style.context(LAYERS)
def spectra(problem: Problem, evaluations: Sequence[Evaluation]) -> Figure:
    """The best measured spectrum against the target, with the runners-up.

    The target is drawn from the minimum to the peak of the best spectrum, because the loss compares shapes that are
    scaled so.

    Args:
        problem: A recipe problem whose objective is a spectral match.
        evaluations: The campaign's evaluations.

    Raises:
        ValueError: If the problem does not match spectra.
    """
    objective = problem.objective
    if objective is None or objective.target_spectrum is None:
        raise ValueError(f"problem {problem.name!r} does not match spectra; draw convergence, batches or recipes")
    figure, ax = axes_of(height=4.6)
    ax.set_xlabel("Wavelength (nm)")
    ax.set_ylabel("Absorbance")
    ax.set_xlim(objective.wavelengths[0], objective.wavelengths[-1])
    shown = [e for e in problem.ranked(evaluations) if e.response is not None][: 1 + _RUNNERS_UP]
    if shown:
        peak = _draw_best_spectrum(ax, shown[0], objective)
    else:
        _draw_target(ax, objective, 0.0, 1.0, "target (any scale)")
        peak = 1.0
    for e, (color, dashes) in zip(shown[1:], _RUNNER_UP_LOOKS, strict=False):
        median = np.median(_whole_spectra(e), axis=0)
        peak = max(peak, float(median.max()))
        ax.plot(objective.wavelengths, median, color=color, ls=dashes, lw=1.2, alpha=0.8, label=_spectrum_name(e))
    if objective.peaks_wanted is not None:
        low, high = objective.peaks_wanted
        label = f"peak wanted: {low:g} to {high:g}"
        ax.axhspan(low, high, color=SUCCESS, alpha=0.09, linewidth=0, label=label)
        peak = max(peak, high)
    ax.set_ylim(top=1.08 * peak)
    ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))
    legend(figure, columns=3)
    return figure


@style.context(LAYERS)
def predicted_against_measured(
    wavelengths: npt.ArrayLike,
    predicted: npt.ArrayLike,
    measured: npt.ArrayLike,
    names: Sequence[str] | None = None,
    deviation: npt.ArrayLike | None = None,
) -> Figure:
    """Spectra as a network predicted them before they were measured, and as they were measured, with their cosine.

    As Fig. 4 of Mekki-Berrada et al., npj Comput. Mater. 7, 55 (2021).

    Args:
        wavelengths: Wavelengths in nm, shape ``(m,)``.
        predicted: Absorbances, shape ``(n, m)``; at most 24 conditions are drawn, evenly chosen.
        measured: Absorbances of the same conditions, shape ``(n, m)``.
        names: What the panels are called; condition 1, 2, ... if there are none.
        deviation: Standard deviation of the prediction, shape ``(n, m)``; drawn is the band in which a normal
            distribution has 80 % of what is measured, and the legend says how much of it lies there. None draws none.

    Raises:
        ValueError: If there is nothing to draw or shapes differ.
    """
    at = np.asarray(wavelengths, dtype=np.float64)
    ours, published = np.atleast_2d(np.asarray(predicted, float)), np.atleast_2d(np.asarray(measured, float))
    if ours.shape != published.shape or ours.shape[1:] != at.shape or not len(ours):
        raise ValueError(
            f"predicted has shape {ours.shape} and measured {published.shape} at {at.size} wavelengths; "
            "give one row per condition and one column per wavelength"
        )
    titles = list(names) if names is not None else [f"condition {k + 1}" for k in range(len(ours))]
    bands = None if deviation is None else np.atleast_2d(np.asarray(deviation, float))
    chosen = np.unique(np.linspace(0, len(ours) - 1, min(len(ours), _MOST_PANELS)).round().astype(int))
    columns = len(chosen) if len(chosen) <= 5 else 5 if len(chosen) % 5 == 0 or len(chosen) > 12 else 4
    rows = math.ceil(len(chosen) / columns)
    size = (max(5.4, 1.8 * columns), 1.65 * rows + 0.8)
    figure = Figure(figsize=size, layout="constrained")
    panels: list[Axes] = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
    for spare in panels[len(chosen) :]:
        spare.remove()
    held = math.nan if bands is None else float((np.abs(published - ours) <= BAND * bands).mean())
    for place, (ax, k) in enumerate(zip(panels, chosen, strict=False)):
        tidy(ax)
        ax.tick_params(labelsize=8)
        ax.plot(at, published[k], color=BEST, lw=1.4, label="measured", zorder=3)
        ax.plot(at, ours[k], color=_PREDICTED, lw=1.6, ls=(0, (4, 1.8)), label="predicted beforehand", zorder=4)
        if bands is not None:
            shade = (ours[k] - BAND * bands[k], ours[k] + BAND * bands[k])
            label = f"its 80 % band, which holds {held:.0%} of what was measured"
            ax.fill_between(at, *shade, color=_PREDICTED, alpha=0.22, lw=0, label=label, zorder=2)
        ax.set_title(f"{titles[k]}: {spectral_cosine(ours[k], published[k]):.3f}", fontsize=8.5, color=INK)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=3))
        if place + columns >= len(chosen):
            ax.tick_params(labelbottom=True)
            ax.set_xlabel("Wavelength (nm)", fontsize=8.5)
        if place % columns == 0:
            ax.set_ylabel("Absorbance", fontsize=8.5)
    legend(figure)
    return figure


def _whole_spectra(e: Evaluation) -> FloatArray:
    """The replicates' spectra that were measured completely, shape ``(r, m)``."""
    measured = np.atleast_2d(np.asarray(e.response, dtype=np.float64))
    whole = measured[np.isfinite(measured).all(axis=1)]
    return whole if len(whole) else np.zeros((1, measured.shape[1]))


def _spectrum_name(e: Evaluation) -> str:
    return f"evaluation {e.number} (loss {e.value:.3f})"


def _draw_best_spectrum(ax: Axes, best: Evaluation, objective: Objective) -> float:
    """Median, band and target; gives the highest absorbance drawn."""
    measured = _whole_spectra(best)
    median = np.median(measured, axis=0)
    low, high = np.percentile(measured, (10, 90), axis=0)
    color = "#0072B2"
    ax.plot(objective.wavelengths, median, color=color, lw=2.2, label=f"best: {_spectrum_name(best)}", zorder=4)
    if len(measured) > 1:
        label = f"10 to 90 % of its {len(measured)} replicates"
        ax.fill_between(objective.wavelengths, low, high, color=color, alpha=0.22, lw=0, label=label, zorder=2)
    _draw_target(ax, objective, float(median.min()), float(median.max()), "target, scaled to the best")
    return float(high.max())


def _draw_target(ax: Axes, objective: Objective, low: float, high: float, label: str) -> None:
    low, high = (low, high) if high > low else (0.0, 1.0)  # a dark best spectrum has no scale to lend
    target = np.asarray(objective.target_spectrum)
    shape = (target - target.min()) / np.ptp(target)
    ax.plot(
        objective.wavelengths, low + (high - low) * shape, color=BEST, ls=(0, (5, 2.5)), lw=1.6, label=label, zorder=3
    )
