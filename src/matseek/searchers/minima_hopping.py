"""Minima hopping: molecular dynamics out of a minimum and down into the next, hotter where it falls back."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from ase import units
from ase.optimize.minimahopping import PassedMinimum

from matseek.checks import check, optional, real, whole
from matseek.core.records import Evaluation
from matseek.core.space import StructureSpace
from matseek.core.surrogate import Look
from matseek.searchers.descent import Chain, Descent, offset
from matseek.searchers.relaxing import Relaxer, RelaxingSearcher, starts

FloatArray = npt.NDArray[np.float64]

_COLDEST, _HOTTEST = 1.0, 1e5
"""Ends of the temperature, in K; a chain that always or never falls back would leave any."""

_REFUSED = 20
"""Escapes in a row whose very first step the space refuses, after which a chain begins anew."""


@dataclass(frozen=True)
class MinimaHopping(RelaxingSearcher):
    """Hops from minimum to minimum by molecular dynamics; every call of the calculator is an evaluation.

    Goedecker, J. Chem. Phys. 120, 9911 (2004), with the parameters that ``ase.optimize.minimahopping`` has. (That class
    writes its state into the working folder and has the calculator in its hand, so that it cannot go on from a ledger.)
    A chain relaxes a random structure, or the best of the campaign's opening. From a minimum it runs molecular dynamics
    at a temperature until the potential energy has passed some minima, and relaxes from the last of them. Back in the
    same minimum, or in a known one, the temperature rises; in a new one it falls. A new minimum is taken if its energy
    is less than a threshold above the last, which falls with each that is taken and rises with each that is not.
    Minima of equal energy are the same, as in the paper. Chains side by side share what is known.

    Atoms bounce off the walls of the confinement. Dynamics that fail, or run into what the space refuses, are no
    escape: the chain tries again from the same minimum, colder.

    Args:
        concurrent: Chains side by side.
        placement: Of starts, as for :class:`matseek.searchers.RandomStructureSearch`.
        optimizer: ``BFGS``, ``LBFGS`` or ``FIRE`` of ASE.
        fmax: Largest force in eV/A at which a structure is relaxed.
        most_steps: Evaluations after which a relaxation is given up, or dynamics are ended where they are.
        temperature: Of the first escape, in K.
        hotter: Factor of the temperature after a known minimum.
        colder: Factor of the temperature after a new one.
        threshold: Energy by which a new minimum may at first be higher, in eV.
        stricter: Factor of the threshold after a minimum that is taken.
        laxer: Factor of the threshold after a minimum that is not.
        passes: Minima of the potential energy along the way before dynamics end.
        timestep: Of the dynamics, in fs; None for 1 fs times the square root of the lightest free atom's mass in u.
        same: Minima whose energies differ by less are the same, in eV.

    Raises:
        ValueError: If a setting is out of its range.
    """

    name: ClassVar[str] = "minima_hopping"
    label: ClassVar[str] = "minima hopping"
    look: ClassVar[Look | None] = ("#8c510a", "v")
    most_steps: int = 100
    temperature: float = 1000.0
    hotter: float = 1.1
    colder: float = 1 / 1.1
    threshold: float = 0.5
    stricter: float = 0.98
    laxer: float = 1 / 0.98
    passes: int = 2
    timestep: float | None = None
    same: float = 0.005

    def __post_init__(self) -> None:
        super().__post_init__()
        check(
            self,
            temperature=real(_COLDEST, _HOTTEST, unit="K"),
            hotter=real(1, 10),
            colder=real(0.1, 1),
            threshold=real(above=0, high=1e6, unit="eV"),
            stricter=real(0.1, 1),
            laxer=real(1, 10),
            passes=whole(1, 1000),
            timestep=optional(real(above=0, high=100, unit="fs")),
            same=real(above=0, high=1e6, unit="eV"),
        )

    def chains(self, relaxer: Relaxer) -> Sequence[Chain]:
        """Side by side, with one memory."""
        known: list[float] = []
        return [self._chain(relaxer, place, known) for place in range(self.concurrent)]

    def _chain(self, relaxer: Relaxer, place: int, known: list[float]) -> Chain:
        rng = np.random.default_rng([relaxer.seed, place])
        for start, evaluated in starts(relaxer, place, rng):
            here = yield from relaxer.relax(start, evaluated)
            if not here.arrived:
                continue
            known.append(here.energy)
            temperature, threshold, refused = self.temperature, self.threshold, 0
            while refused < _REFUSED:
                escape = yield from self._escape(relaxer.space, here, temperature, rng)
                numbers = [e.number for e in escape.evaluations]
                refused = 0 if numbers else refused + 1
                if escape.into is None:
                    if numbers:
                        relaxer.tell(escape.evaluations, escape.ended)
                    factor = self.colder
                else:
                    # The start of the relaxation is one of the structures on the way; it is not paid for again.
                    on_the_way = [n for n in numbers if n != escape.into.number]
                    there = yield from relaxer.relax(escape.into.point, escape.into, on_the_way)
                    factor = self.colder
                    if there.arrived and self._any_same(there.energy, [here.energy, *known]):
                        factor = self.hotter
                    elif there.arrived and there.energy < here.energy + threshold:
                        threshold *= self.stricter
                        known.append(there.energy)
                        here = there
                    elif there.arrived:
                        threshold *= self.laxer
                temperature = min(max(temperature * factor, _COLDEST), _HOTTEST)

    def _any_same(self, energy: float, known: Sequence[float]) -> bool:
        return bool((np.abs(np.asarray(known) - energy) < self.same).any())

    def _escape(
        self, space: StructureSpace, here: Descent, temperature: float, rng: np.random.Generator
    ) -> Generator[FloatArray, Evaluation, _Escape]:
        """Molecular dynamics in the microcanonical ensemble by velocity Verlet, until enough minima are passed."""
        masses = space.atoms(here.point).get_masses()[-space.size :, None]
        step = self.timestep if self.timestep is not None else math.sqrt(float(masses.min()))
        step *= units.fs
        velocities = thermal_velocities(masses, temperature, rng)
        if space.floats:
            velocities -= (masses * velocities).sum(axis=0) / masses.sum()
        positions, forces = here.point.reshape(-1, 3).copy(), here.forces
        escape, energies, passed = _Escape(), [], 0
        look_back = PassedMinimum()
        while len(escape.evaluations) < self.most_steps:
            velocities = velocities + step / 2 * forces / masses
            positions = positions + step * velocities
            escape.ended = space.astray(positions.reshape(1, -1))[0]
            if escape.ended:
                return escape
            positions = space.confine(positions.reshape(1, -1)).reshape(-1, 3)
            # Twice what slides along a wall, less the whole, is what bounces off it.
            left = space.slide(positions.reshape(1, -1), velocities.reshape(1, -1)).reshape(-1, 3)
            velocities = np.where(left != velocities, 2 * left - velocities, velocities)
            point = np.asarray(space.wrap(positions.reshape(1, -1))[0])
            escape.ended = space.refusals(point)[0]
            if escape.ended:
                return escape
            evaluation = yield point
            escape.evaluations.append(evaluation)
            if evaluation.status != "done" or evaluation.response is None:
                escape.ended = "failed"
                return escape
            positions = positions + offset(space, evaluation.point, point)
            forces = np.asarray(evaluation.response, dtype=np.float64)
            velocities = velocities + step / 2 * forces / masses
            energies.append(evaluation.value)
            back = look_back(energies)
            if back is not None:
                passed += 1
                if passed >= self.passes:
                    escape.into = escape.evaluations[back[0]]
                    return escape
        escape.into = escape.evaluations[-1]
        return escape


@dataclass(eq=False)
class _Escape:
    """Dynamics out of a minimum.

    Args:
        evaluations: All on the way.
        into: Where a relaxation is to begin; None where nothing was reached.
        ended: Why nothing was reached.
    """

    evaluations: list[Evaluation] = field(default_factory=list)
    into: Evaluation | None = None
    ended: str = ""


def thermal_velocities(masses: FloatArray, temperature: float, rng: np.random.Generator) -> FloatArray:
    """Velocities by Maxwell and Boltzmann, scaled so that their kinetic energy is exactly the temperature's.

    Args:
        masses: In u, shape ``(n, 1)``.
        temperature: In K.
        rng: Source of randomness.

    Returns:
        Shape ``(n, 3)``, in ASE's units.
    """
    velocities = rng.normal(size=(len(masses), 3)) / np.sqrt(masses)
    kinetic = float((masses * velocities**2).sum()) / 2
    return np.asarray(velocities * math.sqrt(1.5 * len(masses) * units.kB * temperature / kinetic))
