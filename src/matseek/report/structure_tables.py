"""Distinct minima in words and digits: on the page and on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from matseek.core.problem import Structures
from matseek.core.records import Evaluation
from matseek.insight.minima import distinct_minima
from matseek.report.proposers import proposer_label

ENERGY, ABOVE = "energy (eV)", "above the best (meV)"
"""Columns of tables of structures."""

MINIMA_HEADS = ("structure", ENERGY, ABOVE, "evaluation", "met", "batch", "proposed by")
"""Heads of :func:`minima_rows`."""


def energy_texts(energy: float, lowest: float) -> tuple[str, str]:
    """An energy in eV to a tenth of a meV, and how far it is above the lowest, in meV."""
    return f"{energy:.4f}", f"{1e3 * (energy - lowest):.1f}"


def minima_rows(problem: Structures, evaluations: Sequence[Evaluation], count: int) -> list[list[str]]:
    """The lowest structures that differ as a table, the lowest first.

    Args:
        problem: The problem.
        evaluations: The campaign's; those without an energy are left out.
        count: Most rows.
    """
    minima = distinct_minima(problem.space, evaluations, count)
    rows = []
    for place, minimum in enumerate(minima, start=1):
        best = minimum.best
        texts = energy_texts(best.value, minima[0].best.value)
        met = f"{len(minimum.evaluations)} times" if len(minimum.evaluations) > 1 else "once"
        who = proposer_label(best.proposer)
        rows.append([str(place), *texts, str(best.number), met, str(best.iteration), who])
    return rows
