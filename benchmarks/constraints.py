"""Infeasible proposals among 1,000 asked points of a problem whose optimum lies on the sum constraint.

.venv/bin/python -m benchmarks.constraints
"""

from __future__ import annotations

import json

import numpy as np

from benchmarks.results_io import write
from matseek import Campaign
from matseek.library.silver_problems import silver_space
from matseek.problems import RecipeProblem
from matseek.searchers import BayesianSearcher

BATCH, BATCHES, SEEDS = 20, 5, 10


def loss(points: np.ndarray) -> np.ndarray:
    """Distance from the corner where all four fractions are at their upper ends, which the sum constraint forbids."""
    space = silver_space()
    return ((space.normalize(points) - 1.0) ** 2).sum(axis=1)


def main() -> None:
    """Ask, check each point by plain arithmetic, and write."""
    space = silver_space(hardware=False)
    points, on_face = [], 0
    for seed in range(SEEDS):
        campaign = Campaign(RecipeProblem(space, loss), BayesianSearcher(BATCH), seed=seed).run(BATCH * BATCHES)
        points.append(campaign.to_frame()[list(space.labels)].to_numpy())
        on_face += bool(campaign.best.point[:4].sum() > 89.5)
    asked = np.vstack(points)
    # Plain arithmetic, apart from rounding in the last digits.
    slack = 1e-6
    infeasible = (
        (asked[:, :4].sum(axis=1) > 90 + slack)
        | (asked < space.lower - slack).any(axis=1)
        | (asked > space.upper + slack).any(axis=1)
    )
    report = {
        "command": ".venv/bin/python -m benchmarks.constraints",
        "goal": "0 infeasible of 1,000 asked",
        "asked": len(asked),
        "infeasible": int(infeasible.sum()),
        "largest_sum_of_fractions": float(asked[:, :4].sum(axis=1).max()),
        "campaigns_whose_best_lies_on_the_constraint": f"{on_face}/{SEEDS}",
    }
    print(json.dumps(report, indent=1))
    print(write("constraints", report))


if __name__ == "__main__":
    main()
