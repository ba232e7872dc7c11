"""Seek materials three ways and compare them honestly: batch BO, a spectrum network, and GO-Diff."""

# Campaigns and searchers bring torch along, which takes seconds: names are imported when they are first used. They
# stand in __init__.pyi.
import lazy_loader

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
