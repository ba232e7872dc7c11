"""Two campaigns at the desk, to which the files of tests/desk/files are told."""

import math
from datetime import UTC, datetime

import numpy as np

from matseek.core.records import Evaluation
from matseek.problems import RecipeProblem, SpectralMatch
from matseek.spaces import Box, Category, Variable

SPACE = Box(
    [
        Variable("T", 20, 90, "°C"),
        Variable("c", 0.1, 50, "mM"),
        Variable("Qtot", 200, 1500, "uL/min"),
        Category("solvent", ("water", "ethanol", "DMF")),
    ]
)
RECIPES = [
    (25.0, 12.5, 1000.0, 0),
    (40.5, 0.25, 250.0, 1),
    (55.25, 3.31, 1234.5, 2),
    (60.0, 48.0, 1500.0, 0),
    (71.5, 7.125, 600.0, 1),
    (88.0, 20.0, 200.0, 2),
]
VALUES = RecipeProblem(SPACE, quantity="yield", unit="%", maximize=True)

WAVELENGTHS = np.arange(400.0, 701.0, 50.0)
TARGET = np.array([0.1, 0.2, 0.5, 0.9, 0.6, 0.3, 0.1])
SPECTRA = RecipeProblem(SPACE, objective=SpectralMatch(WAVELENGTHS, TARGET))


def asked(number, point):
    return Evaluation(
        number=number,
        iteration=1,
        proposer="lhs",
        point=np.array(point, dtype=np.float64),
        status="pending",
        value=math.nan,
        replicates=np.array([]),
        error=None,
        asked_at=datetime(2026, 1, 1, tzinfo=UTC),
        finished_at=None,
        load_response=lambda: None,
    )


ASKED = [asked(number, recipe) for number, recipe in enumerate(RECIPES, start=1)]


def spectrum(number):
    """The absorbances that the files give for an evaluation, three decimals, on the target's wavelengths."""
    return np.round(TARGET * (0.9 + 0.05 * number) + 0.01 * number, 3)
