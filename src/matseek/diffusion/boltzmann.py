"""Boltzmann weights in log space, draws by them, and how kT falls."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from matseek.checks import check, of, real

_PRECISION = 1e-3
"""Width of the interval of log kT in which the adaptive schedule leaves kT."""


def boltzmann_log_weights(energies: Tensor, kt: float) -> Tensor:
    """Log of ``exp(-E / kT) / sum exp(-E / kT)``.

    Args:
        energies: Energies in eV, shape ``(N,)``, any sign and offset; infinite for what must not be drawn.
        kt: kT in eV.

    Returns:
        Shape ``(N,)``, float64; they change by nothing when all energies shift.

    Raises:
        ValueError: If kT is not positive, an energy is NaN or minus infinity, or none is finite.
    """
    kt = real(above=0, unit="eV")("kt", kt)
    of(Tensor, "a tensor")("energies", energies)
    energies = energies.to(torch.float64)
    if energies.ndim != 1 or not torch.isfinite(energies).any():
        raise ValueError(f"energies of shape {tuple(energies.shape)} must be one row with at least one finite number")
    if energies.isnan().any() or energies.isneginf().any():
        bad = int((energies.isnan() | energies.isneginf()).nonzero()[0])
        raise ValueError(f"energies[{bad}]={float(energies[bad])}; leave out what failed, or give it inf (weight 0)")
    return torch.log_softmax(-(energies - energies.min()) / kt, dim=0)


def effective_sample_size(log_weights: Tensor) -> float:
    """Kish's ``(sum w)^2 / sum w^2``, from 1 to N.

    Args:
        log_weights: Shape ``(N,)``, normalised or not.
    """
    log_weights = log_weights.to(torch.float64)
    return float(torch.exp(2 * torch.logsumexp(log_weights, 0) - torch.logsumexp(2 * log_weights, 0)))


class Selection(NamedTuple):
    """Rows drawn without replacement, and what each stands for.

    Attributes:
        rows: Different row numbers in the order drawn, shape ``(m,)``.
        log_weights: Log of weight over probability of having been drawn, shape ``(m,)``. Draws in proportion to these
            weigh the rows once; by the Boltzmann weights they would count twice, in the selection and in the draw.
    """

    rows: Tensor
    log_weights: Tensor


def gumbel_top_k(log_weights: Tensor, k: int, generator: torch.Generator) -> Selection:
    """Draw rows without replacement, each next one in proportion to the weights of those left.

    The k largest of ``log w + Gumbel noise``, finite however small w is. Each weighs ``w / q`` with
    ``q = 1 - exp(-exp(log w - threshold))``, the threshold being the (k + 1)th largest: sums over the rows are unbiased
    (Kool, van Hoof and Welling, ICML 2019, section 4).

    Args:
        log_weights: Shape ``(N,)``.
        k: How many; all rows of positive weight where there are fewer.
        generator: Source of the noise.

    Returns:
        ``min(k, rows of positive weight)`` rows.
    """
    if k < 1:
        raise ValueError(f"k={k} must be at least 1")
    log_weights = log_weights.to(torch.float64)
    waits = torch.empty(log_weights.shape, dtype=torch.float64, device=generator.device)
    keys = log_weights - waits.exponential_(generator=generator).log().to(log_weights.device)
    positive = int((log_weights > -math.inf).sum())
    best = torch.topk(keys, min(k + 1, positive))
    rows = best.indices[:k]
    if positive <= k:
        return Selection(rows, log_weights[rows])
    above = log_weights[rows] - best.values[k]
    # log(1 - exp(-e^a)) is a itself where e^a is below rounding.
    inclusion = torch.where(above < -30, above, torch.log(-torch.expm1(-torch.exp(above.clamp(min=-30)))))
    return Selection(rows, log_weights[rows] - inclusion)


def draw(log_weights: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Draw rows with replacement in proportion to their weights.

    Args:
        log_weights: Shape ``(N,)``.
        count: How many.
        generator: Source of the draws.

    Returns:
        Row numbers, shape ``(count,)``.
    """
    weights = torch.softmax(log_weights.to(torch.float64), dim=0).to(generator.device)
    # Only a row of positive weight can be found by a number strictly below the last sum.
    sums = weights.cumsum(0)
    numbers = torch.rand(count, generator=generator, dtype=torch.float64, device=generator.device) * sums[-1]
    last = int(weights.nonzero()[-1])
    return torch.searchsorted(sums, numbers, right=True).clamp(max=last).to(log_weights.device)


_ENERGY = real(1e-6, 1e6, unit="eV")


@runtime_checkable
class KTSchedule(Protocol):
    """How kT falls over the iterations of a search."""

    def kt(self, iteration: int, iterations: int, energies: Tensor, previous: float | None) -> float:
        """KT in eV of an iteration.

        Args:
            iteration: From 0.
            iterations: How many there will be.
            energies: Energies of what is trained on, eV, shape ``(N,)``.
            previous: kT of the iteration before; None at the first.
        """


@dataclass(frozen=True)
class _Range:
    """Ends of kT, in eV."""

    high: float = 5.0
    low: float = 0.02

    def __post_init__(self) -> None:
        check(self, "kt.", high=_ENERGY, low=_ENERGY)
        if self.low > self.high:
            raise ValueError(f"low={self.low} must be above 0 and at most high={self.high} (eV)")


@dataclass(frozen=True)
class ExponentialKT(_Range):
    """``high (low / high)^(i / (iterations - 1))``, as in Rønne, Vegge and Bhowmik 2025.

    Args:
        high: kT of the first iteration, eV.
        low: kT of the last, eV.
    """

    def kt(self, iteration: int, iterations: int, energies: Tensor, previous: float | None) -> float:  # noqa: ARG002
        """KT in eV of an iteration, whatever the energies."""
        fallen: float = (self.low / self.high) ** (iteration / max(iterations - 1, 1))
        return self.high * fallen


@dataclass(frozen=True)
class AdaptiveKT(_Range):
    """The lowest kT at which the effective sample size is a given fraction, and never above the one before.

    As temperatures are chosen in sequential Monte Carlo: Del Moral, Doucet and Jasra, Stat. Comput. 22, 1009 (2012).
    The effective sample size only grows with kT, so that bisection finds it.

    Args:
        high: Highest kT, eV.
        low: Lowest kT, eV.
        fraction: Effective sample size to keep, as a fraction of the rows of finite energy.
    """

    fraction: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, "kt.", fraction=real(above=0, below=1, unit="a share of the rows"))

    def kt(self, iteration: int, iterations: int, energies: Tensor, previous: float | None) -> float:  # noqa: ARG002
        """KT in eV of an iteration, by the energies and the kT before."""
        highest = self.high if previous is None else min(max(previous, self.low), self.high)
        wanted = self.fraction * int(torch.isfinite(energies).sum())

        def enough(kt: float) -> bool:
            return effective_sample_size(boltzmann_log_weights(energies, kt)) >= wanted

        if enough(self.low):
            return self.low
        if not enough(highest):
            return highest
        below, above = math.log(self.low), math.log(highest)
        for _ in range(math.ceil(math.log2(max((above - below) / _PRECISION, 1.0)))):
            middle = (below + above) / 2
            below, above = (below, middle) if enough(math.exp(middle)) else (middle, above)
        return min(math.exp(above), highest)


_LEAST_SPREAD = 1e-12
"""Of energies, in eV: kT of what has no spread at all."""


@dataclass(frozen=True)
class SpreadKT:
    """Starts at the spread of the first energies and falls as their heat capacity allows, whatever their unit is.

    The first kT is ``start`` spreads. Afterwards kT is multiplied by ``slow`` where the heat capacity
    ``Var(E) / kT^2`` of what is trained on is above 1, and by ``fast`` where it is below: where energies still differ
    by more than kT there is something to be sorted out. That is how annealing by constant thermodynamic speed sees it
    (Salamon, Nulton, Harland, Pedersen, Ruppeiner and Liao, Comput. Phys. Commun. 49, 423 (1988)). kT falls no further
    where the effective sample size of what is trained on would be below a fraction of its rows.

    The spread is the distance of the median to the quantile below which 16 % of the energies lie, which is the standard
    deviation of a normal distribution: atoms that nearly overlap make the upper half as wide as they like.

    Args:
        start: First kT in spreads.
        slow: Factor of kT where the heat capacity is above 1.
        fast: Factor of kT elsewhere.
        fraction: Effective sample size that is kept, as a fraction of the rows of finite energy.

    Raises:
        ValueError: If a setting is out of its range, or slow is below fast.

    Example:
        >>> import torch
        >>> energies = 0.01 * torch.arange(101, dtype=torch.float64)
        >>> round(SpreadKT().kt(0, 10, energies, None), 4)
        0.34
    """

    start: float = 1.0
    slow: float = 0.9
    fast: float = 0.7
    fraction: float = 0.3

    def __post_init__(self) -> None:
        factor = real(above=0, below=1)
        share = real(above=0, below=1, unit="a share of the rows")
        check(self, "kt.", start=real(1e-6, 1e6, unit="spreads"), slow=factor, fast=factor, fraction=share)
        if self.slow < self.fast:
            raise ValueError(f"kt.slow={self.slow} must be at least kt.fast={self.fast}; swap them")

    def kt(self, iteration: int, iterations: int, energies: Tensor, previous: float | None) -> float:  # noqa: ARG002
        """KT in eV of an iteration, by the energies and the kT before."""
        finite = energies[torch.isfinite(energies)].to(torch.float64)
        spread = lower_spread(finite)
        if previous is None:
            return max(self.start * spread, _LEAST_SPREAD)
        kt = previous * (self.slow if (spread / previous) ** 2 > 1 else self.fast)
        kept = effective_sample_size(boltzmann_log_weights(finite, kt)) >= self.fraction * len(finite)
        return kt if kept else previous


def lower_spread(energies: Tensor) -> float:
    """Median minus the quantile of 16 %: a standard deviation that the upper half has no part in.

    Args:
        energies: Shape ``(N,)``, finite, N at least 1.
    """
    low, middle = torch.quantile(energies, torch.tensor([0.158655, 0.5], dtype=energies.dtype)).tolist()
    return float(middle - low)
