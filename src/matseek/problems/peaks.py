"""Objectives on a band of a spectrum: where its peak lies, how wide it is, how high it is beside another one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from matseek.checks import check, optional, real, several
from matseek.core.wavelengths import require_wavelengths
from matseek.problems.gate import Gate
from matseek.problems.objective import SpectralObjective

if TYPE_CHECKING:
    from torch import Tensor

FloatArray = npt.NDArray[np.float64]

NOISE, SATURATION = 0.1, 2.0
"""Highest absorbances between which a peak can be read, where nothing else is said."""

_LARGEST_SCALE = 1e6
_LEAST = 3
"""Wavelengths that a peak needs."""


@dataclass(frozen=True, eq=False)
class BandObjective(SpectralObjective):
    """A number between 0 and :attr:`worst`, which counts by the gate: a spectrum that cannot be read is as bad as any.

    The loss is ``gate(max A) * x + (1 - gate(max A)) * worst``.
    """

    @property
    @abstractmethod
    def worst(self) -> float:
        """The largest number."""

    @abstractmethod
    def limits(self) -> Gate:
        """The gate."""

    @abstractmethod
    def _number(self, spectra: Tensor) -> Tensor:
        """The number, shape ``(...)``, of finite spectra ``(..., m)``."""

    def faults(self, spectra: FloatArray) -> Mapping[str, npt.NDArray[np.bool_]]:
        """Which spectra lie above the absorbance gate, and which below it."""
        return self.limits().faults(spectra)

    @property
    def peaks_wanted(self) -> tuple[float, float]:
        """The gate."""
        return self.limits().low, self.limits().high

    def _finite_loss(self, spectra: Tensor) -> Tensor:
        weight = self.limits()(spectra.amax(dim=-1))
        return weight * self._number(spectra) + (1.0 - weight) * self.worst


@dataclass(frozen=True, eq=False)
class PeakAt(BandObjective):
    """How far the highest peak of a spectrum lies from the wavelength that is wanted, over a scale.

    The peak is the vertex of the parabola through the highest absorbance and its two neighbours.

    Args:
        wavelengths: Wavelengths in nm, shape ``(m,)``, strictly increasing.
        at: Wanted wavelength of the peak, in nm.
        between: Wavelengths in nm between which the peak is looked for; None for all.
        scale: Distance in nm that counts as a loss of 1.
        gate: Highest absorbances between which a spectrum counts fully, see :class:`~matseek.problems.gate.Gate`.

    Raises:
        ValueError: If the wanted wavelength is not among those looked at, or a setting is not as described.

    Example:
        >>> PeakAt(np.arange(400.0, 801.0), at=650, between=(500, 800))
    """

    at: float
    between: Sequence[float] | None = None
    scale: float = 100.0
    gate: Sequence[float] = (NOISE, SATURATION)

    def __post_init__(self) -> None:
        _require_band(self)
        check(self, at=real(unit="nm"), scale=real(above=0, high=_LARGEST_SCALE))
        low, high = _seen(self)[[0, -1]]
        if not low <= self.at <= high:
            raise ValueError(f"at={self.at:g} nm is not among the wavelengths looked at, {low:g} to {high:g} nm")

    @property
    def label(self) -> str:
        """``Distance of the peak from 650 nm, over 100 nm``."""
        return f"Distance of the peak from {self.at:g} nm, over {self.scale:g} nm"

    @property
    def worst(self) -> float:
        """That of a peak at the farther end."""
        return float(np.abs(_seen(self)[[0, -1]] - self.at).max()) / self.scale

    def limits(self) -> Gate:
        """The gate."""
        return Gate.between(self.gate)

    def _identity(self) -> bytes:
        return _identity(self.at, self.between, self.scale, self.gate)

    def _number(self, spectra: Tensor) -> Tensor:
        seen, band = _band(self, spectra)
        distance: Tensor = (_vertex(seen, band) - self.at).abs()
        return distance / self.scale


@dataclass(frozen=True, eq=False)
class NarrowPeak(BandObjective):
    """Full width at half maximum of the highest peak of a spectrum, over a scale.

    Half way down from the maximum to the least absorbance, interpolated linearly; a side that does not fall so far ends
    where the range ends.

    Args:
        wavelengths: Wavelengths in nm, shape ``(m,)``, strictly increasing.
        between: Wavelengths in nm between which the peak is looked for; None for all.
        scale: Width in nm that counts as a loss of 1.
        gate: Highest absorbances between which a spectrum counts fully, see :class:`~matseek.problems.gate.Gate`.

    Raises:
        ValueError: If a setting is not as described.

    Example:
        >>> NarrowPeak(np.arange(400.0, 801.0), between=(500, 800))
    """

    between: Sequence[float] | None = None
    scale: float = 100.0
    gate: Sequence[float] = (NOISE, SATURATION)

    def __post_init__(self) -> None:
        _require_band(self)
        check(self, scale=real(above=0, high=_LARGEST_SCALE))

    @property
    def label(self) -> str:
        """``Width of the peak, over 100 nm``."""
        return f"Width of the peak, over {self.scale:g} nm"

    @property
    def worst(self) -> float:
        """That of a spectrum that falls nowhere."""
        return float(np.ptp(_seen(self))) / self.scale

    def limits(self) -> Gate:
        """The gate."""
        return Gate.between(self.gate)

    def _identity(self) -> bytes:
        return _identity(self.between, self.scale, self.gate)

    def _number(self, spectra: Tensor) -> Tensor:
        seen, band = _band(self, spectra)
        top = band.argmax(dim=-1, keepdim=True)
        right = _half_width(seen, band, top)
        left = _half_width(-seen.flip(0), band.flip(-1), len(seen) - 1 - top)
        width: Tensor = left + right
        return width / self.scale


@dataclass(frozen=True, eq=False)
class BandRatio(BandObjective):
    """How high one band is beside another: the share ``A1 / (A1 + A2)``, which grows with the ratio ``A1 / A2``.

    The loss is one minus the share, or its distance from that of the wanted ratio. Negative absorbances count as zero.

    Args:
        wavelengths: Wavelengths in nm, shape ``(m,)``, strictly increasing.
        of: Where A1 is read: a wavelength in nm, interpolated linearly, or two, between which the highest counts.
        to: Where A2 is read.
        ratio: The wanted ratio; None for as large a one as possible.
        gate: Highest absorbances between which a spectrum counts fully, see :class:`~matseek.problems.gate.Gate`.

    Raises:
        ValueError: If a band lies beyond the wavelengths, or a setting is not as described.

    Example:
        >>> BandRatio(np.arange(400.0, 801.0), of=(600, 800), to=420)
    """

    of: float | Sequence[float]
    to: float | Sequence[float]
    ratio: float | None = None
    gate: Sequence[float] = (NOISE, SATURATION)

    def __post_init__(self) -> None:
        _keep_wavelengths(self)
        object.__setattr__(self, "gate", _gate(self.gate))
        check(self, ratio=optional(real(0.0)))
        for name in ("of", "to"):
            object.__setattr__(self, name, _place(name, getattr(self, name), self.wavelengths))

    @property
    def label(self) -> str:
        """``1 - A(600-800 nm) / (A(600-800 nm) + A(420 nm))``, or the distance from the wanted share."""
        one, other = (f"A({'-'.join(f'{x:g}' for x in np.atleast_1d(p))} nm)" for p in (self.of, self.to))
        share = f"{one} / ({one} + {other})"
        return f"1 - {share}" if self.ratio is None else f"|{share} - {self._wanted:.3g}|"

    @property
    def _wanted(self) -> float:
        """The wanted share."""
        return 1.0 if self.ratio is None else self.ratio / (1.0 + self.ratio)

    @property
    def worst(self) -> float:
        """That of the farther of a share of 0 and of 1."""
        return max(self._wanted, 1.0 - self._wanted)

    def limits(self) -> Gate:
        """The gate."""
        return Gate.between(self.gate)

    def _identity(self) -> bytes:
        return _identity(self.of, self.to, self.ratio, self.gate)

    def _number(self, spectra: Tensor) -> Tensor:
        import torch

        one, other = (self._height(spectra, p).clamp_min(0.0) for p in (self.of, self.to))
        total = one + other
        some = total > torch.finfo(spectra.dtype).tiny ** 0.5
        share = torch.where(some, one / torch.where(some, total, torch.ones_like(total)), torch.zeros_like(total))
        return (share - self._wanted).abs()

    def _height(self, spectra: Tensor, place: float | Sequence[float]) -> Tensor:
        """Absorbances ``(...)`` at a wavelength, or the highest between two."""
        at = self.wavelengths
        if isinstance(place, Sequence):
            inside = np.flatnonzero((at >= place[0]) & (at <= place[1]))
            return spectra[..., int(inside[0]) : int(inside[-1]) + 1].amax(dim=-1)
        right = int(np.clip(np.searchsorted(at, place), 1, at.size - 1))
        share = float((place - at[right - 1]) / (at[right] - at[right - 1]))
        return (1.0 - share) * spectra[..., right - 1] + share * spectra[..., right]


def _keep_wavelengths(objective: SpectralObjective) -> None:
    grid = require_wavelengths(objective.wavelengths)
    grid.setflags(write=False)
    object.__setattr__(objective, "wavelengths", grid)


def _gate(limits: Sequence[float]) -> tuple[float, float]:
    gate = Gate.between(limits)
    return gate.low, gate.high


def _require_band(objective: PeakAt | NarrowPeak) -> None:
    """Check what both share."""
    _keep_wavelengths(objective)
    check(objective, between=optional(several(real(unit="nm"), 2, 2)))
    object.__setattr__(objective, "gate", _gate(objective.gate))
    at = objective.wavelengths
    if len(_seen(objective)) < _LEAST:
        low, high = objective.between or (at[0], at[-1])
        raise ValueError(
            f"between=[{low:g}, {high:g}] nm holds {len(_seen(objective))} of the wavelengths {at[0]:g} to {at[-1]:g} "
            f"nm, and a peak needs {_LEAST}; give the lower end first, or widen the range"
        )


def _inside(objective: PeakAt | NarrowPeak) -> slice:
    """Which wavelengths are looked at."""
    at = objective.wavelengths
    low, high = objective.between or (at[0], at[-1])
    return slice(int(np.searchsorted(at, low)), int(np.searchsorted(at, high, side="right")))


def _seen(objective: PeakAt | NarrowPeak) -> FloatArray:
    """The wavelengths that are looked at, shape ``(k,)``."""
    return np.asarray(objective.wavelengths[_inside(objective)])


def _band(objective: PeakAt | NarrowPeak, spectra: Tensor) -> tuple[Tensor, Tensor]:
    """The wavelengths that are looked at ``(k,)``, and the absorbances there ``(..., k)``."""
    import torch

    return torch.tensor(_seen(objective)).to(spectra), spectra[..., _inside(objective)]


def _place(name: str, given: object, at: FloatArray) -> float | tuple[float, float]:
    """A wavelength, or two, within those that are measured."""
    many = isinstance(given, (Sequence, np.ndarray)) and not isinstance(given, str)
    place = several(real(unit="nm"), 2, 2)(name, given) if many else real(unit="nm")(name, given)
    ends = np.atleast_1d(np.asarray(place, dtype=np.float64))
    if ends[0] < at[0] or ends[-1] > at[-1] or (not np.any((at >= ends[0]) & (at <= ends[-1])) and many):
        raise ValueError(
            f"{name}={given} nm must lie within the wavelengths, {at[0]:g} to {at[-1]:g} nm, the lower end first"
        )
    return (float(ends[0]), float(ends[1])) if many else float(ends[0])


def _identity(*settings: object) -> bytes:
    """Numbers, and sequences of them, as text that keeps every bit."""
    plain = [None if s is None else np.asarray(s, dtype=np.float64).tolist() for s in settings]
    return repr(plain).encode()


def _vertex(at: Tensor, band: Tensor) -> Tensor:
    """Wavelengths ``(...)`` of the peaks of bands ``(..., k)``."""
    import torch

    top = band.argmax(dim=-1)
    middle = top.clamp(1, len(at) - 2)
    places = torch.stack([middle - 1, middle, middle + 1], dim=-1)
    (x0, x1, x2), (y0, y1, y2) = at[places].unbind(-1), band.gather(-1, places).unbind(-1)
    left, right = (y1 - y0) / (x1 - x0), (y2 - y1) / (x2 - x1)
    bend = (right - left) / (x2 - x0)
    curved = (bend < -(torch.finfo(band.dtype).tiny ** 0.5)) & (top == middle)
    vertex = 0.5 * (x0 + x1) - left / (2.0 * torch.where(curved, bend, -torch.ones_like(bend)))
    return torch.where(curved, torch.minimum(torch.maximum(vertex, x0), x2), at[top])


def _half_width(at: Tensor, band: Tensor, top: Tensor) -> Tensor:
    """From the maxima of bands ``(..., k)``, at ``top`` ``(..., 1)``, to half way down, toward the end of ``at``."""
    import torch

    level = 0.5 * (band.amax(dim=-1, keepdim=True) + band.amin(dim=-1, keepdim=True))
    below = (torch.arange(len(at), device=band.device) > top) & (band < level)
    falls = below.any(dim=-1, keepdim=True)
    first = below.to(torch.uint8).argmax(dim=-1, keepdim=True).clamp_min(1)
    high, low = band.gather(-1, first - 1), band.gather(-1, first)
    share = (high - level) / torch.where(falls, high - low, torch.ones_like(high))
    crossing = at[first - 1] + share * (at[first] - at[first - 1])
    end = torch.where(falls, crossing, at[-1].expand_as(crossing))
    return (end - at[top]).squeeze(-1)
