"""What a campaign's models say of it, fitted once for everything that is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from matseek.core.records import WINDOW_WIDENED, Evaluation
from matseek.core.surrogate import FittedSurrogate, LeftOut, Sampler
from matseek.insight.fitted_models import FittedModels
from matseek.insight.loss_map import LossMap
from matseek.insight.palette import transmitted_colours
from matseek.problems.colour import NEEDED_WAVELENGTHS
from matseek.report.outlook import Outlook
from matseek.workbench.view import Snapshot

FloatArray = npt.NDArray[np.float64]

SHARE = 0.9
"""Of the samples that an interval holds."""

_SAMPLES = 64
_LEFT_OUT_SAMPLES = 200
_AT_ONCE = 256
"""Recipes whose sampled spectra are in memory at once."""

_TRIED = 500
"""Recipes among which the best that may be within reach is looked for, beside those of the loss map."""


@dataclass(frozen=True, eq=False)
class Interval:
    """An expected number, and the central interval that holds :data:`SHARE` of the samples.

    Args:
        expected: The number.
        low: Lower end.
        high: Upper end.
    """

    expected: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class PredictedSpectrum:
    """A predicted spectrum with its interval at each wavelength.

    Args:
        wavelengths: In nm, shape ``(m,)``.
        expected: Absorbances, shape ``(m,)``.
        low: Lower ends, shape ``(m,)``.
        high: Upper ends, shape ``(m,)``.
        peak: Wavelength of the highest absorbance, in nm.
        colour: The sample's colour in transmitted daylight, as text for a browser; empty without visible light.
    """

    wavelengths: FloatArray
    expected: FloatArray
    low: FloatArray
    high: FloatArray
    peak: Interval
    colour: str


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model expects of a recipe.

    Args:
        value: The value, as it is told: of one that is maximised, not the negative.
        chance: Share of the samples in which it is better than the best measured; NaN where nothing is measured.
        spectrum: The spectrum; None where the model predicts none.
    """

    value: Interval
    chance: float
    spectrum: PredictedSpectrum | None


@dataclass(frozen=True, eq=False)
class Understanding:
    """The models of a campaign.

    Args:
        now: The campaign, as they know it.
        models: The models.
        model: The one that is shown: the first that predicts spectra, or else the first.
        label: What it is called.
        sampler: Samples of it.
    """

    now: Snapshot
    models: FittedModels
    model: FittedSurrogate
    label: str
    sampler: Sampler

    @classmethod
    def of(cls, now: Snapshot) -> Understanding | None:
        """Fit the models; None where there is nothing to learn from yet, or recipes cannot be seen as a box.

        Takes seconds.
        """
        space = now.problem.space
        if space.as_box() is None or not space.readable:
            return None
        models = FittedModels(now.history, now.record.searcher.surrogates_on(now.problem), now.problem)
        ordered = sorted(models.surrogates, key=lambda s: not s.predicts_responses)
        found = next(((s.label, m) for s in ordered if (m := models.fitted(s.name)) is not None), None)
        if found is None:
            return None
        label, model = found
        sampler = model.sampler(_SAMPLES, np.random.default_rng(now.record.seed))
        known = cls(now, models, model, label, sampler)
        known.at(now.history.done[0].point)  # what is computed once is computed here
        return known

    @property
    def sign(self) -> float:
        """What turns the record's values into told ones."""
        return sign_of(self.now)

    @property
    def best(self) -> float:
        """The best value in the record; NaN without any."""
        return float("nan") if self.now.best is None else self.now.best.value

    def at(self, points: npt.ArrayLike) -> list[Prediction]:
        """What is expected of recipes ``(n, d)``; takes milliseconds."""
        seen = self._coordinates(points)
        draws, means = self.sampler(seen), self.model.mean(seen)
        spectra: Sequence[PredictedSpectrum | None] = [None] * len(seen)
        if draws.responses is not None and draws.wavelengths is not None:
            spectra = self._spectra(seen, draws.responses, draws.wavelengths)
        predictions = []
        for mean, values, spectrum in zip(means, draws.values.T, spectra, strict=True):
            low, high = sorted(self.sign * np.quantile(values, ends()))
            expected = float(np.clip(self.sign * mean, low, high))
            chance = float("nan") if self.now.best is None else float((values < self.best).mean())
            predictions.append(Prediction(Interval(expected, float(low), float(high)), chance, spectrum))
        return predictions

    def _coordinates(self, points: npt.ArrayLike) -> FloatArray:
        view = self.now.problem.space.as_box()
        assert view is not None
        return view.coordinates(np.atleast_2d(np.asarray(points, dtype=np.float64)))

    def _spectra(self, seen: FloatArray, samples: FloatArray, at: FloatArray) -> list[PredictedSpectrum]:
        known = np.asarray(self.model.wavelengths)
        whole = self.model.responses(seen).mean(axis=0)
        expected = np.array([np.interp(at, known, row) for row in whole])
        low, high = np.quantile(samples, ends(), axis=0)
        visible = at[0] <= NEEDED_WAVELENGTHS[0] and at[-1] >= NEEDED_WAVELENGTHS[1]
        colours = transmitted_colours(at, expected).hex if visible else [""] * len(seen)
        peaks = at[samples.argmax(axis=2)]
        return [
            PredictedSpectrum(
                at,
                expected[i],
                low[i],
                high[i],
                Interval(float(at[expected[i].argmax()]), *np.quantile(peaks[:, i], ends()).tolist()),
                str(colours[i]),
            )
            for i in range(len(seen))
        ]

    @cached_property
    def favourite(self) -> FloatArray | None:
        """The recipe from which the model expects most, shape ``(d,)``; None without a map."""
        found = self.map
        if found is None or not np.isfinite(found.least):
            return None
        return np.asarray(self.models.history.placed(found.optimum[None])[0])

    @property
    def has_map(self) -> bool:
        """Whether :attr:`map` has been computed."""
        return "map" in self.__dict__

    @cached_property
    def map(self) -> LossMap | None:
        """What the shown model expects over the two variables that matter most; takes seconds at first."""
        name = next(s.name for s in self.models.surrogates if self.models.fitted(s.name) is self.model)
        return self.models.map(name)

    @cached_property
    def left_out(self) -> LeftOut | None:
        """Leave-one-out predictions; None where the model would have to be fitted anew for each."""
        return self.model.left_out(_LEFT_OUT_SAMPLES, np.random.default_rng(self.now.record.seed))

    @cached_property
    def within_reach(self) -> Interval:
        """The best value that the samples of the model have anywhere, as told; takes a second at first."""
        window = self.models.seen.window
        tried = [window.sample_uniform(_TRIED, np.random.default_rng(self.now.record.seed))]
        if self.map is not None:
            recipes = self.map.recipes.reshape(-1, window.dim)
            tried.append(recipes[np.isfinite(recipes).all(axis=1)])
        points = np.concatenate(tried)
        parts = (points[k : k + _AT_ONCE] for k in range(0, len(points), _AT_ONCE))
        least = np.min([self.sampler(part).values.min(axis=1) for part in parts], axis=0)
        low, expected, high = sorted(self.sign * np.quantile(least, (*ends(), 0.5)))
        return Interval(float(expected), float(low), float(high))

    def chance_of_any(self, waiting: Sequence[Evaluation]) -> float:
        """Share of the samples in which at least one of some recipes is better than the best measured."""
        if not waiting or self.now.best is None:
            return float("nan")
        values = self.sampler(self._coordinates([e.point for e in waiting])).values
        return float((values.min(axis=1) < self.best).mean())

    @cached_property
    def outlook(self) -> Outlook:
        """The sentences of the report page about the models."""
        record = self.now.record
        return Outlook(record.problem, self.now.evaluations, self.models, None, record.judgements(), record.stop)


def sign_of(now: Snapshot) -> float:
    """What turns a campaign's recorded values into told ones: -1 where these are maximised."""
    return now.problem.sign


def learnt_from(now: Snapshot) -> tuple[object, ...]:
    """What the models of a campaign depend on: the same again, the same models."""
    done = tuple((e.number, e.value, e.point.tobytes()) for e in now.history.done)
    return now.stamp[0], done, tuple(e.message for e in now.history.events if e.kind == WINDOW_WIDENED)


def ends() -> tuple[float, float]:
    """The quantiles between which an interval lies."""
    return (1 - SHARE) / 2, (1 + SHARE) / 2
