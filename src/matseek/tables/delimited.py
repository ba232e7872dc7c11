"""Texts with separators as grids: the encoding and the separator are found by a rule that the grid tells."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter

from matseek.tables.bounds import require_cells
from matseek.tables.frames import unshielded
from matseek.tables.grid import Content, Grid, Place, TableError, content_of
from matseek.tables.numerals import Numerals

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_WESTERN = ["cp1252", "latin_1", "mac_roman", "cp850"]
"""Encodings of Western European programs that are not Unicode."""

_NAMES = {"\t": "tabs", ";": "semicolons", ",": "commas", "|": "vertical bars", " ": "blanks"}
"""Separators, the likelier ones first."""

_BLANKS = re.compile(r"[ \t\u00a0]+")


def read_delimited(content: bytes, file: str) -> Grid:
    """A text file as a grid.

    The encoding is the one of its byte order mark, else UTF-8 or UTF-16 if the bytes are such, else the one of Western
    Europe that charset-normalizer finds. The separator is the one that gives the most lines with equally many cells;
    of equals, tabs go before semicolons, commas and vertical bars; blanks separate where none of these does.

    Raises:
        TableError: If it is no text, is not finished, or is larger than any laboratory's.
    """
    text, encoding = decoded(content, file)
    if re.match(r"\s*<(!doctype|html|\?xml|table)", text, re.IGNORECASE):
        raise TableError(Place(file), "it is a web page or XML, not a table of text; save it as XLSX or CSV")
    declared = re.match(r"sep=(.)\r?\n", text)
    separator = declared[1] if declared else _separator(text)
    how = (*(() if encoding in ("utf-8", "ascii") else (encoding.upper(),)), _NAMES.get(separator, separator))
    records = _blank_separated(text) if separator == " " else _separated(text, separator, file)
    if declared:
        records[0] = []
    rows: list[list[Content]] = []
    widest = 0
    for record in records:
        widest = max(widest, len(record))
        require_cells(Place(file), len(rows) + 1, widest)
        rows.append([content_of(unshielded(cell.strip()), {}) for cell in record])
    return Grid(file, None, rows, range(1, len(rows) + 1), how, points=separator in ", ", uneven=separator == " ")


def decoded(content: bytes, file: str) -> tuple[str, str]:
    """The text of a file, and the name of its encoding.

    Raises:
        TableError: If the bytes are no text.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _decoded(content, encoding, file), encoding.removesuffix("-sig")
    if b"\0" in content[:4096]:
        even, odd = content[:4096:2].count(0), content[1:4096:2].count(0)
        if min(even, odd) * 10 < max(even, odd):
            encoding = "utf-16-le" if odd > even else "utf-16-be"
            return _decoded(content, encoding, file), encoding
        raise TableError(Place(file), "it is no text; save the table as CSV or XLSX")
    try:
        return content.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        from charset_normalizer import from_bytes

        best = from_bytes(content, cp_isolation=_WESTERN).best()
        if best is None:
            raise TableError(Place(file), "its encoding is not known; save the table as UTF-8") from None
        return str(best), best.encoding


def _decoded(content: bytes, encoding: str, file: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise TableError(Place(file), f"it is not the {encoding} that it begins as ({error}); save it again") from error


def _separator(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()][:2000]
    if not any(mark in line for line in lines for mark in ("\t", ";")) and _is_columns(lines):
        return " "
    best, score = " ", 0
    for mark in _NAMES:
        if mark == " ":
            continue
        try:
            counts = Counter(len(record) for record in csv.reader(lines, delimiter=mark))
        except csv.Error:
            continue
        usual = max((n for width, n in counts.items() if width > 1), default=0)
        if usual > score:
            best, score = mark, usual
    return best


def _is_columns(lines: list[str]) -> bool:
    """Whether most lines are numbers between blanks, equally many each."""
    cells = [_BLANKS.split(line.strip()) for line in lines]
    numeric = [row for row in cells if len(row) > 1 and all(_is_number(cell) for cell in row)]
    usual = Counter(map(len, numeric)).most_common(1)
    return bool(usual) and usual[0][1] > len(lines) // 2


def _is_number(cell: str) -> bool:
    try:
        return Numerals().number(cell) is not None
    except ValueError:
        return bool(re.fullmatch(r"[\d.,]+", cell)) and cell[-1] not in ".,"


def _blank_separated(text: str) -> list[list[str]]:
    return [_BLANKS.split(line.strip()) if line.strip() else [] for line in text.splitlines()]


def _separated(text: str, separator: str, file: str) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for record in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True):
            require_cells(Place(file), len(rows) + 1, len(record))
            rows.append(record)
    except csv.Error as error:
        place = Place(file, row=len(rows) + 1)
        raise TableError(place, f"the line cannot be read ({error}); look for a quotation mark too many") from error
    return rows
