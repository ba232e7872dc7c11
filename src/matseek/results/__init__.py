"""Tables of results: what a file would add to a campaign, row by row, told before anything is written down.

The way of a file: :mod:`matseek.tables` gives a grid of cells, ``headings`` says what each column is, ``layouts`` makes
lines of it (one for each replicate), and ``taking`` holds these against what was asked: a :class:`Taking`.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
