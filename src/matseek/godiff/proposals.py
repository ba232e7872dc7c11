"""A trained diffusion model as a generator of candidates."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch

from matseek.candidates import Generator
from matseek.checks import check, of, optional, path, whole
from matseek.core.space import StructureSpace
from matseek.diffusion import EulerMaruyama, GeometricSchedule
from matseek.godiff.model import DiffusionModel
from matseek.godiff.steering import Renoising
from matseek.godiff.zoo import find, read_card

FloatArray = npt.NDArray[np.float64]

_LOW, _HIGH = 0.03, 4.0
"""Least and largest noise in angstrom, those that :class:`DiffusionModel` samples with."""


@dataclass(frozen=True)
class Diffusion(Generator):
    """Samples of a trained model, on the template and with the free atoms at hand.

    What a model has learnt in one search serves others: it may have been trained on another template, with other atoms
    and another number of them. Some samples begin at good structures under noise, so that the model mends what it
    would not have made.

    Args:
        weight: Its share of the candidates.
        model: By name in the zoo (:mod:`matseek.godiff.zoo`) or path.
        steps: Of the sampler.
        renoising: Which samples begin at good structures under noise; None lets all begin uniformly.

    Raises:
        ValueError: If a setting is out of its range.
    """

    label: ClassVar[str] = "diffusion model"
    model: str = "islands"
    steps: int = 50
    renoising: Renoising | None = field(default_factory=Renoising)

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, model=_model, steps=whole(1, 100_000), renoising=optional(of(Renoising)))

    def check(self, space: StructureSpace) -> None:
        """Refuse a model that is missing, or whose network is not known here."""
        self._loaded().domain(space)

    def propose(self, count: int, parents: FloatArray, space: StructureSpace, rng: np.random.Generator) -> FloatArray:
        """Samples of the model, and of good structures under noise.

        Raises:
            ModelFileError: If there is no such model.
        """
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        again = self.renoising
        renoised = 0 if again is None else round(again.share * count)
        model = self._loaded()
        made = [np.zeros((0, space.dim))]
        if renoised < count:
            made.append(model.draw(space, count - renoised, generator))
        if again is not None and renoised:
            begin = parents[rng.integers(len(parents), size=renoised)]
            made.append(model.draw(space, renoised, generator, begin, again.time))
        return np.concatenate(made)

    def _loaded(self) -> DiffusionModel:
        return DiffusionModel(read_card(find(self.model)), EulerMaruyama(GeometricSchedule(_LOW, _HIGH), self.steps))


def _model(name: str, value: object) -> str:
    """A model's name or path."""
    return str(path(name, value))
