"""Who chooses: everything that decides which points are evaluated next."""

# Most searchers need no Lightning: names are imported when they are first used. They stand in __init__.pyi.
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
