"""Tables of recipes that are to be measured, with empty cells for the results."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from openpyxl import Workbook
from openpyxl.cell import Cell, MergedCell
from openpyxl.styles import Alignment, Border, Font, PatternFill, Protection, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from matseek.core.problem import Laboratory
from matseek.evaluation.batch import NUMBER, Batch
from matseek.files import replacing
from matseek.results.digits import decimals
from matseek.tables import write_csv
from matseek.tables.frames import shielded

if TYPE_CHECKING:
    import pandas as pd

_KNOWN = (".xlsx", ".csv")
_HEAD = PatternFill("solid", fgColor="DCE6F1")
_TO_FILL = PatternFill("solid", fgColor="FFF8DC")
_LINE = Border(bottom=Side("thin", color="808080"))
_MOST_COLUMNS = 16_000


def require_writable(path: Path) -> None:
    """Refuse a path before a batch is made for it.

    Raises:
        ValueError: If it ends in something else than .xlsx or .csv.
        FileExistsError: If the file is there already: it may hold somebody's measurements.
        OSError: If its folder cannot be made or written.
    """
    if path.suffix.lower() not in _KNOWN:
        raise ValueError(f"{path} ends in {path.suffix!r}; recipes are written as {' or '.join(_KNOWN)}")
    if path.exists():
        raise FileExistsError(f"{path} is there already and may hold measurements; name another file with --output")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Beside the file, which a process that is killed must not leave behind empty.
        with TemporaryDirectory(prefix=".draft-", dir=path.parent) as folder:
            (Path(folder) / path.name).touch()
    except OSError as error:
        raise OSError(f"{path} cannot be written ({error}); name another file with --output") from error


def recipes_frame(batch: Batch) -> pd.DataFrame:
    """A row per recipe, at the digits that a laboratory can set, see :func:`matseek.results.digits.decimals`."""
    frame = batch.to_frame()
    for variable, column in zip(batch.space.variables, batch.points.T, strict=True):
        if not variable.values:
            frame[variable.label] = [round(x, decimals(variable, x)) for x in column.tolist()]
    return frame


def write_recipes(batch: Batch, laboratory: Laboratory, path: Path, replicates: int = 3) -> None:
    """Write recipes into a table.

    A workbook has empty cells for the results: beside each recipe where values are told; on a second sheet, with a
    column for each spectrum, where spectra are. Texts that a spreadsheet program would run as formulas stay texts.

    Args:
        batch: The recipes.
        laboratory: The problem, which says what is told.
        path: Ends in .xlsx or .csv; folders are made if they are missing.
        replicates: Cells for results of each recipe, in a workbook.

    Raises:
        ValueError: If the path ends in something else.
        FileExistsError: If the file is there already.
    """
    require_writable(path)
    frame = recipes_frame(batch)
    if path.suffix.lower() == ".csv":
        write_csv(frame, path)
        return
    workbook = Workbook()
    sheet = workbook.active
    assert isinstance(sheet, Worksheet)
    sheet.title = "recipes"
    values: list[str] = []
    if laboratory.objective is None:
        unit = f" ({laboratory.value_unit})" if laboratory.value_unit else ""
        values = (
            [laboratory.quantity + unit]
            if replicates == 1
            else [f"{laboratory.quantity} {k + 1}{unit}" for k in range(replicates)]
        )
    _fill(sheet, batch, frame, values)
    if laboratory.objective is not None:
        names = [f"{n}_{k + 1}" if replicates > 1 else str(n) for n in batch.numbers for k in range(replicates)]
        _fill_spectra(workbook.create_sheet("spectra"), laboratory.objective.wavelengths.tolist(), names)
    with replacing(path) as draft:
        workbook.save(draft)


def _fill(sheet: Worksheet, batch: Batch, frame: pd.DataFrame, values: list[str]) -> None:
    _head(sheet, [*map(str, frame.columns), *values])
    variables = {v.label: v for v in batch.space.variables}
    for i, row in enumerate(frame.itertuples(index=False), start=2):
        for j, (name, content) in enumerate(zip(frame.columns, row, strict=True), start=1):
            cell = sheet.cell(i, j)
            if isinstance(content, str):
                _text(cell, content)
            else:
                cell.value = int(content) if name == NUMBER else float(content)
                if name in variables:
                    shown = decimals(variables[name], float(content))
                    cell.number_format = "0." + "0" * shown if shown else "0"
        for j in range(len(frame.columns) + 1, len(frame.columns) + len(values) + 1):
            cell = sheet.cell(i, j)
            cell.fill, cell.border, cell.protection = _TO_FILL, _LINE, Protection(locked=False)
            cell.number_format = "General"
    sheet.freeze_panes = "B2"


def _fill_spectra(sheet: Worksheet, wavelengths: list[float], names: list[str]) -> None:
    _head(sheet, ["wavelength (nm)", *names[:_MOST_COLUMNS]])
    for i, wavelength in enumerate(wavelengths, start=2):
        sheet.cell(i, 1, wavelength)
    for row in sheet.iter_rows(min_row=2, max_row=len(wavelengths) + 1, min_col=2, max_col=len(names) + 1):
        for cell in row:
            cell.fill = _TO_FILL
    sheet.freeze_panes = "B2"


def _head(sheet: Worksheet, names: list[str]) -> None:
    for j, name in enumerate(names, start=1):
        cell = sheet.cell(1, j)
        _text(cell, name)
        cell.font, cell.fill, cell.border = Font(bold=True), _HEAD, _LINE
        cell.alignment = Alignment(wrap_text=True, vertical="center")
        sheet.column_dimensions[get_column_letter(j)].width = max(11, min(24, len(name) + 3))


def _text(cell: Cell | MergedCell, text: str) -> None:
    """A text that no spreadsheet program runs."""
    cell.value = shielded(text)
    cell.data_type = "s"
