"""A silver-nanoprism laboratory in software: seeded growth in droplets, and the light that it takes out.

The recipe sets a population of particles (:class:`SilverKinetics`), the population sets a spectrum
(:mod:`matseek.library.optics`), and droplets differ from one another as they do in a reactor
(:class:`SilverLaboratory`). The few kinetic constants are calibrated on measured losses by
``scripts/calibrate_silver.py``; the optics has no free constant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from matseek.checks import check, of, real
from matseek.library import droplets, optics
from matseek.library.droplets import NM3_IN_CM3, DropletLaboratory, ExtinctionTable, Population

FloatArray = npt.NDArray[np.float64]

WAVELENGTHS: FloatArray = droplets.WAVELENGTHS
"""Wavelengths of the spectra in nm, shape (421,)."""

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

_SECONDS_PER_MINUTE = 60.0
_LEAST_FRACTION = 1e-6


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

    columns: ClassVar[tuple[str, ...]] = COLUMNS
    flows: ClassVar[int] = 4

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
        per_seed = reduced / (seeds * NM3_IN_CM3)
        excess = np.square(per_seed / self.nucleation_volume)
        nucleated = excess / (1.0 + excess)
        grown = self.seed_volume + per_seed * (1.0 - nucleated)
        coverage = self.citrate_affinity * fractions[:, 2] + self.pva_affinity * fractions[:, 1]
        coverage = coverage / (1.0 + coverage)
        prisms = self.prism_share * coverage
        nucleus = math.pi / 6.0 * SPONTANEOUS_DIAMETER**3
        nuclei = reduced * nucleated / (nucleus * NM3_IN_CM3)
        width = self.size_spread * np.sqrt(1.0 + self.mixing_flow / points[:, 4])
        nothing = np.zeros_like(width)
        return Population(
            number_density=np.stack([seeds * prisms, seeds * (1.0 - prisms), nuclei], axis=1),
            mean_volume=np.stack([grown, grown, np.full_like(grown, nucleus)], axis=1),
            log_width=np.stack([width, width, width], axis=1),
            exponent=np.stack([self.flatness * coverage, nothing, nothing], axis=1),
            round_volume=self.seed_volume,
        )

    def absorbances(self, points: FloatArray, clock: FloatArray) -> FloatArray:
        """Spectra of the population that each recipe makes, by the law of Beer and Lambert.

        Args:
            points: Recipes, shape ``(n, 5)``, see ``COLUMNS``.
            clock: Factor on the growth time, shape ``(n,)``.

        Returns:
            Absorbances at ``WAVELENGTHS``, shape ``(n, 421)``.
        """
        return PRISMS(self.population(points, clock)) * (self.path_length / math.log(10.0))


def silver_supply(points: FloatArray) -> FloatArray:
    """Silver that the nitrate brings, as a volume of metal per volume of droplet, shape ``(n,)``."""
    return points[:, 0] / 100.0 * SILVER_STOCK * 1e-6 * optics.SILVER.molar_volume


def _fractions(points: FloatArray) -> FloatArray:
    return np.maximum(points[:, :4] / 100.0, _LEAST_FRACTION)


PRISMS = ExtinctionTable(
    optics.oblate_extinction,
    log_volumes=np.linspace(math.log(20.0), math.log(2e6), 36),
    aspects=np.linspace(1.0, 13.0, 61),
)
"""Extinction of populations of silver particles."""


@dataclass(frozen=True)
class SilverLaboratory(DropletLaboratory):
    """A reactor that makes droplets of silver nanoprisms and measures their absorbance, in software.

    Args:
        kinetics: Constants of the synthesis.
    """

    kinetics: SilverKinetics = field(default_factory=SilverKinetics)

    def __post_init__(self) -> None:
        check(self, kinetics=of(SilverKinetics))
        super().__post_init__()
