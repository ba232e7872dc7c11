"""What is learnt from evaluations, and how."""

# GPyTorch, Lightning and Numba are imported with what needs them. The names stand in __init__.pyi.
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
