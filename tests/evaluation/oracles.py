"""Oracles for executors that make their calls in other processes, which import this module."""

import os
import signal
import time
from functools import partial
from pathlib import Path

import numpy as np
from ase.calculators.calculator import Calculator, all_changes

from matseek.evaluation.executors import Call
from matseek.problems import RecipeProblem
from matseek.spaces import Box, Variable

SPACE = Box([Variable("x", 0, 10)])
VALUE, RAISE, EXIT, QUIT, CRASH, HANG, WAIT, ODD = 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0


class OddError(Exception):
    """Cannot be made anew from what a pickle keeps, and its text cannot be encoded."""

    def __init__(self, first, second):
        super().__init__(f"odd \udcff{first}{second}")


def oracle(points, folder):
    """Notes its process and that one's parent, then does as the point says."""
    x = points[0, 0]
    with (folder / "begun").open("a") as file:
        file.write(f"{os.getpid()} {os.getppid()} {x}\n")
    if x == RAISE:
        raise RuntimeError("out of silver")
    if x == EXIT:
        raise SystemExit(3)
    if x == QUIT:
        os._exit(0)
    if x == CRASH:
        os.kill(os.getpid(), signal.SIGSEGV)
    if x == HANG:
        time.sleep(600)
    if x == ODD:
        raise OddError(1, 2)
    deadline = time.monotonic() + 60
    while x == WAIT and not (folder / "go").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return points[:, 0]


def problem_in(folder):
    return RecipeProblem(SPACE, partial(oracle, folder=Path(folder)))


def calls_of(problem, *xs):
    return [Call(problem, n, np.array([x]), 0) for n, x in enumerate(xs, start=1)]


def begun(folder):
    """Process, its parent and point of each call so far."""
    path = folder / "begun"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(a), int(b), float(x)) for a, b, x in map(str.split, lines)]


class Slow(Calculator):
    """Takes three seconds to make; a call gives the process's number."""

    implemented_properties = ("energy", "forces")

    def __init__(self):
        super().__init__()
        time.sleep(3)

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": float(os.getpid()), "forces": np.zeros((len(atoms), 3))}
