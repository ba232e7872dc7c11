"""Files and folders of results, held against a campaign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matseek.core.problem import Laboratory
from matseek.core.records import Evaluation
from matseek.results.assembling import Assembly, Manner
from matseek.results.findings import Finding, Refusal
from matseek.results.layouts import Asking, Sheet, is_results, read_sheet
from matseek.results.paired import joined, renamed
from matseek.results.taking import Taking
from matseek.tables import Grid, TableError, read_grids
from matseek.tables.opening import SUFFIXES

if TYPE_CHECKING:
    import pandas as pd

_MOST_FILES = 10_000


def read_results(
    results: Path | pd.DataFrame,
    laboratory: Laboratory,
    evaluations: Sequence[Evaluation],
    *,
    resampling: bool = False,
    sheet: str | None = None,
    manner: Manner | None = None,
    columns: Mapping[str, str] | None = None,
) -> Taking:
    """What a table of results would add to a campaign; nothing is written down.

    Args:
        results: A file (see :func:`matseek.tables.read_grids`), a folder with a file for each sample or replicate,
            named after its evaluation (``12.csv``, ``evaluation-12_3.csv``), or a frame.
        laboratory: The problem, which says what is told and turns it into values.
        evaluations: Evaluations of the campaign.
        resampling: Whether spectra on other wavelengths than the objective's are interpolated on these.
        sheet: Name of the sheet of a workbook; None where one sheet alone holds results.
        manner: How the table is meant: as further replicates, as a correction, with recipes never asked; None where
            results are told as usual.
        columns: Names of variables, and of what is measured, by headings that the table has in their place.

    Raises:
        FileNotFoundError: If there is no such file or sheet.
        ValueError: If a file is of an unknown kind, or far larger than any laboratory's.

    Example:
        >>> taking = read_results(Path("measured.xlsx"), problem, campaign.ledger.evaluations())
        >>> print(taking.summary)
        >>> campaign.tell(taking)
    """
    objective = laboratory.objective
    asking = Asking(
        laboratory.space.variables,
        laboratory.quantity,
        laboratory.value_unit,
        None if objective is None else objective.wavelengths,
        resampling,
    )
    if not isinstance(results, Path):
        source, sheets = "the table", [_read(Grid.of_frame(results), asking, None, columns)]
    elif results.is_dir():
        files = _files(results)
        source = f"{results.name} ({len(files)} files)"
        sheets = [one for path in files for one in _of_file(path, asking, sheet, columns)]
    else:
        source, sheets = results.name, _of_file(results, asking, sheet, columns)
    return Assembly(source, sheets, laboratory, evaluations, manner or Manner()).taking()


def _files(folder: Path) -> list[Path]:
    """The tables of a folder, in the order of their names, numbers by size."""
    files = [p for p in folder.iterdir() if p.is_file() and not p.name.startswith((".", "~$"))]
    tables = [p for p in files if p.suffix.lower() in SUFFIXES]
    if not tables:
        raise FileNotFoundError(f"{folder} holds no tables; they are read from {', '.join(SUFFIXES)}")
    if len(tables) > _MOST_FILES:
        raise ValueError(f"{folder} holds more than {_MOST_FILES:,} files; name a folder with those of one batch")
    return sorted(tables, key=lambda p: [(int(t), "") if t.isdigit() else (0, t) for t in _parts(p.stem)])


def _parts(stem: str) -> list[str]:
    import re

    return re.split(r"(\d+)", stem)


def _of_file(path: Path, asking: Asking, sheet: str | None, columns: Mapping[str, str] | None) -> list[Sheet]:
    try:
        grids = read_grids(path, sheet)
        pair = None if asking.wavelengths is None else joined(grids)
    except TableError as error:
        return [_refused(Finding(error.place, error.message))]
    if pair is not None:
        return [_read(pair, asking, None, columns)]
    if columns and len(grids) == 1:
        return [_read(grids[0], asking, path.stem, columns)]
    fit = [grid for grid in grids if _is_results(grid, asking)]
    if len(fit) > 1:
        names = ", ".join(repr(grid.sheet) for grid in fit)
        return [_refused(Finding(fit[1].place(), f"several sheets hold results ({names}); choose one: --sheet NAME"))]
    if not fit:
        if not grids:
            return [_refused(Finding(None, f"{path.name}: nothing stands in it; give the table with the results"))]
        return [_read(max(grids, key=len), asking, path.stem, columns)]
    read = _read(fit[0], asking, path.stem, columns)
    read.notes += [f"sheet {grid.sheet!r} not read" for grid in grids if grid is not fit[0]]
    return [read]


def _is_results(grid: Grid, asking: Asking) -> bool:
    try:
        return is_results(grid, asking)
    except (Refusal, TableError):
        return True  # it looks so much like results that reading it tells what is wrong


def _read(grid: Grid, asking: Asking, stem: str | None, columns: Mapping[str, str] | None) -> Sheet:
    try:
        return read_sheet(renamed(grid, columns) if columns else grid, asking, stem)
    except Refusal as refusal:
        return _refused(refusal.finding)
    except TableError as error:
        return _refused(Finding(error.place, error.message))


def _refused(finding: Finding) -> Sheet:
    return Sheet(refused=[finding])
