import io
import resource
import zipfile

import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matseek.tables import csv_text, read_csv, read_grids, write_csv

RUN = ("=", "+", "-", "@", "\t", "\r")
NAMES = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "'=quoted", "''=twice", "'plain", "x (%)", "\tTab"]


def test_no_cell_is_a_formula_and_names_come_back(tmp_path):
    frame = pd.DataFrame({name: [0.5, -1.5] for name in NAMES}).assign(error=["=1+1", "- lamp off"])
    write_csv(frame, tmp_path / "t.csv")
    pd.testing.assert_frame_equal(read_csv(tmp_path / "t.csv"), frame)
    seen = pd.read_csv(tmp_path / "t.csv")
    assert not [text for text in [*seen.columns, *seen["error"]] if text.startswith(RUN)]


@given(st.lists(st.text("=+-@'ab \t", min_size=1).filter(str.strip), min_size=1, max_size=4, unique=True))
def test_any_name_comes_back_from_csv(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("tables") / "t.csv"
    frame = pd.DataFrame([[1.5] * len(names)], columns=names)
    write_csv(frame, path)
    assert list(read_csv(path).columns) == names


@pytest.mark.parametrize("far", ["XFD1048576", "XFD2", "A1048576"])
def test_a_far_cell_is_refused_at_once(tmp_path, far):
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet["A1"], sheet["B1"], sheet["A2"], sheet["B2"] = "evaluation", "value", 1, 0.5
    sheet[far] = 1
    # The table is as wide as its widest row and as high as its last.
    for row in range(3, 300):
        sheet.cell(row, 1, row)
    workbook.save(tmp_path / "t.xlsx")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=r"(100,000 rows|2,000,000 cells); a table of results is far smaller"):
        read_grids(tmp_path / "t.xlsx")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 1024, "kB"


def test_what_unpacks_to_too_much_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * (65 * 2**20))
    with pytest.raises(ValueError, match="unpacks to more than 64 MiB"):
        read_grids(tmp_path / "t.xlsx")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("," * 20_000 + "\n", "more than 16,384 columns"),
        ("a,b\n1," + "," * 20_000 + "\n", "more than 16,384 columns"),
        ("," * 16_000 + "\n" + "1\n" * 200, "spans more than 2,000,000 cells"),
        ("a,b\n" + "x" * 200_000 + ",1\n", "cannot be read as CSV"),
    ],
)
def test_what_is_far_larger_than_a_laboratorys_table_is_refused(tmp_path, content, message):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(ValueError, match=message):
        read_csv(tmp_path / "t.csv")


@pytest.mark.parametrize("content", [b"no workbook", b"PK\x05\x06" + b"\0" * 18, b""])
def test_what_is_no_workbook_is_refused(tmp_path, content):
    (tmp_path / "t.xlsx").write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read as a workbook|the file is empty"):
        read_grids(tmp_path / "t.xlsx")


def _patched(content, part, old, new):
    """A workbook with a part changed."""
    patched = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as given, zipfile.ZipFile(patched, "w") as archive:
        for name in given.namelist():
            text = given.read(name)
            archive.writestr(name, text.replace(old, new) if part in name else text)
    return patched.getvalue()


@pytest.fixture
def sheet():
    workbook, content = openpyxl.Workbook(), io.BytesIO()
    workbook.active.append(["evaluation", "value"])
    workbook.active.append([1, 0.5])
    workbook.save(content)
    return content.getvalue()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<v>0.5</v>", b"<v>abc</v>"),
        (b'r="A1"', b'r="ZZZZ1"'),
        (b'<row r="2"', b'<row r="abc"'),
    ],
)
def test_a_workbook_with_a_broken_cell_is_refused_by_its_name(tmp_path, sheet, old, new):
    broken = _patched(sheet, "sheet1", old, new)
    assert broken != sheet
    (tmp_path / "t.xlsx").write_bytes(broken)
    with pytest.raises(ValueError, match=r"t\.xlsx.*(cannot be read as a workbook|columns|not finite)"):
        read_grids(tmp_path / "t.xlsx")


def test_an_encrypted_workbook_is_refused_and_a_chart_is_no_table(tmp_path, sheet):
    encrypted = bytearray(sheet)
    place = -1
    while (place := encrypted.find(b"PK\x01\x02", place + 1)) >= 0:
        encrypted[place + 8] |= 1
    (tmp_path / "t.xlsx").write_bytes(encrypted)
    with pytest.raises(ValueError, match="t.xlsx: it cannot be read as a workbook"):
        read_grids(tmp_path / "t.xlsx")
    workbook = openpyxl.Workbook()
    workbook.create_chartsheet(index=0)
    workbook.active = 1
    workbook.worksheets[0].append(["evaluation"])
    workbook.save(tmp_path / "chart.xlsx")
    assert [grid.sheet for grid in read_grids(tmp_path / "chart.xlsx")] == ["Sheet"]


def test_a_table_without_rows_or_columns_is_written():
    assert csv_text(pd.DataFrame()) == "\n"
    assert csv_text(pd.DataFrame({"=a": []})) == "'=a\n"
