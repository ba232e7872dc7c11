"""Figures of a recipe campaign: how it got better, what it found, and what its models understood.

Figures are made without pyplot, so that nothing has to be closed and no global state changes.
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from matseek.core.problem import Problem
from matseek.core.records import Evaluation
from matseek.report.figures.colours import palette
from matseek.report.figures.comparing import iterations_of_searchers
from matseek.report.figures.front import pareto_front
from matseek.report.figures.house import proposer_label
from matseek.report.figures.landscape import energy_and_score
from matseek.report.figures.models import attribution, loss_maps, spectrum_attribution, stability
from matseek.report.figures.progress import batches, convergence
from matseek.report.figures.recipe_panels import recipes
from matseek.report.figures.spectral import predicted_against_measured, spectra
from matseek.report.figures.stopping import accuracy, loss_level
from matseek.report.figures.structures import sampled_energies, sampled_places, structure, structures

__all__ = [
    "accuracy",
    "attribution",
    "batches",
    "convergence",
    "energy_and_score",
    "iterations_of_searchers",
    "loss_level",
    "loss_maps",
    "palette",
    "pareto_front",
    "predicted_against_measured",
    "problem_figures",
    "proposer_label",
    "recipe_figures",
    "recipes",
    "sampled_energies",
    "sampled_places",
    "spectra",
    "spectrum_attribution",
    "stability",
    "structure",
    "structure_figures",
    "structures",
]


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
    return drawn
