"""Shapley values on the embedded silver laboratory: which variables dominate, and captum against brute force.

    .venv/bin/python -m benchmarks.attribution

explains the noiseless loss and the noiseless spectra; writes benchmarks/results/attribution.json.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr
from tests.insight.exact import brute_force_shapley

from benchmarks.results_io import write
from matseek.insight.attribution import Attribution, explain
from matseek.library.silver import SilverLaboratory
from matseek.library.silver_problems import silver
from matseek.spaces import Box
from matseek.surrogates.gp import GaussianProcess

FloatArray = npt.NDArray[np.float64]

SEEDS = 5
POINTS, BASELINES = 64, 32
TOLERANCE = 1e-5
"""Largest difference between captum and brute force that passes, as a fraction of the largest value."""


class Counted:
    """A function that counts the points it is asked for."""

    def __init__(self, function: Callable[[FloatArray], FloatArray]) -> None:
        self.function, self.points = function, 0

    def __call__(self, points: FloatArray) -> FloatArray:
        """The function, counted."""
        self.points += len(points)
        return np.asarray(self.function(points))


def sizes(found: Attribution) -> dict[str, list[float]]:
    """Mean absolute value and standard error of each variable, over wavelengths if there are any."""
    mean = found.mean_absolute.reshape(len(found.variables), -1).mean(axis=1)
    error = found.standard_error.reshape(len(found.variables), -1).mean(axis=1)
    return {
        name: [round(float(m), 4), round(float(e), 4)] for name, m, e in zip(found.variables, mean, error, strict=True)
    }


def main() -> None:
    problem, laboratory = silver(), SilverLaboratory()
    space, objective = problem.space, problem.objective
    assert objective is not None

    def loss(points: FloatArray) -> FloatArray:
        return objective(laboratory.spectra(points))

    rows: list[dict[str, Any]] = []
    for seed in range(SEEDS):
        counted = Counted(loss)
        start = time.perf_counter()
        found = explain(counted, space, points=POINTS, background=BASELINES, seed=seed)
        seconds = time.perf_counter() - start
        background = space.sample_latin_hypercube(BASELINES, _after_points(space, seed))
        exact = brute_force_shapley(loss, found.points, background)
        whole = exact.sum(axis=1) + float(loss(background).mean())
        rows.append(
            {
                "seed": seed,
                "ranking": list(found.ranking),
                "brute_force_ranking": [space.names[k] for k in np.argsort(-np.abs(exact).mean(axis=0))],
                "mean_absolute_and_standard_error": sizes(found),
                "largest_difference": float(np.abs(found.values - exact).max() / np.abs(exact).max()),
                "efficiency_gap": float(np.abs(whole - loss(found.points)).max()),
                "evaluations": counted.points,
                "seconds": round(seconds, 2),
            }
        )
    spectra = explain(laboratory.spectra, space, points=32, background=16)
    points = space.sample_latin_hypercube(120, np.random.default_rng(0))
    gp = GaussianProcess.fit(space, points, loss(points), np.full(len(points), np.nan))
    learnt = explain(gp.mean, space, points=POINTS, background=BASELINES)
    truth = rows[0]["mean_absolute_and_standard_error"]
    per_pair = 2**space.dim
    result: dict[str, Any] = {
        "goal": "AgNO3 and seeds the two dominant variables; captum and brute force (all 2^5 sets) rank the variables "
        f"alike and differ by at most {TOLERANCE:g} of the largest value",
        "command": ".venv/bin/python -m benchmarks.attribution",
        "points": POINTS,
        "baselines": BASELINES,
        "dominant": sum(set(r["ranking"][:2]) == {"QAgNO3", "Qseed"} for r in rows),
        "same_ranking": sum(r["ranking"] == r["brute_force_ranking"] for r in rows),
        "seeds": SEEDS,
        "largest_difference": max(r["largest_difference"] for r in rows),
        "tolerance": TOLERANCE,
        "reached": all(
            set(r["ranking"][:2]) == {"QAgNO3", "Qseed"}
            and r["ranking"] == r["brute_force_ranking"]
            and r["largest_difference"] <= TOLERANCE
            for r in rows
        ),
        "evaluations_per_point_and_baseline": {"ours": per_pair, "captum_alone": 1 + space.dim * 120},
        "rows": rows,
        "spectra": {"ranking": list(spectra.ranking), "mean_absolute_and_standard_error": sizes(spectra)},
        "gp_after_120_conditions": {
            "ranking": list(learnt.ranking),
            "mean_absolute_and_standard_error": sizes(learnt),
            "spearman_with_truth": round(
                float(
                    spearmanr([sizes(learnt)[n][0] for n in space.names], [truth[n][0] for n in space.names]).statistic
                ),
                3,
            ),
        },
    }
    print(json.dumps(result, indent=1))
    print(write("attribution", result))


def _after_points(space: Box, seed: int) -> np.random.Generator:
    """The generator in the state in which explain() draws its baselines."""
    rng = np.random.default_rng(seed)
    space.sample_latin_hypercube(POINTS, rng)
    return rng


if __name__ == "__main__":
    main()
