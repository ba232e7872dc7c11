"""What a campaign's models say to its people: what to run next, how far they can be trusted, when to stop."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from matseek.core.problem import Problem
from matseek.core.records import OPENING, Evaluation, Proposal
from matseek.core.surrogate import Look, Surrogate
from matseek.insight.fitted_models import FittedModels
from matseek.insight.holdout import holdout_predictions
from matseek.insight.loss_map import map_correlation, map_similarity
from matseek.insight.palette import colour_map, colours_of_lab, reachable_palette
from matseek.insight.stopping import Accuracy, LossLevel, MapStability, StopCriterion
from matseek.problems.colour import NEEDED_WAVELENGTHS
from matseek.report.figures.colours import palette
from matseek.report.figures.house import as_told
from matseek.report.figures.models import attribution, loss_maps, spectrum_attribution, stability
from matseek.report.figures.spectral import BAND, predicted_against_measured
from matseek.report.figures.stopping import accuracy, loss_level
from matseek.report.looks import looks_among
from matseek.report.proposers import proposer_label

Judgements = Mapping[str, Mapping[int, Mapping[str, float]]]
"""What the stop criteria measured, by criterion and run."""

_VALUES = frozenset({"best", "best_of_run"})
"""What criteria measure that are values."""

_GOOD_COSINE = 0.99
"""As the paper's criterion has it; absorbances are positive, so that spectra of little in common have 0.95."""

_SAME_OPINION = 0.9
"""Of the maps less their means: losses are positive, and their plain cosine is above 0.9 for maps of any kind."""


@dataclass(frozen=True, eq=False)
class Outlook:
    """What a recipe campaign's models make of it.

    Args:
        problem: The problem.
        evaluations: The campaign's evaluations.
        now: What is understood after the last run.
        before: What was understood before it; None for the first run.
        judgements: What the stop criteria measured.
        stop: The stop criteria.
        proposal: What the searcher would ask for next; None where it does not say.
    """

    problem: Problem
    evaluations: Sequence[Evaluation]
    now: FittedModels
    before: FittedModels | None
    judgements: Judgements
    stop: Sequence[StopCriterion] = ()
    proposal: Proposal | None = None

    def figures(self) -> dict[str, Figure]:
        """The figures that the models allow, by file stem."""
        return {**self._maps(), **self._stopping(), **self._attributions(), **self._holdout(), **self._colours()}

    def next_recipes(self) -> dict[str, Any]:
        """The searcher's next proposals with what the models expect of them: heads and rows of a table, as text."""
        if self.proposal is None:
            return {"heads": [], "rows": []}
        points, view = self.proposal.points, self.problem.space.as_box()
        seen = points if view is None else view.coordinates(points)
        heads = [*self.problem.space.labels]
        frame = self.problem.space.to_frame(points)
        columns = [[x if isinstance(x, str) else f"{x:.4g}" for x in frame[label]] for label in frame.columns]
        for model in self._models:
            loss = self.now.loss(model.name)
            if loss is not None:
                heads.append(f"{model.label} expects")
                columns.append([f"{x:.3f}" for x in self.problem.sign * np.asarray(loss(seen))])
        heads.append("Proposed by")
        columns.append([proposer_label(p) for p in self.proposal.proposers])
        return {"heads": heads, "rows": [list(row) for row in zip(*columns, strict=True)]}

    def model_trust(self) -> list[str]:
        """How the proposers did side by side, and how far their models can be trusted, in sentences."""
        return [*self._side_by_side(), *self._trust(), *self._agreement()]

    def when_to_stop(self) -> dict[str, Any]:
        """Each criterion, what it last measured, and whether that is enough: heads and rows of a table, as text."""
        rows = []
        for criterion in self.stop:
            measured = [f for _, f in sorted(self.judgements.get(criterion.name, {}).items())]
            if not measured:
                continue
            last = {k: v for k, v in measured[-1].items() if k != "conditions"}
            last |= {k: self.problem.sign * last[k] for k in _VALUES & last.keys()}
            message = ", ".join(f"{k.replace('_', ' ')} {v:.4g}" for k, v in last.items() if math.isfinite(v))
            verdict = "only recorded" if not criterion.level else "reached" if criterion.met(measured) else "not yet"
            rows.append(
                [
                    _title(criterion, self._models),
                    message or "nothing to measure yet",
                    criterion.level or "none",
                    verdict,
                ]
            )
        return {"heads": ["Criterion", "Last run", "Level", "Reached"], "rows": rows}

    @property
    def _models(self) -> tuple[Surrogate, ...]:
        return self.now.surrogates

    @property
    def _looks(self) -> dict[str, Look]:
        """Colour and marker of each model, by label."""
        return looks_among({model.label: model.look for model in self._models})

    def _maps(self) -> dict[str, Figure]:
        drawn = {m.label: result for m in self._models if (result := self.now.map(m.name)) is not None}
        if not drawn:
            return {}
        history = self.now.seen
        figure = loss_maps(drawn, history.window, history.points, self.problem.value_label, self.problem.sign)
        return {"loss_maps": as_told(figure, self.problem)}

    def _stopping(self) -> dict[str, Figure]:
        level: dict[str, Any] = {criterion.name: criterion for criterion in self.stop}
        drawn: dict[str, Figure] = {}
        result = self.judgements
        if "loss_level" in result:
            limit = level.get("loss_level", LossLevel())
            below = limit.below
            words = "end below {:g}" if self.problem.sign > 0 or below is None else f"end above {-below:g}"
            figure = loss_level(result["loss_level"], below, self.problem.value_label, words)
            drawn["loss_level"] = as_told(figure, self.problem)
        judged = [m for m in self._models if f"{m.name}_stability" in result]
        similarities, centred = (
            {m.label: {k: f.get(key, math.nan) for k, f in result[f"{m.name}_stability"].items()} for m in judged}
            for key in ("similarity", "centred")
        )
        if similarities:
            levels = [level.get(f"{m.name}_stability", MapStability(m.name)).at_least for m in judged]
            least = next((x for x in levels if x is not None), None)
            drawn["stability"] = stability(similarities, centred, least, self._looks)
        if "accuracy" in result:
            limit = level.get("accuracy", Accuracy())
            drawn["accuracy"] = accuracy(result["accuracy"], limit.cosine, limit.mse)
        return drawn

    def _attributions(self) -> dict[str, Figure]:
        from matseek.insight.attribution import explain  # with torch

        window = self.now.seen.window
        losses = {m.label: self.now.loss(m.name) for m in self._models}
        by_model = {label: explain(loss, window) for label, loss in losses.items() if loss is not None}
        drawn = {}
        if by_model:
            drawn["attribution"] = attribution(by_model, window, self.problem.told_label.lower(), self._looks)
        model = self.now.predictor
        if model is not None and model.wavelengths is not None:
            result = explain(self.now.spectra, window)
            drawn["spectrum_attribution"] = spectrum_attribution(result, window, model.wavelengths)
        return drawn

    def _holdout(self) -> dict[str, Figure]:
        model = None if self.before is None else self.before.predictor
        if model is None or model.wavelengths is None:
            return {}
        seen = holdout_predictions(model, [e for e in self.now.seen.evaluations if e.iteration == self.now.batch])
        if not seen.evaluations:
            return {}
        names = [f"no. {e.number}, {proposer_label(e.proposer)}" for e in seen.evaluations]
        deviation = seen.deviation if seen.deviation.any() else None
        figure = predicted_against_measured(model.wavelengths, seen.predicted, seen.measured, names, deviation)
        return {"predicted_against_measured": figure}

    def _colours(self) -> dict[str, Figure]:
        model, objective = self.now.predictor, self.problem.objective
        best = next(iter(self.problem.ranked(self.now.seen.done)), None)
        if model is None or model.wavelengths is None or self.now.axes is None or best is None:
            return {}
        at = model.wavelengths
        if at[0] > NEEDED_WAVELENGTHS[0] or at[-1] < NEEDED_WAVELENGTHS[1]:
            return {}  # spectra that leave out visible light have no colour
        window = self.now.seen.window
        over = colour_map(self.now.spectra, at, window, best.point, *self.now.axes)
        wanted = None if objective is None else objective.target_lab
        target = None if wanted is None else colours_of_lab(wanted)
        return {"palette": palette(over, window, reachable_palette(self.now.spectra, at, window), target)}

    def _side_by_side(self) -> list[str]:
        """How the proposers did in the batches that they shared."""
        done = [e for e in self.evaluations if e.status == "done" and e.proposer != OPENING]
        by_batch: dict[int, set[str]] = {}
        for e in done:
            by_batch.setdefault(e.iteration, set()).add(e.proposer)
        shared = sorted(batch for batch, who in by_batch.items() if len(who) > 1)
        if not shared:
            return []
        values = {
            who: {k: [e.value for e in done if e.iteration == k and e.proposer == who] for k in shared}
            for who in sorted(set.union(*(by_batch[k] for k in shared)))
        }
        best = [min(values, key=lambda who: min(values[who][k], default=math.inf)) for k in shared]
        batches = f"batches {shared[0]} to {shared[-1]}" if len(shared) > 1 else f"batch {shared[0]}"
        won = ", ".join(f"{proposer_label(who)} {best.count(who)}" for who in values)
        medians = {who: float(np.median([v for k in shared for v in values[who][k]])) for who in values}
        message = ", ".join(f"{median:.3f} ({proposer_label(who)})" for who, median in medians.items())
        return [
            f"In {batches}, where several proposed side by side, the best {self.problem.point_name} of a batch came "
            f"from: {won} of {len(shared)}. The medians over all their proposals there are {message}: the typical "
            f"proposal is best from {proposer_label(min(medians, key=lambda who: medians[who]))} so far."
        ]

    def _trust(self) -> list[str]:
        model = None if self.before is None else self.before.predictor
        if model is None:
            return []
        seen = holdout_predictions(model, [e for e in self.now.seen.evaluations if e.iteration == self.now.batch])
        if not seen.evaluations or model.wavelengths is None:
            return []
        cosine = float(np.median(seen.cosines))
        word = "can be trusted" if cosine >= _GOOD_COSINE else "are still guesses"
        count = len(seen.evaluations)
        held = float((np.abs(seen.measured - seen.predicted) <= BAND * seen.deviation).mean())
        return [
            f"Before it was trained on them, the model predicted the last batch's {count} "
            f"{'spectrum' if count == 1 else 'spectra'} with a median cosine similarity of {cosine:.4f} "
            f"(the worst {seen.cosines.min():.4f}), and its 80 % bands hold {held:.0%} of what was measured: "
            f"its predicted spectra {word}."
        ]

    def _agreement(self) -> list[str]:
        maps = [result for m in self._models if (result := self.now.map(m.name)) is not None]
        if len(maps) < 2:
            return []
        pairs = list(combinations(maps, 2))
        centred, similarity = (min(f(a, b) for a, b in pairs) for f in (map_correlation, map_similarity))
        which, least = ("both models", "") if len(maps) == 2 else ("any two models", "at least ")
        message = (
            f"The loss maps of {which}, each less its mean, have a cosine similarity of {least}{centred:.3f} "
            f"({similarity:.3f} with their means, as the two-step paper has it)"
        )
        if centred >= _SAME_OPINION:
            return [f"{message}: they agree, and where all are dark is the place to be."]
        return [f"{message}: where they disagree, measure before you believe any."]


def _title(criterion: StopCriterion, models: Sequence[Surrogate]) -> str:
    known = {f"{m.name}_stability": f"Stability of the {m.label}'s map" for m in models}
    named = {**known, "loss_level": "Best value", "accuracy": "Accuracy on new conditions"}
    return named.get(criterion.name, criterion.name.replace("_", " ").capitalize())
