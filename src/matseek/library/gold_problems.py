"""The gold-nanorod problem by name."""

from __future__ import annotations

from collections.abc import Sequence

from matseek.core.goals import FurtherObjective, OutcomeConstraint
from matseek.core.risk import Risk
from matseek.library.droplets import WAVELENGTHS
from matseek.library.gold import GoldLaboratory, gold_target
from matseek.problems.recipe import RecipeProblem
from matseek.problems.spectra import SpectralMatch
from matseek.spaces import Box, LinearConstraint, Variable


def gold_space() -> Box:
    """Five flow fractions that sum to at most 90 %, and the temperature; the windows are what the reactor can do."""
    flows = {"QHAuCl4": (5, 40), "QAgNO3": (1, 20), "Qaa": (2, 20), "Qseed": (0.5, 12), "Qctab": (10, 60)}
    variables = [Variable(name, low, high, unit="%") for name, (low, high) in flows.items()]
    return Box([*variables, Variable("T", 25, 60, unit="°C")], [LinearConstraint(dict.fromkeys(flows, 1), upper=90)])


def gold_nanorods(
    droplets: int = 20,
    success_below: float | None = 0.18,
    risk: Risk | None = None,
    further_objectives: Sequence[FurtherObjective] = (),
    outcome_constraints: Sequence[OutcomeConstraint] = (),
) -> RecipeProblem:
    """The problem ``gold_nanorods``: match the spectrum of gold rods in the embedded laboratory.

    The best possible loss is 0.111 without noise and 0.148 as the median over droplets, by brute force
    (``benchmarks/best_possible.py``). It lies in a corner (cold, most seeds, the flows at their sum), where the peak is
    at the gate's lower edge. A quarter of the space is saturated, half of it dilute.

    Args:
        droplets: Replicate droplets per condition.
        success_below: Spectral loss that counts as success; None for no such level.
        risk: By which statistic of its droplets a condition is judged; None for the median.
        further_objectives: Outcomes to be optimised together with the loss.
        outcome_constraints: Bounds of outcomes.
    """
    objective = SpectralMatch(WAVELENGTHS, gold_target())
    return RecipeProblem(
        gold_space(),
        GoldLaboratory(droplets=droplets),
        objective,
        name="gold_nanorods",
        success_below=success_below,
        axes=("QHAuCl4", "Qaa"),
        risk=risk,
        further_objectives=further_objectives,
        outcome_constraints=outcome_constraints,
    )
