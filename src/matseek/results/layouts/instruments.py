"""What spectrometers write above their spectra."""

from __future__ import annotations

import re

from matseek.results.headings import plain
from matseek.tables import Grid

_KEYS = re.compile(
    r"(?:##)?(?:y ?units?|y[ -]?axis(?: unit| mode)?|photometric mode|measur(?:ing|ement) mode|data mode|ordinate)"
    r" ?(?:[=:] ?(?P<told>.*))?"
)
"""What the unit of the numbers is called: JASCO and JCAMP-DX, Ocean Optics, Shimadzu, PerkinElmer."""


def told_unit(grid: Grid, head: int) -> str | None:
    """The unit of a spectrum's numbers as the rows above its headings tell it; None where they do not."""
    for i in grid.filled():
        if i > head:
            break
        cells = [cell for cell in grid.rows[i] if isinstance(cell, str)]
        match = _KEYS.fullmatch(plain(cells[0])) if cells else None
        if match is not None:
            told = match["told"] or (cells[1] if len(cells) > 1 else None)
            if told:
                return told
    return None
