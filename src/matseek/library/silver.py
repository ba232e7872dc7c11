"""A silver-nanoprism laboratory in software: seeded growth in droplets, and the light that it takes out.

The recipe sets a population of particles (:class:`SilverKinetics`), the population sets a spectrum
(:mod:`matseek.library.optics`), and droplets differ from one another as they do in a reactor
(:class:`SilverLaboratory`). The few kinetic constants are calibrated on measured losses by
``scripts/calibrate_silver.py``; the optics has no free constant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from matseek.checks import check, of, real, whole
from matseek.library import optics

FloatArray = npt.NDArray[np.float64]

WAVELENGTHS: FloatArray = np.arange(380.0, 801.0)
"""Wavelengths of the spectra in nm: 380-800 in steps of 1, shape (421,)."""
WAVELENGTHS.setflags(write=False)

COLUMNS = ("QAgNO3", "Qpva", "Qtsc", "Qseed", "Qtot")
"""A point's five numbers: four flow fractions in % of the aqueous flow, the total flow in uL/min."""

TARGET_EDGE = 50.0
"""Edge length of the target prism in nm; Mekki-Berrada et al., npj Comput. Mater. 7, 55 (2021)."""

TARGET_THICKNESS = 10.0
"""Thickness of the target prism in nm; Mekki-Berrada et al. 2021."""

SILVER_STOCK = 6.0
"""Nominal silver nitrate in its stock solution, mmol/L; seed density and path length are calibrated for it."""

REACTOR_VOLUME = 500.0
"""Nominal volume from mixing to the spectrometer, uL; divided by the flow it is the growth time."""

SPONTANEOUS_DIAMETER = 10.0
"""Mean diameter in nm of the particles that nucleate beside the seeds."""

_NM3_IN_CM3 = 1e-21
_SECONDS_PER_MINUTE = 60.0
_NODES = 31
_CHUNK = 512
_LEAST_FRACTION = 1e-6
_VOLUME_GRID = np.linspace(math.log(20.0), math.log(2e6), 36)
_ASPECT_GRID = np.linspace(1.0, 13.0, 61)


def silver_target(wavelengths: npt.ArrayLike = WAVELENGTHS) -> FloatArray:
    """Spectrum that the synthesis aims at: a silver prism of edge 50 nm and thickness 10 nm in water.

    The published target (Mekki-Berrada et al., npj Comput. Mater. 7, 55 (2021)) is such a prism computed in
    the discrete dipole approximation, with its in-plane dipole band near 645 nm. This one is computed here
    for the same prism as an oblate spheroid (:func:`matseek.library.optics.prism_as_spheroid`), so it has
    the in-plane and the out-of-plane band but no quadrupole.

    Args:
        wavelengths: Vacuum wavelengths in nm, shape ``(m,)``.

    Returns:
        Extinction relative to its largest value, shape ``(m,)``.
    """
    volume, aspect = optics.prism_as_spheroid(TARGET_EDGE, TARGET_THICKNESS)
    extinction = optics.oblate_extinction(wavelengths, volume, aspect)
    target: FloatArray = extinction / extinction.max()
    return target


@dataclass(frozen=True)
class Population:
    """Particles in the droplets of ``n`` recipes; columns: prisms, round particles on seeds, new nuclei.

    Each kind has a log-normal distribution of volumes. Particles of volume v have the aspect ratio
    ``(v / seed_volume) ** flatness``, at least 1.

    Args:
        number_density: Particles per cm³, shape ``(n, 3)``.
        mean_volume: Number-averaged volumes in nm³, shape ``(n, 3)``.
        log_width: Standard deviations of the logarithm of the volume, shape ``(n, 3)``.
        flatness: Exponents of the aspect ratio, shape ``(n, 3)``.
        seed_volume: Volume of a seed in nm³.
    """

    number_density: FloatArray
    mean_volume: FloatArray
    log_width: FloatArray
    flatness: FloatArray
    seed_volume: float

    @property
    def silver_fraction(self) -> FloatArray:
        """Volume of silver metal per volume of droplet, shape ``(n, 3)``."""
        return self.number_density * self.mean_volume * _NM3_IN_CM3


@dataclass(frozen=True)
class SilverKinetics:
    """Calibrated constants of seeded growth; the flow fractions q run from 0 to 1 here.

    Silver ions are reduced for the time that a droplet spends in the channel; citrate holds them back as a
    complex. Most reduced silver grows on seeds, and what the seeds cannot take nucleates new round particles.
    Citrate and PVA cap the flat faces: the more they cover, the more seeds become prisms, and the flatter
    those are.

    Args:
        seed_density: Seeds in their stock solution, 1e12 per cm³.
        seed_diameter: Diameter of a seed, nm.
        flatness: Exponent of a prism's aspect ratio against its volume at full coverage; 0 is isotropic
            growth and 0.5 growth at constant thickness.
        prism_share: Share of the seeds that become prisms at full coverage.
        citrate_affinity: Coverage constant of citrate, per unit flow fraction (Langmuir).
        pva_affinity: Coverage constant of PVA, per unit flow fraction (Langmuir).
        reduction_rate: Rate of reduction without citrate at 5 % seeds, 1/s; it grows with the seeds' surface.
        citrate_binding: Binding of silver ions by citrate, per unit flow fraction.
        nucleation_volume: Silver per seed at which half of it nucleates new particles, nm³; a soft threshold
            (LaMer).
        size_spread: Standard deviation of the logarithm of the volume with perfect mixing.
        mixing_flow: Total flow at which slow mixing adds as much variance as there is without, uL/min.
        path_length: Optical path through a droplet, cm.
    """

    seed_density: float = 13.6
    seed_diameter: float = 9.01
    flatness: float = 0.392
    prism_share: float = 0.623
    citrate_affinity: float = 2.35
    pva_affinity: float = 88.0
    reduction_rate: float = 0.363
    citrate_binding: float = 53.1
    nucleation_volume: float = 968000.0
    size_spread: float = 0.546
    mixing_flow: float = 999.0
    path_length: float = 0.0746

    def __post_init__(self) -> None:
        shares = dict.fromkeys(("flatness", "prism_share", "size_spread"), real(0, 1))
        affinities = dict.fromkeys(("citrate_affinity", "pva_affinity", "citrate_binding"), real(0, 1e6))
        sizes = ("seed_density", "seed_diameter", "reduction_rate", "nucleation_volume", "mixing_flow", "path_length")
        check(self, "kinetics.", **shares, **affinities, **dict.fromkeys(sizes, real(1e-6, 1e9)))

    @property
    def seed_volume(self) -> float:
        """Volume of a seed in nm³."""
        return math.pi / 6.0 * self.seed_diameter**3

    def conversion(self, points: FloatArray, clock: npt.ArrayLike = 1.0) -> FloatArray:
        """Share of the silver that is reduced before the spectrometer: ``1 - exp(-rate time)``.

        The rate falls as ``1 / (1 + citrate_binding q_tsc)`` with the share of free silver ions and grows
        with the cube root of the seeds, as the surface of a given amount of metal does; the time is the
        channel's volume over the flow.

        Args:
            points: Recipes, shape ``(n, 5)``, see ``COLUMNS``.
            clock: Factor on the time, shape ``(n,)`` or a number.

        Returns:
            Shares in [0, 1], shape ``(n,)``.
        """
        fractions = _fractions(points)
        time = REACTOR_VOLUME / points[:, 4] * _SECONDS_PER_MINUTE * np.asarray(clock)
        surface = np.cbrt(fractions[:, 3] / 0.05)
        rate = self.reduction_rate * surface / (1.0 + self.citrate_binding * fractions[:, 2])
        reduced: FloatArray = -np.expm1(-rate * time)
        return reduced

    def population(self, points: FloatArray, clock: npt.ArrayLike = 1.0) -> Population:
        """Particles that a recipe makes; reduced silver and the seeds' silver are conserved.

        Args:
            points: Recipes, shape ``(n, 5)``, see ``COLUMNS``.
            clock: Factor on the growth time, shape ``(n,)`` or a number.

        Returns:
            The population of each recipe.
        """
        fractions = _fractions(points)
        seeds = self.seed_density * 1e12 * fractions[:, 3]
        reduced = silver_supply(points) * self.conversion(points, clock)
        per_seed = reduced / (seeds * _NM3_IN_CM3)
        excess = np.square(per_seed / self.nucleation_volume)
        nucleated = excess / (1.0 + excess)
        grown = self.seed_volume + per_seed * (1.0 - nucleated)
        coverage = self.citrate_affinity * fractions[:, 2] + self.pva_affinity * fractions[:, 1]
        coverage = coverage / (1.0 + coverage)
        prisms = self.prism_share * coverage
        nucleus = math.pi / 6.0 * SPONTANEOUS_DIAMETER**3
        nuclei = reduced * nucleated / (nucleus * _NM3_IN_CM3)
        width = self.size_spread * np.sqrt(1.0 + self.mixing_flow / points[:, 4])
        nothing = np.zeros_like(width)
        return Population(
            number_density=np.stack([seeds * prisms, seeds * (1.0 - prisms), nuclei], axis=1),
            mean_volume=np.stack([grown, grown, np.full_like(grown, nucleus)], axis=1),
            log_width=np.stack([width, width, width], axis=1),
            flatness=np.stack([self.flatness * coverage, nothing, nothing], axis=1),
            seed_volume=self.seed_volume,
        )


def silver_supply(points: FloatArray) -> FloatArray:
    """Silver that the nitrate brings, as a volume of metal per volume of droplet, shape ``(n,)``."""
    return points[:, 0] / 100.0 * SILVER_STOCK * 1e-6 * optics.SILVER_MOLAR_VOLUME


def _fractions(points: FloatArray) -> FloatArray:
    return np.maximum(points[:, :4] / 100.0, _LEAST_FRACTION)


@lru_cache(maxsize=1)
def _extinction_table() -> FloatArray:
    """Extinction per volume in 1/nm on the grid of (log volume, aspect ratio), shape ``(36 * 61, 421)``."""
    volume = np.repeat(np.exp(_VOLUME_GRID), _ASPECT_GRID.size)
    aspect = np.tile(_ASPECT_GRID, _VOLUME_GRID.size)
    rows = np.array_split(np.arange(volume.size), 8)
    table = np.concatenate([optics.oblate_extinction(WAVELENGTHS, volume[r], aspect[r]) for r in rows])
    table /= volume[:, None]
    table.setflags(write=False)
    return table


def _locate(values: FloatArray, grid: FloatArray) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Cell and place within it, in [0, 1], of values on an even grid; values beyond its ends stay there."""
    place = np.clip((values - grid[0]) / (grid[1] - grid[0]), 0.0, grid.size - 1.0)
    cell = np.minimum(place.astype(np.int64), grid.size - 2)
    return cell, place - cell


def extinction_per_length(population: Population) -> FloatArray:
    """Extinction coefficients of populations of particles, by quadrature over their volumes.

    Gauss-Hermite nodes run over the volume-weighted distribution, which is log-normal too, so that silver is
    conserved exactly; the cross-section per volume is interpolated on a table of
    :func:`matseek.library.optics.oblate_extinction`.

    Args:
        population: Populations of ``n`` recipes.

    Returns:
        Number density times cross-section, 1/cm, not negative, shape ``(n, 421)``.
    """
    table = _extinction_table()
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    width = population.log_width[..., None]
    log_volume = np.log(population.mean_volume)[..., None] + width**2 / 2.0 + width * nodes
    log_aspect = population.flatness[..., None] * (log_volume - math.log(population.seed_volume))
    aspect = np.exp(np.clip(log_aspect, 0.0, math.log(_ASPECT_GRID[-1])))
    silver = population.silver_fraction[..., None] * (weights / weights.sum())
    row, right = _locate(log_volume, _VOLUME_GRID)
    column, up = _locate(aspect, _ASPECT_GRID)
    corner = row * _ASPECT_GRID.size + column
    count = population.number_density.shape[0]
    indices = [corner, corner + 1, corner + _ASPECT_GRID.size, corner + _ASPECT_GRID.size + 1]
    shares = [(1 - right) * (1 - up), (1 - right) * up, right * (1 - up), right * up]
    data = np.stack([silver * share for share in shares], axis=-1).reshape(count, -1)
    places = np.stack(indices, axis=-1).reshape(count, -1)
    starts = np.arange(count + 1) * data.shape[1]
    spread = csr_array((data.ravel(), places.ravel(), starts), shape=(count, table.shape[0]))
    return np.asarray(spread @ table, dtype=np.float64) * 1e7


@dataclass(frozen=True)
class SilverLaboratory:
    """A reactor that makes droplets of silver nanoprisms and measures their absorbance, in software.

    It is an oracle for a recipe problem: called with points and a generator it gives replicate spectra;
    :meth:`spectra` gives the spectra without noise.

    Args:
        kinetics: Constants of the synthesis.
        droplets: Droplets measured per recipe.
        pump_jitter: Relative standard deviation of each of the four flows from droplet to droplet.
        timing_jitter: Relative standard deviation of the growth time from droplet to droplet.
        path_jitter: Relative standard deviation of the optical path (droplet size).
        baseline: Standard deviation of the offset of a droplet's baseline, absorbance.
        detector_noise: Standard deviation of the noise at each wavelength, absorbance.
    """

    kinetics: SilverKinetics = field(default_factory=SilverKinetics)
    droplets: int = 20
    pump_jitter: float = 0.04
    timing_jitter: float = 0.25
    path_jitter: float = 0.05
    baseline: float = 0.005
    detector_noise: float = 0.003

    def __post_init__(self) -> None:
        jitters = dict.fromkeys(("pump_jitter", "timing_jitter", "path_jitter"), real(0, 1))
        noises = dict.fromkeys(("baseline", "detector_noise"), real(0, 10, unit="absorbance"))
        check(self, kinetics=of(SilverKinetics), droplets=whole(1, 10_000), **jitters, **noises)

    def spectra(self, points: npt.ArrayLike) -> FloatArray:
        """Spectra without noise.

        Args:
            points: Recipes, shape ``(n, 5)``, see ``COLUMNS``.

        Returns:
            Absorbances at ``WAVELENGTHS``, shape ``(n, 421)``.

        Raises:
            ValueError: If a point has another shape, is negative or not finite, or has no flow.
        """
        recipes = _checked(points)
        return self._absorbances(recipes, np.ones(len(recipes)))

    def __call__(self, points: npt.ArrayLike, rng: np.random.Generator | None = None) -> FloatArray:
        """Spectra of replicate droplets.

        Args:
            points: Recipes, shape ``(n, 5)``, see ``COLUMNS``.
            rng: Source of the noise; the same generator state gives the same droplets. Seed 0 if None.

        Returns:
            Absorbances at ``WAVELENGTHS``, shape ``(n, droplets, 421)``.

        Raises:
            ValueError: If a point has another shape, is negative or not finite, or has no flow.
        """
        rng = rng or np.random.default_rng(0)
        recipes = np.repeat(_checked(points), self.droplets, axis=0)
        flows = recipes.copy()
        flows[:, :4] *= np.exp(self.pump_jitter * rng.standard_normal((len(recipes), 4)))
        clock = np.exp(self.timing_jitter * rng.standard_normal(len(recipes)))
        spectra = self._absorbances(flows, clock)
        spectra *= np.exp(self.path_jitter * rng.standard_normal((len(recipes), 1)))
        spectra += self.baseline * rng.standard_normal((len(recipes), 1))
        spectra += self.detector_noise * rng.standard_normal(spectra.shape)
        return spectra.reshape(-1, self.droplets, WAVELENGTHS.size)

    def _absorbances(self, points: FloatArray, clock: FloatArray) -> FloatArray:
        spectra = np.empty((len(points), WAVELENGTHS.size))
        for start in range(0, len(points), _CHUNK):
            part = slice(start, start + _CHUNK)
            population = self.kinetics.population(points[part], clock[part])
            spectra[part] = extinction_per_length(population)
        spectra *= self.kinetics.path_length / math.log(10.0)
        return spectra


def _checked(points: npt.ArrayLike) -> FloatArray:
    recipes = np.array(points, dtype=np.float64, ndmin=2)
    if recipes.ndim != 2 or recipes.shape[1] != len(COLUMNS):
        raise ValueError(f"points must have the columns {', '.join(COLUMNS)}, got an array of shape {recipes.shape}")
    if not np.all(np.isfinite(recipes) & (recipes >= 0)) or not np.all(recipes[:, 4] > 0):
        raise ValueError("points must be finite, flow fractions not negative and the total flow positive")
    return recipes
