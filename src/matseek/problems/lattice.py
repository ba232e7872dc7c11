"""Which atom sits on which site of a crystal: the energy of arrangements in a fixed cell, nothing relaxed."""

from __future__ import annotations

from dataclasses import dataclass

from matseek.checks import check, of, optional, text
from matseek.problems.atomic import AtomicProblem
from matseek.problems.calculators import CalculatorFactory, calculator_factory
from matseek.problems.success import SuccessTest, success_test
from matseek.spaces.lattice import Lattice


@dataclass(frozen=True, eq=False)
class LatticeProblem(AtomicProblem):
    """Minimise the energy of atoms and vacancies on the sites of a crystal.

    An evaluation is one call of the calculator, for the atoms on their sites: neither they nor the cell are relaxed.

    Args:
        space: The arrangements that may be tried.
        calculator: Zero-argument callable that makes an ASE calculator.
        success: Whether a structure and its energy in eV solve the problem; None if there is no such test.
        name: Name for records and titles.

    Raises:
        ValueError: If a setting is not as described.
    """

    space: Lattice
    calculator: CalculatorFactory
    success: SuccessTest | None = None
    name: str = "lattice"

    def __post_init__(self) -> None:
        check(self, space=of(Lattice), calculator=calculator_factory, success=optional(success_test), name=text)

    @property
    def structures(self) -> Lattice:
        """The space."""
        return self.space

    def require_oracle(self) -> None:
        """Make a calculator, so that a missing file, package or element is told before anything is evaluated.

        Raises:
            ValueError: If it does not know an element.
        """
        with self._made() as calculator:
            self.require_elements(calculator, self.space.elements)
