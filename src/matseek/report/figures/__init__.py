"""Figures of a recipe campaign: how it got better, what it found, and what its models understood.

Figures are made without pyplot, so that nothing has to be closed and no global state changes.
"""

# Matplotlib is imported with the first figure. The names stand in __init__.pyi.
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
