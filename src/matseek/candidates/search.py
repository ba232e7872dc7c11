"""The search of a model's surface for the structures that are evaluated next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from matseek.acquisition.surface import LowerBound, SurfaceAcquisition
from matseek.candidates.base import Generator, generator_of
from matseek.candidates.crossover import Crossover
from matseek.candidates.moves import CentreMove, Hop, Permutation, Rattle, SymmetryMove
from matseek.candidates.penalization import StructurePenalty, distances
from matseek.candidates.placements import Contiguous, Uniform
from matseek.candidates.relaxation import AcquisitionRelaxation
from matseek.checks import check, of, optional, several, whole
from matseek.core.history import History
from matseek.core.space import StructureSpace
from matseek.core.surface import EnergySurface

FloatArray = npt.NDArray[np.float64]

_DISTINCT = 0.02
"""Distance in the model's metric from which on two structures count as different parents."""

_GAIN = 0.05
"""By how much the model's mean has to lie below the best energy, in eV, for a structure to be chosen by it."""

_EACH = 4
"""Candidates that are made for each structure that is evaluated first; some of them overlap."""


def _usual() -> tuple[Generator, ...]:
    return (
        Uniform(0.5),
        Contiguous(1.5),
        Rattle(3.0),
        CentreMove(3.0),
        Hop(3.0),
        Permutation(1.0),
        SymmetryMove(1.0),
        Crossover(1.0),
    )


@dataclass(frozen=True)
class StructureSearch:
    """Candidates of generators are relaxed on the acquisition function, and their best beget further ones.

    The model costs a ten-thousandth of an evaluation, so that its surface is searched as a truth would be: the first
    generation begins at the best structures that were evaluated, each next one at the best of all candidates so far.
    From the last pool a batch is chosen by local penalization in the model's metric.

    An acquisition function that counts on the model's uncertainty follows it far away from everything known where the
    uncertainty is much larger than the differences between good structures, as with many atoms. Every second structure
    therefore minimises the model's mean, as long as the mean promises an energy at least 0.05 eV below the best one.

    Args:
        acquisition: What is minimised: ``LowerBound``, ``LogImprovement`` or ``Thompson``.
        mean_every: Of so many structures that are evaluated, one minimises the model's mean in place of the acquisition
            function, if that promises a gain; 1 for all of them, None for none.
        candidates: Structures of a generation; for larger batches at least four for each of the batch.
        generations: Generations, the first among them.
        parents: Structures that differ which a generation begins at.
        generators: What makes candidates, each by its weight: objects of :mod:`matseek.candidates`, or names among the
            entry points ``matseek.candidates``, for example ``rattle`` or ``diffusion``.
        relaxation: How they are relaxed.
        penalty: How a batch is chosen.
        start: Structures that are evaluated first, before there is a model.
        beginning: What makes them: a generator, or the name of one, whose parents are contiguous placements; None
            takes such placements themselves. ``diffusion`` begins with samples of a trained model.

    Raises:
        ValueError: If a setting is out of its range.
    """

    acquisition: SurfaceAcquisition = field(default_factory=LowerBound)
    mean_every: int | None = 2
    candidates: int = 30
    generations: int = 4
    parents: int = 10
    generators: Sequence[Generator | str] = field(default_factory=_usual)
    relaxation: AcquisitionRelaxation = field(default_factory=AcquisitionRelaxation)
    penalty: StructurePenalty = field(default_factory=StructurePenalty)
    start: int = 2
    beginning: Generator | str | None = None

    def __post_init__(self) -> None:
        check(
            self,
            acquisition=of(SurfaceAcquisition, "an acquisition function of structures, such as LowerBound()"),
            mean_every=optional(whole(1, 100_000)),
            candidates=whole(1, 100_000),
            generations=whole(1, 10_000),
            parents=whole(1, 100_000),
            generators=several(generator_of, 1, 1000),
            relaxation=of(AcquisitionRelaxation),
            penalty=of(StructurePenalty),
            start=whole(1),
            beginning=optional(generator_of),
        )

    def check(self, space: StructureSpace) -> None:
        """Refuse a space that a generator has nothing for, before anything is paid."""
        for generator in (*self._generators, *([] if self._beginning is None else [self._beginning])):
            generator.check(space.placements)

    @property
    def _generators(self) -> tuple[Generator, ...]:
        return tuple(generator_of("generators", g) for g in self.generators)

    @property
    def _beginning(self) -> Generator | None:
        return None if self.beginning is None else generator_of("beginning", self.beginning)

    @property
    def first_label(self) -> str:
        """Who has chosen the structures that are evaluated first."""
        return Contiguous.label if self._beginning is None else self._beginning.label

    def first(self, n: int, space: StructureSpace, rng: np.random.Generator) -> FloatArray:
        """Structures for as long as nothing can be learnt, shape ``(n, 3a)``; none is refused."""
        placed = space.sample_contiguous(n, rng)
        if self._beginning is None:
            return placed
        free = self._beginning.propose(_EACH * n, space.free_of(placed), space.placements, rng)
        made = space.with_free(np.repeat(placed[:1], len(free), axis=0), free)
        allowed = made[[not reason for reason in space.refusals(made)]]
        return np.concatenate([allowed, placed])[:n]

    def propose(self, n: int, surface: EnergySurface, history: History, extra: FloatArray | None = None) -> FloatArray:
        """The n structures to be evaluated next, shape ``(n, 3a)``; none was tried before and none is refused.

        Args:
            n: How many; where the candidates run out, contiguous placements fill the batch.
            surface: The model of the energies.
            history: What was tried.
            extra: Further candidates of the first generation, shape ``(k, 3a)``.
        """
        space, rng = _structures(history), history.rng()
        tried = len(history.tried)
        on_mean = 0 if self.mean_every is None else sum(k % self.mean_every == 0 for k in range(tried, tried + n))
        chosen = np.zeros((0, space.dim))
        if on_mean:
            below = float(history.values.min()) - _GAIN
            chosen = self._found(on_mean, LowerBound(0.0), below, surface, history, chosen, extra, rng)
        if len(chosen) < n:
            found = self._found(n - len(chosen), self.acquisition, np.inf, surface, history, chosen, extra, rng)
            chosen = np.concatenate([chosen, found])
        if len(chosen) < n:
            chosen = np.concatenate([chosen, space.sample_contiguous(n - len(chosen), rng)])
        return chosen

    def _found(
        self,
        n: int,
        acquisition: SurfaceAcquisition,
        below: float,
        surface: EnergySurface,
        history: History,
        chosen: FloatArray,
        extra: FloatArray | None,
        rng: np.random.Generator,
    ) -> FloatArray:
        """At most n structures that minimise the acquisition, of means below a bound, away from those chosen before."""
        space = _structures(history)
        best = float(history.values.min())
        order = np.argsort(history.values, kind="stable")

        def function(x: FloatArray) -> tuple[FloatArray, FloatArray]:
            p = surface.predict(x)
            slopes = acquisition.slopes(p.mean, p.deviation, best)
            gradient = slopes.by_mean[:, None] * p.mean_gradient + slopes.by_deviation[:, None] * p.deviation_gradient
            return slopes.value, gradient

        size = max(self.candidates, 4 * n)
        evaluated = history.points[order]
        parents = evaluated[self._distinct(surface.features(evaluated))]
        pool, values = np.zeros((0, space.dim)), np.zeros(0)
        for generation in range(self.generations):
            children = self._children(size, parents, space, rng)
            if generation == 0 and extra is not None and len(extra):
                children = np.concatenate([children, extra])
            relaxed, value = self.relaxation.relax(function, children, space)
            pool, values = np.concatenate([pool, relaxed]), np.concatenate([values, value])
            kept = np.argsort(values, kind="stable")[: 2 * size]
            pool, values = pool[kept], values[kept]
            parents = pool[self._distinct(surface.features(pool))]
        prediction = surface.predict(pool)
        merit = acquisition.merit(acquisition.choice(surface, pool, best, rng), prediction.deviation)
        allowed = np.array([not reason for reason in space.refusals(pool)])
        allowed &= np.isfinite(merit) & (prediction.mean < below)
        return pool[
            self.penalty.choose(
                n,
                np.where(allowed, merit, -np.inf),
                surface.features(pool),
                prediction.mean,
                prediction.deviation,
                surface.features(np.concatenate([history.tried, chosen])),
                surface.features(np.concatenate([history.pending, history.failed, chosen])),
            )
        ]

    def _children(self, count: int, parents: FloatArray, space: StructureSpace, rng: np.random.Generator) -> FloatArray:
        """Candidates of all generators, as many of each as its weight says."""
        generators = self._generators
        weights = np.array([g.weight for g in generators])
        shares = rng.multinomial(count, weights / weights.sum())
        alone, free = space.placements, space.free_of(parents)
        made = np.concatenate(
            [g.propose(int(k), free, alone, rng) for g, k in zip(generators, shares, strict=True) if k]
        )
        if not space.moving:
            return made
        # Moving atoms of the template begin where they are in one of the parents.
        return space.with_free(parents[rng.integers(len(parents), size=len(made))], made)

    def _distinct(self, features: FloatArray) -> list[int]:
        """The first structures that differ from those before them, by features ``(m, D)``."""
        chosen: list[int] = []
        for k in range(len(features)):
            if not chosen or distances(features[[k]], features[chosen]).min() > _DISTINCT:
                chosen.append(k)
            if len(chosen) >= self.parents:
                break
        return chosen


def _structures(history: History) -> StructureSpace:
    space = history.space.as_structures()
    if space is None:
        raise ValueError("the points of this problem are no structures")
    return space
