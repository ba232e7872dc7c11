"""What is minimised: a space, an oracle (the truth, expensive) and a scalar value."""

# A measurement needs no torch: names are imported when they are first used. They stand in __init__.pyi.
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
