"""The first points of a campaign, the same for every searcher that is compared."""

from __future__ import annotations

from functools import partial

from matseek.evaluation import History, Proposal
from matseek.searchers.base import ask_through_chart
from matseek.spaces import Box

OPENING = "opening"


def open_with(n: int, history: History) -> Proposal:
    """A Latin hypercube where there is a box of coordinates, else uniform placements; by seed and nothing else.

    Args:
        n: Number of points.
        history: Of a campaign that has not begun.
    """
    return ask_through_chart(partial(_first, n), history)


def _first(n: int, history: History) -> Proposal:
    space, rng = history.space, history.rng()
    points = space.sample_latin_hypercube(n, rng) if isinstance(space, Box) else space.sample_uniform(n, rng)
    return Proposal(points, (OPENING,) * n)
