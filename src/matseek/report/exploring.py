"""Campaigns and comparisons to explore with the mouse, by Plotly (extra ``explore``)."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matseek.core.problem import Problem
from matseek.core.records import Evaluation
from matseek.report.digits import value_texts
from matseek.report.figures.house import axis_label, looks_of
from matseek.report.figures.values import Frames, best_curves
from matseek.report.looks import lines_of
from matseek.report.proposers import proposer_label

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_BLOCKS = "▁▂▃▄▅▆▇█"

_COLUMNS = 48
"""Characters of a spectrum in a line of text."""


def explore_campaign(problem: Problem, evaluations: Sequence[Evaluation]) -> Figure:
    """Values against evaluations; hover tells recipe, spectrum and batch, and a click on a name hides who proposed.

    Args:
        problem: The problem.
        evaluations: The campaign's evaluations; those without a value are left out.

    Raises:
        ImportError: If Plotly is not installed.
    """
    go = _plotly()
    figure = go.Figure()
    done = [e for e in sorted(evaluations, key=lambda e: e.number) if e.status == "done"]
    for proposer, (color, _) in looks_of(done).items():
        own = [e for e in done if e.proposer == proposer]
        figure.add_scatter(
            x=[e.number for e in own],
            y=[e.value for e in own],
            mode="markers",
            name=proposer_label(proposer),
            marker={"color": color, "size": 8},
            text=[_told(problem, e) for e in own],
            hovertemplate="%{text}<extra></extra>",
        )
    numbers, values = [e.number for e in done], np.array([e.value for e in done], dtype=np.float64)
    line = {"color": "#1b1e23", "shape": "hv"}
    best = np.fmin.accumulate(values)
    figure.add_scatter(x=numbers, y=best, mode="lines", name="best so far", line=line, hoverinfo="skip")
    return _dressed(figure, problem)


def explore_comparison(problem: Problem, traces: Frames) -> Figure:
    """The best so far of every run, with medians; a click on a searcher's name hides it, a double click all others.

    Args:
        problem: The problem.
        traces: A row per evaluation of each run, by searcher, see :class:`matseek.comparison.Comparison`.

    Raises:
        ImportError: If Plotly is not installed.
    """
    go = _plotly()
    figure = go.Figure()
    for name, line in lines_of(traces).items():
        if not traces[name]:
            continue
        counts, curves = best_curves(traces[name])
        label, shared = proposer_label(name), {"mode": "lines", "legendgroup": name, "x": counts}
        for k, curve in enumerate(curves):
            style = {"color": line.color, "width": 1}
            figure.add_scatter(y=curve, name=f"{label}, run {k}", line=style, opacity=0.3, showlegend=False, **shared)
        if len(curves):
            style = {"color": line.color, "width": 3}
            figure.add_scatter(y=np.median(curves, axis=0), name=label, line=style, **shared)
    return _dressed(figure, problem)


def sparkline(spectrum: npt.ArrayLike, columns: int = _COLUMNS) -> str:
    """A spectrum as one line of text, its least value lowest and its greatest highest; empty where nothing is finite.

    Args:
        spectrum: Values, shape ``(m,)``.
        columns: Most characters.
    """
    values = np.asarray(spectrum, dtype=np.float64)
    parts = [part[np.isfinite(part)] for part in np.array_split(values, min(columns, max(len(values), 1)))]
    means = np.array([part.mean() for part in parts if len(part)])
    if not len(means):
        return ""
    span = np.ptp(means) or 1.0
    return "".join(_BLOCKS[round(7 * x)] for x in (means - means.min()) / span)


def _told(problem: Problem, evaluation: Evaluation) -> str:
    """What is known of an evaluation, in HTML as Plotly shows it."""
    value = f"{problem.value_name} {value_texts([evaluation.value])[0]} {problem.value_unit}".rstrip()
    lines = [f"<b>{html.escape(value)}</b>"]
    lines.append(f"evaluation {evaluation.number}, batch {evaluation.iteration}")
    if problem.space.readable:
        row: Mapping[Any, Any] = problem.space.to_frame(evaluation.point[None]).iloc[0].to_dict()
        lines += [f"{html.escape(axis_label(str(name)))}: {html.escape(_text(cell))}" for name, cell in row.items()]
    objective = problem.objective
    if objective is not None and objective.target_spectrum is not None:
        response = np.asarray(evaluation.response, dtype=np.float64)
        lines.append(f"<br>spectrum {sparkline(np.nanmedian(np.atleast_2d(response), axis=0))}")
        lines.append(f"target&nbsp;&nbsp; {sparkline(objective.target_spectrum)}")
    return "<br>".join(lines)


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _dressed(figure: Figure, problem: Problem) -> Figure:
    figure.update_layout(
        template="plotly_white", xaxis_title="Evaluation", yaxis_title=problem.value_label, title=problem.name
    )
    return figure


def _plotly() -> Any:  # noqa: ANN401 -- a module
    try:
        import plotly.graph_objects as go
    except ImportError as error:
        raise ImportError(f"exploring needs Plotly ({error}): pip install 'matseek[explore]'") from error
    return go
