"""What the models understood: loss maps, their stability, and which variable does what."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from matseek.core.space import BoxSpace
from matseek.core.surrogate import Look
from matseek.insight.loss_map import LossMap
from matseek.report.figures.house import (
    BEST,
    FAINT,
    INK,
    LAYERS,
    MUTED,
    SUCCESS,
    axes_of,
    axis_label,
    draw_star,
    legend,
    say,
    tidy,
)
from matseek.report.looks import looks_among

if TYPE_CHECKING:
    from matseek.insight.attribution import Attribution

_MAP_COLORS = "YlGnBu_r"
_NOTHING = "#eceef2"


@style.context(LAYERS)
def loss_maps(
    maps: Mapping[str, LossMap],
    space: BoxSpace,
    measured: npt.ArrayLike | None = None,
    label: str = "Spectral loss",
    sign: float = 1.0,
) -> Figure:
    """Loss maps side by side on one colour scale, optimum starred, measured points dotted.

    As Fig. 3 of Mekki-Berrada et al., npj Comput. Mater. 7, 55 (2021).

    Args:
        maps: Maps over the same two variables by model.
        space: The recipes; its labels name the axes, and the starred recipe below each map.
        measured: Points that were measured, shape ``(n, d)``, in the variables' units; None draws none.
        label: What the colours mean.
        sign: What turns the optimum's value into one that people tell: -1 where values are maximised.

    Raises:
        ValueError: If there is no map.
    """
    if not maps:
        raise ValueError("there is no map to draw; give at least one")
    figure = Figure(figsize=(max(5.4, 4.3 * len(maps)), 4.6), layout="constrained")
    panels: list[Axes] = list(figure.subplots(1, len(maps), sharex=True, sharey=True, squeeze=False).flat)
    seen = np.concatenate([m.losses[np.isfinite(m.losses)] for m in maps.values()])
    norm = Normalize(*(float(seen.min()), float(seen.max())) if len(seen) and np.ptp(seen) > 0 else (0.0, 1.0))
    mesh: Any = None
    for ax, (name, drawn) in zip(panels, maps.items(), strict=True):
        tidy(ax)
        ax.grid(visible=False)
        ax.set_facecolor(_NOTHING)
        mesh = ax.pcolormesh(
            drawn.x_values,
            drawn.y_values,
            np.ma.masked_invalid(drawn.losses),
            cmap=_MAP_COLORS,
            norm=norm,
            shading="nearest",
            rasterized=True,  # a page of thousands of outlined cells would be megabytes
        )
        _draw_measured(ax, drawn, space, measured)
        _draw_optimum(ax, drawn, space, sign)
        ax.set_title(name, fontsize=10.5, color=INK)
        ax.set_xlim(_with_half_cells(drawn.x_values))
        ax.set_ylim(_with_half_cells(drawn.y_values))
        if ax is panels[0]:
            ax.set_ylabel(axis_label(drawn.y.label))
    bar = figure.colorbar(mesh, ax=panels, shrink=0.85, aspect=24, pad=0.02)
    _tidy_bar(bar, f"{label}, least over the other variables")
    legend(figure)
    return figure


@style.context(LAYERS)
def stability(
    similarities: Mapping[str, Mapping[int, float]],
    centred: Mapping[str, Mapping[int, float]],
    level: float | None = None,
    looks: Mapping[str, Look] | None = None,
) -> Figure:
    """Similarity of each model's loss map to that of the batch before: as the paper has it, and less the maps' means.

    Args:
        similarities: By model: the batch's number and the cosine similarity with the batch before; NaN is left out.
        centred: The same of the maps less their means.
        level: Similarity from which a map counts as stable; None draws no level.
        looks: Colour and marker by model; None for the next free ones.
    """
    figure = Figure(figsize=(8.2, 3.6), layout="constrained")
    plain, less = figure.subplots(1, 2)
    looks = looks or looks_among(dict.fromkeys(similarities))
    for ax, drawn in ((plain, similarities), (less, centred)):
        tidy(ax)
        for name, by_batch in drawn.items():
            batches = [batch for batch in sorted(by_batch) if math.isfinite(by_batch[batch])]
            color, marker = looks[name]
            values = [by_batch[batch] for batch in batches]
            ax.plot(batches, values, color=color, marker=marker, ms=5.5, lw=1.6, label=name, zorder=3)
        if not any(math.isfinite(x) for by_batch in drawn.values() for x in by_batch.values()):
            say(ax, "no two maps to compare yet")
        ax.set_xlabel("Batch")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12, min_n_ticks=1))
        ax.margins(x=0.04, y=0.12)
    if level is not None:
        plain.axhline(level, color=SUCCESS, ls=(0, (5, 3)), lw=1.2, label=f"stable from {level:g}", zorder=2)
    plain.set_ylabel("Similarity to the map before")
    less.set_ylabel("Of the maps less their means")
    legend(figure)
    return figure


@style.context(LAYERS)
def attribution(
    by_model: Mapping[str, Attribution],
    space: BoxSpace,
    label: str = "spectral loss",
    looks: Mapping[str, Look] | None = None,
) -> Figure:
    """How strongly each variable moves the loss, model beside model, with standard errors.

    Args:
        by_model: Attributions of one number per point, by model.
        space: The recipes; the variables of all attributions.
        label: What is moved.
        looks: Colour and marker by model; None for the next free ones.

    Raises:
        ValueError: If there is no attribution, or one of whole spectra.
    """
    if not by_model or any(a.mean_absolute.ndim != 1 for a in by_model.values()):
        raise ValueError("give attributions of one number per point; those of spectra go to spectrum_attribution")
    looks = looks or looks_among(dict.fromkeys(by_model))
    first = next(iter(by_model.values()))
    order = [first.variables.index(name) for name in first.ranking]
    figure, ax = axes_of(height=1.4 + 0.45 * len(order) * max(1.0, 0.6 * len(by_model)))
    ax.grid(axis="y", visible=False)
    ax.grid(axis="x", color=FAINT, linewidth=0.6)
    height = 0.76 / len(by_model)
    rows = np.arange(len(order))
    for place, (name, result) in enumerate(by_model.items()):
        ax.barh(
            rows - 0.38 + (place + 0.5) * height,
            result.mean_absolute[order],
            xerr=np.nan_to_num(result.standard_error[order]),
            height=0.88 * height,
            color=looks[name][0],
            error_kw={"ecolor": INK, "elinewidth": 1.0, "capsize": 2.5, "capthick": 1.0},
            label=name,
            zorder=2,
        )
    ax.set_yticks(rows, [space.labels[space.names.index(first.variables[k])] for k in order])
    ax.invert_yaxis()
    ax.set_xlim(left=0.0)
    ax.set_xlabel(f"Mean change of the {label} (absolute Shapley value)")
    legend(figure)
    return figure


@style.context(LAYERS)
def spectrum_attribution(found: Attribution, space: BoxSpace, wavelengths: npt.ArrayLike) -> Figure:
    """What each variable does to the absorbance at each wavelength: the mean spectrum, how much, and which way.

    Args:
        found: Attribution of whole spectra, ``(d, m)``.
        space: The recipes; its labels name the rows.
        wavelengths: Wavelengths in nm, shape ``(m,)``.

    Raises:
        ValueError: If the attribution is not one of spectra on these wavelengths.
    """
    at = np.asarray(wavelengths, dtype=np.float64)
    if found.mean_absolute.shape != (len(found.variables), len(at)):
        raise ValueError(
            f"the attribution has shape {found.mean_absolute.shape}, but there are {len(found.variables)} variables "
            f"and {len(at)} wavelengths; attribute the spectra at these wavelengths"
        )
    rows = len(found.variables)
    figure = Figure(figsize=(8.2, 2.6 + 0.62 * rows), layout="constrained")
    ratios = [1.5, 0.42 * rows, 0.42 * rows]
    top, much, way = figure.subplots(3, 1, sharex=True, gridspec_kw={"height_ratios": ratios})
    tidy(top)
    top.plot(at, found.reference, color=BEST, lw=1.8)
    top.set_ylabel("Absorbance")
    top.set_ylim(bottom=min(0.0, float(found.reference.min())))
    top.set_title("Mean spectrum", fontsize=9.5, color=INK, loc="left")
    labels = [space.labels[space.names.index(name)] for name in found.variables]
    size = float(found.mean_absolute.max()) or 1.0
    sequential = _draw_rows(much, at, found.mean_absolute, labels, ("magma_r", Normalize(0.0, size)))
    much.set_title("How much: mean change of absorbance", fontsize=9.5, color=INK, loc="left")
    _tidy_bar(figure.colorbar(sequential, ax=much, aspect=12, pad=0.015), "")
    signed = found.mean_absolute * found.direction
    diverging = _draw_rows(way, at, signed, labels, ("RdBu_r", TwoSlopeNorm(0.0, -size, size)))
    way.set_title("Which way: red, more of it absorbs more; blue, less", fontsize=9.5, color=INK, loc="left")
    _tidy_bar(figure.colorbar(diverging, ax=way, aspect=12, pad=0.015), "")
    way.set_xlabel("Wavelength (nm)")
    way.set_xlim(at[0], at[-1])
    return figure


def _draw_rows(
    ax: Axes, at: npt.NDArray[np.float64], table: npt.NDArray[np.float64], labels: Sequence[str], look: tuple[str, Any]
) -> Any:  # noqa: ANN401 -- matplotlib's meshes and bars are untyped
    tidy(ax)
    ax.grid(visible=False)
    rows = np.arange(len(labels))
    mesh = ax.pcolormesh(at, rows, table, cmap=look[0], norm=look[1], shading="nearest", rasterized=True)
    ax.set_yticks(rows, labels)
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    ax.hlines(rows[1:] - 0.5, *at[[0, -1]], color="white", lw=1.5)
    return mesh


def _draw_measured(ax: Axes, drawn: LossMap, space: BoxSpace, measured: npt.ArrayLike | None) -> None:
    if measured is None:
        return
    points = space.as_points(measured)
    columns = [space.names.index(v.name) for v in (drawn.x, drawn.y)]
    x, y = points[:, columns].T
    ax.scatter(x, y, s=12, color="white", edgecolors=INK, linewidths=0.6, alpha=0.85, label="measured", zorder=3)


def _draw_optimum(ax: Axes, drawn: LossMap, space: BoxSpace, sign: float) -> None:
    best = drawn.optimum
    text = "no feasible recipe"
    if np.isfinite(best).all():
        x, y = (float(best[space.names.index(v.name)]) for v in (drawn.x, drawn.y))
        name = "optimum" if space.choices is None else "least expected, whether listed or not"
        draw_star(ax, x, y, name, size=220)
        amounts = [f"{v.name} {amount:.4g}" for v, amount in zip(space.variables, best, strict=True)]
        half = math.ceil(len(amounts) / 2)
        text = f"{name} {sign * drawn.least:.3f} at {', '.join(amounts[:half])},\n{', '.join(amounts[half:])}"
    ax.set_xlabel(f"{axis_label(drawn.x.label)}\n")
    ax.annotate(
        text,
        (0.5, 0.0),
        xytext=(0, -34),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="center",
        va="top",
        fontsize=8,
        color=MUTED,
    )


def _with_half_cells(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    half = (values[1] - values[0]) / 2
    return float(values[0] - half), float(values[-1] + half)


def _tidy_bar(bar: Any, label: str) -> None:  # noqa: ANN401 -- matplotlib does not export its type
    bar.ax.tick_params(labelsize=8.5, colors=INK, length=0)
    bar.outline.set_visible(False)
    bar.set_label(label)
