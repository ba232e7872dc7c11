"""Structures: atoms on a surface, and a calculator that gives their energy."""

from __future__ import annotations

import inspect
import logging
import reprlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from ase import Atoms
from ase.calculators.calculator import BaseCalculator

from matseek.checks import check, function, of, optional, takes, text
from matseek.core.potential import BatchedCalculator, EnergyAndForces, KnowsElements
from matseek.core.problem import Answer, Measurement, Problem, answer_of, callable_name, fingerprinted
from matseek.core.space import StructureSpace
from matseek.errors import ConfigurationError, MatseekError, ResponseError, error_text
from matseek.problems.calculators import CALCULATORS, CalculatorFactory, calculator_factory
from matseek.problems.labelled import properties_of

logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float64]
SuccessTest = Callable[[Atoms, float], bool] | Callable[[Atoms], bool]
"""Whether a structure, and perhaps its energy in eV, passes."""


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


@runtime_checkable
class SaysCriterion(Protocol):
    """A test that says what it asks for."""

    @property
    def criterion(self) -> str:
        """What a structure must have, in words that follow "solved where"."""
        ...


def criterion(test: SuccessTest) -> str:
    """What a test asks for, in words that follow "solved where"; the name of a test that does not say it."""
    return test.criterion if isinstance(test, SaysCriterion) else f"the test {callable_name(test)} passes"


success_test = function("(atoms, energy) or (atoms)", 1, 2)
"""The rule for a test of success."""


def passes(test: SuccessTest, atoms: Atoms, energy: float) -> bool:
    """Whether a structure of this energy in eV passes a test, which takes both or the structure alone.

    A parameter that has a value of its own is given the energy only if it is called ``energy``.
    """
    takes_both: Callable[..., bool] = test
    return bool(takes_both(atoms, energy) if _reads_energy(test) else takes_both(atoms))


def _reads_energy(test: SuccessTest) -> bool:
    if not takes(test, 2):
        return False
    try:
        parameters = list(inspect.signature(test).parameters.values())
    except (TypeError, ValueError):  # builtins without a signature
        return True
    second = parameters[min(1, len(parameters) - 1)]
    return second.name == "energy" or second.default is inspect.Parameter.empty


_FARTHEST_BOND = 7.0
"""Beyond what potentials count as neighbours, in angstrom (EMT, MACE-MP-0 and CHGNet: 6, SevenNet-0: 5)."""

_SEEN = 1e-3
"""Smallest energy, in eV, by which an image that is seen changes a structure's; above the noise of float32."""


@dataclass(frozen=True, eq=False)
class StructureProblem(Problem):
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
            if isinstance(calculator, KnowsElements):
                calculator.require_elements({*self.space.template.numbers.tolist(), *map(int, self.space.numbers)})
            self._require_no_image_above(calculator)

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
        atoms = self.space.atoms(point)
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
        structures = [self.space.atoms(point) for point in points]
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
        held = atoms - self.space.size
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
    def has_success(self) -> bool:
        """Whether there is a test of success."""
        return self.success is not None

    def succeeded(self, point: FloatArray, value: float) -> bool | None:
        """Whether a structure of this energy in eV passes the test; None without one."""
        return None if self.success is None else passes(self.success, self.space.atoms(point), value)

    @property
    def success_criterion(self) -> str | None:
        """What the test of success asks for, in words; None without one."""
        return None if self.success is None else criterion(self.success)

    @property
    def relaxed_criterion(self) -> str | None:
        """What the test of relaxed structures asks for, in words; None without one."""
        return None if self.relaxed_success is None else criterion(self.relaxed_success)

    def describe(self) -> dict[str, Any]:
        """Name, space and calculator as plain data; the test of success changes no evaluation and is left out."""
        plain = {
            "name": self.name,
            "space": self.space.describe(),
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
