"""What is told and changed by hand: previews first, everything or nothing, and what was there before is kept."""

import numpy as np
import pandas as pd
import pytest

from matseek.core.records import Proposal
from matseek.errors import ResponseError, UnknownEvaluationError
from matseek.evaluation import Ledger, LedgerReader
from matseek.results import Logbook
from matseek.results.changing import point_with
from matseek.spaces import Pool, Variable
from tests.desk.bench import RECIPES, SPECTRA, VALUES, WAVELENGTHS, spectrum


def logbook_of(problem, path=None):
    ledger = Ledger(path)
    ledger.claim(problem.describe(), "lhs", 0)
    ledger.write_down(Proposal(np.array(RECIPES), ("lhs",) * len(RECIPES)), 0.0)
    return Logbook(problem, ledger)


@pytest.fixture
def book():
    book = logbook_of(VALUES)
    book.write(book.preview(told([71.5, 64.25, 80, 12.75])))
    return book


def told(values, first=1, **columns):
    return pd.DataFrame({"evaluation": range(first, first + len(values)), "yield": values, **columns})


def values_of(evaluation):
    return (-evaluation.replicates).tolist()


def test_a_value_is_corrected_and_the_wrong_one_stays(book):
    changes = book.correction(2, response=[46.25, 46.5], reason="typing error")
    assert changes.summary == ("evaluation 2 is corrected: yield 46.25, 46.5 % instead of yield 64.25 % (typing error)")
    assert values_of(book.ledger.evaluation(2)) == [64.25]
    book.write(changes)
    now = book.ledger.evaluation(2)
    assert values_of(now) == [46.25, 46.5]
    assert now.value == pytest.approx(-46.375)
    assert [values_of(state) for state in now.earlier_states] == [[64.25]]
    event = book.ledger.events()[-1]
    assert event.kind == "corrected"
    assert event.data["before"]["replicates"] == [-64.25]
    again = book.correction(2, response=[46.25, 46.5])
    assert (again.changes, again.unchanged) == ((), (2,))


def test_a_recipe_is_corrected_within_the_hardware_limits(book):
    book.write(book.correction(1, recipe={"T": 26.0, "solvent": "DMF"}))
    now = book.ledger.evaluation(1)
    assert now.point.tolist() == [26.0, 12.5, 1000.0, 2.0]
    assert now.asked.tolist() == list(RECIPES[0])
    assert values_of(now) == [71.5]
    with pytest.raises(ResponseError, match="T .* is 140, beyond what the apparatus can do"):
        book.correction(1, recipe={"T": 140})
    with pytest.raises(ResponseError, match="none of"):
        book.correction(1, recipe={"solvent": "acetone"})
    shelf = Pool([Variable("T", 20, 80)], [[20.0], [80.0]])
    with pytest.raises(ResponseError, match=r"T is 140, but the listed recipes have 20 to 80; correct it"):
        point_with(shelf, shelf.candidates[0], {"T": 140})
    with pytest.raises(UnknownEvaluationError, match="evaluation 5 has no result yet"):
        book.correction(5, response=[1])
    with pytest.raises(UnknownEvaluationError, match="no evaluation 70; it has 1 to 6"):
        book.correction(70, response=[1])


def test_what_is_withdrawn_or_skipped_is_learnt_from_no_more(book):
    book.write(book.withdrawal([1, 3], "the pump leaked"))
    book.write(book.skipping([6], "out of seeds"))
    status = [e.status for e in book.ledger.evaluations()]
    assert status == ["withdrawn", "done", "withdrawn", "done", "pending", "withdrawn"]
    assert book.ledger.evaluation(6).error == "skipped: out of seeds"
    assert book.waiting().numbers == (5,)
    assert not book.withdrawal([1]).changes
    assert not book.skipping([6]).changes
    with pytest.raises(UnknownEvaluationError, match="skip it"):
        book.withdrawal([5])
    with pytest.raises(UnknownEvaluationError, match="withdraw it"):
        book.skipping([2])
    book.write(book.withdrawal([3], again=True))
    assert book.waiting().numbers == (3, 5)
    book.write(book.preview(told([81.0], 3)))
    assert values_of(book.ledger.evaluation(3)) == [81.0]


def test_a_cumulative_file_adds_what_is_new(book):
    frame = pd.DataFrame({"evaluation": [1, 1, 2, 3, 4, 5], "yield": [71.5, 72, 64.25, 80, 12.75, 33]})
    taking = book.preview(frame)
    assert "2 conditions" in taking.summary
    assert "1 with more replicates" in taking.summary
    assert "3 known already" in taking.summary
    book.write(taking)
    assert values_of(book.ledger.evaluation(1)) == [71.5, 72]
    again = book.preview(frame)
    assert again.known == (1, 2, 3, 4, 5)
    assert not again.taken


def test_a_cumulative_file_does_not_undo_a_correction(book):
    book.write(book.correction(2, response=[46.25]))
    book.write(book.withdrawal([3], "leaked"))
    taking = book.preview(told([71.5, 64.25, 80, 12.75, 33])).require()
    assert (taking.superseded, [t.number for t in taking.taken]) == ((2, 3), [5])
    assert "2 as before their correction, passed over" in taking.summary
    other = book.preview(told([99.0], 2))
    assert "evaluation 2 is done already, with other results" in str(other.refused[0])
    assert "matseek correct" in str(other.refused[0])


def test_later_replicates_are_added_once(book):
    later = book.preview(told([65.0], 2), adding=True)
    assert "1 with more replicates" in later.summary
    book.write(later)
    assert values_of(book.ledger.evaluation(2)) == [64.25, 65.0]
    assert book.preview(told([65.0], 2), adding=True).known == (2,)


def test_a_table_of_corrections(book):
    right = told([71.5, 46.25, 80, 12.75], **{"T": [25, 41, 55.25, 60], "c": [12.5, 0.25, 3.31, 48]})
    right["Qtot"], right["solvent"] = [1000, 250, 1234.5, 1500], ["water", "ethanol", "DMF", "water"]
    taking = book.corrections(right, reason="columns swapped").require()
    assert [t.number for t in taking.taken] == [2]
    book.write(taking)
    assert book.ledger.evaluation(2).point[0] == 41
    assert values_of(book.ledger.evaluation(2)) == [46.25]


def test_the_recipe_that_was_run_is_the_point_and_the_asked_one_is_kept():
    book = logbook_of(VALUES)
    row = {"evaluation": [2], "T": [41.5], "c": [0.25], "Qtot": [250], "solvent": ["DMF"], "yield": [64.25]}
    taking = book.preview(pd.DataFrame(row)).require()
    assert "T (°C) 41.5 instead of 40.5, solvent DMF instead of ethanol" in str(taking.odd[0])
    assert "1 run otherwise than asked" in taking.summary
    book.write(taking)
    now = book.ledger.evaluation(2)
    assert (now.status, now.point.tolist(), now.asked.tolist()) == ("done", [41.5, 0.25, 250, 2], list(RECIPES[1]))
    assert book.preview(pd.DataFrame(row)).known == (2,)
    mixed = pd.DataFrame({**row, "evaluation": [3], "T": [40.5], "solvent": ["ethanol"]})
    assert "the recipe is that of evaluation 2, not of 3" not in str(book.preview(pd.DataFrame(row)).refused)
    assert (
        book.preview(mixed.assign(T=71.5, c=7.125, Qtot=600))
        .refused[0]
        .message.startswith("the recipe is that of evaluation 5, not of 3")
    )


def test_own_ideas_are_a_batch_of_their_own(book, tmp_path):
    rows = pd.DataFrame(
        {"T": [30.0, 30.0, 31], "c": [1.0, 1.0, 2], "Qtot": 500.0, "solvent": "water", "yield": [50.0, 52, "failed"]}
    )
    assert "matseek tell --new" in str(book.preview(rows).refused[0])
    taking = book.preview(rows, new=True).require()
    assert "3 rows, 2 conditions, 2 replicates each, 1 failure, 2 never asked" in taking.summary
    book.write(taking)
    seven, eight = book.ledger.evaluations(iteration=2)
    assert (seven.number, seven.proposer, values_of(seven), eight.status) == (7, "own", [50, 52], "failed")
    assert book.preview(rows, new=True).known == (7, 8)
    assert "beyond what the apparatus" in str(book.preview(rows.assign(T=95.0), new=True).refused[0])


def test_a_spectrum_is_corrected_and_read_as_it_is_now(tmp_path):
    book = logbook_of(SPECTRA, tmp_path / "ledger.db")
    table = pd.DataFrame({"wavelength": WAVELENGTHS, "1": spectrum(1), "2": spectrum(2)})
    book.write(book.preview(table))
    book.write(book.corrections(table.assign(**{"1": spectrum(4)})))
    reader = LedgerReader(tmp_path / "ledger.db")
    np.testing.assert_array_equal(reader.evaluation(1).response, [spectrum(4)])
    np.testing.assert_array_equal(reader.evaluation(1).before.response, [spectrum(1)])
    book.write(book.correction(2, recipe={"T": 44}))
    np.testing.assert_array_equal(reader.evaluation(2).response, [spectrum(2)])


def test_recipes_and_spectra_of_two_sheets_are_earlier_data(tmp_path):
    """The layout of the data of Mekki-Berrada et al. (2021): spectra in the order of the recipes."""
    book = logbook_of(SPECTRA)
    rows = [["r1", "BO", 30, 5, 400, "water"], ["r1", "BO", 30, 5, 400, "water"], ["r2", "DNN", 41, 6, 500, "DMF"]]
    head = ["Run ID", "method", "temperature", "c", "Qtot", "solvent"]
    spectra = pd.DataFrame({"wl": WAVELENGTHS, **{f"s{k}": spectrum(k) for k in (1, 2, 3)}})
    with pd.ExcelWriter(tmp_path / "data.xlsx") as writer:
        pd.DataFrame(rows, columns=head).to_excel(writer, sheet_name="input", index=False)
        spectra.to_excel(writer, sheet_name="spectra", index=False)
        pd.DataFrame({"w": WAVELENGTHS}).to_excel(writer, sheet_name="target", index=False)
    file, names = tmp_path / "data.xlsx", {"temperature": "T"}
    assert "sheet 'input', row 1: the table names no conditions" in str(book.preview(file, new=True).refused[0])
    taking = book.preview(file, new=True, columns=names).require()
    assert "3 rows, 2 conditions, 1-2 replicates each, 0 failures, 2 never asked" in taking.summary
    np.testing.assert_array_equal(taking.taken[0].response, [spectrum(1), spectrum(2)])
    assert taking.taken[1].point.tolist() == [41, 6, 500, 2]
    with pd.ExcelWriter(tmp_path / "short.xlsx") as writer:
        pd.DataFrame(rows[:2], columns=head).to_excel(writer, sheet_name="input", index=False)
        spectra.to_excel(writer, sheet_name="spectra", index=False)
    found = book.preview(tmp_path / "short.xlsx", new=True)
    assert "sheet 'spectra': it has 3 spectra, and sheet 'input' has 2 recipes" in str(found.refused[0])
    assert "column map" in str(book.preview(file, new=True, columns={"Temp": "T"}).refused[0])


def test_a_preview_of_what_has_been_changed_since_is_refused(book):
    stale = book.withdrawal([2])
    book.write(book.correction(2, response=[1.0]))
    with pytest.raises(UnknownEvaluationError, match="changed by somebody else in the meantime"):
        book.write(stale)
    assert book.ledger.evaluation(2).status == "done"
