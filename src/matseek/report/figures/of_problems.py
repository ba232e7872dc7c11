"""Which figures apply to a campaign on a problem."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from matseek.core.problem import Problem
from matseek.core.records import Evaluation
from matseek.report.figures.front import pareto_front
from matseek.report.figures.house import as_told
from matseek.report.figures.progress import batches, convergence
from matseek.report.figures.recipe_panels import recipes
from matseek.report.figures.spectral import spectra
from matseek.report.figures.structures import sampled_energies, sampled_places, structures


def problem_figures(problem: Problem, evaluations: Sequence[Evaluation]) -> dict[str, Figure]:
    """The figures that apply to a campaign, by file stem, the problem's own last; none before the first evaluation.

    Args:
        problem: The problem.
        evaluations: The campaign's evaluations.
    """
    if not evaluations:
        return {}
    structures = problem.as_structures()
    drawn = recipe_figures(problem, evaluations) if structures is None else structure_figures(problem, evaluations)
    return {**drawn, **problem.figures(evaluations)}


def structure_figures(problem: Problem, evaluations: Sequence[Evaluation]) -> dict[str, Figure]:
    """The figures of a search for structures that has begun, by file stem."""
    drawn = {"convergence": convergence(problem, evaluations)}
    result = problem.as_structures()
    if result is not None and any(e.status == "done" for e in evaluations):
        drawn["sampled_energies"] = sampled_energies(problem, evaluations)
        drawn["sampled_places"] = sampled_places(result, evaluations)
        drawn["structures"] = structures(result, evaluations)
    return drawn


def recipe_figures(problem: Problem, evaluations: Sequence[Evaluation]) -> dict[str, Figure]:
    """The figures of a search with coordinates, by file stem; none before the first evaluation."""
    if not evaluations:
        return {}
    drawn = {"convergence": convergence(problem, evaluations), "batches": batches(problem, evaluations)}
    if problem.objective is not None and problem.objective.target_spectrum is not None:
        drawn["spectra"] = spectra(problem, evaluations)
    if problem.goals.objectives:
        drawn["pareto_front"] = pareto_front(problem, evaluations)
    if problem.space.readable:
        drawn["recipes"] = recipes(problem, evaluations)
    return {stem: as_told(figure, problem) for stem, figure in drawn.items()}
