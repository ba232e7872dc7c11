"""What is promised to be equal on every machine, computed on this one: see docs/reliability.md.

    OPENBLAS_CORETYPE=Haswell python -m tests.machine_results

prints it as JSON.
"""

import json

import numpy as np

from matseek import Campaign
from matseek.library.platinum import platinum_heptamer
from matseek.library.silver_problems import silver
from matseek.searchers import LatinHypercube, RandomSearcher, RandomStructureSearch


def results():
    """Arrays by name."""
    rng = np.random.default_rng(0)
    recipes, structures = silver(droplets=3), platinum_heptamer()
    box, adlayer = recipes.space, structures.space
    points = box.sample_latin_hypercube(30, rng)
    placed = adlayer.sample_uniform(4, rng)
    hypercube = Campaign(recipes, LatinHypercube(15), seed=3).run(30).history()
    opened = Campaign(recipes, RandomSearcher(15), seed=3, opening=15).run(15).history()
    relaxed = Campaign(structures, RandomStructureSearch(concurrent=2), seed=3).run(6).history()
    return {
        "hypercube": box.normalize(points),
        "uniform": box.normalize(box.sample_uniform(30, rng)),
        "placed": placed,
        "contiguous": adlayer.sample_contiguous(4, rng),
        "energies": [structures.measure(point, rng).value for point in placed],
        "campaign of hypercubes": np.column_stack([box.normalize(hypercube.points), hypercube.values]),
        "opening": np.column_stack([box.normalize(opened.points), opened.values]),
        "first steps of relaxations": relaxed.points[:4],
    }


if __name__ == "__main__":
    print(json.dumps({name: np.asarray(array).tolist() for name, array in results().items()}))  # noqa: T201
