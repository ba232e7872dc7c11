"""The conformance kit: functions that certify a part by the contract of its kind, each in one line.

They need neither pytest nor hypothesis; a rule that is broken raises :class:`ConformanceError`. See docs/testing.md.
"""

# Some kinds need torch and others do not: names are imported when they are first used. They stand in __init__.pyi.
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
