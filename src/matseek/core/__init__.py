"""The contracts: what a space, a problem, a surrogate, a searcher and a potential are, and nothing concrete."""

# Contracts need no torch: names are imported when they are first used. They stand in __init__.pyi.
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
