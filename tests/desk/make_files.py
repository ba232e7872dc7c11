"""Writes tests/desk/files: tables as laboratories have them.

    python -m tests.desk.make_files

XLS needs xlwt and ODS needs odfpy, which nothing else here does; without them those files are left as they are.
"""

import datetime
import re
import zipfile
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd

from tests.desk.bench import RECIPES, SPACE, WAVELENGTHS, spectrum

FOLDER = Path(__file__).parent / "files"
HEAD = ["evaluation", "T (°C)", "c (mM)", "Qtot (uL/min)", "solvent", "yield (%)"]
RESULTS = [71.5, 64.25, 80, 12.75, "failed", None]


def rows(results=RESULTS, head=HEAD, **changed):
    table = [list(head)]
    for number, (recipe, result) in enumerate(zip(RECIPES, results, strict=True), start=1):
        *numbers, solvent = recipe
        table.append([number, *numbers, SPACE.variables[3].values[solvent], result])
    for place, content in changed.items():
        row, column = re.fullmatch(r"r(\d+)c(\d+)", place).groups()
        table[int(row)][int(column)] = content
    return table


def cell(content, decimal=".", thousands=""):
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    text = f"{content:,.12g}" if thousands else f"{content:.12g}"
    return text.replace(",", "T").replace(".", decimal).replace("T", thousands)


def delimited(name, table, separator=",", decimal=".", thousands="", encoding="utf-8", before="", end="\n"):
    lines = []
    for row in table:
        cells = [cell(c, decimal, thousands) for c in row]
        lines.append(separator.join(f'"{c}"' if separator in c and separator != " " else c for c in cells))
    path = FOLDER / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((before + end.join(lines) + end).encode(encoding))


def raw(name, text, encoding="utf-8"):
    path = FOLDER / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))


def workbook(name, *sheets, change=None):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, table in sheets:
        sheet = book.create_sheet(title)
        for row in table:
            sheet.append(row)
    if change is not None:
        change(book)
    book.save(FOLDER / name)


def patched(name, part, old, new):
    path = FOLDER / name
    with zipfile.ZipFile(path) as given:
        parts = {n: given.read(n) for n in given.namelist()}
    assert old in parts[part]
    parts[part] = parts[part].replace(old, new)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for n, content in parts.items():
            archive.writestr(n, content)


def wide(numbers=range(1, 7), wavelengths=WAVELENGTHS, head="{:g}", scale=float):
    table = [["evaluation", *(head.format(w) for w in wavelengths)]]
    for n in numbers:
        given = np.interp(wavelengths, WAVELENGTHS, spectrum(n))
        table.append([n, *(round(scale(a), 6) for a in given)])
    return table


def transposed(table, corner="wavelength (nm)"):
    columns = [list(row) for row in zip(*table, strict=True)]
    columns[0][0] = corner
    return columns


def values_as_text():
    delimited("01-commas.csv", rows())
    delimited("02-bom-semicolons-commas.csv", rows(), ";", ",", encoding="utf-8-sig", end="\r\n")
    delimited("03-cp1252.csv", rows(), ";", ",", encoding="cp1252")
    delimited("04-utf16-tabs.txt", rows(), "\t", ",", encoding="utf-16", end="\r\n")
    delimited("05-tabs.tsv", rows(), "\t")
    delimited("06-thousands.csv", rows(), ";", ",", ".")
    delimited("07-quoted-thousands.csv", rows(), ",", ".", ",")
    delimited("08-quoted-decimal-commas.csv", rows(), ",", ",")
    raw("09-shifted-decimal-comma.csv", "evaluation,yield (%)\n1,71.5\n2,64,25\n3,80\n")
    raw("10-trailing-commas.csv", "evaluation,yield (%)\n1,71.5,\n2,64.25,\n3,80,\n")
    raw("11-two-decimal-marks.csv", "evaluation;yield (%)\n1;71,5\n2;64.25\n3;80\n")
    raw("12-ambiguous.csv", "evaluation;yield (%)\n1;1,234\n2;2,345\n")
    delimited("13-dates.csv", rows(r3c5="05.Jan"))
    delimited("14-true.csv", rows([71.5, "TRUE", 80, 12.75, "failed", None]))
    delimited("15-infinite.csv", rows([71.5, "inf", 80, 12.75, "failed", None]))
    delimited("16-brackets.csv", rows(head=["Evaluation", "T [°C]", "c / mM", "Qtot, µL/min", "Solvent", "Yield [%]"]))
    table = rows(head=["evaluation", "T (K)", "c (M)", "Qtot (mL/min)", "solvent", "yield (%)"])
    for row in table[1:]:
        row[1], row[2], row[3] = row[1] + 273.15, row[2] / 1000, row[3] / 1000
    delimited("17-other-units.csv", table)
    delimited("18-wrong-unit.csv", rows(head=["evaluation", "T (bar)", *HEAD[2:]]))
    delimited("19-renamed-column.csv", rows(head=["evaluation", "Temp (°C)", *HEAD[2:]]))
    delimited("20-another-recipe.csv", rows(r2c1=41.5))
    units = rows(head=["evaluation", "T", "c", "Qtot", "solvent", "yield"])
    units.insert(1, ["", "°C", "M", "uL/min", "", "%"])
    for row in units[2:]:
        row[2] = row[2] / 1000
    delimited("21-units-row.csv", units)
    delimited("22-per-cent-signs.csv", rows(["71.5 %", "64.25%", "80%", "12.75 %", "failed", None]))
    delimited("23-limits.csv", rows(["<0.01", 64.25, 80, 12.75, "failed", None]))
    delimited("24-over-range.csv", rows(["OVER", 64.25, 80, 12.75, "skip", None]))
    raw(
        "25-replicate-columns.csv", "evaluation,yield 1,yield 2,yield 3\n1,70,72,71.5\n2,64,64.5,\n3,failed,80,\n4,,,\n"
    )
    raw("26-doubled-column.csv", "evaluation,yield,yield\n1,71.5,70\n2,64.25,65\n")
    raw("27-replicate-rows.csv", "evaluation;Ausbeute;yield\n2;x1;64,5\n1;x2;70,0\n2;x3;64,0\n1;;\n6;;\n")
    raw("28-not-available.csv", "evaluation,yield\n1,71.5\n2,n/a\n")
    raw("29-mean-below.csv", "evaluation,yield\n1,71.5\n2,64.25\nmean,67.9\n")
    raw("30-never-asked.csv", "evaluation,yield\n1,71.5\n17,64.25\n")
    raw("31-quotation.csv", 'evaluation,yield\n1,71.5\n2,"64.25\n3,80\n')
    raw(
        "32-title.csv",
        "Batch 1 of the reactor\nOperator: N. N.; 27.11.2026\n\nevaluation,yield,note\n1,71.5,\n2,64.25,ok\n",
    )
    raw("33-outlier.csv", "evaluation,yield\n1,71.5\n1,70\n1,72\n1,71\n2,64.25\n2,1e12\n2,64\n3,80\n")
    raw("34-by-recipe.csv", "solvent;Qtot;c;T;yield\nethanol;250,0;0,25;40,5;64,25\nWater;1000,0;12,5;25,0;71,5\n")
    raw("35-units-in-cells.csv", "evaluation,T,c,Qtot,solvent,yield\n1,25 °C,12.5 mM,1 mL/min,water,71.5 %\n")
    raw("36-blanks.txt", "evaluation yield\n1 71.5\n2 64.25\n3 failed\n")
    raw("37-uneven-blanks.txt", "evaluation yield note\n1 71.5 ok\n2 64.25\n")
    raw("38-transposed-values.csv", "evaluation,1,2,3\nyield (%),71.5,64.25,80\n")
    raw("39-spectra-without-target.csv", "evaluation,400,450,500\n1,0.1,0.2,0.3\n")


def values_in_workbooks():
    workbook("40-plain.xlsx", ("Sheet1", rows()))
    date = datetime.datetime(2026, 1, 5)
    workbook("41-dates.xlsx", ("Sheet1", rows([71.5, date, 80, 12.75, "failed", None])))
    workbook("42-durations.xlsx", ("Sheet1", rows([71.5, datetime.timedelta(hours=26), 80, 12.75, "failed", None])))
    workbook("43-true.xlsx", ("Sheet1", rows([71.5, True, 80, 12.75, "failed", None])))
    workbook("44-formulas-without-values.xlsx", ("Sheet1", rows(["=70+1.5", 64.25, 80, 12.75, "failed", None])))
    workbook("45-formulas.xlsx", ("Sheet1", rows(["=70+1.5", 64.25, 80, 12.75, "failed", None])))
    patched("45-formulas.xlsx", "xl/worksheets/sheet1.xml", b"<f>70+1.5</f><v></v>", b"<f>70+1.5</f><v>71.5</v>")
    workbook("46-error-cell.xlsx", ("Sheet1", rows([71.5, "#DIV/0!", 80, 12.75, "failed", None])))
    workbook("47-two-sheets.xlsx", ("Run 1", rows()), ("Run 2", rows([71.5, 60.0, 80, 12.75, "failed", None])))
    workbook("48-notes-first.xlsx", ("Notes", [["reactor cleaned"], ["seeds of March"]]), ("Results", rows()))

    def percent(book):
        for i in range(2, 5):
            book["Sheet1"].cell(i, 6).number_format = "0.0%"

    workbook("49-per-cent-format.xlsx", ("Sheet1", rows([0.715, 0.6425, 0.8, 12.75, "failed", None])), change=percent)

    def text(book):
        for i in range(2, 5):
            book["Sheet1"].cell(i, 6).value = str(book["Sheet1"].cell(i, 6).value).replace(".", ",")

    workbook("50-numbers-as-text.xlsx", ("Sheet1", rows()), change=text)

    def joined(book):
        sheet = book["Sheet1"]
        for row in [["evaluation", "yield"], [1, 70], [None, 72], [2, 64], [None, 65]]:
            sheet.append(row)
        sheet.merge_cells("A2:A3")
        sheet.merge_cells("A4:A5")

    workbook("51-joined-cells.xlsx", ("Sheet1", []), change=joined)
    workbook("52-title-above.xlsx", ("Sheet1", [["Reactor, batch 1"], [], *rows()]))
    workbook(
        "53-column-without-heading.xlsx", ("Sheet1", [[*r, None, 5.0] if i == 3 else r for i, r in enumerate(rows())])
    )
    frame = pd.DataFrame({"evaluation": [1, 2, 3, 4], "yield": [71.5, 64.25, 80, np.nan]})
    frame.to_parquet(FOLDER / "54-frame.parquet")
    delimited("55-text-named-xls.xls", rows(), "\t", ",")


def spectra():
    delimited("60-wide.csv", wide())
    delimited("61-wide-decimal-commas.csv", wide(head="{:g} nm"), ";", ",")
    delimited("62-whole-range.csv", wide(wavelengths=np.arange(1100.0, 189.0, -10.0)))
    delimited("63-other-wavelengths.csv", wide(wavelengths=np.arange(390.0, 711.0, 20.0)))
    workbook("64-transposed.xlsx", ("spectra", transposed(wide())))
    delimited("65-transposed-replicates.csv", transposed([["", *wide()[0][1:]], ["1_1", *wide()[1][1:]],
              ["1_2", *wide()[2][1:]], ["3", *wide()[3][1:]]], "nm"), "\t", ",")  # fmt: skip
    delimited("66-milli.csv", transposed(wide(scale=lambda a: 1000 * a)))
    table = transposed(wide(range(1, 4), scale=lambda a: 1000 * a))
    table.insert(1, ["nm", "mAU", "mAU", "mAU"])
    delimited("67-milli-told.csv", table)
    table = wide(range(1, 4), scale=lambda a: 100 * 10**-a)
    table[0] = ["evaluation", *(f"{w:g} (%T)" for w in WAVELENGTHS)]
    delimited("68-transmittance-told.csv", table)
    delimited("69-transmittance.csv", wide(scale=lambda a: 100 * 10**-a))
    delimited("70-above-the-gate.csv", wide(scale=lambda a: 3 * a))
    table = wide()
    table[2][3] = None
    delimited("71-a-gap.csv", table)
    table = wide()
    table[2][1:] = ["failed"] + [None] * 6
    table[4][1:] = [None] * 7
    delimited("72-half-filled.csv", table)
    table = wide(wavelengths=np.arange(300.0, 1101.0, 50.0))
    table[1][1] = table[2][1] = "OVER"
    delimited("73-over-outside.csv", table)
    table = wide()
    table[0][2] = "400 nm"
    delimited("74-a-wavelength-twice.csv", table)
    tidy = [["evaluation", "droplet", "wavelength (nm)", "absorbance"]]
    tidy += [[n, d, w, a] for n in (1, 2) for d in (1, 2)
             for w, a in zip(WAVELENGTHS, spectrum(n + d - 1), strict=True)]  # fmt: skip
    delimited("75-tidy.csv", tidy)
    delimited("76-samples.csv", transposed([["", *wide()[0][1:]], ["Sample 1", *wide()[1][1:]],
              ["Sample 2", *wide()[2][1:]]], "Wavelength (nm)"))  # fmt: skip
    delimited("77-two-columns.csv", [["evaluation", "400", "700"], [1, 0.1, 0.4], [2, 0.2, 0.3]])
    for n in (1, 2, 3):
        lines = "".join(f"{w:.1f}\t{a:.3f}\n".replace(".", ",") for w, a in zip(WAVELENGTHS, spectrum(n), strict=True))
        raw(f"78-a-file-each/{n}.txt", f"Spectrometer 7\nIntegration time: 20 ms\n\nWavelength (nm)\tAbs\n{lines}")
    for n, d in ((1, 1), (1, 2), (2, 1)):
        table = [[w, a] for w, a in zip(WAVELENGTHS[::-1], spectrum(n + d)[::-1], strict=True)]
        delimited(f"79-a-file-for-each-droplet/evaluation-{n}_droplet-{d}.csv", table)
    table = [[w, a] for w, a in zip(WAVELENGTHS, spectrum(1), strict=True)]
    delimited("80-one-bad-file/1.csv", table)
    delimited("80-one-bad-file/2.csv", [[w, a if w < 500 else "?"] for w, a in table])
    delimited("81-nameless.csv", [["wavelength", "absorbance"], *table])


def other_programs():
    try:
        import xlwt
        from odf.opendocument import OpenDocumentSpreadsheet
        from odf.table import Table, TableCell, TableRow
        from odf.text import P
    except ImportError:
        return
    book = xlwt.Workbook()
    sheet = book.add_sheet("Tabelle1")
    for i, row in enumerate(rows()):
        for j, content in enumerate(row):
            if content is not None:
                sheet.write(i, j, content)
    book.save(str(FOLDER / "56-old-excel.xls"))
    for name, results in (
        ("57-open-document.ods", RESULTS),
        ("58-open-document-date.ods", [71.5, datetime.date(2026, 1, 5), 80, 12.75, "failed", None]),
        ("59-open-document-per-cent.ods", [("percentage", 0.715), 64.25, 80, 12.75, "failed", None]),
    ):
        document = OpenDocumentSpreadsheet()
        table = Table(name="Tabelle1")
        for row in rows(results):
            line = TableRow()
            for content in row:
                if content is None:
                    line.addElement(TableCell())
                    continue
                kind, value = content if isinstance(content, tuple) else (None, content)
                if isinstance(value, str):
                    made = TableCell(valuetype="string")
                elif isinstance(value, datetime.date):
                    made = TableCell(valuetype="date", datevalue=value.isoformat())
                else:
                    made = TableCell(valuetype=kind or "float", value=value)
                made.addElement(P(text=str(value)))
                line.addElement(made)
            table.addElement(line)
        document.spreadsheet.addElement(table)
        document.save(str(FOLDER / name))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    values_as_text()
    values_in_workbooks()
    spectra()
    other_programs()
