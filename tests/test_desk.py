import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from matseek.cli import app
from matseek.desk import read_table, write_table

FRAME = pd.DataFrame({"evaluation": [1, 2], "x (%)": [0.5, 1 / 3]})


@pytest.mark.parametrize("name", ["t.csv", "t.xlsx", "T.XLSX", "deep/er/t.csv"])
def test_tables_survive(tmp_path, name):
    write_table(FRAME, tmp_path / name)
    pd.testing.assert_frame_equal(read_table(tmp_path / name), FRAME)


def test_what_may_hold_measurements_is_not_overwritten(tmp_path):
    write_table(FRAME, tmp_path / "t.csv")
    with pytest.raises(FileExistsError, match="may hold measurements"):
        write_table(FRAME, tmp_path / "t.csv")


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="read and written as .csv or .xlsx"):
        write_table(FRAME, tmp_path / "t.ods")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read_table(tmp_path / "t.csv")


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
    write_table(asked.assign(value=[0.4, 0.1, None, 0.3]), tmp_path / f"results.{suffix}")
    code, output = matseek("tell", "my lab", f"results.{suffix}")
    assert code == 0, output
    assert "4 measured (1 failed), 0 to be measured" in output
    assert (tmp_path / "my lab" / "report.html").is_file()
    code, output = matseek("ask", "my lab", "-n", "3")
    assert code == 0, output
    assert list(read_table(tmp_path / "my lab" / "batch-2.csv")["evaluation"]) == [5, 6, 7]
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
    assert code == 2
    assert "ligand is PVP in the results, but PSS was asked" in output
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
    asked = read_table(tmp_path / "lab" / "batch-1.csv")
    assert list(asked.columns) == ["evaluation", "QAgNO3 (%)", "solvent"]
    code, output = matseek("ask", "lab", "-n", "3")
    assert code == 0, output
    assert len(read_table(tmp_path / "lab" / "batch-2.csv")) == 1
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
    asked = read_table(tmp_path / "lab" / "batch-1.csv")
    assert asked["QAgNO3 (%)"].min() < 15 < asked["QAgNO3 (%)"].max()
    # The more silver, the lower the value: the only one that surely meets the constraint has the highest.
    write_table(asked.assign(value=-7 - asked["QAgNO3 (%)"].rank() / 10), tmp_path / "told.csv")
    assert matseek("tell", "lab", "told.csv")[0] == 0
    code, output = matseek("status", "lab")
    assert code == 0, output
    assert output.index("-7.1") < output.index("-7.4"), output
