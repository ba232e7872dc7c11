"""The colours that a synthesis can reach."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from matseek.core.space import BoxSpace
from matseek.insight.palette import ColourMap, Colours, Palette
from matseek.report.figures.house import FAINT, INK, LAYERS, MUTED, axis_label, draw_star, legend, tidy

_COLUMNS = 6


@style.context(LAYERS)
def palette(
    over: ColourMap, space: BoxSpace, reachable: Palette | None = None, target: Colours | None = None
) -> Figure:
    """Colours over two variables, and chips of the most different colours that any recipe reaches.

    Args:
        over: The map; the star is the recipe around which it is drawn.
        space: The recipes.
        reachable: The chips; None leaves them out.
        target: The colour that is wanted, shapes ``(3,)``, or that of the target spectrum; None leaves it out.
    """
    wide = reachable is not None or target is not None
    figure = Figure(figsize=(8.6 if wide else 5.4, 4.6), layout="constrained")
    axes = figure.subplots(1, 2 if wide else 1, squeeze=False, gridspec_kw={"width_ratios": [1.25, 1][: 1 + wide]})
    _draw_map(axes[0, 0], over, space)
    if wide:
        _draw_chips(axes[0, 1], reachable, target)
    legend(figure)
    return figure


def _draw_map(ax: Axes, over: ColourMap, space: BoxSpace) -> None:
    tidy(ax)
    ax.grid(visible=False)
    known = np.asarray(np.isfinite(over.colours.rgb).all(axis=-1))
    image = np.dstack([np.where(known[..., None], over.colours.rgb, 1.0), known.astype(float)])
    halves = [(v[1] - v[0]) / 2 for v in (over.x_values, over.y_values)]
    extent = (
        over.x_values[0] - halves[0],
        over.x_values[-1] + halves[0],
        over.y_values[0] - halves[1],
        over.y_values[-1] + halves[1],
    )
    ax.set_facecolor("white")
    ax.imshow(image, origin="lower", extent=extent, aspect="auto", interpolation="nearest")
    if not known.all():  # hatching says "no recipe", which no colour could
        ax.patch.set(hatch="////", edgecolor=FAINT)
    x, y = (float(over.recipe[space.names.index(v.name)]) for v in (over.x, over.y))
    draw_star(ax, x, y, "recipe that lends the other variables")
    ax.set_xlabel(axis_label(over.x.label))
    ax.set_ylabel(axis_label(over.y.label))
    others = [
        f"{v.name} {amount:.4g}"
        for v, amount in zip(space.variables, over.recipe, strict=True)
        if v.name not in (over.x.name, over.y.name)
    ]
    ax.set_title(f"At {', '.join(others)}" if others else "All recipes", fontsize=9.5, color=INK)


def _draw_chips(ax: Axes, reachable: Palette | None, target: Colours | None) -> None:
    ax.set_axis_off()
    count = len(reachable.recipes) if reachable is not None else 0
    rows = math.ceil(count / _COLUMNS)
    first = 0.0
    if target is not None:
        _chip(ax, 0.0, 0.0, target.rgb, 1.6)
        note = " (nearest that a screen shows)" if bool(target.clipped) else ""
        ax.text(1.85, 0.45, f"target {target.hex}{note}", va="center", fontsize=9.5, color=INK)
        first = 1.9
    if reachable is not None:
        ax.text(0.0, first - 0.15, "colours within reach", fontsize=9.5, color=INK, va="bottom")
        for k in range(count):
            _chip(ax, k % _COLUMNS, first + k // _COLUMNS, reachable.colours.rgb[k], 0.9)
            if reachable.colours.clipped[k]:
                ax.text(k % _COLUMNS + 0.45, first + k // _COLUMNS + 0.45, "*", ha="center", va="center", color=MUTED)
        if reachable.colours.clipped.any():
            text = "* beyond what a screen can show"
            ax.text(0.0, first + rows + 0.1, text, fontsize=8.5, color=MUTED, va="top")
    ax.set_xlim(-0.1, _COLUMNS)
    ax.set_ylim(max(first + rows + 0.6, 3.0), -0.6)
    ax.set_aspect("equal", anchor="NW")


def _chip(ax: Axes, x: float, y: float, rgb: npt.NDArray[np.float64], width: float) -> None:
    shape = FancyBboxPatch(
        (x + 0.04, y + 0.04),
        width - 0.08,
        0.82,
        boxstyle="round,pad=0,rounding_size=0.12",
        facecolor=tuple(rgb.tolist()) if np.isfinite(rgb).all() else "white",
        edgecolor=FAINT,
        linewidth=0.8,
    )
    ax.add_patch(shape)
