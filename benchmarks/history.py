"""A second target on `silver`, with and without the conditions that a campaign on the first has measured.

.venv/bin/python -W ignore -m benchmarks.history
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.results_io import write
from matseek import Campaign
from matseek.insight.paired import median_interval
from matseek.library.silver import WAVELENGTHS, SilverLaboratory
from matseek.library.silver_problems import silver, silver_colour, silver_space
from matseek.problems import RecipeProblem, SpectralMatch
from matseek.searchers import BayesianSearcher

FIRST, BUDGET, SEEDS = 60, 30, range(1000, 1005)

RECIPE = (30.0, 15.0, 8.0, 14.0, 900.0)
"""The second target is what the laboratory gives for this recipe without noise."""

AT = (15, 30)
"""After how many evaluations the best is told."""


def spectrum() -> RecipeProblem:
    """The same laboratory, asked for the spectrum of a recipe."""
    laboratory = SilverLaboratory()
    target = laboratory.spectra(np.array([RECIPE]))[0]
    return RecipeProblem(silver_space(), laboratory, SpectralMatch(WAVELENGTHS, target), name="silver_second")


def colour() -> RecipeProblem:
    """The same laboratory, asked for the colour that ships."""
    return silver_colour("#b08090")


def best(campaign: Campaign) -> list[float]:
    """The best loss of its own after each of :data:`AT` evaluations."""
    values = campaign.to_frame()["best_value"].to_numpy()
    return [float(values[n - 1]) for n in AT]


def main() -> None:
    """Run the campaigns of all seeds, and write their best losses."""
    rows = []
    for seed in SEEDS:
        with TemporaryDirectory() as folder:
            first = Path(folder) / "first.db"
            Campaign(silver(), BayesianSearcher(model="loss", log=False), first, seed).run(FIRST)
            for target in (spectrum, colour):
                begun = Campaign(target(), BayesianSearcher(model="loss", log=False), seed=seed, history=first).run(
                    BUDGET
                )
                alone = Campaign(target(), BayesianSearcher(model="loss", log=False), seed=seed).run(BUDGET)
                earlier = begun.earlier_best
                assert earlier is not None
                row = {"target": target.__name__, "seed": seed, "earlier": earlier.value}
                rows.append({**row, "with": best(begun), "without": best(alone)})
                print(json.dumps(rows[-1]), flush=True)
    report = {
        "command": ".venv/bin/python -W ignore -m benchmarks.history",
        "first_campaign": f"silver, bayesian, {FIRST} evaluations",
        "spectrum": f"the laboratory's spectrum of {RECIPE} without noise",
        "colour": "#b08090",
        "after": AT,
        "runs": rows,
        "medians": {
            f"{target}, {which} history": _told(np.array([r[which] for r in rows if r["target"] == target]))
            for target in ("spectrum", "colour")
            for which in ("with", "without")
        },
    }
    print(json.dumps(report, indent=1))
    print(write("history", report))


def _told(values: np.ndarray) -> dict[str, list[float]]:
    """Medians over the seeds and their bootstrap intervals, one of each count of :data:`AT`."""
    low, high = median_interval(values)
    return {"median": np.median(values, axis=0).tolist(), "low": low.tolist(), "high": high.tolist()}


if __name__ == "__main__":
    main()
