"""The page at which a chemist works: a local server, and what it shows of the campaigns in a folder."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
