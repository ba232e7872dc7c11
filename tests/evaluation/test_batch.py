"""What is told, against what was asked."""

import math
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from matseek.core.records import Evaluation
from matseek.errors import ResponseError, UnknownEvaluationError
from matseek.evaluation.batch import Batch, measurements
from matseek.problems import RecipeProblem, SpectralMatch
from matseek.results import read_results as read
from matseek.spaces import Box, Variable

SPACE = Box([Variable("a", 0, 10, unit="%"), Variable("b", -1, 1)])
VALUES = RecipeProblem(SPACE)
WAVELENGTHS = np.array([400.0, 500.0, 600.0])
TARGET = np.array([0.0, 1.0, 0.5])
SPECTRA = RecipeProblem(SPACE, objective=SpectralMatch(WAVELENGTHS, TARGET))


def evaluation(number, point, replicates=None, *, failed=False):
    status = "failed" if failed else "pending" if replicates is None else "done"
    return Evaluation(
        number=number,
        iteration=1,
        proposer="lhs",
        point=np.array(point, dtype=np.float64),
        status=status,
        value=float(np.median(replicates)) if status == "done" else math.nan,
        replicates=np.array([] if replicates is None else replicates, dtype=np.float64),
        error="no finite value" if failed else None,
        asked_at=datetime(2026, 1, 1, tzinfo=UTC),
        finished_at=None,
        load_response=lambda: None,
    )


ASKED = [evaluation(4, (1, 0.5)), evaluation(5, (2, -0.5)), evaluation(6, (3, 0.0))]


def told(results):
    return {number: (measurement.value, measurement.replicates.tolist()) for number, measurement in results}


def read_results(told, problem, evaluations, **how):
    """The measurements of a batch, or of a table."""
    if isinstance(told, Batch):
        return measurements(told, problem, evaluations)
    return read(told, problem, evaluations, **how).require().results


def table(**columns):
    return pd.DataFrame({"evaluation": [4, 5, 6], **columns})


def test_a_batch_is_a_table_with_units_in_the_order_asked():
    batch = Batch.of(SPACE, ASKED[::-1])
    frame = batch.to_frame()
    assert len(batch) == 3
    assert list(frame.columns) == ["evaluation", "a (%)", "b"]
    assert frame.to_numpy().tolist() == [[6, 3, 0], [5, 2, -0.5], [4, 1, 0.5]]


def test_responses_go_with_their_conditions():
    batch = Batch.of(SPACE, ASKED).with_responses([0.3, [0.1, 0.5, 0.2], [math.nan, 0.7]])
    results = told(read_results(batch, VALUES, ASKED))
    assert results[4] == (0.3, [0.3])
    assert results[5] == (0.2, [0.1, 0.5, 0.2])
    assert results[6][0] == 0.7


def test_tables_name_conditions_by_number_or_by_their_variables():
    shuffled = table(value=[0.4, 0.5, 0.6]).iloc[[2, 0, 1]]
    assert {n: v for n, (v, _) in told(read_results(shuffled, VALUES, ASKED)).items()} == {4: 0.4, 5: 0.5, 6: 0.6}
    by_point = pd.DataFrame({"b": [0.0, 0.5], "a": [3.0, 1.0], "value": [0.6, 0.4]})
    assert {n: v for n, (v, _) in told(read_results(by_point, VALUES, ASKED)).items()} == {6: 0.6, 4: 0.4}


def test_rows_of_one_condition_are_its_replicates():
    frame = pd.DataFrame({"evaluation": [5, 4, 5, 5], "value": [0.1, 0.9, 0.3, 0.8]})
    assert told(read_results(frame, VALUES, ASKED)) == {5: (0.3, [0.1, 0.3, 0.8]), 4: (0.9, [0.9])}


def test_empty_cells_wait_and_a_failure_is_a_word():
    frame = table(value=["failed", None, np.nan])
    ((number, measurement),) = read_results(frame, VALUES, ASKED)
    assert read(frame, VALUES, ASKED).waiting == (5, 6)
    assert number == 4
    assert measurement.empty
    assert "no finite value" in measurement.error


def test_spectra_come_in_columns_of_wavelengths_in_any_order():
    columns = {"600 nm": [0.5, 0.0, 1.0], "400": [0.0, 1.0, 0.0], 500.0: [1.0, 0.0, 0.0]}
    results = told(read_results(table(**{str(k): v for k, v in columns.items()}), SPECTRA, ASKED))
    assert results[4][0] == pytest.approx(0, abs=1e-9)  # the target itself
    assert results[5][0] > results[6][0] > 0.3


def test_other_wavelengths_are_interpolated_only_where_asked():
    frame = table(**{"400": [0.0] * 3, "450": [0.5] * 3, "550": [0.75] * 3, "600": [0.5] * 3})
    with pytest.raises(ResponseError, match="4 wavelengths .400-600 nm., but the target has 3"):
        read_results(frame, SPECTRA, ASKED)
    results = told(read_results(frame, SPECTRA, ASKED, resampling=True))
    assert 0 < results[4][0] < 0.2


def test_the_same_result_again_is_no_result_and_another_is_refused():
    known = [evaluation(4, (1, 0.5), [0.2, 0.4]), evaluation(5, (2, -0.5), failed=True), ASKED[2]]
    again = pd.DataFrame({"evaluation": [4, 4, 6], "value": [0.2, 0.4, 0.6]})
    assert [number for number, _ in read_results(again, VALUES, known)] == [6]
    for values, number in (([0.2, 0.41], 4), ([0.2, 0.4], 5)):
        changed = pd.DataFrame({"evaluation": [number] * 2, "value": values})
        with pytest.raises(UnknownEvaluationError, match=f"evaluation {number} is .* already, with other results"):
            read_results(changed, VALUES, known)


def test_of_equal_points_the_one_that_waits_is_meant():
    twins = [evaluation(1, (1, 0.5), [0.2]), evaluation(2, (1, 0.5))]
    frame = pd.DataFrame({"a": [1.0], "b": [0.5], "value": [0.9]})
    assert told(read_results(frame, VALUES, twins)) == {2: (0.9, [0.9])}


@pytest.mark.parametrize(
    ("frame", "problem", "error", "message"),
    [
        (pd.DataFrame({"evaluation": [7], "value": [1]}), VALUES, UnknownEvaluationError, "7 is not waiting .*4, 5, 6"),
        (pd.DataFrame({"evaluation": [4.5], "value": [1]}), VALUES, UnknownEvaluationError, "4.5 is no number of"),
        (table(value=[1] * 3, a=[11, 2, 3], b=[0.5, -0.5, 0]), VALUES, UnknownEvaluationError, "beyond what the app"),
        (table(value=[1] * 3, a=[2, 1, 3], b=[-0.5, 0.5, 0]), VALUES, UnknownEvaluationError, "that of evaluation 5"),
        (pd.DataFrame({"a": [9.0], "b": [0.0], "value": [1]}), VALUES, UnknownEvaluationError, "was never asked"),
        (pd.DataFrame({"value": [1]}), VALUES, UnknownEvaluationError, "names no conditions"),
        (table(loss=[1, 2, 3]), VALUES, ResponseError, "no column 'value'"),
        (table(value=["0,5", "1.5", "2"]), VALUES, ResponseError, "row 3, column B: .* decimal marks"),
        (table(value=["0.5", "1.5x", "2"]), VALUES, ResponseError, "row 3, column B .value.: '1.5x' has a unit"),
        (table(**{"500": [1] * 3, "500 nm": [1] * 3, "600": [1] * 3}), SPECTRA, ResponseError, "the same wavelength"),
        (table(note=["a", "b", "c"]), SPECTRA, ResponseError, "no columns of wavelengths"),
    ],
)  # fmt: skip
def test_what_fits_nothing_that_was_asked_is_refused(frame, problem, error, message):
    with pytest.raises(error, match=message):
        read_results(frame, problem, ASKED)


def test_batches_that_carry_no_results_or_too_many_are_refused():
    batch = Batch.of(SPACE, ASKED)
    with pytest.raises(ResponseError, match="carries no responses"):
        read_results(batch, VALUES, ASKED)
    with pytest.raises(ResponseError, match="2 responses were given for 3 conditions"):
        batch.with_responses([0.1, 0.2])
    with pytest.raises(ResponseError, match="came as a DataFrame"):
        batch.with_responses(table(value=[1, 2, 3]))
