"""A campaign's definition changed on the way: bounds, constraints, a variable more, another target.

What changes, and what that does to the next batch, is told before it is written; the old definition stays in the
ledger's event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from matseek.core.problem import Laboratory, Measurement
from matseek.core.records import AMENDED, WINDOW_WIDENED, Evaluation, Event
from matseek.core.wavelengths import resample
from matseek.errors import ConfigurationError
from matseek.evaluation import Ledger
from matseek.evaluation.ledger import Change
from matseek.identity import differing
from matseek.results.changing import point_with, told_response
from matseek.run_folder import RunFolder
from matseek.secrets import masked_data
from matseek.stored_config import Changed, changed_settings

FloatArray = npt.NDArray[np.float64]

_AMENDABLE = frozenset({"space", "objective", "wavelengths", "risk"})
"""Keys of a problem's description that may change within one ledger."""


@dataclass(frozen=True, eq=False)
class Amendment:
    """What changes; nothing has been written down.

    Args:
        settings: The new settings.
        ledger: The campaign's ledger.
        problem: The new description of the problem.
        differences: What differs, a sentence each; empty where nothing does.
        effects: What that does to the next batch and to what was measured, a sentence each.
        changes: What evaluations become.
        variables: Variables whose windows are others than before.
    """

    settings: Changed
    ledger: Ledger
    problem: dict[str, Any]
    differences: tuple[str, ...]
    effects: tuple[str, ...]
    changes: tuple[Change, ...]
    variables: tuple[str, ...]

    @property
    def summary(self) -> str:
        """What changes and what that does, a line each."""
        return "\n".join((*self.differences, *self.effects)) or "nothing changes"

    def write(self) -> None:
        """Write it down: the ledger first, and the folder's config after it.

        Whoever is cut off between the two has amended: the ledger's event says how the folder's config goes on.
        """
        with self.ledger.locked():
            self.settings.keep_files()
            if self.differences:
                known = self.ledger.identity
                data = {
                    "differences": list(self.differences),
                    "variables": list(self.variables),
                    "problem_before": None if known is None else known.problem,
                    "config_before": self.settings.before,
                    "config": self.settings.text,
                }
                event = Event(AMENDED, f"the campaign is amended: {'; '.join(self.differences)}", data)
                self.ledger.amend(self.problem, event, self.changes)
            self.settings.keep()


def amendment(
    run_dir: Path,
    overrides: Sequence[str] = (),
    past: Mapping[str, object] | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    trust: bool = False,
) -> Amendment:
    """What overrides of a campaign's problem would change.

    Args:
        run_dir: The campaign's folder.
        overrides: In Hydra's syntax, such as ``problem.variables.T.high=120`` or ``data=other.csv``.
        past: Of new variables the values at which everything so far was measured, by name.
        settings: Settings of the problem as plain data, in the place of those of the same names: ``variables``,
            ``constraints``, ``target``.
        trust: As for :func:`matseek.configuration.recorded_settings`.

    Raises:
        ConfigurationError: If they change what one ledger cannot hold, or a new variable has no past.
        LedgerError: If the ledger cannot be opened and written.

    Example:
        >>> change = amendment(Path("runs/mine"), ["+problem.variables.pH={low: 4, high: 10}"], {"pH": 7})
        >>> print(change.summary)
        >>> change.write()
    """
    changed = changed_settings(run_dir, overrides, settings=settings, trust=trust)
    path = RunFolder(run_dir).ledger
    if not path.is_file():
        raise ConfigurationError(f"{run_dir} has no ledger yet; ask for a batch first: matseek ask {run_dir}")
    old, new = changed.old.as_laboratory(), changed.new.as_laboratory()
    if old is None or new is None:
        raise ConfigurationError(f"problem {changed.old.name!r} is evaluated by its calculator; begin another campaign")
    ledger = Ledger(path)
    there, here = masked_data(changed.old.describe()), masked_data(changed.new.describe())
    known = ledger.identity
    ledger.require(there, "" if known is None else known.searcher, 0 if known is None else known.seed)
    others = [key for key in differing(there, here) if key not in _AMENDABLE]
    if others:
        raise ConfigurationError(
            f"{', '.join(others)} cannot change within one campaign, since what was measured would mean something "
            "else; begin another campaign, with this one as its history where it can be used"
        )
    if ledger.origins() and (len(new.space.names) != len(old.space.names) or "objective" in differing(there, here)):
        raise ConfigurationError(
            "the campaign began with earlier campaigns, which know neither a new variable nor another target; begin "
            f"another campaign with history={run_dir}"
        )
    return _Comparison(changed, ledger, old, new, here, dict(past or {})).amendment()


class _Comparison:
    """Holds two definitions of a campaign against each other."""

    def __init__(
        self,
        settings: Changed,
        ledger: Ledger,
        old: Laboratory,
        new: Laboratory,
        description: dict[str, Any],
        past: dict[str, object],
    ) -> None:
        self.settings, self.ledger, self.old, self.new = settings, ledger, old, new
        self.description, self.past = description, past
        self.evaluations = ledger.evaluations()
        self.rescored = bool(
            {"objective", "wavelengths", "risk"} & {*differing(masked_data(settings.old.describe()), description)}
        )

    def amendment(self) -> Amendment:
        windows, variables = self._windows()
        differences = (*windows, *self._constraints(), *self._targets())
        changes = tuple(c for e in self.evaluations if (c := self._change(e)) is not None)
        return Amendment(
            self.settings,
            self.ledger,
            self.description,
            differences,
            self._effects(changes, variables) if differences else (),
            changes,
            variables,
        )

    def _windows(self) -> tuple[list[str], tuple[str, ...]]:
        """What differs of variables, and the names of those whose windows do."""
        before = {v.name: v for v in self.old.space.variables}
        after = {v.name: v for v in self.new.space.variables}
        missing = sorted(before.keys() - after.keys())
        if missing:
            raise ConfigurationError(
                f"variables {missing} cannot be left out, since what was measured has values of them; fix one instead: "
                f"problem.variables.{missing[0]}.low and .high at the same value"
            )
        told, names = [], []
        for name, variable in after.items():
            if name not in before:
                if name not in self.past:
                    raise ConfigurationError(
                        f"variable {name!r} is new: say at what value all so far was measured: --past {name}=VALUE"
                    )
                told.append(f"new variable {_window(variable)}; so far it was {self.past[name]}")
                continue
            known = before[name]
            if (known.unit, bool(known.values)) != (variable.unit, bool(variable.values)):
                raise ConfigurationError(
                    f"variable {name!r} cannot have another unit or kind, since what was measured has numbers of it; "
                    "begin another campaign"
                )
            if _window(known) != _window(variable):
                told.append(f"{_window(variable)} instead of {_window(known).removeprefix(known.label).strip(': ')}")
                names.append(name)
        unknown = sorted(set(self.past) - (after.keys() - before.keys()) - self._amended())
        self.past = {name: value for name, value in self.past.items() if name not in before}
        if unknown:
            raise ConfigurationError(f"--past names {unknown}, which are no new variables; leave them out")
        return told, tuple(names)

    def _amended(self) -> set[str]:
        """Variables that an earlier amendment has added: the same command may be given again."""
        befores = [e.data["problem_before"]["space"] for e in self.ledger.events() if e.kind == AMENDED]
        known = [{v["name"] for v in space["variables"]} for space in befores]
        return {name for name in self.old.space.names if any(name not in names for names in known)}

    def _constraints(self) -> list[str]:
        before, after = self.old.space.rules, self.new.space.rules
        return [
            *(f"constraint dropped: {rule}" for rule in before if rule not in after),
            *(f"new constraint: {rule}" for rule in after if rule not in before),
        ]

    def _targets(self) -> list[str]:
        if not self.rescored:
            return []
        before, after = self.settings.old.value_label, self.settings.new.value_label
        what = "another target or objective" if before == after else f"{after} instead of {before}"
        return [f"{what}: everything measured is scored anew"]

    def _change(self, e: Evaluation) -> Change | None:
        """What an evaluation becomes; None where it stays as it is."""
        point, asked = self._point(e.point), None if e.asked is None else self._point(e.asked)
        moved = len(point) != len(e.point) or not np.array_equal(point, e.point)
        measurement = self._measurement(e) if self.rescored and e.settled else None
        if not moved and measurement is None:
            return None
        status = e.status if measurement is None else "done" if measurement.error is None else "failed"
        return Change(AMENDED, e, point, asked, status, measurement, "", error=e.error)

    def _point(self, point: FloatArray) -> FloatArray:
        """A point in the new variables."""
        names = list(self.old.space.names)
        values = np.zeros(self.new.space.dim)
        for k, variable in enumerate(self.new.space.variables):
            if variable.name not in names:
                continue
            number = point[names.index(variable.name)]
            if variable.values:
                known = self.old.space.variables[names.index(variable.name)].values[round(number)]
                if known not in variable.values:
                    raise ConfigurationError(
                        f"category {variable.name!r}: {known!r} was measured and cannot be left out; keep it, and hold "
                        f"others with ask --fix"
                    )
                number = variable.values.index(known)
            values[k] = number
        return point_with(self.new.space, values, self.past)

    def _measurement(self, e: Evaluation) -> Measurement | None:
        """The result of an evaluation by the new objective; None where nothing can be scored."""
        response = told_response(self.old, e)
        if not len(response):
            return None
        if self.old.objective is not None and self.new.objective is not None:
            at, to = (np.asarray(o.wavelengths) for o in (self.old.objective, self.new.objective))
            if at.shape != to.shape or not np.allclose(at, to, rtol=0, atol=1e-9):
                response = resample(response, at, to)
        return self.new.reduce(response)

    def _effects(self, changes: Sequence[Change], variables: Sequence[str]) -> tuple[str, ...]:
        """What the changes do to the next batch, and to what was measured."""
        space = self.new.space
        by_number = {c.number: c for c in changes}
        after = [_after(e, by_number.get(e.number)) for e in self.evaluations]
        known = [e for e in after if e.settled]
        told = ["the next batch is chosen from " + ", ".join(_window(v) for v in space.variables)]
        if space.rules:
            told[0] += f", under {'; '.join(space.rules)}"
        outside = [e for e in known if not space.contains(e.point).all()]
        if outside:
            told.append(
                f"{len(outside)} of {len(known)} measured recipes lie outside; the models learn from them still"
            )
        waiting = [e.number for e in after if e.status == "pending" and not space.contains(e.point).all()]
        if waiting:
            listed = ", ".join(map(str, waiting))
            told.append(f"recipes {listed} wait for results and lie outside: measure them, or matseek skip")
        widened = {e.data["variable"] for e in self.ledger.events() if e.kind == WINDOW_WIDENED} & {*variables}
        if widened:
            told.append(f"the window of {', '.join(sorted(widened))} had been widened, and begins anew")
        ranked_before, ranked_after = self.old.ranked(self.evaluations), self.new.ranked(after)
        if ranked_after:
            best = ranked_after[0]
            where = "" if space.contains(best.point).all() else ", which lies outside"
            was = (
                f", before it was evaluation {ranked_before[0].number}"
                if ranked_before and (ranked_before[0].number != best.number)
                else ""
            )
            told.append(
                f"the best recipe is evaluation {best.number} ({self.settings.new.sign * best.value:.4g}){where}{was}"
            )
        return tuple(told)


def _after(e: Evaluation, change: Change | None) -> Evaluation:
    """An evaluation as it will be."""
    if change is None:
        return e
    if change.measurement is None:
        return replace(e, point=change.point)
    m = change.measurement
    return replace(
        e, point=change.point, status=change.status, value=float(m.value), replicates=np.atleast_1d(m.replicates)
    )


def _window(variable: Any) -> str:  # noqa: ANN401 -- a coordinate, some of which have steps
    """A variable's window in words."""
    if variable.values:
        return f"{variable.name}: {', '.join(variable.values)}"
    step = getattr(variable, "step", None)
    window = f"{variable.label}: {variable.low:g} to {variable.high:g}" + (f" in steps of {step:g}" if step else "")
    low, high = variable.limits
    if (low, high) != (variable.low, variable.high):
        window += f" (limits {low:g} to {high:g}{', never widened' if variable.widest != (low, high) else ''})"
    return window
