"""Searchers of structures that relax what they try: their settings, and how they are followed through a ledger.

Such an algorithm is a generator, a *chain*: it yields the structure that it wants evaluated and is sent the evaluation.
Chains advance side by side, a batch in the ledger is one call for each. A campaign that goes on is walked through anew:
the chains are sent what the ledger holds, and what it lacks is paid for. Nothing is kept elsewhere.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import ClassVar, Literal, get_args

import numpy as np
import numpy.typing as npt

from matseek.checks import check, one_of, real, whole
from matseek.core.records import Evaluation, Event, Proposal, ranked
from matseek.core.searcher import Evaluator, Searcher
from matseek.core.space import Space, StructureSpace
from matseek.errors import LedgerMismatchError
from matseek.problems.motifs import OPTIMIZERS
from matseek.searchers.descent import Chain, Descent, offset, relaxed

FloatArray = npt.NDArray[np.float64]
Placement = Literal["uniform", "contiguous"]

_SAME = 1e-6
"""What the ledger holds lies within this distance of what a chain asks for, in angstrom and for each coordinate."""


@dataclass(frozen=True)
class RelaxingSearcher(Searcher):
    """Relaxes structures; every call of the calculator on the way is an evaluation.

    Args:
        concurrent: Chains side by side.
        placement: Of starts; ``uniform``: each atom anywhere in cell and confinement; ``contiguous``: each at a bond's
            distance of one placed before. Without overlaps either way.
        optimizer: ``BFGS``, ``LBFGS`` or ``FIRE`` of ASE.
        fmax: Largest force in eV/A at which a structure is relaxed; what pushes an atom against a wall does not count.
        most_steps: Evaluations after which a relaxation is given up.

    Raises:
        ValueError: If a setting is out of its range.
    """

    reads_earlier: ClassVar[bool] = False
    concurrent: int = 1
    placement: Placement = "contiguous"
    optimizer: str = "BFGS"
    fmax: float = 0.05
    most_steps: int = 200

    def __post_init__(self) -> None:
        check(
            self,
            concurrent=whole(1, 10_000),
            placement=one_of(get_args(Placement)),
            optimizer=one_of(OPTIMIZERS),
            fmax=real(above=0, unit="eV/A"),
            most_steps=whole(1),
        )

    def check_space(self, space: Space) -> None:
        """Refuse what is no structure."""
        if space.as_structures() is None:
            raise ValueError(
                f"searcher={self.name} relaxes structures, and this problem's points have the coordinates "
                f"{list(space.names[:4])}; take searcher=lhs or searcher=bayesian"
            )

    @abstractmethod
    def chains(self, relaxer: Relaxer) -> Sequence[Chain]:
        """The algorithms that advance side by side, ``concurrent`` of them; none ever ends.

        Args:
            relaxer: Makes and records relaxations.
        """

    def search(self, evaluator: Evaluator) -> None:
        """Advance the chains until the budget is spent."""
        self.check_space(evaluator.problem.space)
        space = evaluator.problem.space.as_structures()
        assert space is not None
        evaluator.evaluate_pending()
        relaxer = Relaxer(self, space, evaluator)
        chains = self.chains(relaxer)
        points = [next(chain) for chain in chains]
        told = -1
        for iteration in count(1 + int(evaluator.opening > 0)):
            batch = list(evaluator.evaluations(iteration=iteration))
            if not batch:
                room = evaluator.remaining
                # Looking back at everything takes time: once per relaxation is enough.
                if room <= 0 or (told != relaxer.told and evaluator.stops()):
                    return
                told = relaxer.told
                batch = evaluator.evaluate(Proposal(np.array(points[:room]), (self.name,) * len(points[:room])))
            for place, evaluation in enumerate(batch):
                self._require_same(space, points[place : place + 1], evaluation)
                points[place] = chains[place].send(evaluation)

    def _require_same(self, space: StructureSpace, asked: Sequence[FloatArray], evaluation: Evaluation) -> None:
        """Refuse a ledger that another algorithm wrote.

        Raises:
            LedgerMismatchError: If an evaluation is not where this one would have had it.
        """
        if not asked or float(np.abs(offset(space, evaluation.point, asked[0])).max()) > _SAME:
            raise LedgerMismatchError(
                f"evaluation {evaluation.number} of the ledger is not what searcher={self.name} asks for with these "
                "settings; go on with the settings that the campaign was begun with, or name another ledger"
            )


class Relaxer:
    """Makes and records the relaxations of a campaign.

    Args:
        settings: The searcher.
        space: Free atoms and template.
        evaluator: Its seed, opening and record.

    Attributes:
        space: Free atoms and template.
        seed: The campaign's.
        opening: What the campaign began with, chosen by no searcher.
        begun: Relaxations so far.
        told: Those that have ended.
    """

    def __init__(self, settings: RelaxingSearcher, space: StructureSpace, evaluator: Evaluator) -> None:
        self.space, self.seed = space, evaluator.seed
        self.opening: tuple[Evaluation, ...] = tuple(evaluator.evaluations(iteration=1)) if evaluator.opening else ()
        self.begun = self.told = 0
        self._settings, self._evaluator = settings, evaluator

    def place(self, rng: np.random.Generator) -> FloatArray:
        """A start, shape ``(3 n,)``."""
        uniform = self._settings.placement == "uniform"
        return np.asarray((self.space.sample_uniform if uniform else self.space.sample_contiguous)(1, rng)[0])

    def relax(
        self, start: FloatArray, known: Evaluation | None = None, before: Sequence[int] = ()
    ) -> Generator[FloatArray, Evaluation, Descent]:
        """Relax a structure and record it.

        Args:
            start: Where to begin, shape ``(3 n,)``; none that the space refuses.
            known: What an evaluation at the start gave, if it is known; it is not asked for again.
            before: Numbers of evaluations that led to the start; they are recorded as the relaxation's.
        """
        settings = self._settings
        descent = Descent(
            self._next(), self.space, start, settings.optimizer, settings.fmax, settings.most_steps, before
        )
        if known is not None:
            descent.take(known)
        while not descent.ended:
            descent.take((yield descent.point))
        self._tell(descent.event())
        return descent

    def tell(self, evaluations: Sequence[Evaluation], ended: str) -> None:
        """Record evaluations that led to no relaxation, and why."""
        energy = evaluations[-1].value if evaluations else float("nan")
        self._tell(relaxed(self._next(), [e.number for e in evaluations], energy, ended))

    def _next(self) -> int:
        self.begun += 1
        return self.begun - 1

    def _tell(self, event: Event) -> None:
        self.told += 1
        self._evaluator.note_once(event)


def starts(relaxer: Relaxer, place: int, rng: np.random.Generator) -> Iterator[tuple[FloatArray, Evaluation | None]]:
    """Where a chain begins, and what is known there: at the opening's best if there is one, then at random.

    Args:
        relaxer: Knows the opening.
        place: Of the chain: the first begins at the opening's best structure, the second at the next best.
        rng: For placements.
    """
    best = ranked(relaxer.opening)
    if place < len(best):
        yield best[place].point, best[place]
    while True:
        yield relaxer.place(rng), None
