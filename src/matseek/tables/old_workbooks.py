"""What python-calamine does not tell of XLS: errors, per cent and what is hidden, by xlrd."""

from __future__ import annotations

import re

from matseek.tables.grid import Unusable
from matseek.tables.hints import Hints


def old_hints(content: bytes) -> dict[str, Hints]:
    """Hints of a workbook in Excel's format of 1997, by the sheet's name."""
    import xlrd
    from xlrd.biffh import XL_CELL_ERROR, XL_CELL_NUMBER, error_text_from_code

    book = xlrd.open_workbook(file_contents=content, formatting_info=True, logfile=_Silent())
    result = {}
    for sheet in book.sheets():
        hints = result[sheet.name] = Hints()
        for row in range(sheet.nrows):
            for column in range(sheet.row_len(row)):
                cell = sheet.cell(row, column)
                if cell.ctype == XL_CELL_ERROR:
                    shown = error_text_from_code.get(cell.value, "")
                    hints.errors[row, column] = Unusable("an error of the spreadsheet", shown)
                elif cell.ctype == XL_CELL_NUMBER and _is_percent(book, cell.xf_index):
                    hints.percent.add((row, column))
        hints.hidden = {row for row, info in sheet.rowinfo_map.items() if info.hidden}
        hints.hidden_columns = {column for column, info in sheet.colinfo_map.items() if info.hidden}
    return result


class _Silent:
    """Takes what xlrd writes of a file's oddities."""

    def write(self, text: str) -> int:
        return len(text)


def _is_percent(book: object, style: int) -> bool:
    formats, styles = book.format_map, book.xf_list  # type: ignore[attr-defined]  # xlrd has no types
    code = formats[styles[style].format_key].format_str
    return "%" in re.sub(r'"[^"]*"|\\.', "", code)
