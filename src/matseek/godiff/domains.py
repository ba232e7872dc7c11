"""Problems as the diffusion core sees them: a manifold, a network, and the way there and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from matseek.checks import check, of, one_of, real, whole
from matseek.core.problem import Problem
from matseek.core.records import Evaluation
from matseek.core.searcher import require_box
from matseek.core.space import BoxView, StructureSpace
from matseek.deprecation import renamed_settings
from matseek.diffusion import Anchored, BoxManifold, Cloud, Joined, Manifold, NoiseSchedule, PeriodicSlab, Walls
from matseek.godiff.atomic_score import AtomicFields
from matseek.godiff.recipe_score import MLPScore, RecipeScore
from matseek.godiff.score_model import AtomicScoreModel
from matseek.godiff.separation import separated
from matseek.godiff.zoo import load_weights
from matseek.networks.graphs import AtomicSystem
from matseek.plugins import SCORE_NETWORKS, offered, part

FloatArray = npt.NDArray[np.float64]


@renamed_settings(radial="gaussians")
@dataclass(frozen=True)
class NetworkSettings:
    """The score network of structures, see :class:`matseek.godiff.score_model.AtomicScoreModel`.

    Args:
        representation: ``template``: the template is encoded once and the free atoms read it; ``full``: every atom.
            Or the name of another network that an installed package offers in ``matseek.score_networks``.
        blocks: Message-passing blocks.
        features: Features of an atom.
        cutoff: In angstrom.
        gaussians: Of the distances: size of the radial basis.
        walls: What noise does at the walls of the confinement, see :class:`matseek.diffusion.PeriodicSlab`.
        displacement: Of template atoms that move: the unit in which their displacements are put under noise, and their
            standard deviation where nothing is learnt, in angstrom, see :class:`matseek.diffusion.Anchored`.
    """

    representation: str = "template"
    blocks: int = 4
    features: int = 64
    cutoff: float = 6.0
    gaussians: int = 30
    walls: Walls = "reflected"
    displacement: float = 0.1

    def __post_init__(self) -> None:
        check(
            self,
            "network.",
            representation=one_of(sorted(offered(SCORE_NETWORKS))),
            blocks=whole(1, 64),
            features=whole(1, 4096),
            cutoff=real(0.5, 100, unit="angstrom"),
            gaussians=whole(2, 4096),
            walls=one_of(get_args(Walls)),
            displacement=real(above=0, high=10, unit="angstrom"),
        )


class Domain(ABC):
    """A problem's space as a manifold of tensors, and the network that learns on it.

    Args:
        manifold: Where points live as tensors.
        network: A :class:`matseek.godiff.score_matching.FieldNetwork`, new.
    """

    def __init__(self, manifold: Manifold, network: nn.Module) -> None:
        self.manifold, self.network = manifold, network

    @property
    @abstractmethod
    def dim(self) -> int:
        """Numbers of a point."""

    @abstractmethod
    def tensor(self, points: FloatArray) -> Tensor:
        """Points ``(m, dim)`` as tensors on the manifold, shape ``(m, *shape)``, float64."""

    @abstractmethod
    def points(self, x: Tensor) -> FloatArray:
        """Tensors on the manifold as points of the space, shape ``(m, dim)``."""

    @abstractmethod
    def refusals(self, points: FloatArray) -> list[str]:
        """Why each point may not be evaluated; empty where it may."""

    @abstractmethod
    def repaired(self, points: FloatArray) -> FloatArray:
        """Points ``(m, dim)`` that may not be evaluated, moved a little so that more of them may be."""

    @abstractmethod
    def forces(self, evaluations: Sequence[Evaluation]) -> FloatArray | None:
        """Forces of evaluations in eV/A, shape ``(m, *shape)``, NaN where unknown; None in a space without forces."""


def domain_of(
    problem: Problem, schedule: NoiseSchedule, settings: NetworkSettings, seed: int, start: str | None = None
) -> Domain:
    """The domain of a problem.

    Args:
        problem: A problem over an adlayer or a box.
        schedule: The sampler's noise.
        settings: Of the network, for an adlayer.
        seed: Seed of the network's initial parameters.
        start: Trained model that an adlayer's network begins as; None begins with random parameters.

    Raises:
        ValueError: If the problem's space is neither.
        ModelFileError: If the model is missing or of another architecture.
    """
    structures = problem.space.as_structures()
    if structures is not None:
        return StructureDomain(structures, settings, seed, start)
    return RecipeDomain(require_box("godiff", problem.space), schedule, seed)


class RecipeDomain(Domain):
    """A box in unit coordinates, with mirrors for walls, or periodic; linear constraints refuse samples.

    Args:
        view: The space seen as a box.
        schedule: The sampler's noise.
        seed: Of the initial parameters.
    """

    def __init__(self, view: BoxView, schedule: NoiseSchedule, seed: int) -> None:
        box = view.box
        manifold = BoxManifold((0.0,) * box.dim, (1.0,) * box.dim, tuple(box.periodic))
        super().__init__(manifold, RecipeScore(MLPScore(manifold, (schedule.low, schedule.high), seed=seed)))
        self.view = view

    @property
    def dim(self) -> int:
        """Coordinates."""
        return self.view.box.dim

    def tensor(self, points: FloatArray) -> Tensor:
        """Unit coordinates."""
        return torch.as_tensor(self.view.box.normalize(self.view.coordinates(points)))

    def points(self, x: Tensor) -> FloatArray:
        """Recipes in units."""
        unit = x.detach().cpu().double().clamp(0, 1).numpy()
        return self.view.points(self.view.box.unnormalize(unit))

    def refusals(self, points: FloatArray) -> list[str]:
        """Constraints that are violated."""
        return [
            "" if inside else "violate a constraint" for inside in self.view.box.contains(self.view.coordinates(points))
        ]

    def repaired(self, points: FloatArray) -> FloatArray:
        """As they are: samples beyond a constraint are drawn again."""
        return points

    def forces(self, evaluations: Sequence[Evaluation]) -> None:  # noqa: ARG002 -- recipes have none
        """Recipes have no forces."""
        return


class StructureDomain(Domain):
    """Free atoms in an adlayer, with those of the template that move; or a cluster.

    Args:
        space: The adlayer or cluster.
        settings: Of the network.
        seed: Of the initial parameters.
        start: Trained model that the network begins as, see :mod:`matseek.godiff.zoo`.
    """

    def __init__(self, space: StructureSpace, settings: NetworkSettings, seed: int, start: str | None = None) -> None:
        manifold = manifold_of(space, settings)
        kind = part(SCORE_NETWORKS, settings.representation)
        model = kind(settings.features, settings.blocks, settings.cutoff, settings.gaussians, seed=seed)
        of(AtomicScoreModel, "what derives from AtomicScoreModel")("network.representation", model)
        if start is not None:
            load_weights(model, start)
        self.space, self.system = space, AtomicSystem.of(space)
        super().__init__(manifold, AtomicFields(model, self.system, manifold))

    @property
    def dim(self) -> int:
        """Three numbers per free atom."""
        return self.space.dim

    def tensor(self, points: FloatArray) -> Tensor:
        """Coordinates of the manifold, shape ``(m, n, 3)``."""
        positions = np.array(points, dtype=np.float64).reshape(len(points), *self.manifold.shape)
        held, homes = self.space.moving, self.space.homes
        positions[:, :held] = homes + self.space.nearest_images(positions[:, :held] - homes)
        return self.manifold.wrap(self.manifold.coordinates(torch.tensor(positions)))

    def points(self, x: Tensor) -> FloatArray:
        """Positions in a row, shape ``(m, 3 n)``; what lies outside the space's region is put onto its wall."""
        positions = self.manifold.positions(self.manifold.wrap(x.detach().cpu().double()))
        return self.space.confine(self.space.recentred(positions.reshape(len(x), -1).numpy()))

    def refusals(self, points: FloatArray) -> list[str]:
        """Overlaps, and what leaves the confinement."""
        return self.space.refusals(points)

    def repaired(self, points: FloatArray) -> FloatArray:
        """Overlapping atoms moved apart, see :func:`matseek.godiff.separation.separated`."""
        return self.points(separated(self.tensor(points), self.system, self.space.least_distance, self.manifold))

    def forces(self, evaluations: Sequence[Evaluation]) -> FloatArray:
        """As the calculator gave them."""
        shape = self.manifold.shape
        unknown = np.full(shape, np.nan)
        found = [
            unknown if e.response is None else np.asarray(e.response, np.float64).reshape(shape) for e in evaluations
        ]
        return np.array(found).reshape(len(found), *shape)


def manifold_of(space: StructureSpace, settings: NetworkSettings) -> Manifold:
    """Where the atoms of a space's points live.

    Free atoms live in a layer. Atoms of the template that move are near their lattice sites. Atoms that nothing holds
    are a cloud about their centre: a third of the sphere's radius in each coordinate is wider than a compact cluster.

    Args:
        space: The space.
        settings: Of the walls and of the displacements of template atoms.
    """
    if space.floats:
        return Cloud(space.size, prior=(space.z_high - space.z_low) / 6)
    (a, b), (c, d) = np.asarray(space.plane, dtype=np.float64).tolist()
    free = PeriodicSlab(((a, b), (c, d)), space.z_low, space.z_high, space.size - space.moving, settings.walls)
    if not space.moving:
        return free
    return Joined(Anchored(tuple(map(tuple, space.homes.tolist())), settings.displacement), free)
