"""What people look at after a campaign: figures and one self-contained page."""

# Matplotlib is imported with the first figure. The names stand in __init__.pyi.
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
