"""The boundary rule: where proposals press against a window, the window widens toward the hardware limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matseek.checks import check, real
from matseek.core.history import History
from matseek.core.records import WINDOW_WIDENED, Event, ranked


@dataclass(frozen=True)
class Widening:
    """Widen the side of a window that the last batch presses against and beside which the best condition lies.

    Mekki-Berrada et al. widened their flow-rate windows by hand whenever the optimiser kept proposing conditions at a
    boundary. Exploration alone also visits boundaries, so the best condition so far must lie beside the same one: the
    campaign's own that meets all constraints on outcomes and is best as far as its replicates tell, see
    :func:`matseek.core.records.ranked`.

    Args:
        share: Least share of the last batch that lies at the boundary.
        margin: What counts as at the boundary, as a fraction of the window.
        beside: What counts as beside the boundary for the best condition, as a fraction of the window.
        step: By how much the window widens, as a fraction of its width.
    """

    share: float = 0.3
    margin: float = 0.02
    beside: float = 0.1
    step: float = 0.25

    def __post_init__(self) -> None:
        fraction = real(above=0, high=1, unit="a fraction")
        check(self, "widening.", share=fraction, margin=fraction, beside=fraction, step=fraction)

    def events(self, history: History, proposer: str) -> tuple[Event, ...]:
        """The widenings that the last batch of a proposer calls for; none if it has proposed nothing yet."""
        own = [e for e in history.evaluations if e.proposer == proposer]
        trusted = ranked(history.feasible)
        if not own or not trusted:
            return ()
        last = np.array([e.point for e in own if e.iteration == own[-1].iteration])
        window = history.window
        batch = window.normalize(last)
        best = window.normalize(trusted[0].point)
        events = []
        for j, variable in enumerate(window.variables):
            width = variable.high - variable.low
            for side, edge, limit in (("low", 0.0, variable.widest[0]), ("high", 1.0, variable.widest[1])):
                at_edge = int((np.abs(batch[:, j] - edge) <= self.margin).sum())
                now = variable.low if side == "low" else variable.high
                to = max(limit, now - self.step * width) if side == "low" else min(limit, now + self.step * width)
                if (
                    abs(to - now) <= 1e-9 * width
                    or at_edge < self.share * len(batch)
                    or (best[j] - edge) * (1 - 2 * edge) > self.beside  # beyond the edge is beside it, too
                ):
                    continue
                events.append(
                    Event(
                        WINDOW_WIDENED,
                        f"before batch {history.iteration} the window of {variable.name} widens from {side}={now:g} "
                        f"to {to:g} {variable.unit}: {at_edge} of the {len(batch)} last proposals press against it and "
                        f"the best condition lies beside it (hardware limit {limit:g})",
                        {"variable": variable.name, "side": side, "from": now, "to": to},
                    )
                )
        return tuple(events)
