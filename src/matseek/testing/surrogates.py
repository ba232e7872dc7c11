"""The contract of a surrogate, see :class:`matseek.core.surrogate.Surrogate`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from matseek.core.history import History
from matseek.core.surrogate import FittedSurrogate, Sampler, Surrogate
from matseek.testing.rules import Rules, global_seed

FloatArray = npt.NDArray[np.float64]

_POINTS = 7
"""Points at which models are asked."""

_DRAWS = 5
"""Samples that are drawn of a model."""


def check_surrogate(surrogate: Surrogate, history: History, order_tolerance: float = 0.5, seed: int = 0) -> None:
    """Certify a surrogate by fits to a history.

    The same history gives the same model; predictions and samples have the right shapes and are finite; predictions
    fit the training values better than their mean does; the order of the evaluations does not matter; an empty history
    is told and needs no fit.

    Args:
        surrogate: The settings.
        history: Evaluations to learn from, for example ``measured(problem, 20)``; it is seen through its box.
        order_tolerance: Largest root-mean-square change of predictions when the evaluations are in another order, as a
            fraction of the standard deviation of the values. Exact models: 1e-3; networks, whose batches change, the
            default.
        seed: Of the points at which it is asked.

    Raises:
        ConformanceError: If it breaks a rule; the message says which, what was found and what to change.
    """
    rules = Rules(f"the surrogate {type(surrogate).__name__}")
    history = history.in_box()
    for name in ("name", "label"):
        rules.require_text(name, getattr(surrogate, name))
    copy: Surrogate = rules.require_frozen_settings(surrogate)
    _check_waiting(rules, surrogate, history)
    with global_seed(1):
        fitted = surrogate.fit(history)
    with global_seed(2):
        again = copy.fit(history)
    rules.require(
        isinstance(fitted, FittedSurrogate), "fit() gives a FittedSurrogate", type(fitted).__name__, "derive from it"
    )
    points = history.domain.sample_uniform(_POINTS, np.random.default_rng(seed))
    mean = _check_predictions(rules, fitted, points)
    rules.require_close(
        again.mean(points),
        mean,
        "the same history gives the same model",
        "draw from history.rng() alone, and seed every other generator from it",
        tolerance=1e-9,
    )
    _check_fit(rules, fitted, history)
    _check_order(rules, surrogate, history, points, mean, order_tolerance)
    _check_responses(rules, surrogate, fitted, points)
    _check_draws(rules, fitted, points)
    _check_file(rules, fitted)


def _check_waiting(rules: Rules, surrogate: Surrogate, history: History) -> None:
    empty = replace(history, evaluations=(), events=(), iteration=1)
    reason = surrogate.reason_to_wait(empty)
    rules.require(
        isinstance(reason, str) and reason,
        "reason_to_wait() of an empty history is a text",
        reason,
        "say what is missing, for example how many values it needs",
    )
    reason = surrogate.reason_to_wait(history)
    rules.require(
        reason is None, "reason_to_wait() of the given history is None", reason, "give a history that can be learnt"
    )


def _check_predictions(rules: Rules, fitted: FittedSurrogate, points: FloatArray) -> FloatArray:
    before = points.copy()
    mean = rules.require_array("mean(points)", fitted.mean(points), (len(points),))
    deviation = fitted.deviation(points)
    if deviation is not None:
        found = rules.require_array("deviation(points)", deviation, (len(points),))
        rules.require((found >= 0).all(), "deviations are not negative", found, "return standard deviations, or None")
    rules.require(np.array_equal(points, before), "predictions leave the points as they are", points, "copy them")
    one = rules.require_array("mean(one point)", fitted.mean(points[:1]), (1,))
    rules.require_close(
        one, mean[:1], "a point's prediction does not depend on the others", "predict row by row", tolerance=1e-5
    )
    return mean


def _check_fit(rules: Rules, fitted: FittedSurrogate, history: History) -> None:
    values = history.values
    spread = float(np.std(values))
    if not spread > 0:
        return
    residual = float(np.sqrt(np.mean((fitted.mean(history.points) - values) ** 2)))
    rules.require(
        residual < spread,
        "training values are predicted better than by their mean",
        f"a root-mean-square error of {residual:.4g} where the values' standard deviation is {spread:.4g}",
        "check the scales of inputs and outputs, and that points are in the units of the history's box",
    )


def _check_order(
    rules: Rules, surrogate: Surrogate, history: History, points: FloatArray, mean: FloatArray, tolerance: float
) -> None:
    turned = surrogate.fit(replace(history, evaluations=history.evaluations[::-1]))
    change = float(np.sqrt(np.mean((turned.mean(points) - mean) ** 2)))
    allowed = tolerance * float(np.std(history.values))
    rules.require(
        change <= allowed,
        "the order of the evaluations does not matter",
        f"predictions change by {change:.4g} where {allowed:.4g} is allowed",
        "treat all of history.done alike; for a network that is trained in batches raise order_tolerance",
    )


def _check_responses(rules: Rules, surrogate: Surrogate, fitted: FittedSurrogate, points: FloatArray) -> None:
    predicts = fitted.predicts_responses
    rules.require(
        predicts == surrogate.predicts_responses,
        "settings and model agree on predicts_responses",
        f"{surrogate.predicts_responses} and {predicts}",
        "override both",
    )
    if not predicts:
        rules.require_refusal(
            lambda: fitted.responses(points),
            "responses() of a model of values raises ValueError",
            "override predicts_responses as well, or leave responses() out",
        )
        return
    found, wavelengths = np.asarray(fitted.responses(points)), fitted.wavelengths
    shape = (len(points),) if wavelengths is None else (len(points), len(wavelengths))
    rules.require(
        found.ndim == 3 and found.shape[1 : 1 + len(shape)] == shape and np.isfinite(found).all(),
        "responses(points) are finite, of shape (members, n, m)",
        f"shape {found.shape}, {'no' if wavelengths is None else len(wavelengths)} wavelengths",
        "give one member for a single model",
    )
    rules.require_array("response_deviation(points)", fitted.response_deviation(points), found.shape[1:])


def _check_draws(rules: Rules, fitted: FittedSurrogate, points: FloatArray) -> None:
    def draw() -> Sampler:
        return fitted.sampler(_DRAWS, np.random.default_rng(3))

    sampler = draw()
    found = sampler(points)
    values = rules.require_array("the values of sampler()(points)", found.values, (_DRAWS, len(points)))
    rules.require_close(
        sampler(points[:1]).values,
        values[:, :1],
        "samples are drawn once, as functions",
        "draw all that is random in sampler(), not in what it returns",
        tolerance=1e-6,
    )
    rules.require_close(
        draw()(points).values,
        values,
        "the same generator gives the same samples",
        "draw from rng alone",
        tolerance=1e-9,
    )
    if found.wavelengths is not None:
        spectra = np.asarray(found.responses)
        rules.require(
            spectra.ndim == 3 and spectra.shape[1:] == (len(points), len(found.wavelengths)),
            "sampled spectra have the shape (samples, n, m)",
            spectra.shape,
            "give a wavelength for each absorbance",
        )
    left = fitted.left_out(_DRAWS, np.random.default_rng(4))
    if left is not None:
        rules.require_array("the values of left_out()", left.draws.values, (_DRAWS, len(left.points)))
        rules.require_array("the measured values of left_out()", left.values, (len(left.points),))


def _check_file(rules: Rules, fitted: FittedSurrogate) -> None:
    with TemporaryDirectory(prefix="matseek-") as folder:
        path = Path(folder) / f"model{fitted.suffix or ''}"
        if fitted.suffix is None:
            rules.require_refusal(
                lambda: fitted.save(path), "save() without a suffix raises ValueError", "give a suffix"
            )
        else:
            fitted.save(path)
            rules.require(path.is_file(), "save(path) writes a file", path.name, "write to the path itself")
