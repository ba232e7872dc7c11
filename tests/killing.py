"""A search of structures that is cut off in a call of the calculator and goes on from its ledger."""

import numpy as np
import pytest
from ase.calculators.emt import EMT

from matseek import Campaign
from matseek.problems import StructureProblem


class Killed(BaseException):
    """What no code catches."""


def require_nothing_paid_twice(space, searcher, budget, at, folder):
    """The call number ``at`` is cut off; the search ends as one that was not, and makes that call alone again."""
    whole = Campaign(StructureProblem(space, EMT), searcher, seed=1).run(budget).to_frame()
    calls = []

    class Dying(EMT):
        def calculate(self, *args, **kwargs):
            calls.append(1)
            if len(calls) == at:
                raise Killed
            super().calculate(*args, **kwargs)

    problem = StructureProblem(space, Dying)
    with pytest.raises(Killed):
        Campaign(problem, searcher, folder / "c.db", seed=1).run(budget)
    campaign = Campaign(problem, searcher, folder / "c.db", seed=1).run(budget)
    labels = list(space.labels)
    assert np.array_equal(campaign.to_frame()[labels], whole[labels])
    assert len(calls) == budget + 1, "the call that was cut off is made again, and no other"
