"""Where energies and forces come from: ASE calculators that are made for many evaluations."""

# Numba and torch are imported with what needs them. The names stand in __init__.pyi.
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
