"""What moves samples besides the score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from matseek.checks import check, real

Corrector = Callable[[Tensor, Tensor], Tensor]
"""From points ``(B, *shape)`` and times ``(B,)`` to displacements of the points' shape."""


@dataclass(frozen=True)
class Guidance:
    """Displacements ``alpha (1 - t)^zeta F(x)``, strong where little noise is left (Rønne, Vegge and Bhowmik 2025).

    Args:
        alpha: Displacement per force at t = 0, in A^2/eV.
        zeta: How late guidance sets in.

    Raises:
        ValueError: If alpha or zeta is negative or not finite.
    """

    alpha: float = 0.01
    zeta: float = 2.0

    def __post_init__(self) -> None:
        check(self, "guidance.", alpha=real(0, 1e3, unit="A^2/eV"), zeta=real(0, 1e3))

    def by(self, force: Callable[[Tensor], Tensor]) -> Corrector:
        """The corrector that these forces make.

        Args:
            force: From points ``(B, *shape)`` to forces of their shape, such as a force head's, in eV/A.
        """

        def displacement(x: Tensor, t: Tensor) -> Tensor:
            strength = self.alpha * (1 - t) ** self.zeta
            return strength.reshape(-1, *[1] * (x.ndim - 1)) * force(x)

        return displacement
