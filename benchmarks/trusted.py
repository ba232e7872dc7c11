"""What the best is worth that replicates support, what a risk measure is worth, and how fast a Pareto front is found.

.venv/bin/python -W ignore -m benchmarks.trusted [--parts recipes fronts]

Parts that are not asked for are kept as they were measured.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np
import torch
from botorch.test_functions.multi_objective import BraninCurrin
from botorch.utils.multi_objective.hypervolume import Hypervolume
from botorch.utils.multi_objective.pareto import is_non_dominated

from benchmarks.results_io import RESULTS, write
from matseek import Campaign
from matseek.core.records import Evaluation
from matseek.insight.paired import median_interval
from matseek.library.silver import WAVELENGTHS, SilverLaboratory, silver_target
from matseek.library.silver_problems import silver
from matseek.problems import CVaR, Derived, FurtherObjective, RecipeProblem, SpectralMatch
from matseek.searchers import BayesianSearcher, RandomSearcher
from matseek.spaces import Box, Variable

CONDITIONS, SEEDS = 60, range(1000, 1010)
MANY, WORST = SilverLaboratory(droplets=500), CVaR(0.9)
"""By how many droplets the truth about a condition is told, and by which share of them."""

PARTS = ("recipes", "fronts")
EVALUATIONS, BATCH, FRONT_SEEDS = 30, 5, range(1000, 1005)
BOTH = BraninCurrin().double()
REFERENCE = torch.tensor([-18.0, -6.0], dtype=torch.float64)
"""BoTorch's, for the negative functions."""


def truth(evaluation: Evaluation) -> dict[str, float]:
    """Median and mean loss of new droplets of a condition, and the mean of their worst tenth."""
    spectra = MANY(evaluation.point[None], rng=np.random.default_rng(5))[0]
    losses = SpectralMatch(WAVELENGTHS, silver_target())(spectra)
    return {"median": float(np.median(losses)), "mean": float(losses.mean()), "worst_tenth": WORST.of(losses)}


def trusted() -> list[dict[str, Any]]:
    """Of each seed, the best and the lowest of a campaign on the median, and the best of one on the worst tenth."""
    rows = []
    for seed in SEEDS:
        plain = Campaign(silver(), BayesianSearcher(model="loss", log=False), seed=seed).run(CONDITIONS)
        careful = Campaign(silver(risk=WORST), BayesianSearcher(model="loss", log=False), seed=seed).run(CONDITIONS)
        chosen = {"best": plain.best, "lowest": plain.lowest, "risk": careful.best}
        rows.append({"seed": seed, **{name: {"value": e.value, **truth(e)} for name, e in chosen.items()}})
        print(json.dumps(rows[-1]), flush=True)
    return rows


def volume(campaign: Campaign) -> float:
    """Hypervolume of what a campaign has found."""
    found = -torch.tensor(campaign.problem.goals.costs(campaign.ledger.evaluations()))
    return Hypervolume(REFERENCE).compute(found[is_non_dominated(found)])


def fronts() -> list[dict[str, Any]]:
    """Hypervolumes of Branin and Currin by qLogNEHVI and at random."""
    currin = Derived("currin", lambda point, response: float(BOTH(torch.tensor(point)[None])[0, 1]))  # noqa: ARG005
    problem = RecipeProblem(
        Box([Variable("a", 0, 1), Variable("b", 0, 1)]),
        lambda points: BOTH(torch.tensor(points))[:, 0].numpy(),
        further_objectives=[FurtherObjective(currin)],
    )
    searchers = {"bayesian": BayesianSearcher(BATCH), "random": RandomSearcher(BATCH)}
    return [
        {"seed": seed}
        | {name: volume(Campaign(problem, s, seed=seed).run(EVALUATIONS)) for name, s in searchers.items()}
        for seed in FRONT_SEEDS
    ]


def median(values: list[float]) -> list[float]:
    """Median over seeds, and the ends of its 95 % bootstrap interval."""
    return [round(float(x), 4) for x in (np.median(values), *median_interval(values))]


def main() -> None:
    """Run what is asked for, and write medians with their intervals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    asked = parser.parse_args().parts
    path = RESULTS / "trusted.json"
    stored = json.loads(path.read_text()) if path.exists() else {}
    recipes = trusted() if "recipes" in asked else stored["recipes"]
    found = fronts() if "fronts" in asked else stored["fronts"]
    told = {
        name: {key: median([row[name][key] for row in recipes]) for key in recipes[0][name]}
        for name in ("best", "lowest", "risk")
    }
    report = {
        "command": ".venv/bin/python -W ignore -m benchmarks.trusted",
        "goal": "none set",
        "medians": told,
        "largest_worst_tenth": {n: max(row[n]["worst_tenth"] for row in recipes) for n in told},
        "largest_mean": {n: max(row[n]["mean"] for row in recipes) for n in told},
        "hypervolume": {n: median([row[n] for row in found]) for n in ("bayesian", "random")},
        "possible_hypervolume": BOTH.max_hv,
        "recipes": recipes,
        "fronts": found,
    }
    print(write("trusted", report))


if __name__ == "__main__":
    main()
