"""A problem that people measure: variables from a config, results by ask and tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from matseek.checks import of, path, several
from matseek.core.goals import FurtherObjective, OutcomeConstraint
from matseek.core.objective import Objective
from matseek.core.risk import Risk
from matseek.problems.measured import objective_of
from matseek.problems.recipe import RecipeProblem
from matseek.spaces import Box, Category, LinearConstraint, Pool, Variable


def laboratory(
    name: str,
    variables: Mapping[str, Mapping[str, Any]],
    constraints: Sequence[Mapping[str, Any]] = (),
    target: str | Path | None = None,
    success_below: float | None = None,
    risk: Risk | None = None,
    further_objectives: Sequence[FurtherObjective] = (),
    outcome_constraints: Sequence[OutcomeConstraint] = (),
    maximize: bool = False,
    candidates: str | Path | None = None,
    quantity: str = "value",
    unit: str = "",
    axes: Sequence[str] | None = None,
    objective: Mapping[str, Any] | Objective | None = None,
    wavelengths: Mapping[str, Any] | Sequence[float] | None = None,
) -> RecipeProblem:
    """A recipe problem without an oracle.

    Args:
        name: Name for records and titles.
        variables: By name: ``low``, ``high``, and optionally ``unit``, ``hardware`` (two numbers), ``periodic``,
            ``step``, ``log`` and ``hard``, see :class:`matseek.spaces.Variable`; or ``values``, and optionally
            ``descriptors``, see :class:`matseek.spaces.Category`. With candidates, the columns that are variables, each
            with a ``unit`` or nothing; all columns if there is no name.
        constraints: Each with ``coefficients`` by variable name, and ``lower``, ``upper`` or both.
        target: CSV with the columns ``wavelength`` (nm) and ``absorbance`` of the wanted spectrum; None where the value
            itself is told.
        success_below: Value under which the problem counts as solved; None for no such level.
        risk: By which statistic replicates become the value; None for the median.
        further_objectives: Outcomes to be optimised together with the value.
        outcome_constraints: Bounds of outcomes.
        maximize: Whether the values that are told are to be maximised; the record has their negatives.
        candidates: CSV with a row for each recipe that may be measured, see :class:`matseek.spaces.Pool`; None where
            every recipe within windows and constraints may.
        quantity: What the value that is told is called, such as ``yield``: the column of tables, and axes.
        unit: Unit of that value.
        axes: The two variables over which maps are drawn; None for those that matter most.
        objective: What is made of a spectrum: ``kind`` (``spectrum``, ``colour``, ``peak_position``, ``peak_width``,
            ``peak_ratio``) and its settings, see :mod:`matseek.problems.measured`; None for the match with the target.
        wavelengths: Where spectra are measured, in nm: ``low``, ``high`` and ``step``, or a list; None: the target's.

    Raises:
        ValueError: If a variable, a constraint, the target or the objective is not as described.
        FileNotFoundError: If there is no such target file.
    """
    of(Mapping, "settings by the variable's name")("variables", variables)
    several(of(Mapping, "coefficients with lower, upper or both"))("constraints", constraints)
    goal = objective_of(objective, None if target is None else path("target", target), wavelengths)
    if candidates is None:
        members = [_variable(key, settings) for key, settings in variables.items()]
        space = Box(members, [_constraint(settings) for settings in constraints])
    else:
        space = _pool(path("candidates", candidates), variables, constraints)
    return RecipeProblem(
        space,
        None,
        goal,
        name=name,
        success_below=success_below,
        risk=risk,
        further_objectives=further_objectives,
        outcome_constraints=outcome_constraints,
        maximize=maximize,
        quantity=quantity,
        unit=unit,
        axes=None if axes is None else tuple(axes),  # type: ignore[arg-type]
    )


def _pool(file: Path, variables: Mapping[str, Mapping[str, Any]], constraints: Sequence[object]) -> Pool:
    if constraints:
        raise ValueError("constraints: a list of candidates holds what may be measured; leave constraints out")
    units = {}
    for key, settings in variables.items():
        of(Mapping, "settings: the unit, or nothing")(f"variables.{key}", settings)
        if not set(settings) <= {"unit"}:
            raise ValueError(
                f"variable {key!r}: the candidates are its values, so that only its unit is set; leave out "
                f"{sorted(set(settings) - {'unit'})}"
            )
        units[key] = settings.get("unit", "")
    return Pool.read(file, list(variables) or None, units)


def _require_no_traps(name: str, settings: Mapping[str, Any]) -> None:
    """Refuse what YAML makes of a few words and of decimal commas.

    Raises:
        ValueError: If a category's value has become true or false, or a number has stayed a text.
    """
    values = settings.get("values")
    words = [v for v in values if isinstance(v, bool)] if isinstance(values, Sequence) else []
    if words:
        raise ValueError(
            f"category {name!r}: values={values!r}: YAML reads NO, off, Y and yes as true or false; put quotes around "
            "them: 'NO'"
        )
    for key in ("low", "high", "step"):
        value = settings.get(key)
        if isinstance(value, str):
            hint = f"write {value.replace(',', '.')} with a decimal point" if "," in value else "leave the quotes out"
            raise ValueError(f"variable {name!r}: {key}={value!r} is a text, not a number; {hint}")
    hardware = settings.get("hardware")
    if isinstance(hardware, Sequence) and len(hardware) > 2:
        raise ValueError(
            f"variable {name!r}: hardware={hardware!r} must be two numbers, with decimal points: [0.5, 80]"
        )


def _variable(name: str, settings: Mapping[str, Any]) -> Variable | Category:
    if isinstance(name, bool):
        raise ValueError(f"variables: YAML reads the name of a variable as {name}; put quotes around it: 'NO', 'Y'")
    if isinstance(settings, Mapping):
        _require_no_traps(name, settings)
    if isinstance(settings, Mapping) and "values" in settings:
        if not set(settings) <= {"values", "descriptors"}:
            raise ValueError(
                f"category {name!r}: unknown settings {sorted(set(settings) - {'values', 'descriptors'})}; give "
                "values, and optionally descriptors"
            )
        return Category(name, **settings)
    known = [f.name for f in fields(Variable) if f.name != "name"]
    of(Mapping, f"settings: low and high, and optionally {', '.join(known[2:])}")(f"variables.{name}", settings)
    unknown = sorted(map(str, set(settings) - set(known)))
    missing = sorted({"low", "high"} - set(settings))
    if unknown or missing:
        raise ValueError(
            f"variable {name!r}: unknown settings {unknown}, missing settings {missing}; "
            f"give low and high, and optionally {', '.join(known[2:-1])} and {known[-1]}"
        )
    return Variable(name, **settings)


def _constraint(settings: Mapping[str, Any]) -> LinearConstraint:
    if "coefficients" not in settings or not set(settings) <= {"coefficients", "lower", "upper"}:
        raise ValueError(f"constraint {dict(settings)}: give coefficients, and lower, upper or both, and nothing else")
    return LinearConstraint(**settings)
