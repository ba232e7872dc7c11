"""Optics of small metal particles in water; knows materials and shapes, no recipe.

Everything is NumPy, vectorised and pure. Lengths are in nm, energies in eV, cross-sections in nm².
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
ComplexArray = npt.NDArray[np.complex128]

HC_EV_NM = 1239.841984
"""Planck's constant times the speed of light, eV nm (CODATA 2018)."""

_WATER_SELLMEIER = (
    (5.684027565e-1, 5.101829712e-3),
    (1.726177391e-1, 1.821153936e-2),
    (2.086189578e-2, 2.620722293e-2),
    (1.130748688e-1, 1.069792721e1),
)
_NEAR_SPHERE = 1e-4
_NM2_IN_CM2 = 1e-14


@dataclass(frozen=True)
class Metal:
    """What the optics of small particles needs of a metal.

    Args:
        plasma_energy: Plasma energy, eV.
        drude: Strength and damping (eV) of the free electrons.
        lorentz: Strength, damping (eV) and energy (eV) of each oscillator of the bound electrons.
        fermi: Reduced Planck constant times the Fermi velocity, eV nm.
        molar_volume: Molar volume, cm³/mol.
    """

    plasma_energy: float
    drude: tuple[float, float]
    lorentz: tuple[tuple[float, float, float], ...]
    fermi: float
    molar_volume: float

    def permittivity(
        self, wavelengths: npt.ArrayLike, mean_path: npt.ArrayLike = math.inf, scattering: float = 1.0
    ) -> ComplexArray:
        r"""Relative permittivity, with the damping that the surface of a small particle adds.

        The Lorentz-Drude model of Rakić et al., Appl. Opt. 37, 5271 (1998),

        .. math:: ε = 1 - f_0 E_p^2 / (E (E + iΓ_0)) + Σ_j f_j E_p^2 / (E_j^2 - E^2 - iEΓ_j),

        where the free electrons also scatter at the surface, ``Γ_0 -> Γ_0 + A ħv_F / L_eff``; Kreibig & Vollmer,
        Optical Properties of Metal Clusters (1995), chapter 2.

        Args:
            wavelengths: Vacuum wavelengths in nm, shape ``(m,)``.
            mean_path: Mean distance between surface collisions L_eff in nm, any shape ``(...)``; infinite for the
                bulk.
            scattering: The dimensionless A; 1 is diffuse scattering.

        Returns:
            Permittivities with a positive imaginary part, shape ``(..., m)``.
        """
        energy = HC_EV_NM / np.asarray(wavelengths, dtype=np.float64)
        plasma = self.plasma_energy**2
        bound = np.ones(energy.shape, dtype=np.complex128)
        for strength, damping, resonance in self.lorentz:
            bound += strength * plasma / (resonance**2 - energy**2 - 1j * energy * damping)
        strength, damping = self.drude
        total = damping + scattering * self.fermi / np.asarray(mean_path, dtype=np.float64)[..., None]
        permittivity: ComplexArray = bound - strength * plasma / (energy * (energy + 1j * total))
        return permittivity


SILVER = Metal(
    plasma_energy=9.01,
    drude=(0.845, 0.048),
    lorentz=(
        (0.065, 3.886, 0.816),
        (0.124, 0.452, 4.481),
        (0.011, 0.065, 8.185),
        (0.840, 0.916, 9.083),
        (5.646, 2.419, 20.29),
    ),
    fermi=0.915,
    molar_volume=10.27,
)
"""Silver: Rakić et al. 1998, tables 1 and 2; 1.39e6 m/s (Kreibig & Vollmer 1995); 107.87 g/mol over 10.50 g/cm³."""

GOLD = Metal(
    plasma_energy=9.03,
    drude=(0.760, 0.053),
    lorentz=(
        (0.024, 0.241, 0.415),
        (0.010, 0.345, 0.830),
        (0.071, 0.870, 2.969),
        (0.601, 2.494, 4.304),
        (4.384, 2.214, 13.32),
    ),
    fermi=0.922,
    molar_volume=10.21,
)
"""Gold: Rakić et al. 1998, tables 1 and 2; 1.40e6 m/s (Kreibig & Vollmer 1995); 196.97 g/mol over 19.30 g/cm³."""


def water_refractive_index(wavelengths: npt.ArrayLike) -> FloatArray:
    """Refractive index of water at 20 °C.

    The four-term Sellmeier formula of Daimon & Masumura, Appl. Opt. 46, 3811 (2007), fitted to
    182-1129 nm.

    Args:
        wavelengths: Vacuum wavelengths in nm, any shape.

    Returns:
        Refractive indices, same shape.
    """
    square = np.square(np.asarray(wavelengths, dtype=np.float64) / 1000.0)
    index = np.sqrt(1.0 + sum(a * square / (square - b) for a, b in _WATER_SELLMEIER))
    return np.asarray(index, dtype=np.float64)


def _eccentricity_squared(aspect: npt.ArrayLike) -> FloatArray:
    ratio = np.asarray(aspect, dtype=np.float64)
    if not np.all(np.isfinite(ratio) & (ratio >= 1.0)):
        raise ValueError(
            f"a spheroid needs a finite aspect ratio (its longer axis over the shorter) >= 1, got {aspect!r}"
        )
    return np.asarray(1.0 - ratio**-2, dtype=np.float64)


def oblate_depolarisation(aspect: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Depolarisation factors of an oblate spheroid.

    ``L_axial = (1 - sqrt(1 - e²) asin(e) / e) / e²`` with ``e² = 1 - 1 / aspect²`` and
    ``L_equatorial = (1 - L_axial) / 2``; Bohren & Huffman, Absorption and Scattering of Light by Small
    Particles (1983), section 5.3. Next to the sphere the series ``1/3 + 2 e² / 15`` stands in for 0/0.

    Args:
        aspect: Equatorial diameter over thickness, at least 1, any shape.

    Returns:
        The factors along the axis and across it, each of the same shape; axial + 2 equatorial = 1.

    Raises:
        ValueError: If an aspect ratio is below 1 or not finite.
    """
    square = _eccentricity_squared(aspect)
    safe = np.maximum(square, _NEAR_SPHERE)
    eccentricity = np.sqrt(safe)
    closed = (1.0 - np.sqrt(1.0 - safe) * np.arcsin(eccentricity) / eccentricity) / safe
    axial = np.where(square < _NEAR_SPHERE, 1.0 / 3.0 + 2.0 * square / 15.0, closed)
    return axial, (1.0 - axial) / 2.0


def oblate_semi_axes(volume: npt.ArrayLike, aspect: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Semi-axes of an oblate spheroid, from ``V = 4/3 π a² c`` and ``aspect = a / c``.

    Args:
        volume: Volumes in nm³, shape broadcastable with ``aspect``.
        aspect: Equatorial diameter over thickness, at least 1.

    Returns:
        The semi-axis c along the axis and a across it, in nm, each of the broadcast shape.
    """
    ratio = np.asarray(aspect, dtype=np.float64)
    axial = np.cbrt(3.0 * np.asarray(volume, dtype=np.float64) / (4.0 * math.pi * ratio**2))
    return axial, axial * ratio


def oblate_mean_path(volume: npt.ArrayLike, aspect: npt.ArrayLike) -> FloatArray:
    """Mean chord of an oblate spheroid, ``L_eff = 4 V / S``: the distance between surface collisions.

    Coronado & Schatz, J. Chem. Phys. 119, 3926 (2003); the surface is
    ``S = 2π a² (1 + (1 - e²) atanh(e) / e)``.

    Args:
        volume: Volumes in nm³, shape broadcastable with ``aspect``.
        aspect: Equatorial diameter over thickness, at least 1.

    Returns:
        Mean chords in nm, of the broadcast shape; 4/3 of the radius for a sphere.
    """
    square = _eccentricity_squared(aspect)
    eccentricity = np.sqrt(np.maximum(square, _NEAR_SPHERE))
    slope = np.where(square < _NEAR_SPHERE, 1.0 + square / 3.0, np.arctanh(eccentricity) / eccentricity)
    _, equatorial = oblate_semi_axes(volume, aspect)
    surface = 2.0 * math.pi * equatorial**2 * (1.0 + (1.0 - square) * slope)
    return np.asarray(4.0 * np.asarray(volume, dtype=np.float64) / surface, dtype=np.float64)


def prolate_depolarisation(aspect: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Depolarisation factors of a prolate spheroid.

    ``L_axial = (1 - e²) (atanh(e) / e - 1) / e²`` with ``e² = 1 - 1 / aspect²`` and
    ``L_equatorial = (1 - L_axial) / 2``; Bohren & Huffman 1983, section 5.3. Next to the sphere the series
    ``1/3 - 2 e² / 15`` stands in for 0/0.

    Args:
        aspect: Length over diameter, at least 1, any shape.

    Returns:
        The factors along the axis and across it, each of the same shape; axial + 2 equatorial = 1.

    Raises:
        ValueError: If an aspect ratio is below 1 or not finite.
    """
    square = _eccentricity_squared(aspect)
    safe = np.maximum(square, _NEAR_SPHERE)
    eccentricity = np.sqrt(safe)
    closed = (1.0 - safe) * (np.arctanh(eccentricity) / eccentricity - 1.0) / safe
    axial = np.where(square < _NEAR_SPHERE, 1.0 / 3.0 - 2.0 * square / 15.0, closed)
    return axial, (1.0 - axial) / 2.0


def prolate_semi_axes(volume: npt.ArrayLike, aspect: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Semi-axes of a prolate spheroid, from ``V = 4/3 π a b²`` and ``aspect = a / b``.

    Args:
        volume: Volumes in nm³, shape broadcastable with ``aspect``.
        aspect: Length over diameter, at least 1.

    Returns:
        The semi-axis a along the axis and b across it, in nm, each of the broadcast shape.
    """
    ratio = np.asarray(aspect, dtype=np.float64)
    equatorial = np.cbrt(3.0 * np.asarray(volume, dtype=np.float64) / (4.0 * math.pi * ratio))
    return equatorial * ratio, equatorial


def prolate_mean_path(volume: npt.ArrayLike, aspect: npt.ArrayLike) -> FloatArray:
    """Mean chord of a prolate spheroid, ``L_eff = 4 V / S``: the distance between surface collisions.

    Coronado & Schatz, J. Chem. Phys. 119, 3926 (2003); the surface is
    ``S = 2π b² (1 + aspect asin(e) / e)``.

    Args:
        volume: Volumes in nm³, shape broadcastable with ``aspect``.
        aspect: Length over diameter, at least 1.

    Returns:
        Mean chords in nm, of the broadcast shape; 4/3 of the radius for a sphere.
    """
    square = _eccentricity_squared(aspect)
    eccentricity = np.sqrt(np.maximum(square, _NEAR_SPHERE))
    slope = np.where(square < _NEAR_SPHERE, 1.0 + square / 6.0, np.arcsin(eccentricity) / eccentricity)
    _, equatorial = prolate_semi_axes(volume, aspect)
    surface = 2.0 * math.pi * equatorial**2 * (1.0 + np.asarray(aspect, dtype=np.float64) * slope)
    return np.asarray(4.0 * np.asarray(volume, dtype=np.float64) / surface, dtype=np.float64)


def mlwa_polarisability(
    permittivity: npt.ArrayLike,
    medium: npt.ArrayLike,
    wave_number: npt.ArrayLike,
    volume: npt.ArrayLike,
    depolarisation: npt.ArrayLike,
    semi_axis: npt.ArrayLike,
) -> ComplexArray:
    """Polarisability of a spheroid along one axis in the modified long-wavelength approximation.

    The static ``α = V (ε - ε_m) / (4π (ε_m + L (ε - ε_m)))`` becomes
    ``α / (1 - 2i k³ α / 3 - k² α / a)``: radiation damping and dynamic depolarisation. Zeman & Schatz,
    J. Phys. Chem. 91, 634 (1987); Kelly, Coronado, Zhao & Schatz, J. Phys. Chem. B 107, 668 (2003).
    Its imaginary part is positive for every absorbing particle, however large, but the approximation itself
    holds for particles well below the wavelength.

    Args:
        permittivity: Relative permittivity ε of the particle; all arguments broadcast together.
        medium: Relative permittivity ε_m of the medium, real.
        wave_number: Wave number k in the medium, 1/nm.
        volume: Volume V in nm³.
        depolarisation: Static depolarisation factor L along the field.
        semi_axis: Semi-axis a along the field, nm.

    Returns:
        Polarisabilities in nm³ (Gaussian units), of the broadcast shape.
    """
    contrast = np.asarray(permittivity, dtype=np.complex128) - np.asarray(medium)
    inverse = 4.0 * math.pi * (np.asarray(medium) + np.asarray(depolarisation) * contrast)
    inverse = inverse / (np.asarray(volume) * contrast)
    wave = np.asarray(wave_number, dtype=np.float64)
    polarisability: ComplexArray = 1.0 / (
        inverse - 2.0j * wave**3 / 3.0 - wave**2 / np.asarray(semi_axis, dtype=np.float64)
    )
    return polarisability


def oblate_extinction(
    wavelengths: npt.ArrayLike, volume: npt.ArrayLike, aspect: npt.ArrayLike, scattering: float = 1.0
) -> FloatArray:
    """Extinction cross-section of oblate silver spheroids in water, averaged over all orientations.

    See :func:`spheroid_extinction`.

    Args:
        wavelengths: Vacuum wavelengths in nm, shape ``(m,)``.
        volume: Volumes in nm³, shape broadcastable with ``aspect``.
        aspect: Equatorial diameter over thickness, at least 1.
        scattering: Surface scattering constant A, see :meth:`Metal.permittivity`.

    Returns:
        Cross-sections in nm², positive, shape ``(..., m)``.
    """
    size, ratio = np.broadcast_arrays(np.asarray(volume, np.float64), np.asarray(aspect, np.float64))
    metal = SILVER.permittivity(wavelengths, oblate_mean_path(size, ratio), scattering)
    return spheroid_extinction(wavelengths, metal, size, oblate_depolarisation(ratio), oblate_semi_axes(size, ratio))


def prolate_extinction(
    wavelengths: npt.ArrayLike, volume: npt.ArrayLike, aspect: npt.ArrayLike, scattering: float = 0.3
) -> FloatArray:
    """Extinction cross-section of prolate gold spheroids in water, averaged over all orientations.

    See :func:`spheroid_extinction`. The longitudinal band moves red with the aspect ratio (Gans, Ann. Phys. 342,
    881 (1912)).

    Args:
        wavelengths: Vacuum wavelengths in nm, shape ``(m,)``.
        volume: Volumes in nm³, shape broadcastable with ``aspect``.
        aspect: Length over diameter, at least 1.
        scattering: Surface scattering constant A, see :meth:`Metal.permittivity`; 0.3 was measured on single gold
            rods (Novo et al., Phys. Chem. Chem. Phys. 8, 3540 (2006)).

    Returns:
        Cross-sections in nm², positive, shape ``(..., m)``.
    """
    size, ratio = np.broadcast_arrays(np.asarray(volume, np.float64), np.asarray(aspect, np.float64))
    metal = GOLD.permittivity(wavelengths, prolate_mean_path(size, ratio), scattering)
    return spheroid_extinction(wavelengths, metal, size, prolate_depolarisation(ratio), prolate_semi_axes(size, ratio))


def spheroid_extinction(
    wavelengths: npt.ArrayLike,
    permittivity: ComplexArray,
    volume: FloatArray,
    depolarisation: tuple[FloatArray, FloatArray],
    semi_axes: tuple[FloatArray, FloatArray],
) -> FloatArray:
    """Extinction cross-section of spheroids in water, averaged over all orientations.

    ``C = 4π k Im(α_axial + 2 α_equatorial) / 3``: the optical theorem for a dipole (Bohren & Huffman 1983,
    section 5.5) with the polarisabilities of :func:`mlwa_polarisability`.

    Args:
        wavelengths: Vacuum wavelengths in nm, shape ``(m,)``.
        permittivity: Relative permittivities of the particles, shape ``(..., m)``.
        volume: Volumes in nm³, shape ``(...)``.
        depolarisation: Factors along the axis and across it, each of shape ``(...)``.
        semi_axes: Semi-axes along the axis and across it in nm, each of shape ``(...)``.

    Returns:
        Cross-sections in nm², positive, shape ``(..., m)``.
    """
    index = water_refractive_index(wavelengths)
    wave = 2.0 * math.pi * index / np.asarray(wavelengths, dtype=np.float64)
    total = np.zeros(permittivity.shape, dtype=np.float64)
    for weight, factor, semi_axis in zip((1.0, 2.0), depolarisation, semi_axes, strict=True):
        polarisability = mlwa_polarisability(
            permittivity, index**2, wave, volume[..., None], factor[..., None], semi_axis[..., None]
        )
        total += weight * polarisability.imag
    return 4.0 * math.pi * wave * total / 3.0


def prism_as_spheroid(edge: npt.ArrayLike, thickness: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """The oblate spheroid that stands for a triangular prism.

    It has the prism's volume ``sqrt(3)/4 L² h`` and, as aspect ratio, the diameter ``2 L / sqrt(3)`` of the
    circle through the prism's tips over its thickness, since the in-plane dipole reaches from tip to tip. A
    spheroid keeps the in-plane and the out-of-plane dipole band and their shift with size and aspect ratio;
    it has neither sharp tips nor quadrupole bands (compare Kelly et al., J. Phys. Chem. B 107, 668 (2003)).

    Args:
        edge: Edge lengths L in nm.
        thickness: Thicknesses h in nm, shape broadcastable with ``edge``.

    Returns:
        Volumes in nm³ and aspect ratios, each of the broadcast shape.
    """
    length, height = np.asarray(edge, dtype=np.float64), np.asarray(thickness, dtype=np.float64)
    volume = math.sqrt(3.0) / 4.0 * length**2 * height
    return volume, 2.0 / math.sqrt(3.0) * length / height


def absorbance(cross_section: npt.ArrayLike, number_density: npt.ArrayLike, path_length: npt.ArrayLike) -> FloatArray:
    """Decadic absorbance by the law of Beer and Lambert, ``A = C N l / ln 10``.

    Args:
        cross_section: Extinction cross-sections in nm²; all arguments broadcast together.
        number_density: Particles per cm³.
        path_length: Optical path in cm.

    Returns:
        Absorbances, of the broadcast shape.
    """
    extinction = np.asarray(cross_section) * _NM2_IN_CM2 * np.asarray(number_density)
    return np.asarray(extinction * np.asarray(path_length) / math.log(10.0), dtype=np.float64)
