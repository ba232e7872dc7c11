"""Inverse design on the paper's 20^5 grid: 3.2 million spectra and losses, beside a loop over points, and by gradient.

Each part is a process of its own, so that its peak memory is its own, with one thread; seconds are CPU seconds, which
other work on the machine hardly changes. The network has the paper's sizes and one member, trained on 105 conditions of
the embedded laboratory. Two loops over single points are extrapolated from 1,000: the network's own ``predict``, which
is the least that a loop can cost in torch, and ``keras.Model.predict`` on a network of the same sizes, as such
scripts commonly do; its cost is Keras's own per call, hardly the network's. Keras is measured where an
interpreter is named that has it (``pip install tensorflow-cpu`` in another environment), on whatever backend that has.

    .venv/bin/python -W ignore -m benchmarks.grid [--keras PYTHON]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.results_io import write

LEVELS = 20
POINTS = 1000
CHUNK = 2048
GOAL = (
    "the grid at least 1,000 times faster than the Keras loop, under 2 GB; the gradient search at least as good as the "
    "grid's best in at most 1/20 of its time"
)


def seconds_of(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of some work, all threads together, and what it gave."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def history_and_searcher() -> tuple[Any, Any]:
    """105 measured conditions, and a searcher with one network of the paper's sizes."""
    from matseek import Campaign
    from matseek.library.silver_problems import silver
    from matseek.searchers import LatinHypercube, NetworkSearcher
    from matseek.surrogates.training import Training

    history = Campaign(silver(), LatinHypercube(), seed=0).run(105).history()
    return history, NetworkSearcher(levels=LEVELS, chunk=CHUNK, kappa=0.0, training=Training(members=1, holdout=0.0))


def measure_grid() -> dict[str, Any]:
    """All 20^5 spectra and losses, then the feasible ones and the gradient search for the same network."""
    import torch

    from matseek.searchers.network import best_of_grid, lower_confidence_bound
    from matseek.spaces import Box
    from matseek.surrogates.learning import Network

    history, searcher = history_and_searcher()
    net = Network(searcher.training).fit(history).net
    window = history.window
    before = peak_megabytes()
    score = lower_confidence_bound(net, window, history.objective, searcher.kappa)
    counted = 0

    def counting(unit: torch.Tensor) -> torch.Tensor:
        nonlocal counted
        counted += len(unit)
        return score(unit)

    whole = Box(window.variables)  # without the sum constraint, so that it is 3.2 million
    whole_seconds, _ = seconds_of(lambda: best_of_grid(counting, whole, LEVELS, CHUNK, keep=100_000))
    spectra, counted = counted, 0
    grid_seconds, (_, grid_scores) = seconds_of(lambda: best_of_grid(counting, window, LEVELS, CHUNK, keep=100_000))
    feasible = counted
    after = peak_megabytes()
    gradient = []
    for seed in range(5):
        seconds, best = seconds_of(lambda s=seed: searcher.propose(net, 1, replace(history, seed=s)))
        loss = float(score(torch.as_tensor(window.normalize(best))).detach()[0])
        gradient.append({"seconds": round(seconds, 3), "predicted_loss": round(loss, 5)})
    return {
        "spectra": spectra,
        "seconds": round(whole_seconds, 2),
        "feasible_spectra": feasible,
        "feasible_seconds": round(grid_seconds, 2),
        "peak_megabytes": round(after),
        "of_which_before_the_grid": round(before),
        "best_predicted_loss_of_the_feasible_grid": round(float(grid_scores[0]), 5),
        "gradient_searches": gradient,
    }


def measure_wall() -> dict[str, Any]:
    """All 20^5 spectra and losses by the clock on the wall, with two threads; nothing else should run meanwhile."""
    import torch

    from matseek.searchers.network import best_of_grid, lower_confidence_bound
    from matseek.spaces import Box
    from matseek.surrogates.learning import Network

    torch.set_num_threads(2)
    history, searcher = history_and_searcher()
    net = Network(searcher.training).fit(history).net
    score = lower_confidence_bound(net, history.window, history.objective, searcher.kappa)
    start = time.perf_counter()
    best_of_grid(score, Box(history.window.variables), LEVELS, CHUNK, keep=100_000)
    return {"seconds": round(time.perf_counter() - start, 2), "peak_megabytes": round(peak_megabytes())}


def measure_loop() -> dict[str, Any]:
    """Seconds per point of the network's own predict and the objective."""
    from matseek.surrogates.learning import Network

    history, searcher = history_and_searcher()
    net = Network(searcher.training).fit(history).net
    points = history.window.sample_uniform(POINTS, np.random.default_rng(0))

    def loop() -> None:
        for point in points:
            history.objective(net.predict(point[None]))

    return {"seconds_per_point": seconds_of(loop)[0] / POINTS}


def measure_keras() -> dict[str, Any]:
    """Seconds per point of keras.Model.predict alone, on a network of the same sizes."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras

    layers = [keras.layers.Dense(size, activation="relu") for size in (50, 100, 200, 500)]
    model = keras.Sequential([keras.Input((5,)), *layers, keras.layers.Dense(421)])
    points = np.random.default_rng(0).random((POINTS, 5)).astype(np.float32)
    model.predict(points[:1], verbose=0)  # the first call compiles

    def loop() -> None:
        for i in range(POINTS):
            model.predict(points[i : i + 1], verbose=0)

    versions = f"Keras {keras.__version__} on {keras.config.backend()}"
    return {"seconds_per_point": seconds_of(loop)[0] / POINTS, "library": versions}


def peak_megabytes() -> float:
    """Largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "grid": measure_grid,
    "wall": measure_wall,
    "loop": measure_loop,
    "keras": measure_keras,
}


def in_a_process(part: str, python: str = sys.executable) -> dict[str, Any]:
    """A part's figures, from a fresh process."""
    threads = "2" if part == "wall" else "1"
    limits = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    environment = os.environ | dict.fromkeys(limits, threads)
    command = [python, "-W", "ignore", "-m", "benchmarks.grid", "--part", part]
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    result: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
    print(part, json.dumps(result), flush=True)
    return result


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keras", metavar="PYTHON", help="an interpreter that can import keras")
    parser.add_argument("--part", choices=list(PARTS))
    options = parser.parse_args()
    if options.part:
        print(json.dumps(PARTS[options.part]()))
        return
    grid, wall, loop = (in_a_process(part) for part in ("grid", "wall", "loop"))
    keras = in_a_process("keras", options.keras) if options.keras else None
    loops = {"torch, one point at a time": loop} | ({keras["library"] + ", predict": keras} if keras else {})
    size = LEVELS**5
    compared = {
        name: {
            "milliseconds_per_point": round(1e3 * figures["seconds_per_point"], 3),
            "extrapolated_seconds": round(size * figures["seconds_per_point"]),
            "grid_is_faster_by": round(size * figures["seconds_per_point"] / grid["seconds"]),
        }
        for name, figures in loops.items()
    }
    searches = grid["gradient_searches"]
    slowest = max(s["seconds"] for s in searches)
    worst = max(s["predicted_loss"] for s in searches)
    report = {
        "command": ".venv/bin/python -W ignore -m benchmarks.grid --keras PYTHON",
        "goal": GOAL,
        "clock": "CPU seconds, one thread, unless the name says wall",
        "chunk": CHUNK,
        **grid,
        "wall_on_two_cores": wall,
        "loops_extrapolated_from_1000_points": compared,
        "gradient_time_of_grid": round(slowest / grid["feasible_seconds"], 4),
        "goals_met": {
            "speed": bool(keras and compared[keras["library"] + ", predict"]["grid_is_faster_by"] >= 1000),
            "memory": grid["peak_megabytes"] < 2000,
            "gradient_loss": worst <= grid["best_predicted_loss_of_the_feasible_grid"],
            "gradient_time": slowest <= grid["feasible_seconds"] / 20,
        },
    }
    print(write("grid", report))


if __name__ == "__main__":
    main()
