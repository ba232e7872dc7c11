"""What moves samples besides the score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from matseek.checks import check, function, real

ALPHA, ZETA = real(0, 1e3, unit="A^2/eV"), real(0, 1e3)
"""Rules for the strength of force guidance, and for how late it sets in."""

Corrector = Callable[[Tensor, Tensor], Tensor]
"""From points ``(B, *shape)`` and times ``(B,)`` to displacements of the points' shape."""


@dataclass(frozen=True)
class ForceGuidance:
    """Displacements ``alpha (1 - t)^zeta F(x)``, strong where little noise is left (Rønne, Vegge and Bhowmik 2025).

    Args:
        force: From points ``(B, *shape)`` to forces of their shape, such as a force head's, in eV/A.
        alpha: Displacement per force at t = 0, in A^2/eV.
        zeta: How late guidance sets in.

    Raises:
        ValueError: If alpha or zeta is negative or not finite.
    """

    force: Callable[[Tensor], Tensor]
    alpha: float = 0.01
    zeta: float = 2.0

    def __post_init__(self) -> None:
        check(self, "guidance.", force=function("one argument, points", 1), alpha=ALPHA, zeta=ZETA)

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        """Displacements at points and times."""
        strength = self.alpha * (1 - t) ** self.zeta
        return strength.reshape(-1, *[1] * (x.ndim - 1)) * self.force(x)
