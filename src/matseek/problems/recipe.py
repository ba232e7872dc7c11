"""Recipes: a box of variables, a laboratory that answers with values or spectra, and an objective on its answers."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from matseek.checks import check, flag, function, label, of, optional, real, several, takes, text
from matseek.core.goals import FurtherObjective, Goals, OutcomeConstraint
from matseek.core.objective import Objective
from matseek.core.problem import Measurement, Problem, callable_name, fingerprinted
from matseek.core.risk import Risk
from matseek.core.space import BoxSpace
from matseek.core.wavelengths import require_wavelengths, resample
from matseek.errors import ResponseError
from matseek.identity import WAVELENGTHS
from matseek.spaces.variables import RESERVED

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RecipeProblem(Problem):
    """Minimise a value, or the mismatch of a spectrum, over the recipes of a box.

    Args:
        space: The recipes that may be tried.
        oracle: The laboratory: a ``(n, d)`` float64 array in the variables' units gives ``(n, m)`` spectra, or
            ``(n, r, m)`` with r replicates; without an objective it gives the values, ``(n,)`` or ``(n, r)``. It is
            called with one condition at a time (n = 1), so that a failure costs one condition. A stochastic oracle
            may take a keyword ``rng``, a ``numpy.random.Generator`` that depends only on the campaign's seed and the
            number of the evaluation: a campaign that goes on after a crash then meets the same noise. None where
            people measure: such a problem is asked and told, not run.
        objective: Turns spectra into values, see :class:`matseek.core.problem.Objective`; None where the oracle
            gives the values itself.
        name: Name for records and titles.
        success_below: Value under which the problem counts as solved; None if there is no such level.
        axes: Names of the two variables over which maps are drawn, x and y; None for the two that
            matter most to the model.
        measured_at: Wavelengths in nm, shape ``(p,)``, of the oracle's spectra, which are then resampled on the
            objective's; None where they are measured on these, and any others are refused.
        risk: By which statistic of a condition's replicates the campaign minimises: None for the median,
            :class:`~matseek.problems.Quantile` or :class:`~matseek.problems.CVaR` where the bad replicates count.
        further_objectives: Outcomes to be minimised, or maximised, together with the value: what is looked for is a
            Pareto front.
        outcome_constraints: Bounds of outcomes; what lies beyond them cannot be the best.
        maximize: Whether the oracle's values are to be maximised. A campaign minimises: the value in its record, and
            that of ``success_below``, is then the negative of the oracle's.
        quantity: What the value is called, such as ``yield``: the column of tables of results, and axes. With an
            objective on spectra it has no meaning.
        unit: Unit of the value, such as ``%``.

    Raises:
        ValueError: If a setting is not as described.
    """

    space: BoxSpace
    oracle: Callable[..., npt.ArrayLike] | None = None
    objective: Objective | None = None
    name: str = "recipe"
    success_below: float | None = None
    axes: tuple[str, str] | None = None
    measured_at: npt.ArrayLike | None = None
    risk: Risk | None = None
    further_objectives: Sequence[FurtherObjective] = ()
    outcome_constraints: Sequence[OutcomeConstraint] = ()
    maximize: bool = False
    quantity: str = "value"
    unit: str = ""

    def __post_init__(self) -> None:
        check(
            self,
            space=of(BoxSpace, "a Box; build one from Variables"),
            oracle=optional(_oracle),
            objective=optional(_objective),
            name=text,
            success_below=optional(real()),
            axes=optional(several(text, 2, 2)),
            risk=optional(of(Risk, "a risk measure, such as CVaR(0.9)")),
            further_objectives=several(of(FurtherObjective)),
            outcome_constraints=several(of(OutcomeConstraint)),
            maximize=flag,
            quantity=text,
            unit=label,
        )
        if self.axes is not None and (len(set(self.axes)) != 2 or not set(self.axes) <= set(self.space.names)):
            raise ValueError(f"axes={self.axes!r} must name two variables of the space, {list(self.space.names)}")
        if self.measured_at is not None:
            if self.objective is None:
                raise ValueError(
                    "measured_at needs an objective on spectra; leave it out where the oracle gives values"
                )
            object.__setattr__(self, "measured_at", require_wavelengths(self.measured_at))

        if self.maximize and self.objective is not None:
            raise ValueError(
                "maximize=True is for oracles that give values; an objective on spectra is minimised: let it give the "
                "negative"
            )
        taken = {*RESERVED, *self.space.names, *self.space.labels}
        wrong = [o.label for o in self.goals.outcomes if {o.name, o.label} & taken]
        if wrong:
            raise ValueError(f"outcomes {wrong} have the name of a variable or of a column of tables; rename them")

    @cached_property
    def goals(self) -> Goals:
        """Further objectives and constraints on outcomes."""
        return Goals.on(self.space, self.objective, tuple(self.further_objectives), tuple(self.outcome_constraints))

    @cached_property
    def _oracle_takes_rng(self) -> bool:
        try:
            return self.oracle is not None and "rng" in inspect.signature(self.oracle).parameters
        except (TypeError, ValueError):  # builtins without a signature
            return False

    def require_oracle(self) -> None:
        """Refuse to be run where people measure.

        Raises:
            ValueError: If there is no oracle.
        """
        if self.oracle is None:
            raise ValueError(f"problem {self.name!r} has no oracle to run; use ask() and tell(), or give it an oracle")

    def measure(self, point: FloatArray, rng: np.random.Generator) -> Measurement:
        """Run the oracle on one condition and reduce its replicates.

        Args:
            point: Condition, shape ``(d,)``, in the variables' units.
            rng: Handed to the oracle if it takes one.

        Returns:
            The measurement; exceptions that the oracle raises pass through.

        Raises:
            ResponseError: If the answer has another shape than the problem can read.
        """
        self.require_oracle()
        assert self.oracle is not None
        points = np.array(point, dtype=np.float64)[None]
        answer = self.oracle(points, rng=rng) if self._oracle_takes_rng else self.oracle(points)
        response = _as_floats(answer)
        try:
            return self.reduce(self._on_wavelengths(self._single(response)))
        except ResponseError as error:
            raise ResponseError(str(error), response) from error

    def _single(self, response: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
        """The answer for one condition, without the leading dimension."""
        wanted = "(1, m) or (1, r, m) spectra" if self.objective else "(1,) values or (1, r) replicates"
        ranks = (2, 3) if self.objective else (1, 2)
        if response.ndim not in ranks or response.shape[0] != 1:
            raise ResponseError(
                f"the oracle answered one condition with an array of shape {response.shape}; it must give {wanted}"
            )
        return np.asarray(response[0])

    def _on_wavelengths(self, response: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
        if self.measured_at is None or self.objective is None:
            return response
        return resample(response, self.measured_at, self.objective.wavelengths)

    def reduce(self, response: npt.ArrayLike) -> Measurement:
        """Value of one condition: the median over its replicates, or what the risk measure makes of them.

        Replicates without a finite value are left out.

        Args:
            response: Spectra ``(m,)`` or ``(r, m)`` with an objective, else a value ``()`` or values ``(r,)``.

        Raises:
            ResponseError: If the shape does not fit the objective, or the response holds no numbers.
        """
        array = _as_floats(response)
        if self.objective is None:
            if array.ndim > 1:
                raise ResponseError(
                    f"a condition's values have shape {array.shape}; give one number or one per replicate"
                )
            replicates, raw = np.atleast_1d(array).astype(np.float64), None
        else:
            if array.ndim not in (1, 2) or 0 in array.shape:
                raise ResponseError(
                    f"a condition's response has shape {array.shape}; give a spectrum (m,) or spectra (replicates, m)"
                )
            replicates, raw = np.atleast_1d(self.objective(array)), array
        finite = replicates[np.isfinite(replicates)]
        if not len(finite):
            return Measurement.failed(
                f"no finite value among {len(replicates)} replicate(s): {replicates[:3].tolist()}; "
                "measure the condition again or check the instrument",
                raw if raw is not None else replicates,
                empty=True,
            )
        if self.maximize:
            replicates, finite = -replicates, -finite
        value = float(np.median(finite)) if self.risk is None else self.risk.of(finite)
        return Measurement(value, np.where(np.isfinite(replicates), replicates, np.nan), raw)

    @property
    def value_name(self) -> str:
        """``loss`` of a spectrum; the quantity without an objective, ``negative`` of one that is maximised."""
        if self.objective is not None:
            return "loss"
        return f"negative {self.quantity}" if self.maximize else self.quantity

    @property
    def value_unit(self) -> str:
        """Unit of the quantity; empty for a loss."""
        return self.unit if self.objective is None else ""

    @property
    def value_label(self) -> str:
        """As the objective calls it, with the risk measure."""
        return self._label_of(self.value_name)

    @property
    def sign(self) -> float:
        """-1 of what is maximised."""
        return -1.0 if self.maximize else 1.0

    @property
    def told_name(self) -> str:
        """``loss`` of a spectrum; the quantity without an objective."""
        return self.value_name if self.objective is not None else self.quantity

    @property
    def told_label(self) -> str:
        """As :attr:`value_label`, of values as they are told."""
        return self._label_of(self.told_name)

    def _label_of(self, value: str) -> str:
        if self.objective is not None:
            name = self.objective.label
        else:
            name = value[:1].upper() + value[1:] + (f" ({self.unit})" if self.unit else "")
        return name if self.risk is None else f"{name}, {self.risk.label}"

    @property
    def point_name(self) -> str:
        """``recipe``."""
        return "recipe"

    def as_laboratory(self) -> RecipeProblem:
        """Itself."""
        return self

    def describe(self) -> dict[str, Any]:
        """Name, space, objective and oracle as plain data.

        The success level and goals besides the value change no evaluation and are left out.
        """
        plain: dict[str, Any] = {
            "name": self.name,
            "space": self.space.describe(),
            "objective": None if self.objective is None else self.objective.describe(),
            "oracle": None if self.oracle is None else callable_name(self.oracle),
        }
        if self.maximize:
            plain["maximize"] = True
        if self.risk is not None:
            plain["risk"] = self.risk.describe()
        if self.objective is not None:
            plain[WAVELENGTHS] = np.asarray(self.objective.wavelengths).tolist()
        if self.measured_at is not None:
            plain["measured_at"] = np.asarray(self.measured_at).tolist()
        return fingerprinted(plain, self.oracle)


def _oracle(name: str, value: Any) -> Any:  # noqa: ANN401 -- the oracle itself
    """Something that can be called with points, and with a keyword ``rng`` if it has one."""
    if callable(value) and takes(value, 1, rng=None):
        return value
    return function("one argument, an (n, d) array of points, and perhaps a keyword rng", 1)(name, value)


def _objective(name: str, value: Any) -> Any:  # noqa: ANN401 -- the objective itself
    of(Objective, "an objective with wavelengths, response_size and describe(), or None without spectra")(name, value)
    require_wavelengths(value.wavelengths)
    return function("one argument, spectra (..., m)", 1)(name, value)


def _on_the_host(answer: Any) -> Any:  # noqa: ANN401 -- whatever the oracle gives
    """Tensors as arrays, also those in lists: on a GPU, with gradients or in bfloat16 they refuse to become arrays."""
    torch = sys.modules.get("torch")  # whoever gives a tensor has imported it
    if torch is not None and isinstance(answer, torch.Tensor):
        answer = answer.detach().cpu()
        return (answer.float() if answer.dtype == torch.bfloat16 else answer).numpy()
    return [_on_the_host(part) for part in answer] if isinstance(answer, (list, tuple)) else answer


def _as_floats(answer: npt.ArrayLike) -> npt.NDArray[np.floating[Any]]:
    try:
        array = np.asarray(_on_the_host(answer))
        if isinstance(answer, np.ma.MaskedArray):  # what is masked was not measured
            array = np.where(np.ma.getmaskarray(answer), np.nan, array)
        if np.iscomplexobj(array):
            raise TypeError("complex numbers")
        # A copy: an oracle may write its next answer where this one is.
        return array.copy() if array.dtype in (np.float32, np.float64) else array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ResponseError(f"the response is not an array of numbers ({error}); give floats of one shape") from error
