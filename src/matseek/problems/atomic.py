"""What every problem of atoms and a calculator has, whatever its points say of the atoms: energies and forces."""

from __future__ import annotations

import logging
import reprlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property, partial
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from ase import Atoms
from ase.calculators.calculator import BaseCalculator

from matseek.core.potential import BatchedCalculator, EnergyAndForces, KnowsElements
from matseek.core.problem import Answer, Measurement, Problem, answer_of, callable_name, fingerprinted
from matseek.core.records import Evaluation
from matseek.errors import ConfigurationError, MatseekError, ResponseError, error_text
from matseek.problems.calculators import CALCULATORS, CalculatorFactory
from matseek.problems.labelled import SpaceOfAtoms, labelled, properties_of
from matseek.problems.success import SuccessTest, criterion, lowest_known, passes

logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float64]


class AtomicProblem(Problem):
    """Minimise the energy that a calculator gives of a point's structure."""

    calculator: CalculatorFactory
    """Zero-argument callable that makes an ASE calculator."""

    success: SuccessTest | None
    """Whether a structure, and perhaps its energy in eV, solves the problem; None if there is no such test."""

    @property
    def structures(self) -> SpaceOfAtoms:
        """The space, as one of atoms."""
        raise NotImplementedError

    def as_atoms(self) -> AtomicProblem:
        """Itself."""
        return self

    def labelled(self, evaluation: Evaluation) -> Atoms:
        """An evaluation's structure with all that is known of it, see :func:`matseek.problems.labelled.labelled`."""
        return labelled(self.structures, evaluation)

    def require_elements(self, calculator: BaseCalculator, numbers: set[int]) -> None:
        """Refuse atomic numbers that a calculator does not know, where it can tell.

        Raises:
            ValueError: If there are any.
        """
        if isinstance(calculator, KnowsElements):
            calculator.require_elements(numbers)

    @cached_property
    def gives_forces(self) -> bool:
        """Whether its calculators give forces, by what they say is implemented; searchers that need them ask."""
        with self._made() as calculator:
            return _gives_forces(calculator)

    def prepare(self) -> None:
        """Make a calculator in this process, so that no call waits for it."""
        with CALCULATORS.lent(self.calculator):
            pass

    @contextmanager
    def _made(self) -> Iterator[BaseCalculator]:
        """A calculator, or why there is none."""
        name = callable_name(self.calculator)
        with ExitStack() as stack:
            try:
                calculator = stack.enter_context(CALCULATORS.lent(self.calculator))
            except (MatseekError, ValueError, OSError, ImportError):
                raise
            except Exception as error:  # a calculator's constructor may raise anything
                raise ConfigurationError(
                    f"calculator={name} cannot be made: {error_text(error)}; correct its settings"
                ) from error
            if not callable(getattr(calculator, "get_potential_energy", None)):
                kind = type(calculator).__name__
                raise ConfigurationError(f"calculator={name} makes a {kind}, which is no ASE calculator")
            yield calculator

    def measure(self, point: FloatArray, rng: np.random.Generator) -> Measurement:  # noqa: ARG002 -- the problem's face
        """Energy and forces of one structure.

        Args:
            point: Positions of the free atoms, shape ``(3n,)``, in angstrom.
            rng: Not used; energies have no noise.

        Returns:
            The total energy in eV, with the forces on the point's atoms ``(n, 3)`` in eV/angstrom as its response, and
            what else the calculator told by the way as its properties, see :mod:`matseek.problems.labelled`. It has
            failed if energy or forces are not finite; exceptions that the calculator raises pass through.
        """
        atoms = self.structures.atoms(point)
        with CALCULATORS.lent(self.calculator) as calculator:
            atoms.calc = calculator
            energy = atoms.get_potential_energy()
            forces = atoms.get_forces(apply_constraint=False) if _gives_forces(calculator) else None
            told = getattr(calculator, "results", {})
            return self._measurement(energy, forces, told.get("stress"), told.get("magmoms"), len(atoms))

    def measure_many(self, points: FloatArray) -> list[Measurement]:
        """Energies and forces of many structures, in one call where the calculator can take them.

        Args:
            points: Positions of the free atoms, shape ``(m, 3n)``, in angstrom.

        Returns:
            As :meth:`measure` gives them, in order; exceptions that the calculator raises pass through.
        """
        result: list[Measurement] = []
        for answers in self.answers(points):
            for answer in answers:
                if isinstance(answer, BaseException):
                    raise answer
                result.append(answer)
        return result

    def answers(self, points: FloatArray) -> Iterator[Sequence[Answer]]:
        """What came of the call of each structure, in order and as it comes: all at once where the calculator can.

        Where a call of many fails as a whole, its members are called one by one.

        Args:
            points: Positions of the free atoms, shape ``(m, 3n)``, in angstrom.
        """
        together = self._together(points)
        if together is not None:
            yield together
            return
        for point in points:
            yield [answer_of(partial(self.measure, point, np.random.default_rng()))]

    def _together(self, points: FloatArray) -> list[Answer] | None:
        """Answers of one call for all; None where there is no such call, or it gives none."""
        structures = [self.structures.atoms(point) for point in points]
        sizes = [len(atoms) for atoms in structures]  # before a calculator can change the list
        try:
            with CALCULATORS.lent(self.calculator) as calculator:
                if not isinstance(calculator, BatchedCalculator):
                    return None
                result = list(islice(calculator.compute_many(structures), len(points) + 1))
        except Exception as error:
            if len(points) == 1:
                return [error]
            reason = error_text(error)
            logger.info("a call for %d structures failed, they are called one by one: %s", len(points), reason)
            return None
        except BaseException as error:
            return [error] * len(points)
        if len(result) != len(points):
            some = "more" if len(result) > len(points) else f"{len(result)}"
            wrong = ResponseError(
                f"compute_many gave {some} results for {len(points)} structures, so that none can be told whose it is; "
                "it must give one for each, in order"
            )
            return [wrong] * len(points)
        return [answer_of(partial(self._read, f, size)) for f, size in zip(result, sizes, strict=True)]

    def _read(self, result: EnergyAndForces, atoms: int) -> Measurement:
        try:
            energy, forces = result.energy, result.forces
        except AttributeError as error:
            raise ResponseError(
                f"compute_many gave {reprlib.repr(result)} for a structure; it must give an EnergyAndForces"
            ) from error
        # Of other calculators' own kinds of results, these two may be missing.
        stress, magmoms = (getattr(result, name, None) for name in ("stress", "magmoms"))
        return self._measurement(energy, forces, stress, magmoms, atoms)

    def _measurement(
        self, energy: object, all_forces: object, stress: object, magmoms: object, atoms: int
    ) -> Measurement:
        """What is kept of a call: the energy, the forces on the point's atoms, and the rest as properties.

        Args:
            energy: In eV.
            all_forces: In eV/angstrom; None from a calculator without forces.
            stress: See :func:`matseek.problems.labelled.properties_of`.
            magmoms: See there.
            atoms: Atoms of the structure.

        Raises:
            ResponseError: If the energy is no number, or the forces are not ``(atoms, 3)``.
        """
        value = _real(energy)
        if value is None or value.ndim:
            raise ResponseError(f"the calculator gave the energy {reprlib.repr(energy)}; it must be one number, in eV")
        if all_forces is None:
            if not np.isfinite(value):
                return Measurement.failed(f"the calculator gave the energy {float(value)} eV")
            told = properties_of(np.zeros((0, 3)), stress, magmoms, atoms)
            return Measurement(float(value), np.array([float(value)]), properties=told)
        forces = _real(all_forces)
        if forces is None or forces.shape != (atoms, 3):
            shape = "what are no numbers" if forces is None else f"an array of shape {forces.shape}"
            raise ResponseError(
                f"the calculator gave as forces {shape} for {atoms} atoms; they must be ({atoms}, 3), in eV/angstrom",
                forces,
            )
        held = atoms - self.structures.size
        number, kept = float(value), forces[held:].copy()
        if not np.isfinite(number):
            return Measurement.failed(f"the calculator gave the energy {number} eV", kept)
        if not np.isfinite(kept).all():
            return Measurement.failed(f"the energy is {number:.6g} eV, but not all forces are finite", kept)
        properties = properties_of(forces[:held], stress, magmoms, atoms)
        return Measurement(number, np.array([number]), kept, properties=properties)

    @property
    def value_name(self) -> str:
        """``energy``."""
        return "energy"

    @property
    def value_label(self) -> str:
        """``Energy (eV)``."""
        return "Energy (eV)"

    @property
    def value_unit(self) -> str:
        """``eV``."""
        return "eV"

    @property
    def value_decimals(self) -> int:
        """4: a tenth of a meV."""
        return 4

    @property
    def point_name(self) -> str:
        """``structure``."""
        return "structure"

    @property
    def has_success(self) -> bool:
        """Whether there is a test of success."""
        return self.success is not None

    def succeeded(self, point: FloatArray, value: float) -> bool | None:
        """Whether a structure of this energy in eV passes the test; None without one."""
        return None if self.success is None else passes(self.success, self.structures.atoms(point), value)

    @property
    def known_minimum(self) -> float | None:
        """What the test of success knows to be the lowest energy, in eV."""
        return lowest_known(self.success)

    @property
    def success_criterion(self) -> str | None:
        """What the test of success asks for, in words; None without one."""
        return None if self.success is None else criterion(self.success)

    def describe(self) -> dict[str, Any]:
        """Name, space and calculator as plain data; the test of success changes no evaluation and is left out."""
        plain = {
            "name": self.name,
            "space": self.structures.describe(),
            "calculator": callable_name(self.calculator),
        }
        return fingerprinted(plain, self.calculator)


def _gives_forces(calculator: BaseCalculator) -> bool:
    return "forces" in getattr(calculator, "implemented_properties", ["forces"])


def _real(value: object) -> FloatArray | None:
    """An array of real numbers; None for what is none."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
    try:
        array = np.asarray(value)
        return None if np.iscomplexobj(array) else array.astype(np.float64)
    except (TypeError, ValueError):
        return None
