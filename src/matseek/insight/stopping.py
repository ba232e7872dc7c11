"""When to stop: criteria that a campaign takes, measured after every batch.

Mekki-Berrada et al., npj Comput. Mater. 7, 55 (2021): the loss is under a level, the loss map is stable, the network is
accurate on conditions that it has not been trained on.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from matseek.checks import check, optional, real, text, whole
from matseek.core.problem import solves
from matseek.core.surrogate import Surrogate
from matseek.deprecation import renamed_settings
from matseek.insight.fitted_models import FittedModels
from matseek.insight.holdout import holdout_predictions
from matseek.insight.loss_map import map_correlation, map_similarity

_COSINE = real(above=0, high=1, unit="a cosine similarity")

Figures = dict[str, float]
"""What a criterion measured after a batch; NaN where there was nothing to measure."""


@dataclass(frozen=True)
class StopCriterion(ABC):
    """Measures each batch, and says from all that was measured whether the campaign may end.

    Measuring may be costly and is recorded; deciding is cheap, so that a recorded campaign can be judged anew. A
    criterion without a level never ends a campaign: its figures are recorded and drawn.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """The name by which the record knows it, and which ``stopped_by`` gives."""

    @property
    @abstractmethod
    def level(self) -> str:
        """When the criterion is met, in words; empty without a level."""

    @abstractmethod
    def applies(self, surrogates: Sequence[Surrogate]) -> bool:
        """Whether there is anything to measure with a searcher's models."""

    @abstractmethod
    def measure(self, now: FittedModels, before: FittedModels | None) -> Figures:
        """Measure a batch.

        Args:
            now: The models after the batch.
            before: The models before it; None for the first batch.
        """

    @abstractmethod
    def satisfied(self, figures: Mapping[str, float]) -> bool:
        """Whether one batch's figures reach the level."""

    @property
    def in_a_row(self) -> int:
        """Batches that must be satisfied, the last one among them."""
        return 1

    def met(self, measured: Sequence[Mapping[str, float]]) -> bool:
        """Whether the last batches' figures, in order, end the campaign."""
        last = measured[-self.in_a_row :]
        return bool(self.level) and len(last) == self.in_a_row and all(self.satisfied(f) for f in last)

    def require(self, surrogates: Sequence[Surrogate], spectra: bool) -> None:  # noqa: ARG002 -- for those that need spectra
        """Refuse a level that could never be reached.

        Args:
            surrogates: The searcher's models.
            spectra: Whether the problem's responses are spectra.

        Raises:
            ValueError: If the searcher lacks the model that is judged, or the responses are no spectra.
        """
        if self.level and not self.applies(surrogates):
            raise ValueError(
                f"stop criterion {self.name!r} ({self.level}) needs a model that this searcher does not have (it has "
                f"{[s.name for s in surrogates]}); judge one of these, take searcher=two_step, or leave its level out"
            )


@dataclass(frozen=True)
class LossLevel(StopCriterion):
    """The best value is below a level.

    Args:
        below: The level; None only records the values.
    """

    below: float | None = None

    def __post_init__(self) -> None:
        check(self, "loss_level.", below=optional(real()))

    @property
    def name(self) -> str:
        """``loss_level``."""
        return "loss_level"

    @property
    def level(self) -> str:
        """In words."""
        return "" if self.below is None else f"best value below {self.below:g}"

    def applies(self, surrogates: Sequence[Surrogate]) -> bool:  # noqa: ARG002 -- any searcher has values
        """Always."""
        return True

    def measure(self, now: FittedModels, before: FittedModels | None) -> Figures:  # noqa: ARG002
        """``best``: the least value so far; ``best_of_run``: that of the batch; of what meets all constraints."""
        feasible = now.history.feasible
        own = [e.value for e in feasible if e.iteration == now.batch]
        return {"best": _least([e.value for e in feasible]), "best_of_run": _least(own)}

    def satisfied(self, figures: Mapping[str, float]) -> bool:
        """Best so far below the level."""
        return self.below is not None and figures["best"] < self.below


@dataclass(frozen=True)
class Solved(StopCriterion):
    """A batch has passed the problem's test of success; without such a test it ends nothing."""

    @property
    def name(self) -> str:
        """``solved``."""
        return "solved"

    @property
    def level(self) -> str:
        """In words."""
        return "the problem is solved"

    def applies(self, surrogates: Sequence[Surrogate]) -> bool:  # noqa: ARG002 -- any searcher may succeed
        """Always."""
        return True

    def measure(self, now: FittedModels, before: FittedModels | None) -> Figures:  # noqa: ARG002
        """``solved``: 1 where an evaluation of the batch passes, 0 where none does."""
        own = (e for e in now.history.feasible if e.iteration == now.batch)
        return {"solved": float(any(solves(now.problem, e.point, e.value) for e in own))}

    def satisfied(self, figures: Mapping[str, float]) -> bool:
        """Whether one has."""
        return figures["solved"] == 1


@renamed_settings(runs="batches")
@dataclass(frozen=True)
class MapStability(StopCriterion):
    """A model's loss map hardly changes any more from batch to batch.

    Args:
        model: Name of one of the searcher's surrogates, such as ``spectra``, ``gp`` or ``network``.
        at_least: Least cosine similarity of successive maps; None only records the similarities.
        batches: Batches in a row that must reach it.
    """

    model: str
    at_least: float | None = None
    batches: int = 2

    def __post_init__(self) -> None:
        check(self, "stability.", model=text)
        check(self, f"{self.name}.", at_least=optional(_COSINE), batches=whole(1))

    @property
    def name(self) -> str:
        """``spectra_stability``, ``gp_stability``, ``network_stability``, or that of another model."""
        return f"{self.model}_stability"

    @property
    def level(self) -> str:
        """In words."""
        if self.at_least is None:
            return ""
        return f"similarity to the map before at least {self.at_least:g}{_in_a_row(self.batches)}"

    @property
    def in_a_row(self) -> int:
        """Batches in a row."""
        return self.batches

    def applies(self, surrogates: Sequence[Surrogate]) -> bool:
        """Whether the searcher has the model."""
        return self.model in [s.name for s in surrogates]

    def measure(self, now: FittedModels, before: FittedModels | None) -> Figures:
        """``similarity``: cosine similarity of this batch's map and the one before, both over this batch's window.

        ``centred``: the same of the maps less their means, which is the stricter of the two and is only recorded.
        """
        after = now.map(self.model)
        earlier = None if before is None else before.map(self.model, now)
        if after is None or earlier is None:
            return {"similarity": math.nan, "centred": math.nan}
        return {"similarity": map_similarity(earlier, after), "centred": map_correlation(earlier, after)}

    def satisfied(self, figures: Mapping[str, float]) -> bool:
        """Similarity of at least the level."""
        return self.at_least is not None and figures["similarity"] >= self.at_least


@renamed_settings(runs="batches")
@dataclass(frozen=True)
class Accuracy(StopCriterion):
    """A model predicts newly measured conditions, before it is trained on them.

    Args:
        cosine: Least median cosine similarity of predicted and measured spectra; None for no such level.
        mse: Largest median of the mean squared errors, in squared units of the response; None for no such level.
            Without either the figures are only recorded.
        batches: Batches in a row that must reach the levels.
        model: Name of the surrogate that is judged, such as ``network``; None for the searcher's first one that
            predicts responses.
    """

    cosine: float | None = None
    mse: float | None = None
    batches: int = 1
    model: str | None = None

    def __post_init__(self) -> None:
        check(self, "accuracy.", cosine=optional(_COSINE), mse=optional(real(above=0)), batches=whole(1))
        check(self, "accuracy.", model=optional(text))

    @property
    def name(self) -> str:
        """``accuracy``."""
        return "accuracy"

    @property
    def level(self) -> str:
        """In words."""
        parts = [] if self.cosine is None else [f"median spectral cosine at least {self.cosine:g}"]
        parts += [] if self.mse is None else [f"median squared error at most {self.mse:g}"]
        return " and ".join(parts) + (_in_a_row(self.batches) if parts else "")

    @property
    def in_a_row(self) -> int:
        """Batches in a row."""
        return self.batches

    def applies(self, surrogates: Sequence[Surrogate]) -> bool:
        """Whether the searcher has the model, or one that predicts responses where none is named."""
        return any(s.predicts_responses and self.model in (None, s.name) for s in surrogates)

    def require(self, surrogates: Sequence[Surrogate], spectra: bool) -> None:
        """Also refuse a cosine where there are no spectra."""
        super().require(surrogates, spectra)
        if self.cosine is not None and not spectra:
            raise ValueError(
                f"accuracy.cosine={self.cosine} needs spectra, but the response is a single value; give accuracy.mse"
            )

    def measure(self, now: FittedModels, before: FittedModels | None) -> Figures:
        """``cosine`` and ``mse``: medians over the batch's conditions; ``least_cosine``; ``conditions``: how many."""
        model = None if before is None else before.predictor if self.model is None else before.fitted(self.model)
        own = [e for e in now.seen.done if e.iteration == now.batch]
        nothing = {"cosine": math.nan, "least_cosine": math.nan, "mse": math.nan, "conditions": 0}
        if model is None:
            return nothing
        seen = holdout_predictions(model, own)
        if not seen.evaluations:
            return nothing
        return {
            "cosine": float(np.median(seen.cosines)),
            "least_cosine": float(seen.cosines.min()),
            "mse": float(np.median(seen.squared_errors)),
            "conditions": len(seen.evaluations),
        }

    def satisfied(self, figures: Mapping[str, float]) -> bool:
        """Both levels, as far as there are any."""
        similar = self.cosine is None or figures["cosine"] >= self.cosine
        near = self.mse is None or figures["mse"] <= self.mse
        return similar and near


def _least(values: Sequence[float]) -> float:
    return float(min(values)) if len(values) else math.nan


def _in_a_row(batches: int) -> str:
    return f", {batches} batches in a row" if batches > 1 else ""
