"""What a campaign's models say to its people: what to run next, whom to believe, when to stop."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from matseek.evaluation import Evaluation, Proposal
from matseek.insight.attribution import explain
from matseek.insight.foresight import foresee
from matseek.insight.loss_map import map_similarity
from matseek.insight.palette import colour_map, colours_of_lab, reachable_palette
from matseek.insight.stopping import Accuracy, LossLevel, MapStability, StopCriterion
from matseek.insight.understanding import Understanding
from matseek.problems import ColourMatch, RecipeProblem
from matseek.problems.colour import NEEDED_WAVELENGTHS
from matseek.report.figures.colours import palette
from matseek.report.figures.house import MODEL_LABELS, PROPOSER_LABELS, value_label
from matseek.report.figures.spectral import predicted_against_measured
from matseek.report.figures.stopping import accuracy, loss_level
from matseek.report.figures.understanding import attribution, loss_maps, spectrum_attribution, stability

Judgements = Mapping[str, Mapping[int, Mapping[str, float]]]
"""What the stop criteria measured, by criterion and run."""

_GOOD_COSINE = 0.95
_SAME_OPINION = 0.95
_WHICH = {"bayesian": "Bayesian optimisation", "network": "the network"}


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

    problem: RecipeProblem
    evaluations: Sequence[Evaluation]
    now: Understanding
    before: Understanding | None
    judgements: Judgements
    stop: Sequence[StopCriterion] = ()
    proposal: Proposal | None = None

    def figures(self) -> dict[str, Figure]:
        """The figures that the models allow, by file stem."""
        return {**self._maps(), **self._stopping(), **self._attributions(), **self._foreseen(), **self._colours()}

    def next_recipes(self) -> dict[str, Any]:
        """The searcher's next proposals with what the models expect of them: heads and rows of a table, as text."""
        if self.proposal is None:
            return {"heads": [], "rows": []}
        points = self.proposal.points
        heads = [*self.problem.space.labels]
        columns = [[f"{x:.4g}" for x in column] for column in points.T]
        for model in self._models:
            loss = self.now.loss(model)
            if loss is not None:
                heads.append(f"{MODEL_LABELS[model]} expects")
                columns.append([f"{x:.3f}" for x in np.asarray(loss(points))])
        heads.append("Proposed by")
        columns.append([PROPOSER_LABELS.get(p, p) for p in self.proposal.proposers])
        return {"heads": heads, "rows": [list(row) for row in zip(*columns, strict=True)]}

    def whom_to_believe(self) -> list[str]:
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
            told = ", ".join(f"{k.replace('_', ' ')} {v:.4g}" for k, v in last.items() if math.isfinite(v))
            verdict = "only recorded" if not criterion.level else "reached" if criterion.met(measured) else "not yet"
            rows.append([_title(criterion.name), told or "nothing to measure yet", criterion.level or "none", verdict])
        return {"heads": ["Criterion", "Last run", "Level", "Reached"], "rows": rows}

    @property
    def _models(self) -> tuple[str, ...]:
        return self.now.learners.names

    def _maps(self) -> dict[str, Figure]:
        drawn = {m: found for m in self._models if (found := self.now.map(m)) is not None}
        if not drawn:
            return {}
        history = self.now.history
        return {"loss_maps": loss_maps(drawn, history.window, history.points, value_label(self.problem))}

    def _stopping(self) -> dict[str, Figure]:
        level: dict[str, Any] = {criterion.name: criterion for criterion in self.stop}
        drawn: dict[str, Figure] = {}
        found = self.judgements
        if "loss_level" in found:
            limit = level.get("loss_level", LossLevel())
            drawn["loss_level"] = loss_level(found["loss_level"], limit.below, value_label(self.problem))
        similarities = {
            model: {run: figures["similarity"] for run, figures in found[f"{model}_stability"].items()}
            for model in ("gp", "network")
            if f"{model}_stability" in found
        }
        if similarities:
            levels = [level.get(f"{m}_stability", MapStability(m)).at_least for m in similarities]
            drawn["stability"] = stability(similarities, next((x for x in levels if x is not None), None))
        if "accuracy" in found:
            limit = level.get("accuracy", Accuracy())
            drawn["accuracy"] = accuracy(found["accuracy"], limit.cosine, limit.mse)
        return drawn

    def _attributions(self) -> dict[str, Figure]:
        window = self.now.history.window
        by_model = {m: explain(loss, window) for m in self._models if (loss := self.now.loss(m)) is not None}
        drawn = {}
        if by_model:
            drawn["attribution"] = attribution(by_model, window, value_label(self.problem).lower())
        net = self.now.network
        if net is not None and net.wavelengths is not None:
            found = explain(self.now.spectra, window)
            drawn["spectrum_attribution"] = spectrum_attribution(found, window, net.wavelengths)
        return drawn

    def _foreseen(self) -> dict[str, Figure]:
        net = None if self.before is None else self.before.network
        if net is None or net.wavelengths is None:
            return {}
        seen = foresee(net, [e for e in self.evaluations if e.iteration == self.now.run])
        if not seen.evaluations:
            return {}
        names = [f"no. {e.number}, {PROPOSER_LABELS.get(e.proposer, e.proposer)}" for e in seen.evaluations]
        deviation = seen.deviation if net.members > 1 else None
        figure = predicted_against_measured(net.wavelengths, seen.predicted, seen.measured, names, deviation)
        return {"predicted_against_measured": figure}

    def _colours(self) -> dict[str, Figure]:
        net, objective = self.now.network, self.problem.objective
        best = min((e for e in self.evaluations if e.status == "done"), key=lambda e: e.value, default=None)
        if net is None or net.wavelengths is None or self.now.axes is None or best is None:
            return {}
        at = net.wavelengths
        if at[0] > NEEDED_WAVELENGTHS[0] or at[-1] < NEEDED_WAVELENGTHS[1]:
            return {}  # spectra that leave out visible light have no colour
        window = self.now.history.window
        over = colour_map(self.now.spectra, at, window, best.point, *self.now.axes)
        target = colours_of_lab(objective.target) if isinstance(objective, ColourMatch) else None
        return {"palette": palette(over, window, reachable_palette(self.now.spectra, at, window), target)}

    def _side_by_side(self) -> list[str]:
        done = [e for e in self.evaluations if e.status == "done"]
        shared = [
            run
            for run in sorted({e.iteration for e in done})
            if {"bayesian", "network"} <= {e.proposer for e in done if e.iteration == run}
        ]
        if not shared:
            return []
        best = {
            who: [min(e.value for e in done if e.iteration == run and e.proposer == who) for run in shared]
            for who in ("bayesian", "network")
        }
        won = sum(n < b for n, b in zip(best["network"], best["bayesian"], strict=True))
        medians = {
            who: float(np.median([e.value for e in done if e.iteration in shared and e.proposer == who]))
            for who in best
        }
        runs = f"batches {shared[0]} to {shared[-1]}" if len(shared) > 1 else f"batch {shared[0]}"
        ahead = "network" if medians["network"] < medians["bayesian"] else "bayesian"
        return [
            f"In {runs}, where both proposed side by side, the network's best recipe beat that of Bayesian "
            f"optimisation {won} of {len(shared)} times. Over all their recipes there the median was "
            f"{medians['network']:.3f} for the network and {medians['bayesian']:.3f} for Bayesian optimisation: so far "
            f"the typical proposal of {_WHICH[ahead]} is the better one."
        ]

    def _trust(self) -> list[str]:
        net = None if self.before is None else self.before.network
        if net is None:
            return []
        seen = foresee(net, [e for e in self.evaluations if e.iteration == self.now.run])
        if not seen.evaluations or net.wavelengths is None:
            return []
        cosine = float(np.median(seen.cosines))
        word = "can be believed" if cosine >= _GOOD_COSINE else "are still guesses"
        count = len(seen.evaluations)
        return [
            f"Before it was taught them, the network foresaw the last batch's {count} "
            f"{'spectrum' if count == 1 else 'spectra'} with a median cosine similarity of {cosine:.4f} "
            f"(the worst {seen.cosines.min():.4f}): its predicted spectra {word}."
        ]

    def _agreement(self) -> list[str]:
        maps = [found for m in self._models if (found := self.now.map(m)) is not None]
        if len(maps) < 2:
            return []
        similarity = map_similarity(maps[0], maps[1])
        if similarity >= _SAME_OPINION:
            return [
                f"The loss maps of both models have a cosine similarity of {similarity:.3f}: they agree, and where "
                "both are dark is the place to be."
            ]
        return [
            f"The loss maps of both models have a cosine similarity of {similarity:.3f} only: where they disagree, "
            "measure before you believe either."
        ]


def _title(name: str) -> str:
    return {
        "loss_level": "Best value",
        "gp_stability": "Stability of the Gaussian process's map",
        "network_stability": "Stability of the network's map",
        "accuracy": "Accuracy of the network on new conditions",
    }.get(name, name.replace("_", " ").capitalize())
