"""Random structure search: random placements, each relaxed to the nearest minimum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from matseek.core.surrogate import Look
from matseek.searchers.descent import Chain
from matseek.searchers.relaxing import Placement, Relaxer, RelaxingSearcher


@dataclass(frozen=True)
class RandomStructureSearch(RelaxingSearcher):
    """Relaxes random structures; every call of the calculator on the way is an evaluation.

    Pickard and Needs, J. Phys. Condens. Matter 23, 053201 (2011). Relaxations advance side by side: a batch in the
    ledger is one call for each. When one ends the next placement takes its place. An event tells which evaluations
    belong to it. Where a campaign has an opening, the first relaxations begin at its points. A campaign that was killed
    walks through what the ledger holds and goes on from there.

    What leaves the confinement is put back onto its wall. An atom on a wall that is pushed outwards slides along it,
    and the relaxation has converged when the forces that are left are small.

    Args:
        concurrent: Relaxations side by side.
        placement: ``uniform``: each atom anywhere in cell and confinement; ``contiguous``: each at a bond's distance of
            one placed before. Without overlaps either way.
        optimizer: ``BFGS``, ``LBFGS`` or ``FIRE`` of ASE.
        fmax: Largest force in eV/A at which a structure is relaxed; what pushes an atom against a wall does not count.
        most_steps: Evaluations after which a relaxation is given up.

    Raises:
        ValueError: If a setting is out of its range.
    """

    name: ClassVar[str] = "rss"
    label: ClassVar[str] = "random structure search"
    look: ClassVar[Look | None] = ("#4d4d4d", "h")
    serves_molecules: ClassVar[bool] = True
    concurrent: int = 8
    placement: Placement = "uniform"

    def chains(self, relaxer: Relaxer) -> Sequence[Chain]:
        """One relaxation after the other."""
        return [self._chain(relaxer) for _ in range(self.concurrent)]

    def _chain(self, relaxer: Relaxer) -> Chain:
        while True:
            if relaxer.begun < len(relaxer.opening):
                first = relaxer.opening[relaxer.begun]
                yield from relaxer.relax(first.point, first)
            else:
                rng = np.random.default_rng([relaxer.seed, relaxer.begun])
                yield from relaxer.relax(relaxer.place(rng))
