"""Searchers over all problems of several comparisons."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from matseek.insight.profiles import performance_ratios
from matseek.report.figures.comparing import Lines, draw_line, lines_for, searcher_label
from matseek.report.figures.house import LAYERS, axes_of, legend
from matseek.report.figures.values import count_logarithmically


@style.context(LAYERS)
def performance_profile(tables: Mapping[str, pd.DataFrame], lines: Lines | None = None) -> Figure:
    """The share of problems that each searcher solves within so many times the evaluations of the best one.

    On the left it says how often a searcher is the best, on the right what it solves at all. Dolan and Moré 2002; see
    :func:`matseek.insight.profiles.performance_ratios`.

    Args:
        tables: Of comparisons (their ``table.csv``) by problem.
        lines: How searchers are drawn.

    Raises:
        ValueError: If no searcher is in all comparisons, or nothing was solved.
    """
    ratios = performance_ratios(tables)
    finite = ratios.to_numpy()[np.isfinite(ratios.to_numpy())]
    end = 1.3 * max(float(finite.max()), 2.0)
    figure, ax = axes_of(3.8)
    for name, line in lines_for(lines, ratios.columns).items():
        steps = np.sort(ratios[name].to_numpy())
        steps = steps[np.isfinite(steps)]
        x = np.concatenate([[1.0], steps, [end]])
        share = np.array([(steps <= at).mean() * len(steps) / len(ratios) if len(steps) else 0.0 for at in x])
        draw_line(ax, x, share, line, searcher_label(name), steps=True)
    count_logarithmically(ax, 1.0, end, "Evaluations per success, as a multiple of the best searcher's")
    ax.set_ylabel(f"Share of {len(ratios)} problem{'s' if len(ratios) > 1 else ''} solved within")
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_ylim(-0.03, 1.03)
    legend(figure)
    return figure
