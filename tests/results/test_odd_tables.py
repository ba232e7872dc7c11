"""Tables of values with what laboratories leave in them: taken rightly, asked about, or refused with the place."""

import re
from pathlib import Path

import numpy as np
import openpyxl
import pytest

from matseek.results import read_results
from tests.desk.bench import ASKED, VALUES

E = "evaluation"
RECIPES = f"{E},T,c,Qtot,solvent,yield"
TWO = {1: [71.5], 2: [64.25]}
FAILED = np.nan

TEXTS = {
    "a minus sign of typesetters": (f"{E},yield\n1,\u22120.5\n2,64.25\n", {1: [-0.5], 2: [64.25]}),
    "thin spaces": (f"{E};yield\n1;1\u2009071,5\n2;64,25\n", {1: [1071.5], 2: [64.25]}),
    "blanks in thousands": (f"{E};yield\n1;1 071\n2;1\u00a0064\n", {1: [1071], 2: [1064]}),
    "points in thousands": (f"{E};yield\n1;1.071,5\n2;64,25\n", {1: [1071.5], 2: [64.25]}),
    "blanks that do not break": (f"{E}\u00a0;\u00a0yield\u00a0(%)\n1;\u00a071,5\u00a0\n2;64,25\n", TWO),
    "numbers of evaluations as text": (f"{E},yield\n01,71.5\n2.0,64.25\n#3,80\n", TWO | {3: [80]}),
    "decimal commas in them": (f"{E};yield\n1,0;71,5\n2,0;64,25\n", TWO),
    "lines that end as on an old Mac": (f"{E},yield\r1,71.5\r2,64.25\r", TWO),
    "columns between bars": (f"| {E} | yield |\n|---|---|\n| 1 | 71.5 |\n| 2 | 64.25 |\n", TWO),
    "columns of blanks": (f"{E}\u00a0 yield\n1 \u00a0 71,5\n2  64,25\n", TWO),
    "replicates in brackets": (f"{E},yield (1),yield (2)\n1,71.5,70\n2,64.25,\n", {1: [71.5, 70], 2: [64.25]}),
    "replicates as pandas names them": (f"{E},yield,yield.1\n1,71.5,70\n", {1: [71.5, 70]}),
    "units in brackets below": (f"{RECIPES}\n#,[°C],[mM],[µL/min],[-],[%]\n1,25,12.5,1000,water,71.5\n", {1: [71.5]}),
    "kelvin below": (f"{RECIPES}\n,K,mM,uL/min,,%\n1,298.15,12.5,1000,water,71.5\n", {1: [71.5]}),
    "a fraction that is told": (
        f"{E},yield (fraction)\n1,71.5\n",
        r"row 1, column B .*: the unit 'fraction'",
    ),
    "words for failures": (
        f"{E},yield\n1,Failed - clogged\n2,64.25\n3,skipped\n",
        {1: [FAILED], 2: [64.25], 3: [FAILED]},
    ),
    "a row that is repeated empty": (f"{E},yield\n1,71.5\n1,\n2,64.25\n", TWO),
    "thousands or decimals, with tabs": (f"{E}\tyield\n1\t1.234\n2\t2.345\n", r"row 2, column B .*'1.234' may be"),
    "replicates in the numbers": (f"{E},yield\n1.1,71.5\n1.2,64.25\n", "row 2, column A .*: 1.1 is no number of an"),
    "plus or minus": (f"{E},yield\n1,71.5 \u00b1 0.3\n", r"row 2, column B .*'71.5 \u00b1 0.3' is not a number"),
    "a footnote": (f"{E},yield\n1,71.5*\n", r"row 2, column B .*'71.5\*'"),
    "stars": (f"{E},yield\n1,71.5\n2,****\n", r"row 3, column B .*'\*\*\*\*' is not a number"),
    "below a limit without a number": (f"{E},yield\n1,71.5\n2,<LOD\n", "row 3, column B .*'LOD' is not a number"),
    "a dash": (f"{E},yield\n1,71.5\n2,-\n", "row 3, column B .*'-' may be a failure or a gap"),
    "an error of Excel as text": (f"{E};yield\n1;71,5\n2;#WERT!\n", "row 3, column B .*'#WERT!' is not a number"),
    "a month": (f"{E},yield\n1,71.5\n2,5-Jan\n", "row 3, column B .*'5-Jan'"),
    "two decimal marks": (f"{E};yield\n1;71,5\n2;64.25\n", "row 3, column B: .* different decimal marks"),
    "headings once more": (
        f"{E},yield\n1,71.5\n{E},yield\n2,64.25\n",
        "row 3, column A .*'evaluation' is not a number",
    ),
    "a remark between rows": (
        f"{E},yield\n1,71.5\n# clogged\n2,64.25\n",
        "row 3, column A .*'# clogged' is not a number",
    ),
    "an index": (f",{E},yield\n0,1,71.5\n", "row 2, column A: a cell without a heading holds something"),
    "two tables side by side": (f"{E},yield,,{E},yield\n1,71.5,,2,64.25\n", "row 1, column D .* are the same thing"),
    "a mean below": (f"{E},yield\n1,71.5\n2,64.25\n,67.9\n", "row 4: a result stands beside no evaluation"),
    "a sum that looks like an evaluation": (
        f"note,{E},yield\n,1,71.5\n,2,64.25\nSum:,3,135.75\n",
        "row 4, column A .*'Sum:' sums up other rows",
    ),
    "a deviation below recipes": (
        "T;c;Qtot;solvent;yield\n25;12,5;1000;water;71,5\nStd. Dev.;;;;3\n",
        "row 3, column A .*'Std. Dev.' sums up other rows",
    ),
    "recipes of other rows": (
        f"{RECIPES}\n2,25,12.5,1000,water,71.5\n1,40.5,0.25,250,ethanol,64\n",
        "row 3: the recipe is that of evaluation 2, not of 1",
    ),
    "swapped units": (f"{E},c (mM),T (mM),Qtot,solvent,yield\n1,25,12.5,1000,water,71.5\n", "row 1, column C .*'mM'"),
    "a number for a unit": (f"{E},T (1),c,Qtot,solvent,yield\n1,25,12.5,1000,water,71.5\n", "row 1, column B .*'1' is"),
    "a web page": ("<html><table><tr><td>1</td></tr></table></html>", "it is a web page or XML"),
}
"""By what is odd: the text, and what is taken or why it is refused."""

# fmt: off
ASKED_ABOUT = {
    "a limit": (f"{E};yield\n1;< 0,01\n2;64,25\n", "row 2, .*'< 0,01' is a", {1: [0.01], 2: [64.25]}),
    "over range": (f"{E},yield\n1,OVRFLW\n2,64.25\n", "row 2, .*'OVRFLW' is beyond", {1: [FAILED], 2: [64.25]}),
    "a day as a number": (f"{E},yield\n1,71.5\n2,46027\n3,80\n", "row 3: 46027 is what .* store for 2026-01-05", None),
    "fractions for per cent": (f"{E},yield\n1,0.715\n2,0.6425\n", "row 2: all values lie between 0 and 1", None),
    "a decimal mark too few": (f"{E},yield\n1,715\n2,64.25\n3,80\n", "row 2: 715 is more than 100 %", None),
    "one of three far from the others": (f"{E},yield\n1,0.5\n2,0.0001\n3,0.2\n4,990\n5,0.01\n", "row 5: 990 of", None),
    "everything twice": (f"{E},yield\n1,71.5\n2,64\n1,71.5\n2,64\n", "row 4: all 2 conditions .* pasted twice", None),
}  # fmt: skip
"""By what is odd: the text, the question, and what is taken."""


def given(taking):
    assert taking.refused == ()
    return {t.number: t.response for t in taking.taken}


def require(taking, wanted):
    found = given(taking)
    assert list(found) == sorted(wanted)
    for number, response in found.items():
        np.testing.assert_allclose(response, wanted[number], rtol=1e-12)


def written(folder, name, text):
    path = folder / f"{name.replace(' ', '-')}.csv"
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("name", TEXTS)
def test_texts(tmp_path, name):
    text, wanted = TEXTS[name]
    taking = read_results(written(tmp_path, name, text), VALUES, ASKED)
    if isinstance(wanted, str):
        assert re.search(wanted, str(taking.refused[0]))
    else:
        require(taking, wanted)
        assert taking.odd == ()


@pytest.mark.parametrize("name", ASKED_ABOUT)
def test_what_is_odd_is_asked_about(tmp_path, name):
    text, message, wanted = ASKED_ABOUT[name]
    taking = read_results(written(tmp_path, name, text), VALUES, ASKED)
    assert re.search(message, str(taking.odd[0]))
    require(taking, wanted or given(taking))


def workbook(path, rows, change=None):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    if change is not None:
        change(book.active)
    book.save(path)
    return path


def hide(sheet):
    sheet.row_dimensions[3].hidden = True


def hide_column(sheet):
    sheet.column_dimensions["C"].hidden = True


def test_what_is_hidden_is_told(tmp_path):
    hidden = workbook(tmp_path / "rows.xlsx", [[E, "yield"], [1, 71.5], [2, 64.25]], hide)
    taking = read_results(hidden, VALUES, ASKED)
    assert "row 3: the row is hidden" in str(taking.odd[0])
    require(taking, TWO)
    columns = workbook(tmp_path / "columns.xlsx", [[E, "yield 1", "yield 2"], [1, 71.5, 70]], hide_column)
    assert "column C (yield 2): the column is hidden" in str(read_results(columns, VALUES, ASKED).odd[0])


def test_headings_of_two_rows_that_are_joined(tmp_path):
    head = [[E, "recipe", None, None, None, "results"], [None, "T", "c", "Qtot", "solvent", "yield"]]

    def join(sheet):
        for cells in ("A1:A2", "B1:E1"):
            sheet.merge_cells(cells)

    path = workbook(tmp_path / "joined.xlsx", [*head, [1, 25, 12.5, 1000, "water", 71.5]], join)
    require(read_results(path, VALUES, ASKED), {1: [71.5]})


PROGRAMS = Path(__file__).parent / "programs"
OTHERS = {
    "pct.xls": {1: [71.25], 2: [64.0]},
    "err.xls": r"row 3, column B .*#DIV/0! is an error",
    "hidden.xls": {1: [71.5], 2: [64.0], 3: [80.0]},
    "err.ods": r"row 3, column B .*#DIV/0! is an error",
    "hidden.ods": {1: [71.5], 2: [64.0], 3: [80.0]},
}


@pytest.mark.parametrize("name", OTHERS)
def test_workbooks_of_other_programs(name):
    taking = read_results(PROGRAMS / name, VALUES, ASKED)
    if isinstance(OTHERS[name], str):
        assert re.search(OTHERS[name], str(taking.refused[0]))
        return
    require(taking, OTHERS[name])
    assert [str(o) for o in taking.odd if "hidden in the file" not in str(o)] == []
    assert len(taking.odd) == name.startswith("hidden")
