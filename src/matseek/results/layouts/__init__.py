"""Layouts of tables of results, from a grid to a line for each measurement.

``recognition`` finds the headings; the table has a row for each condition (``rows``), a row for each wavelength of each
(``tidy``), or a row for each wavelength and a column for each spectrum (``columns``). All read spectra by ``spectra``.
"""

from matseek.results.layouts.asking import Asking
from matseek.results.layouts.lines import Line, Sheet
from matseek.results.layouts.recognition import is_results
from matseek.results.layouts.sheets import read_sheet

__all__ = ["Asking", "Line", "Sheet", "is_results", "read_sheet"]
