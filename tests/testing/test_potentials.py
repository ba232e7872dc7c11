"""The project's own potentials are certified, and a potential that breaks any one rule is not."""

from functools import partial

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.units import Hartree, kcal, mol

from matseek.core.potential import EnergyAndForces, ManyAtOnce
from matseek.potentials import BatchedEMT
from matseek.testing import ConformanceError, check_potential


def structures():
    """Off their minima, of different sizes and periodicity."""
    slab = fcc111("Pt", (2, 2, 2), vacuum=6) + Atoms("Cu", [[1.2, 0.9, 12.0]])
    crystal = bulk("Cu", cubic=True) * (2, 1, 1)
    pair = Atoms("AuAg", [[0, 0, 0], [0.3, 0.2, 2.6]])
    for place, atoms in enumerate((slab, crystal)):
        atoms.rattle(0.1, seed=place)
    return [slab, crystal, pair]


@pytest.mark.parametrize(
    "factory", [BatchedEMT, EMT, partial(LennardJones, sigma=2.3, epsilon=0.4, rc=6.0, smooth=True)]
)
def test_the_projects_own_potentials_are_certified(factory):
    check_potential(factory, structures())


class Wrong(ManyAtOnce):
    """A potential of which one thing is wrong, in either way of asking."""

    def __init__(self):
        super().__init__()
        self.inner = BatchedEMT()

    def compute_many(self, structures):
        found = zip(self.inner.compute_many(structures), structures, strict=True)
        return [EnergyAndForces(*self.mend(f.energy, f.forces, atoms)) for f, atoms in found]


class Broken:
    """Mutants: each breaks the rule that its message names."""

    class Sign(Wrong):
        """minus the gradient.*change the sign"""

        def mend(self, energy, forces, atoms):
            return energy, -forces

    class Kcal(Wrong):
        """minus the gradient.*eV and kcal/mol"""

        def mend(self, energy, forces, atoms):
            return energy, forces / (kcal / mol)

    class HartreeEnergies(Wrong):
        """minus the gradient.*eV and hartree"""

        def mend(self, energy, forces, atoms):
            return energy / Hartree, forces

    class Scaled(Wrong):
        """minus the gradient.*check the derivative"""

        def mend(self, energy, forces, atoms):
            return energy, forces * 1.3

    class FreeOnly(Wrong):
        """forces has shape"""

        def mend(self, energy, forces, atoms):
            return energy, forces[-1:]

    class Fragile(Wrong):
        """finite numbers"""

        def mend(self, energy, forces, atoms):
            return energy, forces * np.nan

    class Field(Wrong):
        """translations of all atoms change no energy"""

        def mend(self, energy, forces, atoms):
            return energy + atoms.positions[:, 2].sum(), forces - [0, 0, 1]

    class Ordered(Wrong):
        """order of the atoms change no"""

        def mend(self, energy, forces, atoms):
            return energy + 0.1 * atoms.numbers[0], forces

    class Writing(BatchedEMT):
        """comes back as it was given|leaves structures as they are"""

        def compute_many(self, structures):
            for atoms in structures:
                atoms.wrap()
                atoms.positions += 1
            return super().compute_many(structures)

    class Swapped(BatchedEMT):
        """compute_many is one by one|a force of compute_many"""

        def compute_many(self, structures):
            return super().compute_many(structures)[::-1]

    class Short(BatchedEMT):
        """a result for each structure"""

        def compute_many(self, structures):
            return super().compute_many(structures[:1])

    class Warm(Wrong):
        """what was computed before changes nothing"""

        calls = 0

        def mend(self, energy, forces, atoms):
            self.calls += 1
            return energy + (self.calls > 27), forces


@pytest.mark.parametrize(
    "kind", [k for k in vars(Broken).values() if isinstance(k, type)], ids=lambda kind: kind.__name__
)
def test_a_potential_that_breaks_a_rule_is_refused(kind):
    with pytest.raises(ConformanceError, match=f"(?s){kind.__doc__}"):
        check_potential(kind, structures())


def test_what_is_no_calculator_is_refused():
    with pytest.raises(ConformanceError, match="ASE calculator"):
        check_potential(dict, structures())
