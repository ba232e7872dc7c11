"""What a figure shows, in words: for readers who cannot see it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, QuadMesh
from matplotlib.figure import Figure

_MOST = 12
"""Curves and groups of points that are described."""


def description(figure: Figure, title: str) -> str:
    """The title, then of each pair of axes what is drawn against what, and where named curves and points begin and end.

    Args:
        figure: The figure.
        title: What it is called.
    """
    axes = [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]
    sentences = [f"{title}."]
    for head in dict.fromkeys(_against(*_labels(ax, axes)) for ax in axes):
        sentences += [f"{head}."] if head else []
    for ax in axes:
        told = list(_told(ax))
        name = _plain(ax.get_title()) or _plain(ax.get_title("left"))
        more = [f"and {len(told) - _MOST} more"] if len(told) > _MOST else []
        words = "; ".join([*told[:_MOST], *more])
        if words:
            sentences.append(f"{name}: {words}." if name and not words.startswith(name) else f"{words}.")
        elif name:
            sentences.append(f"{name}.")
    return " ".join(sentences)


def _labels(ax: Axes, axes: Sequence[Axes]) -> tuple[str, str]:
    """Of both axes; those of others that share a scale where only the outer ones are labelled."""
    shared_x = [ax, *(o for o in axes if ax.get_shared_x_axes().joined(ax, o))]
    shared_y = [ax, *(o for o in axes if ax.get_shared_y_axes().joined(ax, o))]
    x = next((o.get_xlabel() for o in shared_x if o.get_xlabel()), "")
    return x, next((o.get_ylabel() for o in shared_y if o.get_ylabel()), "")


def _against(x: str, y: str) -> str:
    x, y = _plain(x), _plain(y)
    return f"{y} against {x[:1].lower()}{x[1:]}" if x and y else x or y


def _told(ax: Axes) -> Iterator[str]:
    """Each thing of axes that has a name, and words in place of data."""
    for line in ax.get_lines():
        y = _finite(line.get_ydata())
        if not str(line.get_label()).startswith("_") and len(y):
            if len(y) == 1 or np.ptp(y) == 0:
                yield f"{line.get_label()} at {y[0]:.4g}"
            else:
                yield f"{line.get_label()} from {y[0]:.4g} to {y[-1]:.4g}"
    for points in ax.collections:
        if isinstance(points, QuadMesh):
            values = _finite(points.get_array())
            if len(values):
                yield f"a map of values from {values.min():.4g} to {values.max():.4g}"
        elif isinstance(points, PathCollection) and not str(points.get_label()).startswith("_"):
            y = _finite(np.asarray(points.get_offsets())[:, 1])
            if len(y) == 1:
                yield f"{points.get_label()} at {y[0]:.4g}"
            elif len(y):
                yield f"{points.get_label()}, {len(y)} points between {y.min():.4g} and {y.max():.4g}"
    yield from (_plain(text.get_text()) for text in ax.texts if text.get_transform() == ax.transAxes)


def _finite(values: object) -> npt.NDArray[np.float64]:
    array = np.ma.masked_invalid(np.ma.asarray(values, dtype=np.float64).ravel())
    return np.asarray(array.compressed(), dtype=np.float64)


def _plain(text: str) -> str:
    return " ".join(text.split())
