"""A gold-nanorod laboratory in software: seed-mediated growth in droplets, and the light that it takes out.

The synthesis is that of Nikoobakht & El-Sayed, Chem. Mater. 15, 1957 (2003): ascorbic acid reduces gold on seeds in
cetyltrimethylammonium bromide (CTAB), and silver ions make rods of what would else be spheres. The recipe sets a
population of particles (:class:`GoldKinetics`), the population sets a spectrum (:mod:`matseek.library.optics`). The
optics and the stoichiometry have published constants; the shapes follow the reported trends, with constants of our own
that make the problem a hard one. It is not calibrated on a laboratory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from matseek.checks import check, of, real
from matseek.library import optics
from matseek.library.droplets import NM3_IN_CM3, WAVELENGTHS, DropletLaboratory, ExtinctionTable, Population

FloatArray = npt.NDArray[np.float64]

COLUMNS = ("QHAuCl4", "QAgNO3", "Qaa", "Qseed", "Qctab", "T")
"""A point's six numbers: five flow fractions in % of the aqueous flow, and the temperature in °C."""

TARGET_LENGTH = 42.0
"""Length of the target rod in nm."""

TARGET_DIAMETER = 15.0
"""Diameter of the target rod in nm."""

GOLD_STOCK = 10.0
"""Tetrachloroauric acid in its stock solution, mmol/L; ten times that of Nikoobakht & El-Sayed: droplets are thin."""

SILVER_STOCK = 4.0
"""Silver nitrate in its stock solution, mmol/L; Nikoobakht & El-Sayed 2003."""

ACID_STOCK = 30.0
"""Ascorbic acid in its stock solution, mmol/L."""

CTAB_STOCK = 200.0
"""CTAB in its stock solution, mmol/L; Nikoobakht & El-Sayed 2003."""

GROWTH_TIME = 600.0
"""Time from mixing to the spectrometer, s."""

NUCLEUS_DIAMETER = 12.0
"""Mean diameter in nm of the spheres that nucleate beside the seeds."""

ROOM_TEMPERATURE = 25.0
"""Temperature in °C that the rates and lengths are given for."""

_GAS_CONSTANT = 8.314462618e-3  # kJ/(mol K)
_ZERO_CELSIUS = 273.15
_LEAST_FRACTION = 1e-6

RODS = ExtinctionTable(
    optics.prolate_extinction,
    log_volumes=np.linspace(math.log(20.0), math.log(2e6), 36),
    aspects=np.linspace(1.0, 7.0, 121),
)
"""Extinction of populations of gold particles."""


def gold_target(wavelengths: npt.ArrayLike = WAVELENGTHS) -> FloatArray:
    """Spectrum that the synthesis aims at: gold rods of 42 by 15 nm in water, all alike.

    Args:
        wavelengths: Vacuum wavelengths in nm, shape ``(m,)``.

    Returns:
        Extinction relative to its largest value, shape ``(m,)``; the longitudinal band is near 697 nm.
    """
    volume = math.pi / 6.0 * TARGET_LENGTH * TARGET_DIAMETER**2
    extinction = optics.prolate_extinction(wavelengths, volume, TARGET_LENGTH / TARGET_DIAMETER)
    target: FloatArray = extinction / extinction.max()
    return target


@dataclass(frozen=True)
class GoldKinetics:
    """Constants of seed-mediated growth.

    An ascorbic acid gives two electrons. One for each gold(III) takes it to gold(I), and metal forms from what is left
    only, half an acid for each gold. Gold(I) grows on the seeds, faster when it is warm; what they cannot take
    nucleates new spheres. Silver ions, CTAB and the lack of excess acid make rods of the seeds, else they become
    spheres. Rods are longer with more silver, until it is too much (Nikoobakht & El-Sayed 2003), with more CTAB, with
    less excess acid (Gou & Murphy, Chem. Mater. 17, 3668 (2005)), and in the cold (Zijlstra et al., J. Phys. Chem. B
    110, 19315 (2006)).

    Args:
        seed_density: Seeds in their stock solution, 1e12 per cm³.
        seed_diameter: Diameter of a seed, nm; below 4 nm in Nikoobakht & El-Sayed 2003.
        nucleation_volume: Gold per seed at which half of it nucleates new particles, nm³; a soft threshold (LaMer).
        reduction_rate: Rate of growth at room temperature, 1/s.
        activation_energy: Activation energy of growth, kJ/mol (Arrhenius).
        imperfect_mixing: Width over which mixing rounds the stoichiometric threshold, in gold atoms.
        best_share: Share of the seeds that become rods at best; up to 0.99 in Nikoobakht & El-Sayed 2003.
        share_silver: Silver per gold at which half of that share is lost.
        share_ctab: CTAB at which half of that share is lost, mmol/L.
        share_acid: Excess acid per gold at which half of that share is lost.
        longest: Aspect ratio less one that no recipe reaches.
        length_silver: Silver per gold that gives half of the length, while it is little.
        excess_silver: Silver per gold that takes half of the length again.
        length_ctab: CTAB that gives half of the length, mmol/L.
        length_acid: Excess acid per gold that takes half of the length.
        length_temperature: Rise in temperature that divides the length by e, °C.
        size_spread: Standard deviation of the logarithm of the volume.
        aspect_exponent: Exponent of a rod's aspect ratio against its volume, among the rods of a recipe.
        path_length: Optical path through a droplet, cm.
    """

    seed_density: float = 5.0
    seed_diameter: float = 3.5
    nucleation_volume: float = 3e4
    reduction_rate: float = 0.003
    activation_energy: float = 50.0
    imperfect_mixing: float = 0.05
    best_share: float = 0.97
    share_silver: float = 0.05
    share_ctab: float = 30.0
    share_acid: float = 0.9
    longest: float = 3.7
    length_silver: float = 0.08
    excess_silver: float = 0.6
    length_ctab: float = 20.0
    length_acid: float = 2.0
    length_temperature: float = 40.0
    size_spread: float = 0.25
    aspect_exponent: float = 0.5
    path_length: float = 0.2

    columns: ClassVar[tuple[str, ...]] = COLUMNS
    flows: ClassVar[int] = 5

    def __post_init__(self) -> None:
        shares = dict.fromkeys(("best_share", "size_spread"), real(0, 1))
        sizes = [f.name for f in fields(self) if f.name not in shares]
        check(self, "kinetics.", **shares, **dict.fromkeys(sizes, real(1e-6, 1e9)))

    @property
    def seed_volume(self) -> float:
        """Volume of a seed in nm³."""
        return math.pi / 6.0 * self.seed_diameter**3

    def reducible(self, points: FloatArray) -> FloatArray:
        """Share of the gold for whose reduction to metal there is acid: ``2 (acid / gold - 1)`` within [0, 1].

        Args:
            points: Recipes, shape ``(n, 6)``, see ``COLUMNS``.

        Returns:
            Shares in [0, 1], with both ends rounded (a difference of softplus functions), shape ``(n,)``.
        """
        width = self.imperfect_mixing
        electrons = 2.0 * (acid_per_gold(points) - 1.0)
        rounded: FloatArray = np.logaddexp(0.0, electrons / width) - np.logaddexp(0.0, (electrons - 1.0) / width)
        return width * rounded

    def conversion(self, points: FloatArray, clock: npt.ArrayLike = 1.0) -> FloatArray:
        """Share of the gold that is metal before the spectrometer: what can be reduced, by ``1 - exp(-rate time)``.

        Args:
            points: Recipes, shape ``(n, 6)``, see ``COLUMNS``.
            clock: Factor on the time, shape ``(n,)`` or a number.

        Returns:
            Shares in [0, 1], shape ``(n,)``.
        """
        inverse = 1.0 / (points[:, 5] + _ZERO_CELSIUS) - 1.0 / (ROOM_TEMPERATURE + _ZERO_CELSIUS)
        rate = self.reduction_rate * np.exp(-self.activation_energy / _GAS_CONSTANT * inverse)
        grown: FloatArray = -np.expm1(-rate * GROWTH_TIME * np.asarray(clock))
        return self.reducible(points) * grown

    def rod_share(self, points: FloatArray) -> FloatArray:
        """Share of the seeds that become rods.

        Args:
            points: Recipes, shape ``(n, 6)``, see ``COLUMNS``.

        Returns:
            Shares in [0, ``best_share``], shape ``(n,)``.
        """
        by_silver = 1.0 + np.square(self.share_silver / silver_per_gold(points))
        by_ctab = 1.0 + np.square(self.share_ctab / _millimolar(points, 4, CTAB_STOCK))
        by_acid = 1.0 + np.square(_excess_acid(points) / self.share_acid)
        return np.asarray(self.best_share / (by_silver * by_ctab * by_acid), dtype=np.float64)

    def aspect(self, points: FloatArray) -> FloatArray:
        """Aspect ratio of a rod of mean volume.

        Args:
            points: Recipes, shape ``(n, 6)``, see ``COLUMNS``.

        Returns:
            Length over diameter, at least 1, shape ``(n,)``.
        """
        silver, ctab = silver_per_gold(points), _millimolar(points, 4, CTAB_STOCK)
        length = self.longest * silver / (silver + self.length_silver) / (1.0 + np.square(silver / self.excess_silver))
        length = length * ctab / (ctab + self.length_ctab) / (1.0 + _excess_acid(points) / self.length_acid)
        warmth = (points[:, 5] - ROOM_TEMPERATURE) / self.length_temperature
        return np.asarray(1.0 + length * np.exp(-warmth), dtype=np.float64)

    def population(self, points: FloatArray, clock: npt.ArrayLike = 1.0) -> Population:
        """Particles that a recipe makes: rods, spheres on seeds, new nuclei; reduced gold and the seeds' is conserved.

        Args:
            points: Recipes, shape ``(n, 6)``, see ``COLUMNS``.
            clock: Factor on the growth time, shape ``(n,)`` or a number.

        Returns:
            The population of each recipe.
        """
        seeds = self.seed_density * 1e12 * np.maximum(points[:, 3] / 100.0, _LEAST_FRACTION)
        reduced = gold_supply(points) * self.conversion(points, clock)
        per_seed = reduced / (seeds * NM3_IN_CM3)
        excess = np.square(per_seed / self.nucleation_volume)
        nucleated = excess / (1.0 + excess)
        grown = self.seed_volume + per_seed * (1.0 - nucleated)
        nucleus = math.pi / 6.0 * NUCLEUS_DIAMETER**3
        nuclei = reduced * nucleated / (nucleus * NM3_IN_CM3)
        share = self.rod_share(points)
        volumes = np.stack([grown, grown, np.full_like(grown, nucleus)], axis=1)
        round_rod = grown * self.aspect(points) ** (-1.0 / self.aspect_exponent)
        nothing = np.zeros_like(grown)
        return Population(
            number_density=np.stack([seeds * share, seeds * (1.0 - share), nuclei], axis=1),
            mean_volume=volumes,
            log_width=np.full_like(volumes, self.size_spread),
            exponent=np.stack([np.full_like(grown, self.aspect_exponent), nothing, nothing], axis=1),
            round_volume=np.stack([round_rod, grown, volumes[:, 2]], axis=1),
        )

    def absorbances(self, points: FloatArray, clock: FloatArray) -> FloatArray:
        """Spectra of the population that each recipe makes, by the law of Beer and Lambert.

        Args:
            points: Recipes, shape ``(n, 6)``, see ``COLUMNS``.
            clock: Factor on the growth time, shape ``(n,)``.

        Returns:
            Absorbances at ``WAVELENGTHS``, shape ``(n, 421)``.
        """
        return RODS(self.population(points, clock)) * (self.path_length / math.log(10.0))


def gold_supply(points: FloatArray) -> FloatArray:
    """Gold that the acid brings, as a volume of metal per volume of droplet, shape ``(n,)``."""
    return _millimolar(points, 0, GOLD_STOCK) * 1e-6 * optics.GOLD.molar_volume


def silver_per_gold(points: FloatArray) -> FloatArray:
    """Silver ions per gold, by amount, shape ``(n,)``."""
    return _millimolar(points, 1, SILVER_STOCK) / _millimolar(points, 0, GOLD_STOCK)


def acid_per_gold(points: FloatArray) -> FloatArray:
    """Ascorbic acid per gold, by amount, shape ``(n,)``."""
    return _millimolar(points, 2, ACID_STOCK) / _millimolar(points, 0, GOLD_STOCK)


def _excess_acid(points: FloatArray) -> FloatArray:
    """Ascorbic acid per gold beyond what takes gold to gold(I), shape ``(n,)``."""
    return np.maximum(acid_per_gold(points) - 1.0, 0.0)


def _millimolar(points: FloatArray, column: int, stock: float) -> FloatArray:
    """Concentration in the droplet of what a flow brings, mmol/L, shape ``(n,)``."""
    return np.maximum(points[:, column] / 100.0, _LEAST_FRACTION) * stock


@dataclass(frozen=True)
class GoldLaboratory(DropletLaboratory):
    """A reactor that makes droplets of gold nanorods and measures their absorbance, in software.

    Args:
        kinetics: Constants of the synthesis.
    """

    kinetics: GoldKinetics = field(default_factory=GoldKinetics)
    pump_jitter: float = 0.03
    timing_jitter: float = 0.1

    def __post_init__(self) -> None:
        check(self, kinetics=of(GoldKinetics))
        super().__post_init__()
