"""The best possible value of the embedded laboratories by brute force, and how hard they are to search.

A scrambled Sobol sequence fills the feasible recipes; differential evolution then starts from the best of them, several
times with other seeds. It moves in the unit cube, and what it tries is projected on the feasible polytope, so that
faces and corners are reached exactly. First the loss without noise is minimised, then the median over droplets, whose
noise is the same for every recipe; the value that is told of the latter comes from other droplets.

    .venv/bin/python -m benchmarks.best_possible
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import differential_evolution
from scipy.stats import qmc

from benchmarks.results_io import write
from matseek.library.gold_problems import gold_nanorods
from matseek.library.silver_problems import silver
from matseek.problems import RecipeProblem
from matseek.problems.gate import GATE_HIGH, GATE_LOW

FloatArray = npt.NDArray[np.float64]
Loss = Callable[[FloatArray], FloatArray]

POINTS = 2**18
"""Of the Sobol sequence in the box; those that break a constraint are left out."""

SEEDS = (0, 1, 2)
PARENTS = 60
GENERATIONS = {"noise-free": 400, "median": 60}
DROPLETS = 100
"""Of a recipe while the median is minimised."""

TOLD = 10_000
"""Droplets that the told median comes from."""

WITHIN = (0.02, 0.05, 0.1)


def sobol(problem: RecipeProblem, seed: int) -> FloatArray:
    """Feasible recipes that fill the space evenly, in the unit cube."""
    points = qmc.Sobol(len(problem.space.names), rng=seed).random(POINTS)
    return np.asarray(points[problem.space.unit_polytope.contains(points, 0.0)], dtype=np.float64)


def noise_free(problem: RecipeProblem) -> Loss:
    """Losses of recipes without noise."""
    return lambda points: np.asarray(problem.objective(problem.oracle.spectra(points)))  # type: ignore[misc, union-attr]


def median(problem: RecipeProblem, droplets: int, seed: int) -> Loss:
    """Median losses of recipes over droplets that meet the same noise whatever the recipe is."""
    laboratory = replace(problem.oracle, droplets=droplets)  # type: ignore[type-var]

    def losses(points: FloatArray) -> FloatArray:
        spectra = (laboratory(point[None], np.random.default_rng(seed))[0] for point in points)  # type: ignore[operator]
        return np.array([np.median(problem.objective(droplet)) for droplet in spectra])  # type: ignore[misc]

    return losses


def polished(problem: RecipeProblem, loss: Loss, start: FloatArray, generations: int, seed: int) -> FloatArray:
    """The best recipe, shape ``(d,)``, that differential evolution finds from a population in the unit cube."""
    space = problem.space

    def feasible(unit: FloatArray) -> FloatArray:
        return space.unnormalize(space.unit_polytope.project(unit))

    found = differential_evolution(
        lambda unit: loss(feasible(unit.T)),
        [(0.0, 1.0)] * start.shape[1],
        init=start,
        maxiter=generations,
        mutation=(0.4, 0.9),
        recombination=0.9,
        tol=1e-6,
        polish=False,
        updating="deferred",
        vectorized=True,
        rng=seed,
    )
    return np.asarray(feasible(found.x[None])[0], dtype=np.float64)


def active(problem: RecipeProblem, point: FloatArray) -> list[str]:
    """The bounds and constraints that hold a recipe, within a thousandth of the window."""
    space = problem.space
    unit = space.normalize(point[None])[0]
    ends = [f"{n} at its {'low' if u < 0.5 else 'high'} end" for n, u in zip(space.names, unit, strict=True)]
    held = [end for end, u in zip(ends, unit, strict=True) if min(u, 1.0 - u) < 1e-3]
    margin = 1e-3 * np.max(space.upper - space.lower)
    for constraint in space.describe()["constraints"]:
        total = sum(c * point[space.names.index(name)] for name, c in constraint["coefficients"].items())
        if total > constraint["upper"] - margin:
            held.append(f"the sum at {constraint['upper']:g}")
    return held


def best(problem: RecipeProblem) -> dict[str, Any]:
    """All that is told of one laboratory."""
    searches: dict[str, list[tuple[float, list[float]]]] = {"noise-free": [], "median": []}
    quiet = noise_free(problem)
    for seed in SEEDS:
        points = sobol(problem, seed)
        losses = quiet(problem.space.unnormalize(points))
        start = points[np.argsort(losses)[:PARENTS]]
        for name, loss in {"noise-free": quiet, "median": median(problem, DROPLETS, seed)}.items():
            found = polished(problem, loss, start, GENERATIONS[name], seed)
            told = quiet if name == "noise-free" else median(problem, TOLD, 1000)
            searches[name].append((float(told(found[None])[0]), found.tolist()))
            print(name, seed, searches[name][-1], flush=True)
    value, recipe = min(searches["noise-free"])
    expected, noisy_recipe = min(searches["median"])
    peaks = problem.oracle.spectra(problem.space.unnormalize(points)).max(axis=1)  # type: ignore[union-attr]
    droplets = problem.objective(replace(problem.oracle, droplets=TOLD)([noisy_recipe], np.random.default_rng(1000))[0])  # type: ignore
    return {
        "recipe_columns": list(problem.space.labels),
        "noise_free": {"loss": value, "recipe": recipe, "active": active(problem, np.array(recipe))},
        "median": {"loss": expected, "recipe": noisy_recipe, "active": active(problem, np.array(noisy_recipe))},
        "searches": {name: [loss for loss, _ in found] for name, found in searches.items()},
        "spread_of_droplets": float(np.std(droplets)),
        "feasible_points": len(points),
        "best_of_the_sequence": float(losses.min()),
        "points_within": {str(w): int(np.sum(losses < value + w)) for w in WITHIN},
        "saturated": float(np.mean(peaks > GATE_HIGH)),
        "dilute": float(np.mean(peaks < GATE_LOW)),
    }


def main() -> None:
    """Search both laboratories."""
    report: dict[str, Any] = {
        "command": ".venv/bin/python -m benchmarks.best_possible",
        "goal": "none set; the best possible values as found",
        "droplets": {"while_searching": DROPLETS, "told": TOLD},
        "problems": {},
    }
    for problem in (gold_nanorods(), silver()):
        report["problems"][problem.name] = best(problem)
        print(json.dumps(report, indent=1))
        print(write("best_possible", report), flush=True)


if __name__ == "__main__":
    main()
