"""Spectra as the programs of spectrometers write them."""

import re

import numpy as np
import pytest

from matseek.results import read_results
from tests.desk.bench import ASKED, SPECTRA, WAVELENGTHS, spectrum

JASCO = (
    "TITLE\t1\nDATA TYPE\tULTRAVIOLET SPECTRUM\nORIGIN\tJASCO\nDELTAX\t-50\nXUNITS\tNANOMETERS\nYUNITS\t{unit}\n"
    "FIRSTX\t700\nLASTX\t400\nNPOINTS\t7\nFIRSTY\t0.11\nXYDATA\n{pairs}\n##### Extended Information\n[Comments]\n"
    "Sample name\t1\nMeasurement range\t700 - 400 nm\nData interval\t50 nm\n"
)
FOOTER = "\n1\nCollection Time: 11/27/2026\nOperator Name  : N. N.\nInstrument      Cary 60\nStart (nm)      700.0\n\n"
OCEAN = "Data from USB4F02135 Node\n\nDate: Fri Nov 27 10:12:33\nIntegration Time (sec): 1.0E-2\n"


def percent(absorbance):
    return 100 * 10**-absorbance


def share(absorbance):
    return 10**-absorbance


def pairs(number=1, sep="\t", form=float, digits=9, decimal="."):
    lines = (f"{w:.2f}{sep}{form(a):.{digits}f}\n" for w, a in zip(WAVELENGTHS, spectrum(number), strict=True))
    return "".join(lines).replace(".", decimal)


def cary(*names, unit="Abs", form=float, sep=","):
    head = sep.join(x for n in names for x in (n, "")) + "\n" + sep.join(f"Wavelength (nm){sep}{unit}" for _ in names)
    rows = [
        sep.join(f"{WAVELENGTHS[k]:.2f}{sep}{form(spectrum(i)[k]):.9f}" for i in range(1, len(names) + 1)) + sep
        for k in reversed(range(len(WAVELENGTHS)))
    ]
    return "\n".join([head, *rows]) + "\n" + FOOTER


def wide(form=float, head=None):
    rows = [f"{n}," + ",".join(f"{form(a):.9f}" for a in spectrum(n)) for n in (1, 2, 3)]
    return "\n".join([head or "evaluation," + ",".join(f"{w:g}" for w in WAVELENGTHS), *rows]) + "\n"


FIRST, BOTH, THREE = {1: [1]}, {1: [1], 2: [2]}, {1: [1], 2: [2], 3: [3]}
TAKEN = {
    "cary.csv": (cary("evaluation 1", "evaluation 2"), BOTH),
    "cary_with_replicates.csv": (cary("1_1", "1_2", "2"), {1: [1, 2], 2: [3]}),
    "cary_semicolons.csv": (cary("1", "2", sep=";").replace(".", ","), BOTH),
    "cary_per_cent.csv": (cary("1", "2", unit="%T", form=percent), BOTH),
    "cary_single.csv": (cary("evaluation 1"), FIRST),
    "cary_baseline.csv": (cary("1", "Baseline 100%T"), FIRST),
    "1.txt": (OCEAN + ">>>>>Begin Spectral Data<<<<<\n" + pairs() + ">>>>>End Spectral Data<<<<<\n", FIRST),
    "evaluation-1_2.txt": (OCEAN + ">>>>>Begin Spectral Data<<<<<\n" + pairs(decimal=","), FIRST),
    "1.csv": ('"1 - RawData"\n"Wavelength nm.","Abs."\n' + pairs(sep=","), FIRST),
    "1.asc": (JASCO.format(unit="ABSORBANCE", pairs=pairs()), FIRST),
    "01.txt": (JASCO.format(unit="%T", pairs=pairs(form=percent)), FIRST),
    "1.dat": ("##TITLE=1\n##YUNITS=ABSORBANCE\n##XYPOINTS=(XY..XY)\n" + pairs(sep=", ") + "##END=\n", FIRST),
    "001.asc": ("PE UV SUBTECH\n1\n#HDR\n800.0\n#GR\nnm\nA\n1.0\n0.0\n#DATA\n" + pairs(), FIRST),
    "named.csv": (wide(head="evaluation," + ",".join(f"A{w:g}" for w in WAVELENGTHS)), THREE),
}
"""What is taken without a question: the text, and the spectra of each evaluation."""

ASKED_ABOUT = {
    "cary_samples.csv": (cary("Sample 1", "Sample 2"), r"column B \(Abs\): 'Sample 1' is taken as evaluation 1"),
    "shares.csv": (wide(share), "row 2: 3 of 3 spectra lie between 0 and 1 and have dips"),
    "1.txt": (pairs(form=share), r"1 of 1 spectra lie between 0 and 1 and have dips"),
    "twice.csv": (wide() + wide().partition("\n")[2], "row 5: the spectrum of evaluation 1 stands in the table twice"),
    "2.csv": (
        "Wavelength (nm),%T\n" + "".join(f"{w:g},{0 if w == 550 else 50}\n" for w in WAVELENGTHS),
        "row 5, .*of 0",
    ),
}

REFUSED = {
    "cary_names.csv": (cary("JD-1-23a", "blah"), r"row 2, column B \(Abs\): 'JD-1-23a' names no evaluation"),
    "cary_nameless.csv": (
        cary("1", "2").partition("\n")[2],
        r"row 1, column B \(Abs\): the spectrum names no evaluation",
    ),
    "AuNP_Absorbance_00001.txt": (OCEAN + pairs(), r"column B \(absorbance\): the spectrum names no evaluation"),
    "1.txt": (OCEAN + "YAxis mode: Transmission\n" + pairs(), "a transmittance is told in per cent: write %T"),
    "1.asc": (JASCO.format(unit="REFLECTANCE", pairs=pairs()), "'REFLECTANCE' is no absorbance"),
    "01.txt": (pairs() + "\n" + pairs(2), "row 9: numbers stand apart from the spectrum"),
    "counts.csv": (wide(head="evaluation,400 (counts),450,500,550,600,650,700"), "row 1: 'counts' is no absorbance"),
    "micrometres.csv": (wide().replace("400,450", "0.4,0.45"), "row 1: .* but the target has 7"),
    "1.csv": (
        "wavenumber (cm-1),absorbance\n" + pairs(sep=",").replace("00.00", "000.0"),
        "row 1: .* names no conditions",
    ),
    "mean.csv": (wide() + "mean," + ",".join(["0.3"] * 7) + "\n", r"row 5, column A .*'mean' sums up other rows"),
    "gap.csv": (
        cary("1", "2").replace("550.00,0.865000000", "550.00,"),
        r"column B \(Abs\): the absorbance is missing",
    ),
    "unnumbered.csv": ("wavelength,1\n" + pairs(sep=",").replace("550.00", ""), "stands beside no wavelength"),
}
"""The text, and why it is refused."""


def read(folder, name, text):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_results(path, SPECTRA, ASKED)


@pytest.mark.parametrize("name", TAKEN)
def test_spectra_are_taken(tmp_path, name):
    text, wanted = TAKEN[name]
    taking = read(tmp_path, name, text)
    assert taking.refused == taking.odd == ()
    assert {t.number: len(t.response) for t in taking.taken} == {n: len(rows) for n, rows in wanted.items()}
    for t in taking.taken:
        np.testing.assert_allclose(t.response, [spectrum(k) for k in wanted[t.number]], atol=1e-6)


@pytest.mark.parametrize("name", ASKED_ABOUT)
def test_spectra_are_asked_about(tmp_path, name):
    text, message = ASKED_ABOUT[name]
    taking = read(tmp_path, name, text)
    assert taking.refused == ()
    assert re.search(message, str(taking.odd[0]))


@pytest.mark.parametrize("name", REFUSED)
def test_spectra_are_refused(tmp_path, name):
    text, message = REFUSED[name]
    taking = read(tmp_path, name, text)
    assert re.search(message, str(taking.refused[0])), taking.refused[0]
