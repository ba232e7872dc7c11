"""Seek materials three ways and compare them honestly: batch BO, a spectrum network, and GO-Diff."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matseek.campaign import Campaign

__version__ = "0.1.0"
__all__ = ["Campaign", "__version__"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 -- a module's attribute can be anything
    # Campaign brings torch along, which takes seconds: import it only when it is wanted.
    if name == "Campaign":
        from matseek.campaign import Campaign

        return Campaign
    raise AttributeError(f"module 'matseek' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
