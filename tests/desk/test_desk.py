import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from matseek.cli import app


def read_table(path):
    """The sheet of recipes."""
    return pd.read_csv(path) if path.suffix == ".csv" else pd.read_excel(path, engine="openpyxl")


def write_table(frame, path):
    frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_excel(path, index=False)


@pytest.fixture
def matseek(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments):
        result = CliRunner().invoke(app, list(arguments))
        return result.exit_code, " ".join(result.output.split())

    return invoke


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_a_campaign_at_the_desk(matseek, tmp_path, suffix):
    code, output = matseek("ask", "my lab", "problem=laboratory", "searcher.batch_size=4", "-o", f"first.{suffix}")
    assert code == 0, output
    asked = read_table(tmp_path / f"first.{suffix}")
    assert list(asked["evaluation"]) == [1, 2, 3, 4]
    write_table(asked.assign(value=[0.4, 0.1, "failed", 0.3]), tmp_path / f"results.{suffix}")
    code, output = matseek("tell", "my lab", f"results.{suffix}")
    assert code == 0, output
    assert "4 measured (1 failed), 0 to be measured" in output
    assert (tmp_path / "my lab" / "report.html").is_file()
    code, output = matseek("ask", "my lab", "-n", "3")
    assert code == 0, output
    assert list(read_table(tmp_path / "my lab" / "batch-2.xlsx")["evaluation"]) == [5, 6, 7]
    code, output = matseek("status", "my lab")
    assert "3 to be measured" in output


def test_the_desk_asks_for_the_searchers_own_batch(matseek, tmp_path):
    """Side by side in full, a run is a batch of each proposer; an angle may be one of the variables."""
    angle = "+problem.variables.angle={low: 0, high: 360, unit: deg, periodic: true}"
    stages = "searcher.schedule=[{_target_: matseek.searchers.Stage, first_batch: 1, proposers: [lhs, bayesian]}]"
    settings = ["searcher=two_step", "searcher.side_by_side=full", "searcher.batch_size=3", stages]
    code, output = matseek("ask", "lab", "problem=laboratory", angle, *settings, "-o", "first.csv")
    assert code == 0, output
    asked = read_table(tmp_path / "first.csv")
    assert len(asked) == 6
    assert asked["angle (deg)"].between(0, 360).all()


def test_variables_of_a_laboratory_at_the_desk(matseek, tmp_path):
    ligand = "+problem.variables.ligand={values: [PVP, PSS]}"
    steps = ["+problem.variables.Qtot.step=50", "problem.variables.Qpva.high=10"]
    code, output = matseek("ask", "lab", "problem=laboratory", ligand, *steps, "searcher.batch_size=4", "-o", "a.xlsx")
    assert code == 0, output
    asked = read_table(tmp_path / "a.xlsx")
    assert set(asked["ligand"]) == {"PVP", "PSS"}
    assert (asked["Qtot (uL/min)"] % 50 == 0).all()
    write_table(asked.assign(value=[0.4, 0.1, 0.2, 0.3]), tmp_path / "told.csv")
    code, output = matseek("tell", "lab", "told.csv")
    assert code == 0, output
    assert "PSS" in output
    assert ">PSS<" in (tmp_path / "lab" / "report.html").read_text(encoding="utf-8")
    code, output = matseek("ask", "lab", "-n", "3", "--fix", "ligand=PSS", "-f", "Qtot=800", "-o", "b.csv")
    assert code == 0, output
    held = read_table(tmp_path / "b.csv")
    assert set(held["ligand"]) == {"PSS"}
    assert set(held["Qtot (uL/min)"]) == {800}
    write_table(held.assign(value=0.2, ligand="PVP"), tmp_path / "swapped.csv")
    code, output = matseek("tell", "lab", "swapped.csv")
    assert code == 1
    assert "was run otherwise than asked: ligand PVP instead of PSS" in output
    for wrong, message in (
        ("Qtot", "give NAME=VALUE"),
        ("Qtot=810", "in steps of 50; take 800"),
        ("Q=1", "no variables"),
    ):
        code, output = matseek("ask", "lab", "--fix", wrong)
        assert code == 2
        assert message in output


def test_candidates_at_the_desk(matseek, tmp_path):
    rows = pd.DataFrame({"QAgNO3": [4.0, 5, 6, 7], "solvent": ["water", "DMF", "water", "DMF"], "note": list("abcd")})
    write_table(rows, tmp_path / "shelf.csv")
    start = ["problem=laboratory", "problem.candidates=shelf.csv", "searcher=random", "problem.constraints=[]"]
    columns = "+problem.variables={QAgNO3: {unit: '%'}, solvent: {}}"
    code, output = matseek("ask", "lab", *start, "~problem.variables", columns, "-n", "3")
    assert code == 0, output
    asked = read_table(tmp_path / "lab" / "batch-1.xlsx")
    assert list(asked.columns) == ["evaluation", "QAgNO3 (%)", "solvent", "value 1", "value 2", "value 3"]
    assert asked[["value 1", "value 2", "value 3"]].isna().all(axis=None)
    code, output = matseek("ask", "lab", "-n", "3")
    assert code == 0, output
    assert len(read_table(tmp_path / "lab" / "batch-2.xlsx")) == 1
    code, output = matseek("ask", "lab")
    assert code == 2
    assert "every point that may be tried has been tried" in output


def test_mistakes_at_the_desk(matseek, tmp_path):
    assert matseek("status", "nowhere")[0] == 2
    assert "holds no campaign" in matseek("ask", "nowhere")[1]
    assert matseek("ask", "lab", "problem=laboratory")[0] == 0
    code, output = matseek("ask", "lab", "problem=silver")
    assert code == 2
    assert "holds a campaign already" in output
    code, output = matseek("tell", "lab", "results.csv")
    assert code == 2
    assert "there is no file results.csv" in output
    code, output = matseek("run", "problem=laboratory")
    assert code == 2
    assert "has no oracle to run" in output
    assert not (tmp_path / "runs").exists()


def test_a_target_is_changed_at_the_desk(matseek, tmp_path):
    at = np.linspace(400, 700, 31)
    for name, peak in (("blue", 450.0), ("red", 650.0)):
        target = pd.DataFrame({"wavelength": at, "absorbance": np.exp(-(((at - peak) / 60) ** 2))})
        target.to_csv(tmp_path / f"{name}.csv", index=False)
    common = ["problem=laboratory", "searcher=lhs", "searcher.batch_size=3"]
    assert matseek("ask", "lab", *common, "data=blue.csv", "-o", "first.csv")[0] == 0
    code, output = matseek("ask", "lab", *common, "data=red.csv")
    assert code == 2
    assert "add history=lab to go on with another target" in output
    code, output = matseek("ask", "lab", *common, "data=red.csv", "history=lab")
    assert code == 2
    assert "3 evaluations have no result yet" in output
    spectra = {str(w): np.exp(-(((w - np.array([450.0, 550.0, 640.0])) / 60) ** 2)) for w in at}
    write_table(read_table(tmp_path / "first.csv").assign(**spectra), tmp_path / "told.csv")
    code, output = matseek("tell", "lab", "told.csv")
    assert code == 0, output
    code, output = matseek("ask", "lab", *common, "data=red.csv", "history=lab", "-o", "second.csv")
    assert code == 0, output
    assert (tmp_path / "lab" / "ledger.1.db").is_file()
    assert "red.csv" in (tmp_path / "lab" / "config.yaml").read_text()
    assert list(read_table(tmp_path / "second.csv")["evaluation"]) == [1, 2, 3]
    code, output = matseek("ask", "lab", "-o", "third.csv")
    assert code == 0, output
    assert list(read_table(tmp_path / "third.csv")["evaluation"]) == [4, 5, 6]


def test_status_puts_what_meets_the_constraints_first(matseek, tmp_path):
    bound = (
        "problem.outcome_constraints=[{_target_: matseek.problems.OutcomeConstraint, outcome: {_target_: "
        "matseek.problems.LinearCombination, name: silver, coefficients: {QAgNO3: 1}}, upper: 15}]"
    )
    code, output = matseek("ask", "lab", "problem=laboratory", "searcher=lhs", "searcher.batch_size=4", bound)
    assert code == 0, output
    asked = read_table(tmp_path / "lab" / "batch-1.xlsx")
    assert asked["QAgNO3 (%)"].min() < 15 < asked["QAgNO3 (%)"].max()
    # The more silver, the lower the value: the only one that surely meets the constraint has the highest.
    write_table(asked.assign(value=-7 - asked["QAgNO3 (%)"].rank() / 10), tmp_path / "told.csv")
    assert matseek("tell", "lab", "told.csv")[0] == 0
    code, output = matseek("status", "lab")
    assert code == 0, output
    assert output.index("-7.1") < output.index("-7.4"), output


def test_a_half_filled_table_leaves_the_rest_open_and_the_recipes_are_written_again(matseek, tmp_path):
    assert matseek("ask", "lab", "problem=laboratory", "searcher.batch_size=4")[0] == 0
    asked = read_table(tmp_path / "lab" / "batch-1.xlsx")
    write_table(asked.assign(**{"value 1": [0.5, None, "failed", None]}), tmp_path / "half.csv")
    code, output = matseek("tell", "lab", "half.csv")
    assert code == 0, output
    assert "half.csv: 2 rows, 2 conditions, 1 replicate each, 1 failure, 2 left open, no column dropped" in output
    assert "2 measured (1 failed), 2 to be measured" in output
    code, output = matseek("ask", "lab", "--again", "-o", "again.xlsx", "-r", "1")
    assert code == 0, output
    again = read_table(tmp_path / "again.xlsx")
    assert again["evaluation"].tolist() == [2, 4]
    assert again.columns[-1] == "value"
    pd.testing.assert_frame_equal(again.iloc[:, :6], asked.iloc[[1, 3], :6].reset_index(drop=True))
    code, output = matseek("ask", "lab", "-n", "1")
    assert code == 0, output
    assert "2 more of earlier batches wait for results; all that wait: matseek ask lab --again" in output
    assert matseek("ask", "lab", "--again", "-n", "3")[0] == 2


def test_an_output_that_cannot_be_written_costs_no_recipes(matseek, tmp_path):
    assert matseek("ask", "lab", "problem=laboratory", "searcher.batch_size=4", "-o", "first.csv")[0] == 0
    (tmp_path / "file").write_text("in the way")
    for path in ("first.csv", "first.docx", "file/deep.xlsx"):
        code, output = matseek("ask", "lab", "-o", path)
        assert code == 2, output
    assert "4 to be measured" in matseek("status", "lab")[1]
    assert not list(tmp_path.glob(".draft-*"))


def test_what_is_odd_is_asked_about(matseek, tmp_path, monkeypatch):
    assert matseek("ask", "lab", "problem=laboratory", "searcher.batch_size=4", "-o", "a.csv")[0] == 0
    write_table(read_table(tmp_path / "a.csv").assign(value=["<0.01", 1, 2, 3]), tmp_path / "b.csv")
    code, output = matseek("tell", "lab", "b.csv")
    assert code == 1
    assert "warning: b.csv, row 2, column G (value): '<0.01' is a limit of detection" in output
    assert "4 to be measured" in matseek("status", "lab")[1]
    code, output = matseek("tell", "lab", "b.csv", "--yes")
    assert code == 0, output
    assert "4 measured" in output


def test_spectra_have_a_sheet_of_their_own(matseek, tmp_path):
    pd.DataFrame({"wavelength": [400, 500, 600], "absorbance": [0.1, 0.9, 0.2]}).to_csv("target.csv", index=False)
    code, output = matseek("ask", "lab", "problem=laboratory", "data=target.csv", "searcher.batch_size=2", "-r", "2")
    assert code == 0, output
    sheet = pd.read_excel(tmp_path / "lab" / "batch-1.xlsx", sheet_name="spectra", engine="openpyxl")
    assert list(sheet.columns) == ["wavelength (nm)", "1_1", "1_2", "2_1", "2_2"]
    filled = sheet.assign(**{"1_1": [0.1, 0.9, 0.2], "1_2": [0.1, 0.8, 0.2]})
    filled.to_excel("filled.xlsx", sheet_name="spectra", index=False)
    code, output = matseek("tell", "lab", "filled.xlsx")
    assert code == 0, output
    assert "2 rows, 1 condition, 2 replicates each" in output
    assert "1 measured (0 failed), 1 to be measured" in output


def test_a_run_folder_keeps_its_target(matseek, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    target = tmp_path / "data" / "target.csv"
    pd.DataFrame({"wavelength": [400, 500, 600], "absorbance": [0.1, 0.9, 0.2]}).to_csv(target, index=False)
    code, output = matseek("ask", "lab", "problem=laboratory", "data=data/target.csv", "searcher.batch_size=2")
    assert code == 0, output
    target.unlink()
    monkeypatch.chdir("/")
    code, output = matseek("ask", str(tmp_path / "lab"), "--again", "-o", str(tmp_path / "again.csv"))
    assert code == 0, output
