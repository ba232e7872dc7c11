"""Tables of generated campaigns come back as they were, whatever they look like."""

import csv
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matseek.results import read_results
from tests.desk.bench import ASKED, SPACE, SPECTRA, VALUES, WAVELENGTHS

EXAMPLES = int(os.environ.get("MATSEEK_ROUND_TRIPS", "60"))
"""Generated campaigns; ``make attack`` tries more."""

MARKS = [(",", "."), (";", "."), (";", ","), ("\t", "."), ("\t", ","), (",", ","), ("|", ",")]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "cp1252"]
NUMBERS = st.floats(-1e3, 1e3).map(lambda x: float(f"{x:.10g}"))
CELLS = NUMBERS | st.just("failed") | st.none()


def shown(content, decimal):
    if content is None or isinstance(content, str):
        return content or ""
    text = repr(content)
    return text.replace(".", decimal)


@st.composite
def tables(draw, results):
    """Rows of a campaign's table in any order, columns in any order, and how it is written."""
    count = draw(st.integers(1, 3))
    told = {e.number: draw(st.lists(results, min_size=count, max_size=count)) for e in ASKED}
    order = draw(st.permutations(range(len(ASKED))))
    return told, order, count, draw(st.sampled_from(MARKS)), draw(st.sampled_from(ENCODINGS)), draw(st.randoms())


def write(path, head, rows, marks, encoding, random):
    columns = list(range(len(head)))
    random.shuffle(columns)
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.writer(file, delimiter=marks[0])
        writer.writerow([head[j] for j in columns])
        for row in rows:
            writer.writerow([shown(row[j], marks[1]) for j in columns])


def recipe(evaluation):
    return [v.cells(np.array([x])).iloc[0] for v, x in zip(SPACE.variables, evaluation.point, strict=True)]


def unmistakable(told):
    """Whether a table without other marks tells what 1,234 means."""
    return any(isinstance(x, float) for replicates in told.values() for x in replicates)


@settings(max_examples=2 * EXAMPLES // 3, deadline=None)
@given(table=tables(CELLS))
def test_values_come_back(tmp_path_factory, table):
    told, order, count, marks, encoding, random = table
    path = tmp_path_factory.mktemp("t") / "results.csv"
    head = ["evaluation", *SPACE.labels, *(f"yield {k + 1}" for k in range(count))]
    rows = [[str(ASKED[i].number), *map(plain, recipe(ASKED[i])), *told[ASKED[i].number]] for i in order]
    write(path, head, rows, marks, encoding, random)
    require_back(path, VALUES, {n: [x for x in given if x is not None] for n, given in told.items()})


def plain(cell):
    return cell if isinstance(cell, str) else float(cell)


@settings(max_examples=EXAMPLES // 3, deadline=None)
@given(
    table=tables(
        st.none() | st.just("failed") | st.lists(st.floats(0, 3).map(lambda x: round(x, 6)), min_size=7, max_size=7)
    )
)
def test_spectra_come_back(tmp_path_factory, table):
    told, order, _, marks, encoding, random = table
    path = tmp_path_factory.mktemp("t") / "results.csv"
    blank = [None] * len(WAVELENGTHS)
    rows = []
    for i in order:
        for spectrum in told[ASKED[i].number]:
            cells = blank if spectrum is None else ["failed", *blank[1:]] if spectrum == "failed" else spectrum
            rows.append([str(ASKED[i].number), *cells])
    write(path, ["evaluation", *(f"{w:g}" for w in WAVELENGTHS)], rows, marks, encoding, random)
    failed = [np.nan] * len(WAVELENGTHS)
    wanted = {n: [failed if x == "failed" else x for x in given if x is not None] for n, given in told.items()}
    require_back(path, SPECTRA, wanted)


def require_back(path, problem, wanted):
    taking = read_results(path, problem, ASKED)
    filled = {n: given for n, given in wanted.items() if given}
    if not filled:
        with pytest.raises(ValueError, match="no result stands in the table"):
            taking.require()
        return
    assert taking.refused == ()
    assert taking.waiting == tuple(n for n in wanted if n not in filled)
    assert [t.number for t in taking.taken] == sorted(filled)
    for t in taking.taken:
        numbers = [np.nan if isinstance(x, str) else x for x in filled[t.number]]
        np.testing.assert_allclose(t.response, np.array(numbers, dtype=np.float64), rtol=1e-12, atol=1e-9)
