"""Earlier campaigns as the history of another: which can be used, how they are taken in, and what they say there.

Their evaluations are facts that somebody else has paid for. They are copied into the campaign's ledger before its first
batch, as they were measured, and read from there by the campaign's own objective; their own ledgers are never written.
"""

from __future__ import annotations

import glob
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from matseek.checks import path as checked_path
from matseek.core.problem import Problem
from matseek.core.records import HISTORY, Evaluation, Event
from matseek.core.wavelengths import resample
from matseek.errors import ConfigurationError, LedgerMismatchError, ResponseError
from matseek.evaluation.ledger import Ledger, LedgerReader, Origin, address_text, sqlite_path
from matseek.identity import WAVELENGTHS, differing
from matseek.run_folder import RunFolder
from matseek.secrets import masked_data

logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float64]
Response = npt.NDArray[np.floating[Any]] | None

_OF_VALUES = {"space", "objective"}
_OF_SPECTRA = {*_OF_VALUES, "name", "risk", "measured_at", WAVELENGTHS}
"""Keys of a problem's description that may differ, or are compared in a way of their own."""


def sources_of(history: object) -> tuple[str, ...]:
    """Ledgers of earlier campaigns, as paths or URLs.

    Args:
        history: Run folders, ledgers' files or SQLAlchemy URLs, one or several; None for none.

    Raises:
        ConfigurationError: If one is none of these.
    """
    if history is None:
        return ()
    given = list(history) if isinstance(history, (list, tuple)) else [history]
    return tuple(map(_ledger_of, given))


def _ledger_of(source: object) -> str:
    if isinstance(source, str) and "://" in source:
        return source
    try:
        place: Path = Path(checked_path("history", source))
    except ValueError as error:
        raise ConfigurationError(f"{error}: a run folder, a ledger's file, or its URL") from error
    place = RunFolder(place).ledger if place.is_dir() else place
    return str(place)


def set_aside(
    location: str | Path | None, sources: Sequence[str], problem: Problem, searcher: str, seed: int
) -> tuple[str, ...]:
    """Make room for a campaign that begins with what its own ledger holds of another target.

    The ledger's file becomes ``NAME.1.db``, ``NAME.2.db`` and so on, with everything that it holds. Where the campaign
    has begun anew already, nothing is changed.

    Args:
        location: The campaign's own ledger.
        sources: Ledgers of earlier campaigns, the own one perhaps among them.
        problem: What is minimised now.
        searcher: The searcher's name.
        seed: The campaign's.

    Returns:
        The ledgers, with that which was set aside instead of the own one.

    Raises:
        ConfigurationError: If the own ledger is named and holds no other target, has evaluations without a result, or
            is no SQLite file.
    """
    own = address_text(location)
    if location is None or own not in map(address_text, sources):
        return tuple(sources)
    path = sqlite_path(location)
    if path is None:
        raise ConfigurationError(
            f"history={own} is the campaign's own ledger, and can be set aside only where it is an SQLite file; give "
            "the new target a ledger of its own (another schema), with this one as its history"
        )
    aside = sorted(_aside(path))
    if path.is_file():
        ledger = Ledger(path)
        with ledger.locked():
            if not _holds(ledger, problem, searcher, seed):
                number = aside[-1][0] + 1 if aside else 1
                target = path.with_name(f"{path.stem}.{number}{path.suffix}")
                _move(ledger, path, target, problem)
                aside.append((number, target))
    if not aside:
        raise ConfigurationError(
            f"history={own} is the campaign's own ledger, and it holds no other target; leave it out"
        )
    return tuple(str(aside[-1][1]) if address_text(s) == own else s for s in sources)


def _aside(path: Path) -> Iterator[tuple[int, Path]]:
    """The ledgers that were set aside, with their numbers."""
    for other in path.parent.glob(f"{glob.escape(path.stem)}.*{path.suffix}"):
        number = other.name.removeprefix(f"{path.stem}.").removesuffix(path.suffix)
        if number.isdecimal():
            yield int(number), other


def _holds(ledger: Ledger, problem: Problem, searcher: str, seed: int) -> bool:
    """Whether a ledger is the campaign's, or nobody's."""
    try:
        ledger.require(masked_data(problem.describe()), searcher, seed)
    except LedgerMismatchError:
        return ledger.identity is None
    return True


def _move(ledger: Ledger, path: Path, target: Path, problem: Problem) -> None:
    """Set a ledger aside, which must be of use for the problem."""
    if pending := len(ledger.evaluations(status="pending")):
        raise ConfigurationError(
            f"history={ledger}: {pending} evaluations have no result yet, and would be lost to the record; finish them "
            "with the target that they were asked for, then change it"
        )
    for origin in _collected([str(path)]):
        earlier_evaluations(problem, [origin])
    checkpoint = path.with_suffix(".ckpt")
    if checkpoint.is_file():
        checkpoint.replace(target.with_suffix(".ckpt"))
    ledger.move_to(target)
    logger.info("the ledger %s is set aside as %s, and its campaign begins anew with what it holds", path, target)


def take_in(ledger: Ledger, problem: Problem, sources: Sequence[str]) -> None:
    """Copy earlier campaigns into a ledger that has no batch yet; where that has been done, nothing is read or changed.

    Args:
        ledger: The campaign's own, locked.
        problem: The campaign's.
        sources: Their ledgers, see :func:`sources_of`; none where the ledger holds what it began with.

    Raises:
        ConfigurationError: If a campaign cannot be used for the problem, or has no result yet.
        LedgerMismatchError: If the campaign has begun with another history.
        LedgerError: If a ledger cannot be read.
    """
    wanted = list(dict.fromkeys(address_text(source) for source in sources))
    told = [e for e in ledger.events() if e.kind == HISTORY]
    if told or not wanted:
        began = told[0].data["sources"] if told else []
        if wanted and not _are(wanted, began):
            raise LedgerMismatchError(
                f"the ledger {ledger} began with history={began}, this has history={wanted}; leave history out (the "
                "ledger holds a copy), or name another ledger"
            )
        return
    if ledger.count():
        raise LedgerMismatchError(
            f"the ledger {ledger} holds a campaign that began without a history, this has history={wanted}; name "
            "another ledger, or leave history out"
        )
    origins = _collected(sources)
    ledger.take_in(origins, [_told(problem, origin, wanted) for origin in origins])
    for event in ledger.events():
        if event.kind == HISTORY:
            logger.info("%s", event.message)


def _are(wanted: Sequence[str], began: Sequence[str]) -> bool:
    """Whether a history is what a campaign began with; of a folder that is gone nobody knows that it was one."""
    return len(wanted) == len(began) and all(
        ledger in (given, address_text(given if "://" in given else RunFolder(Path(given)).ledger))
        for given, ledger in zip(wanted, began, strict=True)
    )


def _collected(sources: Sequence[str]) -> list[Origin]:
    """The campaigns of several ledgers, with those that they have begun with; each counts once."""
    result: dict[tuple[str, str, int], Origin] = {}
    for source in sources:
        reader = LedgerReader(source)
        own = reader.as_origin()
        origins = [o for o in (*reader.origins(), own) if o is not None and o.evaluations]
        if not origins:
            raise ConfigurationError(
                f"history={reader}: the ledger holds no evaluation with a result yet; wait for one, or leave it out"
            )
        for origin in origins:
            key = (origin.begun, origin.campaign.searcher, origin.campaign.seed)
            if key not in result or len(origin.evaluations) > len(result[key].evaluations):
                result[key] = origin
    return list(result.values())


def _told(problem: Problem, origin: Origin, sources: Sequence[str]) -> Event:
    known = earlier_evaluations(problem, [origin])
    campaign, measured = origin.campaign, len(origin.evaluations)
    done = sum(e.status == "done" for e in known)
    best = next(iter(problem.ranked(known)), None)
    lowest = f", the best {best.value:.4g}" if best is not None else ""
    outside = measured - len(known)
    left_out = f"; {outside} lie beyond what can be set here and are left out" if outside else ""
    guess = "; its ledger does not tell its wavelengths, which are taken to be the same" if _guessed(origin) else ""
    message = (
        f"the campaign begins with {measured} earlier evaluations, of {campaign.problem.get('name')} by "
        f"{campaign.searcher}, seed {campaign.seed} ({origin.ledger}): {done} have a {problem.value_name} here"
        f"{lowest}{left_out}{guess}; none counts as its own"
    )
    data = {
        "sources": list(sources),
        "ledger": origin.ledger,
        "begun": origin.begun,
        "evaluations": measured,
        "known": len(known),
        "done": done,
        "best_value": None if best is None else best.value,
        "digest": origin.digest,
    }
    return Event(HISTORY, message, data)


def earlier_evaluations(problem: Problem, origins: Sequence[Origin]) -> tuple[Evaluation, ...]:
    """Evaluations of earlier campaigns as a problem sees them: in its own columns, by its own objective.

    Args:
        problem: What is minimised now.
        origins: The earlier campaigns.

    Returns:
        The evaluations that models may learn from, numbered up to 0, in batch 0. Those outside what the space reaches
        (:meth:`matseek.core.space.Space.reaches`) are left out.

    Raises:
        ConfigurationError: If a campaign cannot be used for the problem.
    """
    seen = [e for origin in origins for e in _seen(problem, origin)]
    return tuple(replace(e, number=i - len(seen), iteration=0) for i, e in enumerate(seen, start=1))


def _seen(problem: Problem, origin: Origin) -> list[Evaluation]:
    view = _View.of(problem, origin)
    points = np.array([e.point for e in origin.evaluations])[:, view.columns]
    return [
        view.seen(e, point)
        for e, point, reached in zip(origin.evaluations, points, problem.space.reaches(points), strict=True)
        if reached
    ]


@dataclass(frozen=True, eq=False)
class _View:
    """How a problem sees an earlier campaign.

    Args:
        problem: The problem.
        origin: The campaign.
        columns: Column of the campaign's points for each of the problem's coordinates.
        measured_at: Wavelengths of its spectra in nm where they are not the objective's own; else None.
    """

    problem: Problem
    origin: Origin
    columns: list[int]
    measured_at: FloatArray | None

    @classmethod
    def of(cls, problem: Problem, origin: Origin) -> _View:
        there, here = origin.campaign.problem, problem.describe()
        scored = problem.objective is not None
        free = _OF_SPECTRA if scored else _OF_VALUES
        others = [key for key in differing(there, here) if key not in free]
        if scored and there.get("objective") is None:
            raise _refused(origin, "it holds values, and this problem's objective needs spectra")
        if not scored and there.get("objective") is not None:
            raise _refused(origin, "it holds spectra, and this problem has no objective to score them by")
        if others:
            told = "; ".join(f"its {k} is {_short(there.get(k))}, this one is {_short(here.get(k))}" for k in others)
            raise _refused(origin, f"what it measured is something else: {told}")
        if scored and problem.as_laboratory() is None:
            raise _refused(origin, f"problem {problem.name!r} cannot score spectra that it has not measured itself")
        try:
            columns = list(problem.space.columns_of(there.get("space", {})))
        except ValueError as error:
            raise _refused(origin, str(error)) from error
        view = cls(problem, origin, columns, _wavelengths(problem, origin))
        for e in origin.evaluations:
            if e.status == "done" and scored:
                try:
                    view.response(e)
                except ResponseError as error:
                    raise _refused(origin, f"evaluation {e.number}: {error}") from error
        return view

    def response(self, e: Evaluation) -> Response:
        """The response of an evaluation, on the objective's wavelengths."""
        response, objective = e.response, self.problem.objective
        if objective is None or response is None:
            return response
        if self.measured_at is not None:
            return resample(response, self.measured_at, objective.wavelengths)
        if response.ndim == 0 or response.shape[-1] != objective.response_size:
            raise ResponseError(
                f"its response of shape {response.shape} does not fit the objective's {objective.response_size} "
                "wavelengths, and its ledger does not tell its own"
            )
        return response

    def seen(self, e: Evaluation, point: FloatArray) -> Evaluation:
        """An evaluation in the problem's columns, by its objective."""
        point.setflags(write=False)
        seen = replace(e, point=point, load_response=partial(self.response, e))
        laboratory = self.problem.as_laboratory()
        if self.problem.objective is None or laboratory is None:
            return seen
        try:
            response = self.response(e)
            measurement = None if response is None else laboratory.reduce(response)
        except ResponseError:  # it had failed there, too
            return seen
        if measurement is None:
            return seen
        return replace(
            seen,
            status="done" if measurement.error is None else "failed",
            value=float(measurement.value),
            replicates=measurement.replicates,
            error=measurement.error,
        )


def _wavelengths(problem: Problem, origin: Origin) -> FloatArray | None:
    """Wavelengths of a campaign's spectra where they must be interpolated; None where they fit as they are."""
    there = origin.campaign.problem.get(WAVELENGTHS)
    if problem.objective is None or there is None:
        return None
    at, to = np.asarray(there, dtype=np.float64), np.asarray(problem.objective.wavelengths, dtype=np.float64)
    return None if at.shape == to.shape and bool(np.allclose(at, to, rtol=0, atol=1e-9)) else at


def _guessed(origin: Origin) -> bool:
    description = origin.campaign.problem
    return description.get("objective") is not None and WAVELENGTHS not in description


def _refused(origin: Origin, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"history={origin.ledger}: the campaign cannot be used here: {reason}. Leave it out, or name another"
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
