"""The contract of a problem, see :class:`matseek.core.problem.Problem`."""

from __future__ import annotations

from itertools import chain

import numpy as np
import numpy.typing as npt

from matseek.core.problem import Measurement, Problem
from matseek.core.space import Space
from matseek.testing.rules import Rules, global_seed, same_plain
from matseek.testing.spaces import check_space

FloatArray = npt.NDArray[np.float64]

_AGREEMENT = 1e-6
"""Difference of values that two ways of measuring may have, as a fraction of the value."""


def check_problem(problem: Problem, seed: int = 0, points: int = 3) -> None:
    """Certify a problem: its space, its description, its words, and what it measures at a few samples.

    Args:
        problem: The problem; its oracle is called about four times for each point.
        seed: Of the samples and of the oracle's noise.
        points: Samples that are measured.

    Raises:
        ConformanceError: If it breaks a rule; the message says which, what was found and what to change.
    """
    rules = Rules(f"the problem {problem.name!r} ({type(problem).__name__})")
    rules.require(isinstance(problem.space, Space), "the space is a Space", type(problem.space).__name__, "see Space")
    check_space(problem.space, seed)
    _check_description(rules, problem)
    _check_words(rules, problem)
    problem.require_oracle()
    problem.prepare()
    samples = problem.space.sample_uniform(points, np.random.default_rng(seed))
    for number, point in enumerate(samples):
        _check_measurement(rules, problem, point, [seed, number])
    _check_structures(rules, problem, samples, seed)


def _check_description(rules: Rules, problem: Problem) -> None:
    described = problem.describe()
    rules.require_plain("describe()", described)
    rules.require(
        described.get("name") == problem.name, 'describe() has the problem\'s "name"', described, "add it by that key"
    )
    rules.require(
        same_plain(described, problem.describe()),
        "describe() says the same each time",
        described,
        "describe settings, not identities, times or random numbers",
    )


def _check_words(rules: Rules, problem: Problem) -> None:
    for name in ("name", "value_name", "value_label", "point_name"):
        rules.require_text(name, getattr(problem, name))
    unit, level = problem.value_unit, problem.success_below
    rules.require(isinstance(unit, str), "value_unit is a text, perhaps an empty one", unit, "give the unit as text")
    rules.require(
        level is None or np.isfinite(level), "success_below is a number or None", level, "give a finite value, or None"
    )
    axes = problem.axes
    rules.require(
        axes is None or set(axes) <= set(problem.space.names),
        "axes name two coordinates of the space",
        axes,
        f"choose among {problem.space.names}",
    )


def _check_measurement(rules: Rules, problem: Problem, point: FloatArray, seed: list[int]) -> None:
    before = point.copy()
    with global_seed(1):
        found = problem.measure(point, np.random.default_rng(seed))
    with global_seed(2):
        again = problem.measure(before.copy(), np.random.default_rng(seed))
    rules.require(
        isinstance(found, Measurement), "measure() gives a Measurement", type(found).__name__, "return a Measurement"
    )
    rules.require(np.array_equal(point, before), "measure() leaves its point as it is", point, "work on a copy")
    if found.error is not None:
        rules.require_text("the error of a failed measurement", found.error)
        rules.require(np.isnan(found.value), "a failed measurement has no value", found.value, "use Measurement.failed")
        return
    rules.require(
        np.isfinite(found.value),
        "a measurement has a finite value, or has failed",
        found.value,
        "return Measurement.failed(why) where there is no value",
    )
    rules.require_close(
        again.value,
        found.value,
        "the same point and generator give the same value",
        "draw noise from rng alone, not from a global generator",
        tolerance=_AGREEMENT,
    )
    replicates = np.asarray(found.replicates)
    known = replicates[np.isfinite(replicates)] if replicates.ndim == 1 else replicates
    rules.require(
        replicates.ndim == 1 and len(known) and known.min() - 1e-9 <= found.value <= known.max() + 1e-9,
        "the value lies among its replicates, a row of numbers",
        f"value {found.value}, replicates {replicates}",
        "give the value of each replicate; np.array([value]) where there is one",
    )
    if problem.risk is not None:
        rules.require_close(
            problem.risk.of(known),
            found.value,
            "the value is what the risk measure makes of the replicates",
            "reduce finite replicates by risk.of, or leave risk as None",
            tolerance=_AGREEMENT,
        )
    passed = problem.succeeded(point, found.value)
    rules.require(
        passed is None or isinstance(passed, bool), "succeeded() is True, False or None", passed, "return bool(...)"
    )
    rules.require(
        (passed is not None) == problem.has_success,
        "succeeded() says something exactly where has_success does",
        f"has_success={problem.has_success}, succeeded()={passed}",
        "override has_success and succeeded together",
    )
    _check_objective(rules, problem, found)


def _check_objective(rules: Rules, problem: Problem, found: Measurement) -> None:
    objective = problem.objective
    if objective is None or found.response is None:
        return
    rules.require_text("the objective's label", objective.label)
    rules.require_text("the objective's describe()", objective.describe())
    response = np.asarray(found.response)
    rules.require(
        response.shape[-1] == objective.response_size,
        "a response has a number for each wavelength of the objective",
        f"shape {response.shape}, {objective.response_size} wavelengths",
        "store the response on the objective's wavelengths",
    )
    values = np.atleast_1d(np.asarray(objective(response), dtype=np.float64))
    rules.require_close(
        found.replicates,
        values,
        "replicates are the objective of the response",
        "let measure() reduce the response by the objective alone",
        tolerance=_AGREEMENT,
    )


def _check_structures(rules: Rules, problem: Problem, samples: FloatArray, seed: int) -> None:
    if problem.as_structures() is not None:
        rules.require(
            problem.space.as_structures() is not None,
            "a problem of structures has a space of structures",
            type(problem.space).__name__,
            "let the space's as_structures() return a StructureSpace",
        )
    stream = problem.answers(samples)
    if stream is None:
        return
    answers = list(chain.from_iterable(stream))
    rules.require(len(answers) == len(samples), "answers(points) gives one for each point", len(answers), "keep order")
    for number, (point, answer) in enumerate(zip(samples, answers, strict=True)):
        alone = problem.measure(point, np.random.default_rng([seed, number]))
        rules.require(isinstance(answer, Measurement), "answers(points) gives measurements", answer, "see Answer")
        assert isinstance(answer, Measurement)
        remedy = "compute each member of a batch as if it were alone"
        rules.require_close(
            answer.value, alone.value, "answers(points) are measure(point)", remedy, tolerance=_AGREEMENT
        )
        if alone.response is not None and answer.response is not None:
            rules.require_close(
                answer.response,
                alone.response,
                "the responses of answers(points) are those of measure(point)",
                remedy,
                tolerance=1e-4,
            )
