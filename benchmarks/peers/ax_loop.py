"""Drives Ax on one task; run by a Python that has ``ax-platform``, never by matseek's.

Lines of JSON come in and go out. The first to come has ``variables`` (``name``, and ``low`` and ``high`` or
``values``), ``points`` and ``values`` to begin with (a category as the number of its value), ``batch``, ``batches`` and
``seed``. Out goes ``{"points": [...], "cpu_seconds": ...}``, of all batches so far, and ``{"values": [...]}`` is
awaited.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from typing import Any

STREAM = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)  # what Ax prints must not come between the lines

import torch  # noqa: E402
from ax.api.client import Client  # noqa: E402
from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig  # noqa: E402

logging.disable(logging.WARNING)


def parameter(variable: dict[str, Any]) -> RangeParameterConfig | ChoiceParameterConfig:
    """A variable as Ax has it."""
    if "values" in variable:
        return ChoiceParameterConfig(
            name=variable["name"], values=variable["values"], parameter_type="str", is_ordered=False
        )
    bounds = (float(variable["low"]), float(variable["high"]))
    return RangeParameterConfig(name=variable["name"], bounds=bounds, parameter_type="float")


def main() -> None:
    """Ask and be told."""
    task = json.loads(sys.stdin.readline())
    torch.set_num_threads(1)
    variables = task["variables"]
    client = Client(random_seed=task["seed"])
    client.configure_experiment(parameters=[parameter(v) for v in variables])
    client.configure_optimization(objective="-value")
    client.configure_generation_strategy(method="fast", initialization_budget=len(task["points"]))
    for point, value in zip(task["points"], task["values"], strict=True):
        named = {
            v["name"]: v["values"][round(x)] if "values" in v else x for v, x in zip(variables, point, strict=True)
        }
        client.complete_trial(trial_index=client.attach_trial(parameters=named), raw_data={"value": value})
    seconds = 0.0
    for _ in range(task["batches"]):
        begun = time.process_time()
        trials = client.get_next_trials(max_trials=task["batch"])
        seconds += time.process_time() - begun
        points = [
            [float(v["values"].index(named[v["name"]])) if "values" in v else named[v["name"]] for v in variables]
            for named in trials.values()
        ]
        STREAM.write(json.dumps({"points": points, "cpu_seconds": seconds}) + "\n")
        told = json.loads(sys.stdin.readline() or "null")
        if told is None:
            return
        for index, value in zip(trials, told["values"], strict=True):
            client.complete_trial(trial_index=index, raw_data={"value": value})


if __name__ == "__main__":
    main()
