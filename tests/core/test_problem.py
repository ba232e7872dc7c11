from functools import partial

import pytest
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones

from matseek.core.potential import ManyAtOnce
from matseek.core.problem import potential_name
from matseek.potentials import BatchedEMT


class Network(ManyAtOnce):
    def __init__(self, model="zero", device="cpu", batch_size=None):
        super().__init__()

    def compute_many(self, structures):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (EMT, BatchedEMT),
        (partial(BatchedEMT), EMT),
        (Network, partial(Network, model="zero", device="cuda", batch_size=4)),
        (partial(Network, model="big"), partial(Network, model="big", device="cuda")),
    ],
)
def test_the_same_energies_have_the_same_name(one, other):
    assert potential_name(one) == potential_name(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (EMT, LennardJones),
        (partial(LennardJones, sigma=2.0), partial(LennardJones, sigma=2.1)),
        (Network, partial(Network, model="big")),
        (Network, partial(Network, "big")),
    ],
)
def test_other_energies_have_another_name(one, other):
    assert potential_name(one) != potential_name(other)
