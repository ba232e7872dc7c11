"""What people look at after a campaign: figures and one self-contained page."""

from matseek.report.figures import batches, convergence, recipe_figures, recipes, spectra
from matseek.report.page import best_recipes, write_page
from matseek.report.stored import stored_result
from matseek.report.structure_view import structure_view

__all__ = [
    "batches",
    "best_recipes",
    "convergence",
    "recipe_figures",
    "recipes",
    "spectra",
    "stored_result",
    "structure_view",
    "write_page",
]
