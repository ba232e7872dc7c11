"""The contract of a searcher, see :class:`matseek.core.searcher.Searcher`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from matseek.campaign import Campaign
from matseek.core.history import History
from matseek.core.problem import Problem
from matseek.core.records import Evaluation, Proposal
from matseek.core.searcher import BatchSearcher, Searcher
from matseek.core.surrogate import Surrogate
from matseek.testing.rules import ConformanceError, Rules, global_seed
from matseek.testing.watched import CutOff, Watched

FloatArray = npt.NDArray[np.float64]

_SAME = 1e-9
"""Two points within this fraction of a window are the same."""

_FAILS_EVERY = 3

_MORE = 2
"""Evaluations that a finished campaign goes on with."""

_SEEDED = "draw from history.rng() alone, and give every other generator a seed from it"


def check_searcher(make_searcher: Callable[[], Searcher], problem: Problem, budget: int = 12, seed: int = 0) -> None:
    """Certify a searcher by six small campaigns on a problem.

    The same history gives the same points, another seed gives others; the budget is spent exactly; what is evaluated
    lies inside the space and is refused by nothing; a campaign that was cut off and goes on from its ledger ends as one
    that was not; failed evaluations end no campaign and are not asked for again; settings are frozen and can be sent to
    another process.

    Args:
        make_searcher: Makes the searcher, for example the class, or a ``functools.partial`` of it with small settings.
        problem: What is searched; its oracle is called about six times the budget.
        budget: Evaluations of a campaign; best no multiple of the batch size.
        seed: Of the campaigns.

    Raises:
        ConformanceError: If it breaks a rule; the message says which, what was found and what to change.
    """
    searcher = make_searcher()
    rules = Rules(f"the searcher {type(searcher).__name__}")
    copy = _check_settings(rules, searcher)
    searcher.check_problem(problem)
    searcher.check(budget)
    with TemporaryDirectory(prefix="matseek-") as folder:
        ledger = Path(folder) / "whole.db"
        whole = _check_whole(rules, searcher, problem, budget, seed, ledger)
        _check_again(rules, copy, problem, budget, seed, whole)
        _check_cut_off(rules, make_searcher, problem, budget, seed, whole, Path(folder))
        asked = searcher.as_batch_searcher()
        if asked is not None:
            history = Campaign(problem, searcher, ledger, seed).history()
            _check_asked(rules, asked, history)
        _check_reopened(rules, make_searcher(), problem, budget, seed, ledger)
    _check_failures(rules, make_searcher(), problem, budget, seed)


def _check_settings(rules: Rules, searcher: Searcher) -> Searcher:
    for name in ("name", "label", "title"):
        rules.require_text(name, getattr(searcher, name))
    look = searcher.look
    texts = look is None or (len(look) == 2 and all(isinstance(x, str) for x in look))
    rules.require(texts, "look is a colour and a marker, or None", look, 'give for example ("#0072B2", "s")')
    models = searcher.surrogates
    known = isinstance(models, tuple) and all(isinstance(m, Surrogate) for m in models)
    rules.require(known, "surrogates are a tuple of Surrogates", models, "list the models it learns, () for none")
    names = [m.name for m in models]
    rules.require(len(set(names)) == len(names), "surrogates have different names", names, "name them apart")
    copy: Searcher = rules.require_frozen_settings(searcher)
    return copy


def _run(rules: Rules, searcher: Searcher, problem: Watched, budget: int, seed: int, ledger: Path | None) -> Campaign:
    try:
        return Campaign(problem, searcher, ledger, seed).run(budget)
    except Exception as error:
        raise ConformanceError(
            rules.subject,
            f"a campaign of {budget} evaluations ends without an error",
            f"{type(error).__name__}: {error}",
            "propose points inside history.domain, no more than are asked for, and at least one",
        ) from error


def _check_whole(
    rules: Rules, searcher: Searcher, problem: Problem, budget: int, seed: int, ledger: Path
) -> Sequence[Evaluation]:
    watched = Watched(problem)
    with global_seed(1):
        campaign = _run(rules, searcher, watched, budget, seed, ledger)
    found = campaign.ledger.evaluations()
    rules.require(
        len(watched.points) == len(found) == budget and not any(e.status == "pending" for e in found),
        "the budget is spent exactly",
        f"{len(watched.points)} calls of the oracle and {len(found)} evaluations of a budget of {budget}",
        "evaluate through the evaluator alone, while evaluator.remaining is above 0",
    )
    points = np.array([e.point for e in found])
    domain = campaign.history().domain
    inside = domain.contains(points)
    rules.require(inside.all(), "evaluated points lie inside the space", points[~inside][:1], "keep to history.domain")
    refused = [text for text in domain.refusals(points) if text]
    rules.require(not refused, "no evaluated point is one that the space refuses", refused[:1], "ask space.refusals()")
    return found


def _check_again(
    rules: Rules, copy: Searcher, problem: Problem, budget: int, seed: int, whole: Sequence[Evaluation]
) -> None:
    with global_seed(2):
        again = _run(rules, copy, Watched(problem), budget, seed, None).ledger.evaluations()
    _require_same(rules, again, whole, "the same seed gives the same campaign", _SEEDED)
    others = _run(rules, copy, Watched(problem), budget, seed + 1, None).ledger.evaluations()
    same = all(np.array_equal(a.point, b.point) for a, b in zip(others, whole, strict=True))
    rules.require(not same, "another seed gives another campaign", whole[0].point, _SEEDED)


def _require_same(rules: Rules, a: Sequence[Evaluation], b: Sequence[Evaluation], rule: str, remedy: str) -> None:
    for x, y in zip(a, b, strict=True):
        same = np.array_equal(x.point, y.point) and (x.iteration, x.proposer) == (y.iteration, y.proposer)
        rules.require(
            same,
            rule,
            f"evaluation {y.number}: {x.point} (batch {x.iteration}, {x.proposer}) where there was "
            f"{y.point} (batch {y.iteration}, {y.proposer})",
            remedy,
        )


def _check_cut_off(
    rules: Rules,
    make_searcher: Callable[[], Searcher],
    problem: Problem,
    budget: int,
    seed: int,
    whole: Sequence[Evaluation],
    folder: Path,
) -> None:
    remedy = "keep nothing between batches but what the history, or the checkpoint, holds"
    at = budget // 2 + 1
    ledger = folder / "cut.db"
    first = Watched(problem, ends_at=at)
    with global_seed(3), suppress(CutOff):
        Campaign(first, make_searcher(), ledger, seed).run(budget)
        rules.require(False, "an exception that ends programs ends the campaign", "it went on", "do not catch it")
    second = Watched(problem)
    with global_seed(4):
        resumed = _run(rules, make_searcher(), second, budget, seed, ledger).ledger.evaluations()
    rule = f"a campaign that was cut off at evaluation {at} and goes on ends as one that was not"
    paid = len(first.points) + len(second.points)
    rules.require(paid == len(resumed) == budget, rule, f"{paid} calls, {len(resumed)} evaluations", remedy)
    _require_same(rules, resumed, whole, rule, remedy)


def _check_reopened(rules: Rules, searcher: Searcher, problem: Problem, budget: int, seed: int, ledger: Path) -> None:
    watched = Watched(problem)
    _run(rules, searcher, watched, budget, seed, ledger)
    rules.require(
        not watched.points,
        "a finished campaign that is started again evaluates nothing",
        f"{len(watched.points)} calls",
        "evaluate only while evaluator.remaining is above 0",
    )
    more = _run(rules, searcher, watched, budget + _MORE, seed, ledger).ledger.evaluations()
    rules.require(
        len(watched.points) == _MORE and len(more) == budget + _MORE,
        "a finished campaign goes on with a larger budget, and spends that exactly",
        f"{len(watched.points)} calls of the oracle for {_MORE} more evaluations",
        "begin with what the history holds, and count by evaluator.remaining",
    )


def _check_failures(rules: Rules, searcher: Searcher, problem: Problem, budget: int, seed: int) -> None:
    watched = Watched(problem, fails_every=_FAILS_EVERY)
    found = _run(rules, searcher, watched, budget, seed, None).ledger.evaluations()
    failed = [e for e in found if e.status == "failed"]
    rules.require(
        len(found) == budget and failed,
        "failed evaluations count, and the campaign goes on to its budget",
        f"{len(found)} evaluations, {len(failed)} failed",
        "go on with history.done, whatever has failed",
    )
    if problem.space.as_box() is None:
        return
    points = np.array([e.point for e in found])
    for e in failed:
        again = _close(problem, points[e.number :], e.point)
        rules.require(
            not again.any(), "a point that failed is not proposed again", e.point, "leave out what history.failed holds"
        )


def _close(problem: Problem, points: FloatArray, point: FloatArray) -> npt.NDArray[np.bool_]:
    """Whether each of the points ``(m, d)`` is the same as a point, in coordinates of the box."""
    view = problem.space.as_box()
    assert view is not None
    if not len(points):
        return np.zeros(0, dtype=bool)
    unit = view.box.normalize(view.coordinates(np.vstack([points, point])))
    return np.asarray((np.abs(view.box.unit_offset(unit[:-1], unit[-1])) < _SAME).all(axis=1))


def _check_asked(rules: Rules, searcher: BatchSearcher, history: History) -> None:
    with global_seed(5):
        first = searcher.choose(2, history)
    with global_seed(6):
        second = searcher.choose(2, history)
    rules.require(isinstance(first, Proposal), "ask() gives a Proposal", type(first).__name__, "return a Proposal")
    rules.require_array("the points of ask(2, history)", first.points, (2, history.space.dim))
    texts = len(first.proposers) == 2 and all(isinstance(p, str) and p for p in first.proposers)
    rules.require(texts, "a proposal says who chose each point", first.proposers, "give (self.name,) * n")
    rules.require(
        np.array_equal(first.points, second.points),
        "the same history gives the same points",
        f"{first.points[0]} and {second.points[0]}",
        _SEEDED,
    )
    size = searcher.size(history)
    rules.require(isinstance(size, int) and size >= 1, "size(history) is at least 1", size, "return a whole number")
