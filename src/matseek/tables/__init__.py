"""Tables: read as grids whose cells know their places, and written so that no spreadsheet runs what is in a cell."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
