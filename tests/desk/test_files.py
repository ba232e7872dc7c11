"""Files as laboratories have them: taken rightly, or refused with the place; see make_files.py."""

import re
from pathlib import Path

import numpy as np
import pytest

from matseek.results import read_results
from tests.desk.bench import ASKED, SPECTRA, VALUES, spectrum

FOLDER = Path(__file__).parent / "files"
FAILED = np.nan
PLAIN = {1: [71.5], 2: [64.25], 3: [80.0], 4: [12.75], 5: [FAILED]}
THREE = {1: [71.5], 2: [64.25], 3: [80.0]}


def own(*numbers):
    """The spectra that most files give."""
    return {n: [spectrum(n)] for n in numbers}


ALL = own(1, 2, 3, 4, 5, 6)
MILLI = {n: [1000 * spectrum(n)] for n in range(1, 7)}
TAKEN = {
    "01-commas.csv": PLAIN,
    "02-bom-semicolons-commas.csv": PLAIN,
    "03-cp1252.csv": PLAIN,
    "04-utf16-tabs.txt": PLAIN,
    "05-tabs.tsv": PLAIN,
    "06-thousands.csv": PLAIN,
    "07-quoted-thousands.csv": PLAIN,
    "08-quoted-decimal-commas.csv": PLAIN,
    "10-trailing-commas.csv": THREE,
    "16-brackets.csv": PLAIN,
    "17-other-units.csv": PLAIN,
    "21-units-row.csv": PLAIN,
    "22-per-cent-signs.csv": PLAIN,
    "25-replicate-columns.csv": {1: [70, 72, 71.5], 2: [64, 64.5], 3: [FAILED, 80]},
    "27-replicate-rows.csv": {1: [70], 2: [64.5, 64]},
    "32-title.csv": {1: [71.5], 2: [64.25]},
    "34-by-recipe.csv": {1: [71.5], 2: [64.25]},
    "35-units-in-cells.csv": {1: [71.5]},
    "36-blanks.txt": {1: [71.5], 2: [64.25], 3: [FAILED]},
    "38-transposed-values.csv": THREE,
    "40-plain.xlsx": PLAIN,
    "45-formulas.xlsx": PLAIN,
    "48-notes-first.xlsx": PLAIN,
    "49-per-cent-format.xlsx": PLAIN,
    "50-numbers-as-text.xlsx": PLAIN,
    "51-joined-cells.xlsx": {1: [70, 72], 2: [64, 65]},
    "52-title-above.xlsx": PLAIN,
    "54-frame.parquet": THREE,
    "55-text-named-xls.xls": PLAIN,
    "56-old-excel.xls": PLAIN,
    "57-open-document.ods": PLAIN,
    "59-open-document-per-cent.ods": PLAIN,
    "60-wide.csv": ALL,
    "61-wide-decimal-commas.csv": ALL,
    "62-whole-range.csv": ALL,
    "64-transposed.xlsx": ALL,
    "65-transposed-replicates.csv": {1: [spectrum(1), spectrum(2)], 3: [spectrum(3)]},
    "67-milli-told.csv": own(1, 2, 3),
    "68-transmittance-told.csv": own(1, 2, 3),
    "72-half-filled.csv": own(1, 3, 5, 6) | {2: [np.full(7, FAILED)]},
    "73-over-outside.csv": ALL,
    "75-tidy.csv": {1: [spectrum(1), spectrum(2)], 2: [spectrum(2), spectrum(3)]},
    "78-a-file-each": own(1, 2, 3),
    "79-a-file-for-each-droplet": {1: [spectrum(2), spectrum(3)], 2: [spectrum(3)]},
}
"""What is taken without a question."""

ODD = {
    "23-limits.csv": (PLAIN | {1: [0.01]}, r"row 2, column F \(yield \(%\)\): '<0.01' is a limit of detection"),
    "24-over-range.csv": (PLAIN | {1: [FAILED]}, r"row 2, column F .*: 'OVER' is beyond the instrument's range"),
    "33-outlier.csv": (
        {1: [71.5, 70, 72, 71], 2: [64.25, 1e12, 64], 3: [80]},
        r"row 7: 1e\+12 of evaluation 2 is far from the others",
    ),
    "66-milli.csv": (MILLI, r"column B \(1\): 6 spectra of up to 1140 cannot be absorbances .* mAU or %T"),
    "69-transmittance.csv": (
        {n: [100 * 10 ** -spectrum(n)] for n in range(1, 7)},
        r"row 2: 6 spectra of up to 78.5\d+ cannot be absorbances",
    ),
    "70-above-the-gate.csv": (
        {n: [3 * spectrum(n)] for n in range(1, 7)},
        r"row 2: 6 of 6 spectra are above the absorbance gate",
    ),
    "20-another-recipe.csv": (
        PLAIN,
        r"row 3, column B .*: evaluation 2 was run otherwise than asked: T \(°C\) 41.5 instead",
    ),
    "76-samples.csv": (own(1, 2), r"column B \(Sample 1\): 'Sample 1' is taken as evaluation 1"),
}
"""What is taken after a question."""

REFUSED = {
    "09-shifted-decimal-comma.csv": r"row 3, column C: the row is longer than the headings",
    "11-two-decimal-marks.csv": r"row 3, column B: '64.25' and '71,5' .*row 2, column B.* have different decimal marks",
    "12-ambiguous.csv": r"row 2, column B .*: '1,234' may be 1.234 or 1234",
    "13-dates.csv": r"row 4, column F .*'05.Jan'",
    "14-true.csv": r"row 3, column F .*'TRUE' is not a number",
    "15-infinite.csv": r"row 3, column F .*'inf' is not finite",
    "18-wrong-unit.csv": r"row 1, column B \(T \(bar\)\): the unit 'bar' cannot be converted to '°C'",
    "19-renamed-column.csv": r"row 1: .* there is no column 'T \(°C\)'; not recognised: 'Temp \(°C\)'",
    "26-doubled-column.csv": r"row 1, column C \(yield\): columns 'yield' and 'yield' are the same thing",
    "28-not-available.csv": r"row 3, column B \(yield\): 'n/a' may be a failure or a gap",
    "29-mean-below.csv": r"row 4, column A \(evaluation\): 'mean' sums up other rows and is no measurement",
    "30-never-asked.csv": r"row 3: evaluation 17 is not waiting for a result",
    "31-quotation.csv": r"row 3: the line cannot be read .* look for a quotation mark",
    "37-uneven-blanks.txt": r"row 3: the row has 2 entries between blanks, and the headings 3",
    "39-spectra-without-target.csv": r"row 1: the table holds spectra, and this campaign has no target",
    "41-dates.xlsx": r"sheet 'Sheet1', row 3, column F .*: 2026-01-05 is a date",
    "42-durations.xlsx": r"sheet 'Sheet1', row 3, column F .* is a duration",
    "43-true.xlsx": r"sheet 'Sheet1', row 3, column F .*: TRUE is TRUE or FALSE",
    "44-formulas-without-values.xlsx": r"sheet 'Sheet1', row 2, column F .*: a formula without a value",
    "46-error-cell.xlsx": r"sheet 'Sheet1', row 3, column F .*: #DIV/0! is an error of the spreadsheet",
    "47-two-sheets.xlsx": r"sheet 'Run 2': several sheets hold results \('Run 1', 'Run 2'\); choose one: --sheet",
    "53-column-without-heading.xlsx": r"sheet 'Sheet1', row 4, column H: the row is longer than the headings",
    "58-open-document-date.ods": r"sheet 'Tabelle1', row 3, column F .*: 2026-01-05 is a date",
    "63-other-wavelengths.csv": r"row 1: the table has 17 wavelengths \(390-710 nm\), but the target has 7",
    "71-a-gap.csv": r"row 3, column D \(500\): the absorbance is missing",
    "74-a-wavelength-twice.csv": r"row 1, column C \(400 nm\): .* are the same wavelength",
    "77-two-columns.csv": r"row 1: the table has 2 wavelengths",
    "80-one-bad-file": r"2\.csv, row 3, column B .*: '\?'",
    "81-nameless.csv": r"row 1, column B \(absorbance\): the spectrum names no evaluation",
}


def campaign_of(name):
    return VALUES if int(name[:2]) < 60 else SPECTRA


def read(name, **how):
    return read_results(FOLDER / name, campaign_of(name), ASKED, **how)


def require_equal(taking, wanted):
    assert taking.refused == ()
    given = {t.number: t.response for t in taking.taken}
    assert list(given) == sorted(wanted)
    for number, response in given.items():
        np.testing.assert_allclose(
            response, np.array(wanted[number]), rtol=0, atol=2e-6 * np.nanmax([1, *np.ravel(response)])
        )


def test_every_file_has_its_expectation_and_there_are_enough():
    known = [*TAKEN, *ODD, *REFUSED]
    assert sorted(p.name for p in FOLDER.iterdir()) == sorted(known)
    assert len(known) >= 60


@pytest.mark.parametrize("name", TAKEN)
def test_a_file_is_taken_as_it_is(name):
    taking = read(name)
    require_equal(taking, TAKEN[name])
    assert taking.odd == ()
    assert f"{len(taking.taken)} condition" in taking.summary


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_is_told_with_its_place(name):
    taking = read(name)
    wanted, message = ODD[name]
    require_equal(taking, wanted)
    assert re.search(rf"^{re.escape(name)}, {message}", str(taking.odd[0]))


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_is_refused_with_its_place_and_nothing_of_it_is_taken(name):
    taking = read(name)
    place = "" if (FOLDER / name).is_dir() else rf"^{re.escape(name)}, "
    assert re.search(place + REFUSED[name], str(taking.refused[0])), taking.refused[0]
    with pytest.raises(ValueError, match=re.escape(str(taking.refused[0])[:40])):
        taking.require()


def test_a_sheet_is_chosen():
    assert read("47-two-sheets.xlsx", sheet="Run 2").taken[1].response == [60.0]
    with pytest.raises(FileNotFoundError, match=r"no sheet 'Run 3' .* it has \['Run 1', 'Run 2'\]"):
        read("47-two-sheets.xlsx", sheet="Run 3")


def test_what_is_interpolated_far_is_told():
    assert read("63-other-wavelengths.csv", resampling=True).odd == ()
    taking = read("77-two-columns.csv", resampling=True)
    assert "row 1: spectra are interpolated across 300 nm" in str(taking.odd[0])


def test_the_summary_tells_rows_conditions_replicates_failures_and_dropped_columns():
    told = read("27-replicate-rows.csv").summary
    assert "3 rows, 2 conditions, 1-2 replicates each, 0 failures, 2 left open" in told or "1 left open" in told
    assert "not read: Ausbeute (semicolons; decimal commas)" in told
