"""A campaign's definition as the page shows it, and changed on the way: limits, rules, a variable more, a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from omegaconf import OmegaConf

from matseek.desk.amending import Amendment, amendment
from matseek.run_folder import RunFolder
from matseek.stored_config import stored
from matseek.tables import write_csv
from matseek.workbench.set_up import Ingredient, number, read_target

_PROBLEM = "matseek.problems.laboratory.laboratory"


@dataclass(frozen=True)
class Limits:
    """A variable's limits as they are entered.

    Args:
        low: Lower end of what is tried, as text.
        high: Upper end.
        least: The least that the apparatus can do; empty where that is ``low``.
        most: The most that it can do.
        hard: Whether the limits never widen by themselves.
    """

    low: str
    high: str
    least: str = ""
    most: str = ""
    hard: bool = False


@dataclass(frozen=True)
class Rule:
    """A linear constraint as it is entered.

    Args:
        factors: What each variable counts, such as ``Qa=1; Qb=0.5``.
        lower: Least sum; empty for no such bound.
        upper: Largest sum.
    """

    factors: str
    lower: str = ""
    upper: str = ""

    def settings(self) -> dict[str, Any]:
        """What the problem is made with.

        Raises:
            ValueError: If a factor or a bound is no number.
        """
        pairs = [part.rpartition("=") for part in self.factors.split(";") if part.strip()]
        if not pairs or not all(name.strip() for name, _, _ in pairs):
            raise ValueError(f"the rule {self.factors!r} names no variables; write NAME=FACTOR; NAME=FACTOR")
        factors = {name.strip(): number(x, f"the factor of {name.strip()!r}") for name, _, x in pairs}
        found: dict[str, Any] = {"coefficients": factors}
        for key, text in (("lower", self.lower), ("upper", self.upper)):
            if text.strip():
                found[key] = number(text, f"the {key} bound of {self.factors!r}")
        return found


@dataclass(frozen=True)
class Definition:
    """What a run folder's config says of the variables.

    Args:
        variables: Settings by name.
        rules: The constraints.
    """

    variables: Mapping[str, Mapping[str, Any]]
    rules: tuple[Rule, ...]

    @classmethod
    def of(cls, folder: RunFolder) -> Definition | None:
        """The definition of a laboratory's campaign; None of another's."""
        problem = OmegaConf.to_container(stored(folder.config).problem)
        if not isinstance(problem, dict) or problem.get("_target_") != _PROBLEM or problem.get("candidates"):
            return None
        variables = {str(name): dict(settings) for name, settings in problem["variables"].items()}
        return cls(variables, tuple(_rule(c) for c in problem.get("constraints") or ()))

    def limits(self, name: str) -> Limits | None:
        """The limits of a variable; None of one that has choices."""
        settings = self.variables[name]
        if "values" in settings:
            return None
        hardware = settings.get("hardware") or ("", "")
        low, high, least, most = map(_text, (settings["low"], settings["high"], *hardware))
        return Limits(low, high, least, most, hard=bool(settings.get("hard")))


def redefined(
    folder: RunFolder,
    limits: Mapping[str, Limits],
    rules: Sequence[Rule],
    added: Ingredient | None = None,
    past: str = "",
    target: tuple[str, bytes] | None = None,
) -> Amendment:
    """What another definition would change; nothing is written down until :meth:`Amendment.write`.

    Args:
        folder: The campaign's run folder.
        limits: The limits of variables, by name.
        rules: All constraints.
        added: A variable more.
        past: What that was in everything measured so far.
        target: Name and content of the file with another target.

    Raises:
        ValueError: If a field says what it cannot.
        MatseekError: If the campaign cannot be changed so.
    """
    known = Definition.of(folder)
    if known is None:
        raise ValueError("the campaign is not set up by its variables; change it with matseek amend")
    variables = {name: {**settings} for name, settings in known.variables.items()}
    for name, entered in limits.items():
        if entered != known.limits(name):
            variables[name] = _with_limits(name, variables[name], entered)
    held: dict[str, object] = {}
    if added is not None:
        variables[added.name.strip()] = added.settings()
        if past.strip():
            held[added.name.strip()] = past.strip() if added.choices.strip() else number(past, f"{added.name!r} so far")
    settings: dict[str, Any] = {"variables": variables}
    if tuple(rules) != known.rules:
        settings["constraints"] = [rule.settings() for rule in rules]
    with TemporaryDirectory() as place:
        if target is not None:
            file = Path(place) / f"{Path(target[0]).stem}.csv"
            write_csv(read_target(*target), file)
            settings["target"] = str(file)
        return amendment(folder.path, (), held or None, settings=settings)


def _with_limits(name: str, settings: dict[str, Any], entered: Limits) -> dict[str, Any]:
    ingredient = Ingredient(name, entered.low, entered.high, least=entered.least, most=entered.most)
    kept = {key: value for key, value in settings.items() if key not in ("hardware", "hard")}
    return {**kept, **ingredient.settings(), **({"hard": True} if entered.hard else {})}


def _rule(settings: Mapping[str, Any]) -> Rule:
    factors = "; ".join(f"{name}={_text(factor)}" for name, factor in settings["coefficients"].items())
    return Rule(factors, _text(settings.get("lower")), _text(settings.get("upper")))


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.12g}" if isinstance(value, (int, float)) else str(value)
