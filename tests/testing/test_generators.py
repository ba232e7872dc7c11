"""Every generator that ships is certified, and a broken one is refused, for each rule."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from ase.build import fcc100, fcc111

from matseek import Campaign, plugins
from matseek.candidates import Generator, StructureSearch, Uniform, generator_of
from matseek.configuration import run_settings
from matseek.errors import ModelFileError
from matseek.godiff import Diffusion, Renoising
from matseek.potentials import BatchedEMT
from matseek.problems import StructureProblem
from matseek.searchers import BayesianSearcher, OnStructures
from matseek.spaces import Adlayer
from matseek.surrogates import StructureGP
from matseek.testing import ConformanceError, check_generator
from tests.shipped import shipped

SPACES = {
    "two elements": Adlayer(fcc111("Pt", (3, 3, 2), vacuum=8), "Pt2Cu", z=(1.0, 5.0)),
    "one atom": Adlayer(fcc100("Cu", (2, 2, 2), vacuum=8), "Cu", z=(1.0, 4.0)),
}
SPACE = SPACES["two elements"]


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("name", sorted(shipped(plugins.GENERATORS)))
def test_what_ships_is_certified(name, space):
    generator = generator_of("generator", name)
    if name == "diffusion":
        generator = replace(generator, steps=4)
    check_generator(generator, SPACES[space])


@dataclass(frozen=True)
class Correct(Generator):
    label: ClassVar[str] = "correct"

    def propose(self, count, parents, space, rng):
        return space.sample_uniform(count, rng)


@dataclass(frozen=True)
class Fewer(Correct):
    def propose(self, count, parents, space, rng):
        return space.sample_uniform(count, rng)[1:]


@dataclass(frozen=True)
class Above(Correct):
    def propose(self, count, parents, space, rng):
        return space.sample_uniform(count, rng) + 5.0


@dataclass(frozen=True)
class Meddles(Correct):
    def propose(self, count, parents, space, rng):
        parents += 0.1
        return space.sample_uniform(count, rng)


@dataclass(frozen=True)
class Unseeded(Correct):
    def propose(self, count, parents, space, rng):
        return space.sample_uniform(count, np.random.default_rng(np.random.randint(1000)))  # noqa: NPY002


@dataclass(frozen=True)
class Stubborn(Correct):
    def propose(self, count, parents, space, rng):
        return space.sample_uniform(count, np.random.default_rng(0))


@dataclass(frozen=True)
class Unknowing(Correct):
    def propose(self, count, parents, space, rng):
        return np.full((count, space.dim), np.nan)


@dataclass(frozen=True)
class NeedsTwo(Correct):
    def propose(self, count, parents, space, rng):
        return space.sample_uniform(count, rng) + 0 * parents[1]


@dataclass
class Loose:
    label: ClassVar[str] = "loose"


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        (Fewer, "has shape"),
        (Above, "inside the confinement"),
        (Meddles, "parents are left"),
        (Unseeded, "gives the same candidates"),
        (Stubborn, "another one gives others"),
        (Unknowing, "finite numbers"),
        (NeedsTwo, "of 1 parents ends without an error"),
        (Loose, "it is a Generator"),
    ],
)
def test_a_broken_rule_is_told(kind, rule):
    check_generator(Correct(), SPACE)
    with pytest.raises(ConformanceError, match=rule):
        check_generator(kind(), SPACE)


def test_a_search_takes_generators_by_name():
    search = StructureSearch(generators=["rattle", Uniform(2.0), "diffusion"])
    assert [g.label for g in search.generators] == ["rattle", "uniform", "diffusion model"]
    for wrong, message in (("ratle", r"generators\[0\]='ratle'"), (3, r"generators\[0\]=3")):
        with pytest.raises(ValueError, match=message):
            StructureSearch(generators=[wrong])
    with pytest.raises(ValueError, match="at least 1"):
        StructureSearch(generators=[])


@pytest.mark.parametrize("name", ["bayesian", "godiff_active"])
def test_the_command_line_takes_names(name):
    structures = "searcher.active.structures" if name == "godiff_active" else "searcher.structures"

    def searched(*overrides):
        searcher = run_settings(["problem=platinum_heptamer", f"searcher={name}", *overrides]).searcher
        return (searcher.active if name == "godiff_active" else searcher).structures.search

    assert searched() == StructureSearch()
    named = searched(f"{structures}.search.generators=[contiguous,diffusion]")
    assert [g.label for g in named.generators] == ["contiguous", "diffusion model"]


def test_a_missing_model_is_refused_before_anything_is_paid():
    search = StructureSearch(generators=[Diffusion(model="nothing")])
    searcher = BayesianSearcher(structures=OnStructures(StructureGP(), search))
    with pytest.raises(ModelFileError, match="no model 'nothing'"):
        searcher.check_problem(StructureProblem(SPACE, BatchedEMT))
    for settings, message in (({"model": ""}, "model="), ({"steps": 0}, "steps=0"), ({"renoising": 1}, "renoising=1")):
        with pytest.raises(ValueError, match=message):
            Diffusion(**settings)


def test_samples_of_a_model_are_on_the_template_and_some_are_near_good_structures():
    space = SPACES["one atom"]
    parents = space.sample_contiguous(1, np.random.default_rng(0))

    def away(generator):
        found = generator.propose(40, parents, space, np.random.default_rng(1))
        offset = np.abs(found - parents)[:, :2] @ np.linalg.inv(space.plane)
        return np.linalg.norm(np.minimum(offset % 1, 1 - offset % 1), axis=1)

    near = away(Diffusion(steps=8, renoising=Renoising(share=0.5, time=0.2)))
    assert np.median(near[20:]) < 0.1 < np.median(near[:20])
    assert np.median(away(Diffusion(steps=8, renoising=None))) > 0.1


def test_candidates_of_a_model_enter_the_search():
    asked = []

    @dataclass(frozen=True)
    class Watched(Generator):
        label: ClassVar[str] = "watched"

        def propose(self, count, parents, space, rng):
            asked.append(count)
            return Diffusion(steps=4).propose(count, parents, space, rng)

    search = StructureSearch(mean_every=None, candidates=6, generations=2, generators=[Watched()], start=3)
    searcher = BayesianSearcher(1, structures=OnStructures(StructureGP(forces=False), search))
    campaign = Campaign(StructureProblem(SPACES["one atom"], BatchedEMT), searcher, seed=0).run(5)
    assert asked == [6] * 4
    assert campaign.best.value < 20
