"""What it costs: the budget, the calls of the truth, and their durable record."""

# Reading a ledger needs no torch: names are imported when they are first used. They stand in __init__.pyi.
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
