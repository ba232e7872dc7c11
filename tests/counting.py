"""Problems whose oracles write every call into a file: what a comparison counts can be held against it."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from ase.calculators.emt import EMT

from matseek.library.platinum import platinum_adatom
from matseek.problems import RecipeProblem
from matseek.spaces import Box, Variable


class Counter:
    """Appends a line per call to a file; every third call fails if so asked, whoever makes it."""

    def __init__(self, path, *, failing):
        self.path, self.failing = Path(path), failing

    def call(self):
        with self.path.open("a") as file:
            file.write("called\n")
        if self.failing and calls(self.path) % 3 == 0:
            raise RuntimeError("the oracle is broken")


def calls(path):
    path = Path(path)
    return len(path.read_text().splitlines()) if path.exists() else 0


def recipe(counter, failing=False, **_):
    """A bowl over two variables."""
    count = Counter(counter, failing=failing)

    def oracle(points):
        assert len(points) == 1
        count.call()
        return ((np.asarray(points) - [0.3, 0.6]) ** 2).sum(axis=1)

    space = Box([Variable("a", 0, 1), Variable("b", 0, 1)])
    return RecipeProblem(space, oracle, name="counted", success_below=0.02)


class CountedEMT(EMT):
    """Counts structures."""

    def __init__(self, path, *, failing):
        super().__init__()
        self.count = Counter(path, failing=failing)

    def calculate(self, *args, **kwargs):
        self.count.call()
        super().calculate(*args, **kwargs)


def adatom(counter, failing=False, **_):
    """The platinum adatom; what the observer relaxes to recognise it is no evaluation, and not counted here."""
    return replace(platinum_adatom(EMT), calculator=partial(CountedEMT, counter, failing=failing))
