"""Workbooks as grids: values by python-calamine, and what it does not tell from the file itself.

Calamine gives an empty cell for an error (``#N/A``) and for a formula whose value was never computed, and the bare
number for one that is shown as per cent. An empty cell means that nothing was measured, so the XML is asked for these.
"""

from __future__ import annotations

import io
import re
import zipfile
from datetime import date, time, timedelta
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from matseek.tables.bounds import MOST_COLUMNS, require_bytes, require_cells
from matseek.tables.frames import unshielded
from matseek.tables.grid import Content, Grid, Percent, Place, TableError, Unusable, content_of
from matseek.tables.hints import Hints
from matseek.tables.old_workbooks import old_hints

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from python_calamine import CalamineSheet

_KINDS: Mapping[type, str] = {date: "a date", time: "a time of day", timedelta: "a duration"}
_CELL = re.compile(rb"<(?:\w+:)?c\b([^>]*?)(?:/>|>(.*?)</(?:\w+:)?c>)", re.DOTALL)
_AT = re.compile(rb'\br="([A-Z]{1,4})(\d{1,8})"')
_STYLE, _TYPE = re.compile(rb'\bs="(\d+)"'), re.compile(rb'\bt="(\w+)"')
_FORMULA, _VALUE = re.compile(rb"<(?:\w+:)?f\b"), re.compile(rb"<(?:\w+:)?(?:v|is|t)\b[^>]*>([^<]+)<")
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_UNSEEN = ("collapse", "filter")
_UNCOMPUTED = "a formula without a value: open the file, let it compute, and save"
_ROW = re.compile(rb'<(?:\w+:)?row\b[^>]*\bhidden="(?:1|true)"[^>]*>')
_ROW_NUMBER = re.compile(rb'\br="(\d{1,8})"')
_COLUMNS = re.compile(rb'<(?:\w+:)?col\b[^>]*\bhidden="(?:1|true)"[^>]*>')
_FIRST, _LAST = re.compile(rb'\bmin="(\d{1,6})"'), re.compile(rb'\bmax="(\d{1,6})"')
_BUILT_IN_PERCENT = frozenset({9, 10})


def read_workbook(content: bytes, file: str) -> list[Grid]:
    """The visible sheets of a workbook (XLSX, XLSM, XLS, ODS) in which anything stands.

    Raises:
        TableError: If it is no workbook, or is encrypted.
        ValueError: If it is larger than any laboratory's.
    """
    import python_calamine

    place = Place(file)
    try:
        hints = _hints(content, file) if content.startswith(b"PK") else old_hints(content)
        with python_calamine.load_workbook(io.BytesIO(content)) as workbook:
            visible = [
                sheet.name
                for sheet in workbook.sheets_metadata
                if sheet.typ == python_calamine.SheetTypeEnum.WorkSheet
                and sheet.visible == python_calamine.SheetVisibleEnum.Visible
            ]
            grids = [_grid(workbook.get_sheet_by_name(name), file, hints.get(name, Hints())) for name in visible]
    except python_calamine.PasswordError as error:
        raise TableError(place, "it is protected by a password; save it without one") from error
    except ValueError:
        raise
    except Exception as error:  # readers of workbooks fail in as many ways as there are broken ones
        raise TableError(place, f"it cannot be read as a workbook ({error}); save the table again as XLSX") from error
    return [grid for grid in grids if any(True for _ in grid.filled())]


def _grid(sheet: CalamineSheet, file: str, hints: Hints) -> Grid:
    place = Place(file, sheet.name)
    if sheet.start is None or sheet.end is None:
        return Grid(file, sheet.name, [], [])
    require_cells(place, sheet.end[0] + 1, sheet.end[1] + 1)
    rows = [[_cell(cell) for cell in row] for row in sheet.to_python(skip_empty_area=False)]
    for (row, column), fault in hints.errors.items():
        if row < len(rows) and column < len(rows[row]):
            rows[row][column] = fault
    for row, column in hints.percent:
        if row < len(rows) and column < len(rows[row]) and isinstance(number := rows[row][column], float):
            rows[row][column] = Percent(number)
    joined: set[tuple[int, int]] = set()
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or ():
        for row in range(top + 1, min(bottom, len(rows) - 1) + 1):
            for column in range(left, min(right, len(rows[row]) - 1) + 1):
                rows[row][column] = rows[top][left]
                joined.add((row, column))
    return Grid(
        file,
        sheet.name,
        rows,
        range(1, len(rows) + 1),
        joined=frozenset(joined),
        hidden=frozenset(hints.hidden),
        hidden_columns=frozenset(hints.hidden_columns),
    )


def _cell(value: object) -> Content:
    content = content_of(value, _KINDS)
    return unshielded(content) if isinstance(content, str) else content


def _hints(content: bytes, file: str) -> dict[str, Hints]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        require_bytes(Place(file), sum(entry.file_size for entry in archive.infolist()), "unpacks to")
        names = archive.namelist()
        if "content.xml" in names:
            return _open_document(archive.read("content.xml"), file)
        percent = _percent_styles(archive.read("xl/styles.xml")) if "xl/styles.xml" in names else frozenset()
        return {
            name: _office_sheet(archive.read(part), Place(file, name), percent)
            for name, part in _parts(archive)
            if part in names
        }


def _parts(archive: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """Names of sheets, and of the parts that hold them."""
    targets = {
        relation.get("Id"): relation.get("Target", "")
        for relation in ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    }
    for element in ElementTree.fromstring(archive.read("xl/workbook.xml")).iter():
        if element.tag.endswith("}sheet"):
            target = targets.get(element.get(_RELATION), "")
            yield element.get("name", ""), target.removeprefix("/") if target.startswith("/") else f"xl/{target}"


def _percent_styles(styles: bytes) -> frozenset[int]:
    """Styles of cells that are shown as per cent."""
    root = ElementTree.fromstring(styles)
    formats = set(_BUILT_IN_PERCENT)
    for element in root.iter():
        if element.tag.endswith("}numFmt"):
            code = re.sub(r'"[^"]*"|\\.', "", element.get("formatCode", ""))
            if "%" in code:
                formats.add(int(element.get("numFmtId", "-1")))
    cells = next((e for e in root.iter() if e.tag.endswith("}cellXfs")), ())
    return frozenset(i for i, style in enumerate(cells) if int(style.get("numFmtId", "0")) in formats)


def _office_sheet(xml: bytes, place: Place, percent: frozenset[int]) -> Hints:
    hints = Hints()
    widest = highest = 0
    for attributes, inner in _CELL.findall(xml):
        at = _AT.search(attributes)
        if at is None:
            continue
        row, column = int(at[2]) - 1, _column(at[1])
        widest, highest = max(widest, column + 1), max(highest, row + 1)
        kind = _TYPE.search(attributes)
        value = _VALUE.search(inner)
        if kind is not None and kind[1] == b"e":
            shown = value[1].decode("ascii", "replace") if value else ""
            hints.errors[row, column] = Unusable("an error of the spreadsheet", shown)
        elif _FORMULA.search(inner) and value is None and (kind is None or kind[1] != b"str"):
            hints.errors[row, column] = Unusable(_UNCOMPUTED, "")
        style = _STYLE.search(attributes)
        if style is not None and int(style[1]) in percent:
            hints.percent.add((row, column))
    require_cells(place, highest, widest)
    hints.hidden = {int(at[1]) - 1 for row in _ROW.findall(xml) if (at := _ROW_NUMBER.search(row))}
    for columns in _COLUMNS.findall(xml):
        first, last = _FIRST.search(columns), _LAST.search(columns)
        if first and last:
            hints.hidden_columns |= {*range(int(first[1]) - 1, min(int(last[1]), widest))}
    return hints


def _column(name: bytes) -> int:
    number = 0
    for letter in name:
        number = number * 26 + letter - 64
    return number - 1


def _open_document(xml: bytes, file: str) -> dict[str, Hints]:
    result = {}
    for table in ElementTree.fromstring(xml).iter(f"{_TABLE}table"):
        hints, row = Hints(), 0
        name = table.get(f"{_TABLE}name", "")
        place = 0
        for column_of in table.iter(f"{_TABLE}table-column"):
            times = min(int(column_of.get(f"{_TABLE}number-columns-repeated", "1")), MOST_COLUMNS)
            if column_of.get(f"{_TABLE}visibility") in _UNSEEN:
                hints.hidden_columns |= {*range(place, place + times)}
            place += times
        for line in table.iter(f"{_TABLE}table-row"):
            column, filled = 0, False
            for cell in line:
                times = int(cell.get(f"{_TABLE}number-columns-repeated", "1"))
                kind, shown = cell.get(f"{_OFFICE}value-type"), "".join(cell.itertext()).strip()
                formula = cell.get(f"{_TABLE}formula") is not None
                at = (row, column)
                if formula and kind is None:
                    hints.errors[at] = Unusable(_UNCOMPUTED, shown)
                elif kind == "string" and formula and re.match(r"#|Err:", shown):
                    hints.errors[at] = Unusable("an error of the spreadsheet", shown)
                elif kind == "percentage":
                    hints.percent.update((row, column + k) for k in range(min(times, 1000)))
                if kind is not None or shown:
                    filled = True
                    require_cells(Place(file, name), row + 1, column + times)
                column += times
            lines = int(line.get(f"{_TABLE}number-rows-repeated", "1"))
            if filled:
                require_cells(Place(file, name), row + lines, 1)
                if line.get(f"{_TABLE}visibility") in _UNSEEN:
                    hints.hidden |= {*range(row, row + lines)}
            row += lines
        result[name] = hints
    return result
