"""Figures of a recipe campaign: how it got better, what it found, and what its models understood.

Figures are made without pyplot, so that nothing has to be closed and no global state changes.
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from matseek.evaluation import Evaluation
from matseek.problems import Problem, RecipeProblem, StructureProblem
from matseek.report.figures.colours import palette
from matseek.report.figures.comparing import iterations_of_searchers
from matseek.report.figures.house import PROPOSER_LABELS, spectral_match, value_name
from matseek.report.figures.landscape import energy_and_score
from matseek.report.figures.progress import batches, convergence
from matseek.report.figures.recipe_panels import recipes
from matseek.report.figures.spectral import predicted_against_measured, spectra
from matseek.report.figures.stopping import accuracy, loss_level
from matseek.report.figures.structures import sampled_energies, sampled_places, structure, structures
from matseek.report.figures.understanding import attribution, loss_maps, spectrum_attribution, stability

__all__ = [
    "PROPOSER_LABELS",
    "accuracy",
    "attribution",
    "batches",
    "convergence",
    "energy_and_score",
    "iterations_of_searchers",
    "loss_level",
    "loss_maps",
    "palette",
    "predicted_against_measured",
    "problem_figures",
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
    "value_name",
]


def problem_figures(problem: Problem, evaluations: Sequence[Evaluation]) -> dict[str, Figure]:
    """The figures that apply to a campaign, by file stem; none before the first evaluation.

    Args:
        problem: The problem.
        evaluations: The campaign's evaluations.
    """
    if isinstance(problem, StructureProblem):
        return structure_figures(problem, evaluations)
    return recipe_figures(problem, evaluations) if isinstance(problem, RecipeProblem) else {}


def structure_figures(problem: StructureProblem, evaluations: Sequence[Evaluation]) -> dict[str, Figure]:
    """The figures of a search for structures, by file stem."""
    if not evaluations:
        return {}
    drawn = {"convergence": convergence(problem, evaluations)}
    if any(e.status == "done" for e in evaluations):
        drawn["sampled_energies"] = sampled_energies(problem, evaluations)
        drawn["sampled_places"] = sampled_places(problem, evaluations)
        drawn["structures"] = structures(problem, evaluations)
    return drawn


def recipe_figures(problem: RecipeProblem, evaluations: Sequence[Evaluation]) -> dict[str, Figure]:
    """The figures that apply to a campaign, by file stem; none before the first evaluation.

    Args:
        problem: The problem.
        evaluations: The campaign's evaluations.
    """
    if not evaluations:
        return {}
    drawn = {"convergence": convergence(problem, evaluations), "batches": batches(problem, evaluations)}
    if spectral_match(problem) is not None:
        drawn["spectra"] = spectra(problem, evaluations)
    return {**drawn, "recipes": recipes(problem, evaluations)}
