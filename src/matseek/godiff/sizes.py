"""How many samples an iteration evaluates and how many rows its buffer has, by the effective sample size."""

from __future__ import annotations

from dataclasses import dataclass

from matseek.checks import check, real, whole


@dataclass(frozen=True)
class EffectiveSizes:
    """Sizes of an iteration that follow Kish's effective sample size ``(sum w)^2 / sum w^2`` of Boltzmann weights.

    An iteration evaluates ``samples * target / ESS`` structures, rounded and within limits, where ESS is that of the
    buffer before it: few where many count already, many where a few rows carry all the weight (as numbers of particles
    follow it in sequential Monte Carlo: Elvira, Miguez and Djuric, IEEE Trans. Signal Process. 65, 1781 (2017)). The
    buffer has ``rows_each * ESS`` rows, where ESS is that of everything evaluated at this iteration's kT: rows beyond
    have no weight. The first iteration evaluates ``samples``.

    Args:
        target: Effective sample size at which an iteration evaluates as many samples as without this.
        least_samples: Fewest samples of an iteration.
        most_samples: Most samples of an iteration.
        rows_each: Rows of the buffer for each effective sample.
        least_rows: Fewest rows of the buffer.
        most_rows: Most rows of the buffer.

    Raises:
        ValueError: If a setting is out of its range, or a least number above its most.

    Example:
        >>> EffectiveSizes(target=16).samples(32, effective=32.0), EffectiveSizes().rows(effective=20.0)
        (16, 80)
    """

    target: float = 16.0
    least_samples: int = 8
    most_samples: int = 64
    rows_each: float = 4.0
    least_rows: int = 32
    most_rows: int = 256

    def __post_init__(self) -> None:
        many = whole(1, 1_000_000)
        check(self, "sizes.", target=real(1, 1e6), rows_each=real(1, 1e6))
        check(self, "sizes.", least_samples=many, most_samples=many, least_rows=many, most_rows=many)
        for what in ("samples", "rows"):
            least, most = getattr(self, f"least_{what}"), getattr(self, f"most_{what}")
            if least > most:
                raise ValueError(f"sizes.least_{what}={least} must be at most sizes.most_{what}={most}; swap them")

    def samples(self, usual: int, effective: float) -> int:
        """Samples of an iteration.

        Args:
            usual: Where the effective sample size is the target.
            effective: Effective sample size of the buffer, at least 1.
        """
        return min(max(round(usual * self.target / effective), self.least_samples), self.most_samples)

    def rows(self, effective: float) -> int:
        """Rows of the buffer.

        Args:
            effective: Effective sample size of everything evaluated, at least 1.
        """
        return min(max(round(self.rows_each * effective), self.least_rows), self.most_rows)
