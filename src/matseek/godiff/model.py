"""A trained diffusion model by itself: structures drawn from it, on any problem of atoms."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from matseek.checks import seed as seed_rule
from matseek.checks import whole
from matseek.core.problem import Structures
from matseek.core.space import StructureSpace
from matseek.diffusion import EulerMaruyama, GeometricSchedule, Guidance, Sampler
from matseek.errors import InfeasibleSpaceError
from matseek.godiff.atomic_score import AtomicFields
from matseek.godiff.domains import NetworkSettings, StructureDomain
from matseek.godiff.sampling import forces_of, sampled
from matseek.godiff.steering import SurrogateRelaxation
from matseek.godiff.zoo import ModelCard, find, read_card

_ATTEMPTS = 8
"""Samples drawn at most for each that is wanted; the others overlap or leave the confinement."""

_TOGETHER = 64
"""Samples drawn at once."""


@dataclass(frozen=True, eq=False)
class DiffusionModel:
    """A trained score network, and how structures are drawn from it.

    Args:
        card: What the model's file says of itself.
        sampler: How samples are drawn.
        guidance: Force guidance in the sampler; None for the score alone.
        relaxation: How the network's own forces relax samples at the end; None leaves them as drawn.

    Example:
        >>> from matseek.library.platinum import platinum_adatom
        >>> structures = DiffusionModel.load("adatom").sample(platinum_adatom(), n=4, seed=0)
        >>> len(structures)
        4
    """

    card: ModelCard
    sampler: Sampler = field(default_factory=lambda: EulerMaruyama(GeometricSchedule(0.03, 4.0), steps=150))
    guidance: Guidance | None = None
    relaxation: SurrogateRelaxation | None = None

    @classmethod
    def load(cls, reference: str | Path) -> DiffusionModel:
        """A model by its name in the zoo (``matseek models`` lists them), or by the path of its file.

        Raises:
            ModelFileError: If there is no such model.
        """
        return cls(read_card(find(reference)))

    def sample(self, problem: Structures, n: int, seed: int = 0) -> list[Atoms]:
        """Structures drawn from the model; nothing is evaluated.

        Args:
            problem: Whose template, free atoms and confinement they have; it may be another one than the model was
                trained on.
            n: How many.
            seed: Of everything random.

        Returns:
            Structures without overlaps, inside the confinement, n of them.

        Raises:
            ValueError: If the problem has no atoms, or n is no whole number of at least 1.
            ModelFileError: If the network's architecture is not one that is known here.
            InfeasibleSpaceError: If of eight samples for each that is wanted too few may be evaluated.
        """
        return [problem.space.atoms(point) for point in self._points(problem, n, seed)]

    def _points(self, problem: Structures, n: int, seed: int) -> np.ndarray:
        whole(1, 1_000_000)("n", n)
        generator = torch.Generator().manual_seed(seed_rule("seed", seed))
        domain = self.domain(problem.space)
        accepted: list[np.ndarray] = []
        drawn = 0
        while len(accepted) < n and drawn < _ATTEMPTS * n:
            count = min(max(n - len(accepted), 8), _TOGETHER)
            points = domain.points(self._draw(domain, count, generator))
            accepted += [p for p, reason in zip(points, domain.refusals(points), strict=True) if not reason]
            drawn += count
        if len(accepted) < n:
            raise InfeasibleSpaceError(
                f"of {drawn} samples {len(accepted)} may be evaluated, and n={n} are wanted; ask for fewer, take a "
                "wider confinement, or a model that was trained on such structures"
            )
        return np.array(accepted[:n])

    def draw(
        self,
        space: StructureSpace,
        n: int,
        generator: torch.Generator,
        renoised: np.ndarray | None = None,
        time: float = 1,
    ) -> np.ndarray:
        """Samples as they come, some of which may overlap, shape ``(n, 3a)``, in angstrom.

        Args:
            space: Template, free atoms and confinement.
            n: How many.
            generator: Source of all randomness.
            renoised: Structures to put under noise and to sample anew from, shape ``(n, 3a)``; None begins uniformly.
            time: To whose noise they are taken, above 0 and at most 1.

        Raises:
            ModelFileError: If the network's architecture is not one that is known here.
        """
        domain = self.domain(space)
        parts = []
        for begin in range(0, n, _TOGETHER):
            count = min(_TOGETHER, n - begin)
            origin = None if renoised is None else domain.tensor(renoised[begin : begin + count])
            parts.append(domain.points(self._draw(domain, count, generator, origin, time)))
        return np.concatenate(parts)

    def domain(self, space: StructureSpace) -> StructureDomain:
        """A space with the model's network.

        Raises:
            ModelFileError: If the network's architecture is not one that is known here.
        """
        return StructureDomain(space, self.settings, seed=0, start=str(self.card.path))

    @property
    def settings(self) -> NetworkSettings:
        """The network's settings, as its file has them."""
        known = {k: v for k, v in self.card.architecture.items() if k in NetworkSettings.__dataclass_fields__}
        return replace(NetworkSettings(), **known)

    def _draw(
        self,
        domain: StructureDomain,
        count: int,
        generator: torch.Generator,
        origin: Tensor | None = None,
        begin: float = 1.0,
    ) -> Tensor:
        network = domain.network
        assert isinstance(network, AtomicFields)
        network.eval()
        with torch.no_grad(), network.cached_template():
            x = sampled(
                network,
                self.sampler,
                domain.manifold,
                count,
                generator,
                guidance=self.guidance,
                origin=origin,
                begin=begin,
            )
            if self.relaxation is None:
                return x
            return self.relaxation.relax(x, forces_of(network, self.sampler), domain.manifold)
