"""The truth over a surface, and what a network has learnt of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from matseek.core.problem import Structures
from matseek.insight.landscape import Landscape
from matseek.report.figures.house import BEST, INK, LAYERS, MUTED, FloatArray, draw_star, legend, tidy

_SPAN = 3.0
"""Energies in eV above the lowest that colours resolve."""


@style.context(LAYERS)
def energy_and_score(problem: Structures, landscape: Landscape, score: npt.ArrayLike, sigma: float) -> Figure:
    """The lowest energy of a free atom above each place, and beside it where the learnt score sends an atom there.

    Args:
        problem: A problem with one free atom.
        landscape: The truth.
        score: Sigma times the score at ``landscape.places``, shape ``(a, b, 3)``.
        sigma: Noise level in angstrom.
    """
    arrows = np.asarray(score, dtype=np.float64)
    if arrows.shape != landscape.places.shape:
        raise ValueError(f"score has shape {arrows.shape}; give one arrow per place, {landscape.places.shape}")
    plane = problem.space.plane
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]) @ plane
    x, y = landscape.places[..., 0], landscape.places[..., 1]
    above = landscape.energies - np.nanmin(landscape.energies)
    aspect = np.ptp(corners[:, 1]) / np.ptp(corners[:, 0])
    figure = Figure(figsize=(8.2, 3.6 * aspect + 1.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    lowest = np.unravel_index(np.nanargmin(above), above.shape)
    for ax in (left, right):
        mesh = ax.pcolormesh(x, y, above, cmap="YlGnBu_r", vmin=0, vmax=_SPAN, shading="nearest", rasterized=True)
        _frame(ax, corners)
    draw_star(left, float(x[lowest]), float(y[lowest]), "lowest energy", size=150)
    left.set_title("The truth: lowest energy above each place", fontsize=9.5, color=INK)
    right.set_title(f"Learnt: the score under noise of {sigma:g} Å", fontsize=9.5, color=INK)
    right.quiver(x, y, arrows[..., 0], arrows[..., 1], color=BEST, width=0.004, pivot="mid", label="_score")
    bar = figure.colorbar(mesh, ax=[left, right], shrink=0.8, aspect=24, extend="max")
    bar.set_label("eV above the lowest", fontsize=9)
    bar.ax.tick_params(labelsize=8.5, colors=INK, length=0)
    bar.outline.set_visible(False)
    legend(figure)
    return figure


def _frame(ax: Axes, corners: FloatArray) -> None:
    tidy(ax)
    ax.grid(visible=False)
    ax.plot(*corners.T, color=MUTED, lw=0.8)
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
