"""One part of every kind, as another package offers them to matseek: this file, and a line each in pyproject.toml."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from ase.neighborlist import neighbor_list
from botorch.acquisition import qProbabilityOfImprovement
from torch import nn

from matseek.acquisition import MonteCarlo
from matseek.candidates import Generator
from matseek.core.potential import EnergyAndForces, ManyAtOnce
from matseek.core.problem import Measurement, Problem
from matseek.core.records import Proposal
from matseek.core.searcher import BatchSearcher, require_box
from matseek.core.space import Space
from matseek.core.surrogate import FittedSurrogate, Surrogate
from matseek.godiff.score_model import AtomicScoreModel, ScoreAndForces
from matseek.spaces import Box, Variable

# A space: the points between two circles, and the same in polar coordinates for searchers that need a box.


@dataclass(frozen=True)
class Annulus(Space):
    """The points between two circles."""

    names: ClassVar[tuple[str, ...]] = ("x", "y")
    labels: ClassVar[tuple[str, ...]] = ("x (mm)", "y (mm)")
    inner: float = 0.5
    outer: float = 1.0

    @property
    def readable(self):
        return [Variable(name, -self.outer, self.outer, unit="mm") for name in self.names]

    def contains(self, points):
        radius = np.linalg.norm(self.as_points(points), axis=1)
        return (radius >= self.inner - 1e-9) & (radius <= self.outer + 1e-9)

    def sample_uniform(self, m, rng):
        radius = np.sqrt(rng.uniform(self.inner**2, self.outer**2, m))
        return self.points(np.column_stack([rng.uniform(0, 360, m), radius]))

    def describe(self):
        return {"annulus": [self.inner, self.outer]}

    def as_box(self):
        return self  # it is its own view: box, coordinates and points

    @property
    def box(self):
        return Box([Variable("angle", 0, 360, periodic=True), Variable("radius", self.inner, self.outer, unit="mm")])

    def coordinates(self, points):
        x, y = self.as_points(points).T
        return np.column_stack([np.degrees(np.arctan2(y, x)) % 360, np.hypot(x, y).clip(self.inner, self.outer)])

    def points(self, coordinates):
        angle, radius = np.radians(np.asarray(coordinates)[:, 0]), np.asarray(coordinates)[:, 1]
        return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


# A problem over it.


@dataclass(frozen=True)
class Toy(Problem):
    """Distance from a place in the annulus."""

    name: ClassVar[str] = "toy"
    success_below: ClassVar[float] = 0.05
    space: Annulus = field(default_factory=Annulus)
    x: float = 0.6
    y: float = -0.4

    def measure(self, point, rng):
        value = float(np.hypot(point[0] - self.x, point[1] - self.y))
        return Measurement(value, np.array([value]))

    def describe(self):
        return {"name": self.name, "space": self.space.describe(), "place": [self.x, self.y]}


# A surrogate, and a searcher that learns by it.


@dataclass(frozen=True)
class InverseDistance(Surrogate):
    """The mean of all values, weighted by a power of the inverse distance (Shepard 1968)."""

    name: ClassVar[str] = "toy_weights"
    label: ClassVar[str] = "inverse distance"
    power: float = 4.0

    def fit(self, history):
        return Weighted(history.window, history.points, history.values, self.power)


@dataclass(frozen=True, eq=False)
class Weighted(FittedSurrogate):
    window: object
    known: np.ndarray
    values: np.ndarray
    power: float

    def mean(self, points):
        a, b = self.window.normalize(points), self.window.normalize(self.known)
        distance = np.linalg.norm(self.window.unit_offset(a[:, None], b), axis=2)
        weights = 1 / (distance**self.power + 1e-12)
        return weights @ self.values / weights.sum(axis=1)


@dataclass(frozen=True)
class ToySearcher(BatchSearcher):
    """Draws many points, and takes those that the surrogate expects to be best."""

    name: ClassVar[str] = "toy_searcher"
    label: ClassVar[str] = "toy search"
    batch_size: int = 5
    draws: int = 64

    @property
    def surrogates(self):
        return (InverseDistance(),)

    def check_space(self, space):
        require_box(self.name, space)

    def ask(self, n, history):
        drawn = history.window.sample_uniform(self.draws, history.rng())
        if self.surrogates[0].reason_to_wait(history) is None:
            drawn = drawn[self.surrogates[0].fit(history).mean(drawn).argsort(kind="stable")]
        return Proposal(drawn[:n], (self.name,) * n)


# An acquisition.


@dataclass(frozen=True)
class QPI(MonteCarlo):
    """Probability of improvement."""

    label: ClassVar[str] = "qPI"

    def function(self, state, **sampling):
        return qProbabilityOfImprovement(state.model, best_f=-state.best_mean(), **sampling)


# A generator of candidates.


@dataclass(frozen=True)
class Line(Generator):
    """The atoms of a good structure one after the other along x, at a place that is drawn."""

    label: ClassVar[str] = "line"
    spacing: float = 2.7

    def propose(self, count, parents, space, rng):
        atoms = np.zeros((count, space.size, 3))
        atoms[..., 0] = self.spacing * np.arange(space.size)
        atoms += rng.uniform(0, 1, (count, 1, 2)) @ np.pad(space.plane, ((0, 0), (0, 1)))
        atoms[..., 2] = parents[rng.integers(len(parents), size=count)].reshape(count, -1, 3)[..., 2]
        return space.wrap(atoms.reshape(count, -1))


# A potential.


class Repulsion(ManyAtOnce):
    """Spheres that repel each other: e(d) = (1 - d^2 / R^2)^3 eV for pairs closer than R = 4 A."""

    def compute_many(self, structures):
        return [self.of_one(atoms) for atoms in structures]

    def of_one(self, atoms):
        i, d, along = neighbor_list("idD", atoms, 4.0)
        inside = 1 - d**2 / 16
        forces = np.zeros((len(atoms), 3))
        np.add.at(forces, i, (-6 / 16 * inside**2)[:, None] * along)
        return EnergyAndForces(float((inside**3).sum() / 2), forces)


# A score network.


class ToyScore(AtomicScoreModel):
    """Sums over neighbours: the direction of each, times a function of distance, elements and noise."""

    form = "toy_score"

    def make(self, features, blocks, cutoff, gaussians):
        self.element = nn.Embedding(119, features)
        self.radial = nn.Linear(gaussians, features, bias=False)
        self.noise = nn.Linear(1, features)
        self.score_head = nn.Linear(features, 1, bias=False)
        self.force_head = nn.Linear(features, 1, bias=False)
        self.register_buffer("centres", torch.linspace(0.5, cutoff, gaussians))

    def forward(self, graph, sigma, template=None):
        source, receiver = graph.edge_index[:, graph.pair]
        numbers = torch.cat([graph.template_numbers, graph.numbers])
        along = graph.edge_vectors.float()
        distance = along.norm(dim=1, keepdim=True).clamp_min(1e-6)
        basis = torch.exp(-((distance - self.centres) ** 2)) * (1 - (distance / self.cutoff) ** 2) ** 2
        message = self.radial(basis) * self.element(numbers[source]) * self.element(graph.numbers[receiver])
        sent = (along / distance).unsqueeze(2) * message.unsqueeze(1)
        vectors = sent.new_zeros(len(graph.numbers), 3, message.shape[1]).index_add(0, receiver, sent)
        vectors = vectors.view(len(sigma), -1, *vectors.shape[1:])
        loud = self.noise(sigma.float().log().view(-1, 1, 1, 1))
        return ScoreAndForces(self.score_head(vectors * loud).squeeze(-1), self.force_head(vectors).squeeze(-1))
