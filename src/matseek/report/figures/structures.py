"""What a search for structures tried, and what it found."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.data import covalent_radii
from ase.data.colors import jmol_colors
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import EllipseCollection, LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from matseek.core.problem import Problem, Structures
from matseek.core.records import Evaluation
from matseek.insight.minima import distinct_minima
from matseek.problems.motifs import free_indices
from matseek.report.figures.house import (
    BEST,
    FAINT,
    INK,
    LAYERS,
    MUTED,
    SUCCESS,
    done_of,
    legend,
    single_axes,
    tidy,
)

_MOST_VIOLINS = 40
_FEWEST_IN_A_VIOLIN = 30
"""Fewer values have no shape: each is a dot."""
_MOST_MAPS = 10
_COLUMNS = 5
_SHOWN = 4
_FREE = (0.90, 0.62, 0.0)
_VIEWS = np.array([np.eye(3), [[1, 0, 0], [0, 0, 1], [0, -1, 0]]])
"""Directions to the right, up, and towards who looks: from above, and from the side."""
_DEPTH = 4.0
"""Template atoms down to this many angstrom below the highest are drawn."""
_SPAN = 5.0
"""Energies in eV above the lowest that colours resolve."""


@style.context(LAYERS)
def sampled_energies(problem: Problem, evaluations: Sequence[Evaluation]) -> Figure:
    """Energies of each iteration's structures with their medians: as violins, or as dots where there are few.

    Args:
        problem: The problem.
        evaluations: The campaign's evaluations; those without an energy are left out.
    """
    figure, ax = single_axes(problem, "Iteration", height=4.0)
    groups = _by_iteration(evaluations, _MOST_VIOLINS)
    lowest = min(e.value for e in done_of(evaluations))
    wide = [(middle, values) for middle, values in groups if len(values) >= _FEWEST_IN_A_VIOLIN and np.ptp(values) > 0]
    few = [(middle, values) for middle, values in groups if len(values) < _FEWEST_IN_A_VIOLIN]
    width = 0.8 * (groups[1][0] - groups[0][0] if len(groups) > 1 else 1.0)
    if wide:
        drawn = ax.violinplot(
            [np.clip(values, None, lowest + 4 * _SPAN) for _, values in wide],
            positions=[middle for middle, _ in wide],
            widths=width,
            showextrema=False,
            showmedians=True,
        )
        for body in drawn["bodies"]:  # type: ignore[attr-defined]
            body.set(facecolor="#0072B2", alpha=0.35, edgecolor="#0072B2", linewidth=0.8)
        drawn["cmedians"].set(color="#0072B2", linewidth=1.8)
    for middle, values in few:
        beside = np.linspace(-0.3, 0.3, len(values)) * width if len(values) > 1 else np.zeros(1)
        ax.scatter(middle + beside, values, color="#0072B2", s=9, alpha=0.6, linewidths=0, label="a structure")
        if len(values) > 2:
            ax.hlines(np.median(values), middle - 0.35 * width, middle + 0.35 * width, color="#0072B2", lw=1.8)
    for middle, values in groups:
        ax.scatter([middle], [values.min()], color=BEST, s=14, zorder=3, label="lowest of the iteration")
    ax.axhline(lowest, color=SUCCESS, ls=(0, (5, 3)), lw=1.2, label=f"lowest of all, {lowest:.4f} eV", zorder=2)
    top = max(float(np.percentile(values, 95)) for _, values in groups)
    ax.set_ylim(lowest - 0.05 * _SPAN, min(top, lowest + 4 * _SPAN) + 0.05 * _SPAN)
    legend(figure)
    return figure


@style.context(LAYERS)
def sampled_places(problem: Structures, evaluations: Sequence[Evaluation]) -> Figure:
    """Where the free atoms of each iteration's structures were, over the template, seen from above.

    As the paper's figure of the adatom on the stepped surface (Rønne, Vegge and Bhowmik 2025).

    Args:
        problem: The problem.
        evaluations: The campaign's evaluations; those without an energy are left out. At most ten iterations are drawn,
            evenly chosen.
    """
    done = done_of(evaluations)
    iterations = sorted({e.iteration for e in done})
    chosen = [iterations[k] for k in np.unique(np.linspace(0, len(iterations) - 1, _MOST_MAPS).round().astype(int))]
    columns = min(len(chosen), _COLUMNS)
    rows = math.ceil(len(chosen) / columns)
    plane = problem.space.plane
    aspect = (np.ptp(_corners(plane)[:, 1]) + 1) / (np.ptp(_corners(plane)[:, 0]) + 1)
    figure = Figure(figsize=(max(4.0, 2.1 * columns + 0.8), (2.0 * aspect + 0.35) * rows + 0.2), layout="constrained")
    panels: list[Axes] = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
    for spare in panels[len(chosen) :]:
        spare.remove()
    lowest = min(e.value for e in done)
    norm = Normalize(0.0, _SPAN)
    for ax, iteration in zip(panels, chosen, strict=False):
        _draw_surface(ax, problem)
        own = sorted((e for e in done if e.iteration == iteration), key=lambda e: -e.value)
        places = problem.space.wrap(np.array([e.point for e in own])).reshape(-1, 3)
        energies = np.repeat([e.value - lowest for e in own], problem.space.size)
        ax.scatter(
            places[:, 0], places[:, 1], c=energies, cmap="magma", norm=norm, s=9, linewidths=0, alpha=0.9, zorder=3
        )
        ax.set_title(f"iteration {iteration}", fontsize=9, color=INK)
    bar = figure.colorbar(ScalarMappable(norm, "magma"), ax=panels[: len(chosen)], shrink=0.8, aspect=24, extend="max")
    bar.set_label("eV above the lowest", fontsize=9)
    bar.ax.tick_params(labelsize=8.5, colors=INK, length=0)
    bar.outline.set_visible(False)
    return figure


@style.context(LAYERS)
def structures(problem: Structures, evaluations: Sequence[Evaluation]) -> Figure:
    """The lowest structures that differ from above and from the side; free atoms are coloured.

    Args:
        problem: The problem.
        evaluations: The campaign's evaluations; those without an energy are left out.
    """
    minima = distinct_minima(problem.space, evaluations, _SHOWN)
    best = [minimum.best for minimum in minima]
    figure = Figure(figsize=(2.2 * len(best) + 0.2, 4.6), layout="constrained")
    axes = figure.subplots(2, len(best), squeeze=False, gridspec_kw={"height_ratios": [1.25, 1]})
    for column, minimum in enumerate(minima):
        e, met = minimum.best, len(minimum.evaluations)
        _draw_structure(axes[:, column], problem.space.atoms(problem.space.wrap(e.point)[0]))
        often = f", met {met} times" if met > 1 else ""
        above = f" (+{1e3 * (e.value - best[0].value):.1f} meV)" if column else ""
        axes[0, column].set_title(f"{e.value:.4f} eV{above}\nevaluation {e.number}{often}", fontsize=9, color=INK)
    return figure


@style.context(LAYERS)
def structure(atoms: Atoms, title: str = "") -> Figure:
    """One structure from above and from the side; atoms that no constraint fixes are coloured.

    Args:
        atoms: The structure.
        title: What stands above it.
    """
    figure = Figure(figsize=(5.6, 3.0), layout="constrained")
    _draw_structure(figure.subplots(1, 2), atoms)
    figure.suptitle(title, fontsize=10, color=INK)
    return figure


def atom_colors(atoms: Atoms) -> npt.NDArray[np.float64]:
    """Red, green and blue of each atom, 0 to 1, shape ``(n, 3)``: grey where it is fixed."""
    free = free_indices(atoms)
    colors = np.tile((0.80, 0.82, 0.85), (len(atoms), 1))
    colors[free] = _colors_of(atoms.numbers[free])
    return colors


def _draw_structure(axes: Sequence[Axes] | npt.NDArray[np.object_], atoms: Atoms) -> None:
    """From above and from the side.

    ASE's plot_atoms has a patch for each atom and each dot of the cell's edges: ten times the time and the size.
    """
    shown, colors = _whole_in_view(atoms), atom_colors(atoms)
    sizes = 2 * 0.85 * covalent_radii[shown.numbers]
    corners = np.array(list(np.ndindex(2, 2, 2)))
    edges = [(a, b) for a in corners for b in corners if (b - a).sum() == 1 and (b >= a).all()]
    for ax, view in zip(axes, _VIEWS, strict=True):
        seen, lines = shown.positions @ view.T, np.array(edges) @ np.array(shown.cell) @ view.T
        order = np.argsort(seen[:, 2], kind="stable")
        flat = seen[order, :2]
        circles = EllipseCollection(
            *(sizes[order], sizes[order], np.zeros(len(order))),
            units="x",
            offsets=flat,
            offset_transform=ax.transData,
            facecolors=colors[order],
            edgecolors=BEST,
            linewidths=0.7,
            zorder=2,
        )
        ax.add_collection(circles)
        ax.add_collection(
            LineCollection(lines[..., :2].tolist(), colors=MUTED, linestyles=":", linewidths=0.9, zorder=1)
        )
        ends = np.concatenate([flat - sizes[order, None] / 2, flat + sizes[order, None] / 2, *lines[..., :2]])
        ax.set_xlim(ends[:, 0].min() - 0.2, ends[:, 0].max() + 0.2)
        ax.set_ylim(ends[:, 1].min() - 0.2, ends[:, 1].max() + 0.2)
        ax.set_aspect("equal")
        ax.set_axis_off()


def _by_iteration(evaluations: Sequence[Evaluation], most: int) -> list[tuple[float, npt.NDArray[np.float64]]]:
    """Energies by iteration, neighbouring iterations drawn together where there are too many; with their middles."""
    done = done_of(evaluations)
    iterations = sorted({e.iteration for e in done})
    groups = np.array_split(np.array(iterations), min(len(iterations), most))
    return [
        (float(group.mean()), np.array([e.value for e in done if group[0] <= e.iteration <= group[-1]]))
        for group in groups
        if len(group)
    ]


def _draw_surface(ax: Axes, problem: Structures) -> None:
    """Cell, and the template's atoms within 4 A of the highest one, higher ones darker."""
    tidy(ax)
    ax.grid(visible=False)
    space = problem.space
    cell = space.plane
    positions = space.template.positions
    depth = positions[:, 2].max(initial=-np.inf) - positions[:, 2]
    corners = _corners(cell)
    images = np.array([[i, j] for i in (-1, 0, 1, 2) for j in (-1, 0, 1, 2)]) @ cell
    for k in np.flatnonzero(depth < _DEPTH)[np.argsort(-depth[depth < _DEPTH])]:
        fractional = positions[k, :2] @ np.linalg.inv(cell)
        home = (fractional - np.floor(fractional)) @ cell
        sizes = np.full(len(images), 2 * float(covalent_radii[space.template.numbers[k]]))
        circles = EllipseCollection(
            *(sizes, sizes, np.zeros(len(images))),
            units="x",
            offsets=home + images,
            offset_transform=ax.transData,
            facecolors=[(0.80 + 0.17 * float(depth[k]) / _DEPTH,) * 3],
            edgecolors=FAINT,
            linewidths=0.6,
        )
        ax.add_collection(circles)
    ax.plot(*corners.T, color=MUTED, lw=0.8, zorder=2)
    ax.set_aspect("equal")
    ax.set_xlim(corners[:, 0].min() - 0.5, corners[:, 0].max() + 0.5)
    ax.set_ylim(corners[:, 1].min() - 0.5, corners[:, 1].max() + 0.5)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)


def _corners(cell: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]) @ cell)


def _whole_in_view(atoms: Atoms) -> Atoms:
    """Without the vacuum around them, which would make the atoms small."""
    shown: Atoms = atoms.copy()
    cell = np.array(shown.cell)
    # What repeats in plane is shown with its cell; of a cluster the cell says nothing.
    for axis in (2,) if shown.pbc.any() else (0, 1, 2):
        along = shown.positions[:, axis]
        extent = float(np.ptp(along))
        shown.positions[:, axis] -= along.min() - 1.0
        cell[axis] = np.eye(3)[axis] * (extent + 2.0)
    shown.cell = cell
    return shown


def _colors_of(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """One colour where all free atoms are alike, each element's own else."""
    if len(set(numbers.tolist())) == 1:
        return np.tile(_FREE, (len(numbers), 1))
    return np.asarray(jmol_colors[numbers], dtype=np.float64)
