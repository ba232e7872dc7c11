"""What the laboratories in software share: populations of particles, their spectra, and droplets that differ.

A synthesis (:class:`Kinetics`) says which particles a recipe makes and what light they take out; droplets differ from
one another as they do in a reactor (:class:`DropletLaboratory`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from matseek.checks import check, real, whole

FloatArray = npt.NDArray[np.float64]

WAVELENGTHS: FloatArray = np.arange(380.0, 801.0)
"""Wavelengths of the spectra in nm: 380-800 in steps of 1, shape (421,)."""
WAVELENGTHS.setflags(write=False)

NM3_IN_CM3 = 1e-21
"""A cubic nanometre in cm³."""

_CM_IN_NM = 1e7
_NODES = 31
_CHUNK = 512


@dataclass(frozen=True)
class Population:
    """Particles of k kinds in the droplets of ``n`` recipes.

    Each kind has a log-normal distribution of volumes. Particles of volume v have the aspect ratio
    ``(v / round_volume) ** exponent``, at least 1.

    Args:
        number_density: Particles per cm³, shape ``(n, k)``.
        mean_volume: Number-averaged volumes in nm³, shape ``(n, k)``.
        log_width: Standard deviations of the logarithm of the volume, shape ``(n, k)``.
        exponent: Exponents of the aspect ratio, shape ``(n, k)``.
        round_volume: Volumes in nm³ at which particles are round, a number or shape ``(n, k)``.
    """

    number_density: FloatArray
    mean_volume: FloatArray
    log_width: FloatArray
    exponent: FloatArray
    round_volume: FloatArray | float

    @property
    def metal_fraction(self) -> FloatArray:
        """Volume of metal per volume of droplet, shape ``(n, k)``."""
        return self.number_density * self.mean_volume * NM3_IN_CM3


def _locate(values: FloatArray, grid: FloatArray) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Cell and place within it, in [0, 1], of values on an even grid; values beyond its ends stay there."""
    place = np.clip((values - grid[0]) / (grid[1] - grid[0]), 0.0, grid.size - 1.0)
    cell = np.minimum(place.astype(np.int64), grid.size - 2)
    return cell, place - cell


@dataclass(frozen=True, eq=False)
class ExtinctionTable:
    """Extinction of populations, from a table of the cross-sections of particles of one shape.

    Args:
        cross_section: From wavelengths ``(m,)``, volumes ``(k,)`` in nm³ and aspect ratios ``(k,)`` to cross-sections
            in nm², shape ``(k, m)``.
        log_volumes: Even grid of logarithms of volumes in nm³.
        aspects: Even grid of aspect ratios, from 1 on.
    """

    cross_section: Callable[[FloatArray, FloatArray, FloatArray], FloatArray]
    log_volumes: FloatArray
    aspects: FloatArray

    @cached_property
    def per_volume(self) -> FloatArray:
        """Cross-section per volume in 1/nm at each (volume, aspect ratio), shape ``(volumes * aspects, 421)``."""
        volume = np.repeat(np.exp(self.log_volumes), self.aspects.size)
        aspect = np.tile(self.aspects, self.log_volumes.size)
        rows = np.array_split(np.arange(volume.size), 8)
        table = np.concatenate([self.cross_section(WAVELENGTHS, volume[r], aspect[r]) for r in rows])
        table /= volume[:, None]
        table.setflags(write=False)
        return table

    def __call__(self, population: Population) -> FloatArray:
        """Extinction coefficients, by quadrature over the particles' volumes.

        Gauss-Hermite nodes run over the volume-weighted distribution, which is log-normal too, so that metal is
        conserved exactly; the cross-section per volume is interpolated on the table.

        Args:
            population: Populations of ``n`` recipes.

        Returns:
            Number density times cross-section, 1/cm, not negative, shape ``(n, 421)``.
        """
        nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
        width = population.log_width[..., None]
        log_volume = np.log(population.mean_volume)[..., None] + width**2 / 2.0 + width * nodes
        round_volume = np.log(np.broadcast_to(population.round_volume, population.mean_volume.shape))[..., None]
        log_aspect = population.exponent[..., None] * (log_volume - round_volume)
        aspect = np.exp(np.clip(log_aspect, 0.0, math.log(self.aspects[-1])))
        metal = population.metal_fraction[..., None] * (weights / weights.sum())
        row, right = _locate(log_volume, self.log_volumes)
        column, up = _locate(aspect, self.aspects)
        corner = row * self.aspects.size + column
        count = population.number_density.shape[0]
        indices = [corner, corner + 1, corner + self.aspects.size, corner + self.aspects.size + 1]
        shares = [(1 - right) * (1 - up), (1 - right) * up, right * (1 - up), right * up]
        data = np.stack([metal * share for share in shares], axis=-1).reshape(count, -1)
        places = np.stack(indices, axis=-1).reshape(count, -1)
        starts = np.arange(count + 1) * data.shape[1]
        spread = csr_array((data.ravel(), places.ravel(), starts), shape=(count, self.per_volume.shape[0]))
        return np.asarray(spread @ self.per_volume, dtype=np.float64) * _CM_IN_NM


class Kinetics(Protocol):
    """A synthesis: from recipes to spectra without noise."""

    columns: ClassVar[tuple[str, ...]]
    """Names of a recipe's numbers."""

    flows: ClassVar[int]
    """How many of them, from the first on, are flow fractions in %; those that follow are positive."""

    def absorbances(self, points: FloatArray, clock: FloatArray) -> FloatArray:
        """Spectra of recipes.

        Args:
            points: Recipes, shape ``(n, d)``.
            clock: Factors on the growth time, shape ``(n,)``.

        Returns:
            Absorbances at ``WAVELENGTHS``, shape ``(n, 421)``.
        """
        ...


@dataclass(frozen=True)
class DropletLaboratory:
    """A reactor that makes droplets and measures their absorbance, in software.

    It is an oracle for a recipe problem: called with points and a generator it gives replicate spectra;
    :meth:`spectra` gives the spectra without noise.

    Args:
        kinetics: The synthesis.
        droplets: Droplets measured per recipe.
        pump_jitter: Relative standard deviation of each of the flow fractions from droplet to droplet.
        timing_jitter: Relative standard deviation of the growth time from droplet to droplet.
        path_jitter: Relative standard deviation of the optical path (droplet size).
        baseline: Standard deviation of the offset of a droplet's baseline, absorbance.
        detector_noise: Standard deviation of the noise at each wavelength, absorbance.
    """

    kinetics: Kinetics
    droplets: int = 20
    pump_jitter: float = 0.04
    timing_jitter: float = 0.25
    path_jitter: float = 0.05
    baseline: float = 0.005
    detector_noise: float = 0.003

    def __post_init__(self) -> None:
        jitters = dict.fromkeys(("pump_jitter", "timing_jitter", "path_jitter"), real(0, 1))
        noises = dict.fromkeys(("baseline", "detector_noise"), real(0, 10, unit="absorbance"))
        check(self, droplets=whole(1, 10_000), **jitters, **noises)

    def spectra(self, points: npt.ArrayLike) -> FloatArray:
        """Spectra without noise.

        Args:
            points: Recipes, shape ``(n, d)``, see the kinetics' columns.

        Returns:
            Absorbances at ``WAVELENGTHS``, shape ``(n, 421)``.

        Raises:
            ValueError: If a point has another shape, is not finite, or has a number that cannot be.
        """
        recipes = self._checked(points)
        return self._absorbances(recipes, np.ones(len(recipes)))

    def __call__(self, points: npt.ArrayLike, rng: np.random.Generator | None = None) -> FloatArray:
        """Spectra of replicate droplets.

        Args:
            points: Recipes, shape ``(n, d)``, see the kinetics' columns.
            rng: Source of the noise; the same generator state gives the same droplets. Seed 0 if None.

        Returns:
            Absorbances at ``WAVELENGTHS``, shape ``(n, droplets, 421)``.

        Raises:
            ValueError: If a point has another shape, is not finite, or has a number that cannot be.
        """
        rng = rng or np.random.default_rng(0)
        recipes = np.repeat(self._checked(points), self.droplets, axis=0)
        flows = self.kinetics.flows
        recipes[:, :flows] *= np.exp(self.pump_jitter * rng.standard_normal((len(recipes), flows)))
        clock = np.exp(self.timing_jitter * rng.standard_normal(len(recipes)))
        spectra = self._absorbances(recipes, clock)
        spectra *= np.exp(self.path_jitter * rng.standard_normal((len(recipes), 1)))
        spectra += self.baseline * rng.standard_normal((len(recipes), 1))
        spectra += self.detector_noise * rng.standard_normal(spectra.shape)
        return spectra.reshape(-1, self.droplets, WAVELENGTHS.size)

    def _absorbances(self, points: FloatArray, clock: FloatArray) -> FloatArray:
        spectra = np.empty((len(points), WAVELENGTHS.size))
        for start in range(0, len(points), _CHUNK):
            part = slice(start, start + _CHUNK)
            spectra[part] = self.kinetics.absorbances(points[part], clock[part])
        return spectra

    def _checked(self, points: npt.ArrayLike) -> FloatArray:
        recipes = np.array(points, dtype=np.float64, ndmin=2)
        columns, flows = self.kinetics.columns, self.kinetics.flows
        if recipes.ndim != 2 or recipes.shape[1] != len(columns):
            wanted = ", ".join(columns)
            raise ValueError(f"points must have the columns {wanted}, got an array of shape {recipes.shape}")
        if not np.all(np.isfinite(recipes) & (recipes >= 0)) or not np.all(recipes[:, flows:] > 0):
            positive = " and ".join(columns[flows:])
            raise ValueError(f"points must be finite, flow fractions not negative and {positive} positive")
        return recipes
