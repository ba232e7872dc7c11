"""What the stop criteria measured, batch by batch; the stability of the maps is in ``understanding``."""

from __future__ import annotations

import math
from collections.abc import Mapping

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from matseek.report.figures.house import BEST, INK, LAYERS, MUTED, SUCCESS, axes_of, legend, tidy
from matseek.report.figures.values import mark_decades

_LOOK = ("#D55E00", "^")

ByBatch = Mapping[int, Mapping[str, float]]


@style.context(LAYERS)
def loss_level(
    by_batch: ByBatch, below: float | None = None, label: str = "Spectral loss", words: str = "end below {:g}"
) -> Figure:
    """Best value so far and best value of each batch, against the level at which the campaign may end.

    Args:
        by_batch: ``best`` and ``best_of_run`` of each batch, NaN where there was none.
        below: The level; None draws none.
        label: What the value is.
        words: What the level is called.
    """
    figure, ax = axes_of(height=3.4)
    _draw(ax, by_batch, "best_of_run", _LOOK, "best of the batch")
    _draw(ax, by_batch, "best", (BEST, "o"), "best so far")
    _draw_level(ax, below, words)
    _label(ax, label)
    legend(figure)
    return figure


@style.context(LAYERS)
def accuracy(by_batch: ByBatch, cosine: float | None = None, mse: float | None = None) -> Figure:
    """How well the model predicted each batch's conditions before it was trained on them.

    Args:
        by_batch: ``cosine``, ``least_cosine`` and ``mse`` of each batch, NaN where there was nothing to compare.
        cosine: Level of the cosine; None draws none.
        mse: Level of the squared error; None draws none.
    """
    figure = Figure(figsize=(8.2, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    tidy(left)
    tidy(right)
    _draw(left, by_batch, "cosine", _LOOK, "median over the conditions")
    _draw(left, by_batch, "least_cosine", (MUTED, "v"), "worst condition")
    _draw_level(left, cosine, "accurate from {:g}")
    _label(left, "Spectral cosine, predicted and measured")
    _draw(right, by_batch, "mse", _LOOK, "_median")
    _draw_level(right, mse, "accurate up to {:g}")
    _label(right, "Mean squared error")
    errors = [by_batch[k]["mse"] for k in by_batch if by_batch[k]["mse"] > 0]
    if errors:
        right.set_yscale("log")
        mark_decades(right.yaxis, min(errors), max(errors))
    legend(figure)
    return figure


def _draw(ax: Axes, by_batch: ByBatch, key: str, look: tuple[str, str], label: str) -> None:
    batches = [batch for batch in sorted(by_batch) if math.isfinite(by_batch[batch][key])]
    color, marker = look
    values = [by_batch[batch][key] for batch in batches]
    ax.plot(batches, values, color=color, marker=marker, ms=5.5, lw=1.6, label=label, zorder=3)


def _draw_level(ax: Axes, level: float | None, text: str) -> None:
    if level is not None:
        ax.axhline(level, color=SUCCESS, ls=(0, (5, 3)), lw=1.2, label=text.format(level), zorder=2)


def _label(ax: Axes, label: str) -> None:
    if not any(len(line.get_xdata()) for line in ax.lines):  # type: ignore[arg-type]
        ax.text(0.5, 0.5, "nothing to compare yet", ha="center", va="center", color=INK, transform=ax.transAxes)
    ax.set_xlabel("Batch")
    ax.set_ylabel(label)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12, min_n_ticks=1))
    ax.margins(x=0.04, y=0.12)
