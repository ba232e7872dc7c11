"""Structures: atoms on a surface, and a calculator that gives their energy."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from ase.calculators.calculator import BaseCalculator

from matseek.checks import check, of, optional, text
from matseek.core.problem import callable_name
from matseek.core.space import StructureSpace
from matseek.problems.atomic import AtomicProblem
from matseek.problems.calculators import CalculatorFactory, calculator_factory
from matseek.problems.success import SuccessTest, criterion, lowest_known, passes, success_test

logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float64]


@runtime_checkable
class CallsCalculator(Protocol):
    """A test that says how often it has called the calculator, and what came of it."""

    @property
    def calls(self) -> int:
        """Calls so far."""
        ...

    @property
    def differs(self) -> float:
        """Largest difference so far between an energy that it was given and the calculator's own, in eV."""
        ...


_FARTHEST_BOND = 7.0
"""Beyond what potentials count as neighbours, in angstrom (EMT, MACE-MP-0 and CHGNet: 6, SevenNet-0: 5)."""

_SEEN = 1e-3
"""Smallest energy, in eV, by which an image that is seen changes a structure's; above the noise of float32."""


@dataclass(frozen=True, eq=False)
class StructureProblem(AtomicProblem):
    """Minimise the total energy of free atoms, above a template or by themselves.

    Args:
        space: The structures that may be tried.
        calculator: Zero-argument callable that makes an ASE calculator with energies and forces. The factory, not a
            calculator, travels to worker processes; it must be picklable then (a class, a function of a module or a
            ``functools.partial`` of one).
        success: Whether a structure and its energy in eV solve the problem, for example
            :class:`matseek.problems.motifs.Heptamer`; it may also take the structure alone. None if there is no such
            test.
        name: Name for records and titles.
        relaxed_success: Whether what a structure relaxes to solves it, such as
            :class:`matseek.problems.motifs.AfterRelaxation`; None if that is not tested.

    Raises:
        ValueError: If a setting is not as described.
    """

    space: StructureSpace
    calculator: CalculatorFactory
    success: SuccessTest | None = None
    name: str = "structure"
    relaxed_success: SuccessTest | None = None

    def __post_init__(self) -> None:
        check(
            self,
            space=of(StructureSpace, "a space of structures, such as an Adlayer or a Cluster"),
            calculator=calculator_factory,
            success=optional(success_test),
            name=text,
            relaxed_success=optional(success_test),
        )

    def require_oracle(self) -> None:
        """Make a calculator, so that a missing file, package or element is told before anything is evaluated.

        Where the next periodic image along z is near although the template is not periodic there, the calculator is
        asked whether it sees it: two calls, which are no evaluations.

        Raises:
            ValueError: If it does, or does not know an element of the structures.
        """
        with self._made() as calculator:
            self.require_elements(calculator, {*self.space.template.numbers.tolist(), *map(int, self.space.numbers)})
            self._require_no_image_above(calculator)

    def _require_no_image_above(self, calculator: BaseCalculator) -> None:
        """Refuse a calculator to which the third cell vector is a period although the template says that it is none."""
        template, space = self.space.template, self.space
        room = space.vacuum
        if template.pbc[2] or room >= _FARTHEST_BOND:
            return
        space = space.placements
        point = space.sample_uniform(1, np.random.default_rng(0)).reshape(-1, 3)
        point[:, 2] += space.z_high - point[:, 2].max()
        energies = []
        for vacuum in (0.0, 20.0):
            atoms = space.atoms(point.ravel())
            atoms.cell[2, 2] += vacuum
            atoms.calc = calculator
            try:
                energies.append(float(atoms.get_potential_energy()))
            except Exception as error:  # what a calculator raises here it may not raise for other structures
                logger.warning("whether the calculator sees an image above could not be asked: %s", error)
                return
        if abs(energies[0] - energies[1]) > _SEEN:
            raise ValueError(
                f"template: pbc={template.pbc.tolist()}, but calculator {callable_name(self.calculator)} takes the "
                f"third cell vector for a period all the same: the next image begins {room:.3g} angstrom above the "
                f"confinement and moves the energy by {abs(energies[0] - energies[1]):.3g} eV. Give the slab more "
                f"vacuum: template.cell[2, 2] = {template.cell[2, 2] + _FARTHEST_BOND - room:.4g} or more"
            )

    @property
    def known_minimum(self) -> float | None:
        """What the tests of success know to be the lowest energy, in eV."""
        return lowest_known(self.success, self.relaxed_success)

    @property
    def structures(self) -> StructureSpace:
        """The space."""
        return self.space

    def as_structures(self) -> StructureProblem:
        """Itself."""
        return self

    @property
    def recognises(self) -> bool:
        """Whether there is a test of what a structure relaxes to."""
        return self.relaxed_success is not None

    def recognised(self, point: FloatArray, value: float) -> bool:
        """Whether a structure, shape ``(3n,)``, of an energy in eV relaxes to a solution; False without such a test."""
        return self.relaxed_success is not None and passes(self.relaxed_success, self.space.atoms(point), value)

    @property
    def recognition_calls(self) -> int:
        """Calls of the calculator that relaxations have made, as far as the test counts them."""
        test = self.relaxed_success
        return test.calls if isinstance(test, CallsCalculator) else 0

    @property
    def recognition_differs(self) -> float:
        """Largest difference so far between an energy as evaluated and the same structure's in recognition, in eV."""
        test = self.relaxed_success
        return test.differs if isinstance(test, CallsCalculator) else 0.0

    @property
    def relaxed_criterion(self) -> str | None:
        """What the test of relaxed structures asks for, in words; None without one."""
        return None if self.relaxed_success is None else criterion(self.relaxed_success)
