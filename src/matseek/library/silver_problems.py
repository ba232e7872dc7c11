"""The silver problems by name: the laboratory in software (for a spectrum, for a colour), and the measured one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matseek.checks import flag, text
from matseek.core.goals import FurtherObjective, OutcomeConstraint
from matseek.core.risk import Risk
from matseek.library.silver import WAVELENGTHS, SilverLaboratory, silver_target
from matseek.problems.colour import ColourMatch, lab_from_hex
from matseek.problems.recipe import RecipeProblem
from matseek.problems.spectra import SpectralMatch
from matseek.spaces import Box, LinearConstraint, Variable

_PAPER_AXES = ("Qseed", "QAgNO3")


def silver_space(*, hardware: bool = True) -> Box:
    """The recipes of Mekki-Berrada et al. 2021: four flow fractions that sum to at most 90 %, and the total flow.

    Args:
        hardware: Whether the windows may be widened to what the pumps can do.
    """
    hardware = flag("hardware", hardware)
    windows = {
        "QAgNO3": (4, 45, "%", (0.5, 80)),
        "Qpva": (10, 40, "%", (10, 40)),
        "Qtsc": (0.5, 30, "%", (0.5, 80)),
        "Qseed": (0.5, 20, "%", (0.5, 80)),
        "Qtot": (200, 1000, "uL/min", (200, 1000)),
    }
    variables = [
        Variable(name, low, high, unit=unit, hardware=limits if hardware else None)
        for name, (low, high, unit, limits) in windows.items()
    ]
    fractions = {"QAgNO3": 1, "Qpva": 1, "Qtsc": 1, "Qseed": 1}
    return Box(variables, [LinearConstraint(fractions, upper=90)])


def silver(
    droplets: int = 20,
    success_below: float | None = 0.2,
    risk: Risk | None = None,
    further_objectives: Sequence[FurtherObjective] = (),
    outcome_constraints: Sequence[OutcomeConstraint] = (),
) -> RecipeProblem:
    """The problem ``silver``: match the nanoprism's spectrum in the embedded laboratory.

    Args:
        droplets: Replicate droplets per condition.
        success_below: Spectral loss that counts as success; None for no such level.
        risk: By which statistic of its droplets a condition is judged; None for the median.
        further_objectives: Outcomes to be optimised together with the loss.
        outcome_constraints: Bounds of outcomes.
    """
    objective = SpectralMatch(WAVELENGTHS, silver_target())
    laboratory = SilverLaboratory(droplets=droplets)
    return RecipeProblem(
        silver_space(),
        laboratory,
        objective,
        name="silver",
        success_below=success_below,
        axes=_PAPER_AXES,
        risk=risk,
        further_objectives=further_objectives,
        outcome_constraints=outcome_constraints,
    )


def silver_colour(
    color: str,
    droplets: int = 20,
    success_below: float | None = 0.05,
    risk: Risk | None = None,
    further_objectives: Sequence[FurtherObjective] = (),
    outcome_constraints: Sequence[OutcomeConstraint] = (),
) -> RecipeProblem:
    """The problem ``silver_colour``: droplets of a wanted colour from the embedded laboratory.

    Args:
        color: Colour in transmitted daylight, as a screen shows it, for example ``#3a5fcd``.
        droplets: Replicate droplets per condition.
        success_below: CIE 1976 colour difference over 100 that counts as success; None for no such level. Side by
            side, 0.023 can just be noticed.
        risk: By which statistic of its droplets a condition is judged; None for the median.
        further_objectives: Outcomes to be optimised together with the loss.
        outcome_constraints: Bounds of outcomes.

    Raises:
        ValueError: If the text is no colour.
    """
    objective = ColourMatch(WAVELENGTHS, lab_from_hex(text("color", color)))
    laboratory = SilverLaboratory(droplets=droplets)
    return RecipeProblem(
        silver_space(),
        laboratory,
        objective,
        name="silver_colour",
        success_below=success_below,
        axes=_PAPER_AXES,
        risk=risk,
        further_objectives=further_objectives,
        outcome_constraints=outcome_constraints,
    )


def silver_measured(
    data: str | Path | None,
    replicates: int = 20,
    success_below: float | None = 0.1,
    risk: Risk | None = None,
    further_objectives: Sequence[FurtherObjective] = (),
    outcome_constraints: Sequence[OutcomeConstraint] = (),
) -> RecipeProblem:
    """The problem ``silver_measured``: minimise the emulated loss of the measured laboratory.

    The window is fixed: beyond it nothing was measured.

    Args:
        data: CSV file of the measured droplets.
        replicates: Droplets per condition.
        success_below: Loss that counts as success; None for no such level.
        risk: By which statistic of its droplets a condition is judged; None for the median.
        further_objectives: Outcomes to be optimised together with the loss.
        outcome_constraints: Bounds of outcomes.

    Raises:
        ValueError: If no file is named.
    """
    # Its Gaussian process needs torch, which the laboratory in software does without.
    from matseek.library.measured import DropletEmulator, MeasuredDroplets

    if data is None:
        raise ValueError("problem=silver_measured needs the measured droplets; add data=FILE")
    space = silver_space(hardware=False)
    emulator = DropletEmulator.fit(MeasuredDroplets.read(data), space, replicates)
    return RecipeProblem(
        space,
        emulator,
        name="silver_measured",
        success_below=success_below,
        axes=_PAPER_AXES,
        risk=risk,
        further_objectives=further_objectives,
        outcome_constraints=outcome_constraints,
    )
