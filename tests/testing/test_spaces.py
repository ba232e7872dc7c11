"""The project's own spaces are certified, and a space that breaks any one rule is not."""

import numpy as np
import pytest
from ase.build import fcc111

from matseek.core.space import Space
from matseek.spaces import Adlayer, Box, LinearConstraint, Variable
from matseek.spaces.chart import AtomChart
from matseek.testing import ConformanceError, check_space

SLAB = fcc111("Pt", (2, 2, 2), vacuum=6)
SKEWED = fcc111("Cu", (3, 2, 2), vacuum=6)


def mixture():
    names = ("a", "b", "c")
    return Box(
        [Variable(n, 0, 100, unit="%") for n in names],
        [LinearConstraint(dict.fromkeys(names, 1.0), lower=100, upper=100)],
    )


SPACES = {
    "one variable": Box([Variable("a", -1, 1)]),
    "units and limits": Box([Variable("a", 1, 2, unit="mL", hardware=(0, 3)), Variable("b", 200, 1000, unit="uL/min")]),
    "constrained": Box([Variable("a", 0, 10), Variable("b", -1, 1)], [LinearConstraint({"a": 1, "b": 2}, upper=8)]),
    "mixture": mixture(),
    "angle": Box([Variable("angle", 0, 360, periodic=True), Variable("b", 0, 1e-6)]),
    "one atom": Adlayer(SLAB, "Pt", z=(1.0, 4.0)),
    "alloy": Adlayer(SLAB, "PtCu2", z=(1.0, 5.0)),
    "skewed": Adlayer(SKEWED, "Cu2", z=(1.5, 4.0), least_distance=0.7),
}


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_projects_own_spaces_are_certified(space, seed):
    check_space(space, seed)


SQUARE = [Variable("a", 0, 1), Variable("b", 0, 1)]


class Quick(Box):
    """A box whose hypercube takes no time."""

    def sample_latin_hypercube(self, n, rng):
        return self.sample_uniform(n, rng)


class Broken:
    """Mutants: each breaks the rule that its message names."""

    class Stray(Quick):
        """lie inside the space"""

        def sample_uniform(self, m, rng):
            return rng.random((m, 2)) * 1.5

    class StrayOpening(Quick):
        """points of sample_opening lie inside"""

        def sample_opening(self, m, rng):
            return rng.random((m, 2)) + 0.5

    class Refusing(Quick):
        """refused by nothing"""

        def refusals(self, points):
            return ["no" for _ in points]

    class Global(Quick):
        """same points for the same generator"""

        def sample_uniform(self, m, rng):
            return np.random.default_rng().random((m, 2))

    class Constant(Quick):
        """other points for another generator"""

        def sample_uniform(self, m, rng):
            return np.random.default_rng(7).random((m, 2))

    class Short(Quick):
        """sample_uniform\\(m, rng\\) has shape"""

        def sample_uniform(self, m, rng):
            return rng.random((m - 1, 2))

    class Nan(Quick):
        """NaN lies in no space"""

        def contains(self, points):
            return ~(np.asarray(points)[..., 0] > 1)

    class Single(Quick):
        """boolean for each point"""

        def contains(self, points):
            return super().contains(points).astype(int)

    class Lenient(Quick):
        """as_points refuses an array of shape"""

        def as_points(self, points):
            return np.atleast_2d(np.asarray(points, dtype=float))

    class Twins(Quick):
        """names are unique"""

        @property
        def names(self):
            return ("a", "a")

    class Unlabelled(Quick):
        """a label for each name"""

        @property
        def labels(self):
            return ("a",)

    class Listed(Quick):
        """names are a tuple of texts"""

        @property
        def names(self):
            return ["a", "b"]

    class Swapped(Quick):
        """from_frame undoes to_frame"""

        def from_frame(self, frame):
            return super().from_frame(frame)[:, ::-1]

    class Renamed(Quick):
        """columns of to_frame are the labels"""

        def to_frame(self, points):
            return super().to_frame(points).rename(columns={"a": "A"})

    class Arrays(Quick):
        """can be written as JSON"""

        def describe(self):
            return {"variables": np.zeros(2)}

    class Identity(Quick):
        """equal spaces have equal descriptions"""

        def describe(self):
            return {"id": id(self)}

    class Scaled(Quick):
        """unnormalize undoes normalize"""

        def normalize(self, points):
            return super().normalize(points) / 2

    class Straying(Quick):
        """Latin hypercube lies inside"""

        def sample_latin_hypercube(self, n, rng):
            return super().sample_latin_hypercube(n, rng) + 0.5

        def sample_opening(self, m, rng):
            return self.sample_uniform(m, rng)

    class OwnView(Quick):
        """coordinates\\(points\\(c\\)\\) is c"""

        def as_box(self):
            return View(Quick(SQUARE), there=lambda c: c**2, back=lambda p: p)

    class Wide(Quick):
        """every point of the box is a point of the space"""

        def as_box(self):
            return View(Quick([Variable("a", 0, 2), Variable("b", 0, 1)]), there=lambda c: c, back=lambda p: p)

    class BadBox(Quick):
        """the box of as_box\\(\\) keeps its own contract"""

        def as_box(self):
            return View(Broken.Stray(SQUARE), there=lambda c: c, back=lambda p: p)


class View:
    def __init__(self, box, there, back):
        self.box, self.there, self.back = box, there, back

    def coordinates(self, points):
        return self.back(np.asarray(points))

    def points(self, coordinates):
        return self.there(np.asarray(coordinates))


MUTANTS = [kind for kind in vars(Broken).values() if isinstance(kind, type)]


@pytest.mark.parametrize("kind", MUTANTS, ids=lambda kind: kind.__name__)
def test_a_box_that_breaks_a_rule_is_refused(kind):
    with pytest.raises(ConformanceError, match=f"(?s){kind.__doc__}.*Found: .*Remedy: ") as caught:
        check_space(kind(SQUARE))
    assert isinstance(caught.value, AssertionError)


class BrokenLayers:
    class Turned(Adlayer):
        """point\\(atoms\\(p\\)\\) is p"""

        def point(self, atoms):
            return super().point(atoms)[::-1]

    class Moved(Adlayer):
        """atoms that never move do not"""

        def atoms(self, point):
            found = super().atoms(point)
            found.positions[0] += 0.1
            return found

    class First(Adlayer):
        """template followed by the free atoms"""

        def atoms(self, point):
            return super().atoms(point)[::-1]

    class Wrapped(Adlayer):
        """change no distance"""

        def wrap(self, points):
            return super().wrap(points) * ([0.9, 1, 1] * self.size)

    class Unwrapped(Adlayer):
        """puts every atom into the cell"""

        def wrap(self, points):
            return np.array(points)

    class Overlapping(Adlayer):
        """contiguous structures are refused by nothing"""

        def sample_contiguous(self, m, rng):
            return np.tile(self.sample_uniform(m, rng)[:, :3], self.size)

    class Floating(Adlayer):
        """closeness is at least 1"""

        def closeness(self, points):
            return super().closeness(points) - 1

    class Walled(Adlayer):
        """walls\\(points\\)"""

        def walls(self, points, reach=0.01):
            return super().walls(points, reach)[:, :1]


class FlippedChart(AtomChart):
    def coordinates(self, points):
        return 1.0 - super().coordinates(points)


class Flipped(Adlayer):
    """coordinates\\(points\\(c\\)\\) is c"""

    def as_box(self):
        return FlippedChart(self)


@pytest.mark.parametrize(
    "kind", [*(k for k in vars(BrokenLayers).values() if isinstance(k, type))], ids=lambda kind: kind.__name__
)
def test_an_adlayer_that_breaks_a_rule_is_refused(kind):
    with pytest.raises(ConformanceError, match=kind.__doc__):
        check_space(kind(SLAB, "Cu2", z=(1.0, 5.0)))


def test_a_chart_that_does_not_come_back_is_refused():
    with pytest.raises(ConformanceError, match=Flipped.__doc__):
        check_space(Flipped(SLAB, "Pt", z=(1.0, 4.0)))


class Disc(Space):
    """The smallest space that there can be: four members, and nothing else."""

    names = ("x", "y")

    def contains(self, points):
        return (self.as_points(points) ** 2).sum(axis=1) <= 1.0

    def sample_uniform(self, m, rng):
        radius, angle = np.sqrt(rng.random(m)), rng.uniform(0, 2 * np.pi, m)
        return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])

    def describe(self):
        return {"disc": 1.0}


def test_four_members_make_a_space():
    check_space(Disc())


def test_a_space_that_counts_its_coordinates_wrongly_is_refused():
    class Miscounted(Disc):
        dim = 3

    with pytest.raises(ConformanceError, match="dim is the number of names"):
        check_space(Miscounted())


def test_a_space_that_does_not_find_its_own_columns_is_refused():
    class Turned(Disc):
        def columns_of(self, other):
            return (1, 0)

    class Listless(Disc):
        def describe(self):
            return {"disc": (1.0, 2.0)}

    for kind in (Turned, Listless):
        with pytest.raises(ConformanceError, match=r"columns_of\(its own description\) are its own columns"):
            check_space(kind())


def test_a_space_that_reaches_less_than_it_contains_is_refused():
    class Shy(Disc):
        def reaches(self, points):
            return points[:, 0] > 0

    with pytest.raises(ConformanceError, match=r"reaches\(\) what it contains"):
        check_space(Shy())
