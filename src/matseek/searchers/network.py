"""Inverse design: a network predicts responses, and the recipes that it predicts to be best are proposed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from matseek.acquisition.optimize import maximize
from matseek.acquisition.state import CLOSEST, SPACING
from matseek.candidates import AcquisitionRelaxation, OnStructures, StructureSearch
from matseek.checks import check, flag, of, one_of, optional, real, whole
from matseek.core.history import History
from matseek.core.problem import Problem
from matseek.core.records import TRAINED, Event, Proposal
from matseek.core.searcher import BatchSearcher, require_box
from matseek.core.space import BoxSpace, Space
from matseek.core.surrogate import Look
from matseek.searchers.widening import Widening
from matseek.surrogates.force_field import ForceField
from matseek.surrogates.learning import Network
from matseek.surrogates.spectrum_net import SpectrumNet
from matseek.surrogates.training import Training

logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float64]
SearchName = Literal["gradient", "grid"]
SEARCHES: tuple[SearchName, ...] = ("gradient", "grid")
NETWORK_WAITS = "network_waits"

_HALVINGS = 64
"""Times that the distance between the recipes of a batch is halved, at most."""

_POOL = 2048
_LOCAL = 256
_AROUND = 1024
_STEPS = 40
_MOST_GRID_POINTS = 10**9
_GRID_CANDIDATES = 100_000

_STRUCTURES = 8
"""Structures of a batch: a training takes as long for one as for several."""


def _on_structures() -> OnStructures:
    """Fewer and shorter relaxations than a Gaussian process affords: a network's surface costs a hundred times more."""
    search = StructureSearch(generations=2, relaxation=AcquisitionRelaxation(steps=40))
    return OnStructures(ForceField(), search)


@dataclass(frozen=True)
class NetworkSearcher(BatchSearcher):
    """Train an ensemble on everything measured, and propose what it predicts to be best.

    The score of a recipe is ``mean - kappa std`` of the values that the members predict, a lower confidence bound
    (Cox and John, 1992; Lakshminarayanan et al., NeurIPS 2017, for the ensemble's spread). With spectra, a value is
    the problem's own objective on a predicted spectrum; without an objective the network is a plain regressor. The
    first batch is a feasible Latin hypercube, and so is every batch for which there is too little to learn from.
    Structures are searched on an ensemble of networks of energies and forces.

    Args:
        batch_size: Points in a batch; None for 15 in a box and 8 among structures.
        search_by: ``gradient``: ascent from many starts, through the objective and the network; ``grid``: the best of a
            regular grid, as in Mekki-Berrada et al. 2021.
        levels: Grid points along each variable; the paper's 20 make 3.2 million recipes of five variables.
        chunk: Recipes that are predicted at once, which bounds the memory.
        starts: Starts of the ascent.
        kappa: How much the ensemble's spread counts in favour of a recipe; 0 trusts the mean.
        spacing: Least distance between the proposals of a batch, in window widths; it gives way if there is no room.
        least: Conditions with a response that it takes to train; below, a hypercube is proposed.
        repeats: Whether a recipe may be proposed twice.
        training: How the network is made and trained.
        widening: Rule by which windows widen toward the hardware limits; None leaves them as they are.
        structures: How structures are searched; every other setting but the batch size is of boxes. None searches a
            single free atom as a box of its coordinates, and refuses several.
    """

    name: ClassVar[str] = "network"
    label: ClassVar[str] = "network"
    look: ClassVar[Look | None] = ("#D55E00", "^")
    serves_molecules: ClassVar[bool] = True
    search_by: SearchName = "gradient"
    levels: int = 20
    chunk: int = 2048
    starts: int = 64
    kappa: float = 0.5
    spacing: float = 0.1
    least: int = 10
    repeats: bool = False
    training: Training = field(default_factory=Training)
    widening: Widening | None = field(default_factory=Widening)
    structures: OnStructures | None = field(default_factory=_on_structures)

    def __post_init__(self) -> None:
        super().__post_init__()
        check(
            self,
            search_by=one_of(SEARCHES),
            levels=whole(2, 100_000),
            chunk=whole(1),
            starts=whole(1, 1_000_000),
            kappa=real(0, 1e6),
            spacing=real(0, 1e3, unit="window widths"),
            least=whole(2),
            repeats=flag,
            training=of(Training),
            widening=optional(of(Widening)),
            structures=optional(of(OnStructures)),
        )

    def ask(self, n: int, history: History) -> Proposal:
        """Choose n points: a hypercube as long as nothing can be learnt, then the best that the network predicts."""
        reason = self.model.reason_to_wait(history)
        if reason is not None:
            points = history.hypercube(n)
            return Proposal(points, ("lhs",) * len(points), waiting(reason, history))
        events = () if self.widening is None else self.widening.events(history, self.name)
        widened = history.after(events)
        net = self.model.fit(widened).net.to(self.training.trainer.device)
        return Proposal(self.propose(net, n, widened), (self.name,) * n, (*events, *_trained(net, history)))

    def _on_structures(self, space: Space) -> OnStructures | None:
        return None if space.as_structures() is None else self.structures

    def usual_batch(self, space: Space) -> int:
        """Eight structures, or the points of an experimental run."""
        return super().usual_batch(space) if self._on_structures(space) is None else _STRUCTURES

    def room(self, history: History) -> int | None:
        """Uncounted where a recipe may be proposed twice."""
        return None if self.repeats else super().room(history)

    def choose(self, n: int, history: History) -> Proposal:
        """Choose n structures, or n points of a box."""
        on = self._on_structures(history.space)
        return super().choose(n, history) if on is None else on.ask(n, history, self.name)

    def check_space(self, space: Space) -> None:
        """Refuse what is neither structures nor has coordinates to learn on, and a grid that is too large or empty."""
        structures, on = space.as_structures(), self._on_structures(space)
        if structures is not None and on is not None:
            on.check(structures)
            return
        box = require_box(self.name, space).box
        if self.search_by == "grid":
            _require_grid(box, self.levels, self.chunk)

    def check_problem(self, problem: Problem) -> None:
        """Also refuse a loss on spectra where the response is a single value."""
        super().check_problem(problem)
        if self.training.cosine_weight and problem.objective is None and self._on_structures(problem.space) is None:
            raise ValueError(
                f"training.cosine_weight={self.training.cosine_weight} needs spectra, but problem {problem.name!r} "
                "answers with a single value; set it to 0"
            )

    def check(self, budget: int) -> None:
        """Refuse a budget smaller than a batch, and training that could not begin on this machine."""
        super().check(budget)
        self.training.trainer.single.check()
        if self.structures is not None:
            self.structures.check_machine()

    @property
    def model(self) -> Network:
        """The network, and how it is trained."""
        return Network(self.training, self.least)

    @property
    def surrogates(self) -> tuple[Network, ...]:
        """The network."""
        return (self.model,)

    def propose(self, net: SpectrumNet, n: int, history: History) -> FloatArray:
        """The n best recipes that keep apart, by a network that is there already.

        Args:
            net: A network of this problem, see :meth:`SpectrumNet.require`.
            n: Number of recipes.
            history: What has been tried, and the window.

        Returns:
            Feasible recipes, shape ``(n, d)``, in the variables' units.
        """
        net.require(history.window, None if history.objective is None else history.objective.wavelengths)
        window = history.window
        score = lower_confidence_bound(net, window, history.objective, self.kappa)
        if window.choices is not None:
            candidates = _ranked(score, window.choices, self.chunk)
        elif self.search_by == "grid":
            candidates, _ = best_of_grid(score, window, self.levels, self.chunk, keep=_GRID_CANDIDATES)
        else:
            candidates = self._ascend(score, history)
        tried = history.tried[:0] if self.repeats else history.tried
        candidates = _each_once(window.allowed(candidates))
        return window.unnormalize(_spread_out(candidates, n, self.spacing, window, window.normalize(tried), history))

    def _ascend(self, score: Callable[[Tensor], Tensor], history: History) -> FloatArray:
        """Candidates by ascent of minus the score, and some around them, best first, in unit coordinates."""
        window, rng = history.window, history.rng()
        polytope = window.unit_polytope
        uniform = polytope.sample(_POOL, rng)
        observed = window.normalize(history.points[history.values.argsort()[:5]])
        pool = _ranked(score, np.vstack([uniform, _scatter(observed, _LOCAL, self.spacing, window, rng)]), self.chunk)
        starts = torch.as_tensor(_keep_apart(pool, self.starts, self.spacing, window))
        along = torch.as_tensor(window.ordered)
        ascended, _ = maximize(lambda x: -score(x), polytope, starts, steps=_STEPS, along=along)
        best = ascended.numpy()
        around = _scatter(best, _AROUND, self.spacing, window, rng)
        return _ranked(score, window.allowed(np.vstack([best, around, pool])), self.chunk)


def _trained(net: SpectrumNet, history: History) -> tuple[Event, ...]:
    """What the record tells of a training; nothing where no recipes were held out."""
    if net.held_out_loss is None:
        return ()
    figures = {"held_out_loss": net.held_out_loss}
    message = (
        f"batch {history.iteration}: trained on {len(history.done)} conditions, held-out loss {net.held_out_loss:.4g}"
    )
    return (Event(TRAINED, message, {"run": history.iteration, "figures": figures}),)


def waiting(reason: str, history: History) -> tuple[Event, ...]:
    """What the record tells where the network is asked too early; nothing before the first batch."""
    if not len(history.tried):
        return ()
    message = f"the network does not propose in batch {history.iteration}: {reason}"
    logger.warning("%s", message)
    return (Event(NETWORK_WAITS, message, {"reason": reason}),)


def lower_confidence_bound(
    net: SpectrumNet, window: BoxSpace, objective: Callable[[Tensor], Tensor] | None, kappa: float
) -> Callable[[Tensor], Tensor]:
    """Score to minimise: ``mean - kappa std`` of the members' values.

    Args:
        net: The ensemble.
        window: BoxSpace whose unit coordinates the score takes; it may be wider than the network's own.
        objective: Turns spectra into values; None where the response is the value.
        kappa: Weight of the spread.

    Returns:
        A function from unit coordinates ``(n, d)`` to scores ``(n,)``, differentiable, in the input's precision and on
        its device, wherever the network is.
    """
    low = torch.as_tensor(window.lower)
    extent = torch.as_tensor(window.upper - window.lower)

    def score(unit: Tensor) -> Tensor:
        values = net.values((low + unit * extent).to(net.device), objective).to(unit)
        mean = values.mean(dim=0)
        if kappa == 0 or net.members == 1:
            return mean
        # The floor keeps the gradient finite where all members agree.
        return mean - kappa * values.var(dim=0, unbiased=False).clamp_min(1e-12).sqrt()

    return score


def best_of_grid(
    score: Callable[[Tensor], Tensor], window: BoxSpace, levels: int, chunk: int, keep: int
) -> tuple[FloatArray, FloatArray]:
    """The best feasible points of a regular grid over a window.

    Args:
        score: From unit coordinates ``(n, d)`` to scores ``(n,)``, to be minimised.
        window: The window; grid points that violate a constraint are not scored.
        levels: Points along each variable, both ends among them.
        chunk: Points that are scored at once.
        keep: Most points to return.

    Returns:
        Points in unit coordinates ``(p, d)``, best first, and their scores ``(p,)``.

    Raises:
        ValueError: If the grid is too large, or none of it is feasible.
    """
    _require_grid(window, levels, chunk)
    kept, scores = [np.zeros((0, window.dim))], [np.zeros(0)]
    with torch.no_grad():
        for points in _grid(window, levels, chunk):
            kept.append(points)
            scores.append(score(torch.as_tensor(points)).numpy())
            if len(kept) * chunk > 4 * keep:
                kept, scores = _best(kept, scores, keep)
    (points, values) = (np.concatenate(part) for part in _best(kept, scores, keep))
    return points, values


def _require_grid(window: BoxSpace, levels: int, chunk: int) -> None:
    """Refuse a grid that is too large, or that has no feasible point."""
    if levels**window.dim > _MOST_GRID_POINTS:
        raise ValueError(
            f"a grid of levels={levels} in {window.dim} variables has {float(levels) ** window.dim:.1g} points; "
            "lower levels, or take search_by=gradient"
        )
    if next(_grid(window, levels, chunk), None) is None:
        raise ValueError(
            f"no point of the grid of {levels} levels satisfies the constraints; raise levels, or take "
            "search_by=gradient"
        )


def _grid(window: BoxSpace, levels: int, chunk: int) -> Iterator[FloatArray]:
    """Feasible grid points, in unit coordinates, at most a chunk at a time."""
    polytope = window.unit_polytope
    shape = (levels,) * window.dim
    for start in range(0, levels**window.dim, chunk):
        index = np.arange(start, min(start + chunk, levels**window.dim))
        points = np.stack(np.unravel_index(index, shape), axis=1) / (levels - 1)
        inside = polytope.contains(points, tolerance=1e-9)
        if inside.any():
            yield points[inside]


def _best(points: list[FloatArray], scores: list[FloatArray], keep: int) -> tuple[list[FloatArray], list[FloatArray]]:
    every, values = np.concatenate(points), np.concatenate(scores)
    order = values.argsort(kind="stable")[:keep]
    return [every[order]], [values[order]]


def _ranked(score: Callable[[Tensor], Tensor], points: FloatArray, chunk: int) -> FloatArray:
    """Points sorted by score, best first; those without a finite score last."""
    with torch.no_grad():
        scores = torch.cat([score(part) for part in torch.split(torch.as_tensor(points), chunk)])
    return np.asarray(points[torch.nan_to_num(scores, nan=torch.inf).argsort(stable=True).numpy()])


def _scatter(centres: FloatArray, n: int, reach: float, window: BoxSpace, rng: np.random.Generator) -> FloatArray:
    """Feasible points around some centres, about a reach away, shape ``(n, d)``."""
    steps = rng.standard_normal((n, window.dim)) * (max(reach, SPACING) / np.sqrt(window.dim))
    scale = rng.choice([0.5, 1.0, 2.0], size=(n, 1))
    return window.unit_polytope.project(centres[rng.integers(len(centres), size=n)] + scale * steps)


def _each_once(points: FloatArray) -> FloatArray:
    """Points without those that are equal to earlier ones, to nine digits."""
    first = np.unique(np.round(points, 9), axis=0, return_index=True)[1]
    return points[np.sort(first)]


def _keep_apart(candidates: FloatArray, n: int, spacing: float, window: BoxSpace) -> FloatArray:
    """First candidates, each at a distance from those before it, at most n."""
    chosen: list[int] = []
    left = np.ones(len(candidates), dtype=np.bool_)
    while left.any() and len(chosen) < n:
        index = int(left.argmax())
        chosen.append(index)
        left &= np.linalg.norm(window.unit_offset(candidates, candidates[index]), axis=1) > spacing
    return candidates[chosen]


def _spread_out(
    candidates: FloatArray, n: int, spacing: float, window: BoxSpace, taken: FloatArray, history: History
) -> FloatArray:
    """The n best candidates that keep apart and repeat nothing; the distance is halved until they are enough."""
    # A finished candidate list can be shorter than a batch (a coarse grid); uniform points fill it up.
    same = SPACING if window.choices is None else CLOSEST
    fill = window.allowed(window.unit_polytope.sample(max(4 * n, 64), history.rng()))
    every = np.vstack([candidates, fill])
    low, high = window.unit_polytope.extent
    extent = np.maximum(high - low, np.finfo(np.float64).tiny)
    fresh = np.ones(len(every), dtype=np.bool_)
    for point in taken:
        fresh &= (np.abs(window.unit_offset(every, point)) / extent).max(axis=1) > same
    new = every[fresh] if fresh.any() else every
    for _ in range(_HALVINGS):
        if not spacing > same:
            break
        chosen = _keep_apart(new[: len(candidates)], n, spacing, window)
        if len(chosen) == n:
            return chosen
        spacing /= 2
    chosen = _keep_apart(new, n, same, window)
    short = n - len(chosen)
    return np.vstack([chosen, every[np.arange(short) % len(every)]])
