"""What is changed by hand, from the command line."""

import pytest
from typer.testing import CliRunner

from matseek.cli import app
from matseek.desk import open_logbook


@pytest.fixture
def matseek(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments, answer=None):
        result = CliRunner().invoke(app, list(arguments), input=answer)
        return result.exit_code, " ".join(result.output.split())

    code, output = invoke("ask", "lab", "problem=laboratory", "searcher=lhs", "searcher.batch_size=4", "-o", "a.csv")
    assert code == 0, output
    book = open_logbook(tmp_path / "lab")
    book.tell(book.waiting().with_responses([0.4, 0.1, 0.2, 0.3]))
    return invoke


def test_a_correction_is_shown_asked_about_and_told_by_the_status(matseek):
    wrong = ("correct", "lab", "2", "--value", "1,1", "--value", "1.3", "--reason", "typing error")
    code, output = matseek(*wrong, answer="n")
    assert code == 1
    assert "evaluation 2 is corrected: value 1.1, 1.3 instead of value 0.1 (typing error)" in output
    assert "nothing was taken" in output
    code, output = matseek(*wrong, answer="y")
    assert code == 0, output
    code, output = matseek(*wrong)
    assert code == 0
    assert "so already: 2 nothing changes" in output
    code, output = matseek("status", "lab")
    assert "changed after it was written down: evaluation 2 is corrected" in output
    code, output = matseek("correct", "lab", "2", "--set", "Qtot=900", "-y")
    assert code == 0, output
    for arguments, message in (
        (["2"], "nothing is corrected"),
        (["2", "--set", "Qtot=9000"], "beyond what the apparatus can do"),
        (["2", "--value", "much"], "is no number"),
        (["--value", "1"], "give the number of an evaluation"),
        (["9", "--value", "1"], "no evaluation 9"),
    ):
        code, output = matseek("correct", "lab", *arguments)
        assert code == 2
        assert message in output


def test_withdrawn_and_skipped_from_the_command_line(matseek):
    code, output = matseek("withdraw", "lab", "1", "2", "--reason", "leak", "--yes")
    assert code == 0, output
    assert "2 measured (0 failed), 0 to be measured, 2 withdrawn or skipped" in output
    assert matseek("withdraw", "lab", "1", "2", "--yes")[0] == 0
    assert matseek("withdraw", "lab", "2", "--again", "--yes")[0] == 0
    code, output = matseek("skip", "lab", "2", "--yes")
    assert code == 0, output
    assert "evaluation 2 is skipped" in output
    assert matseek("skip", "lab", "3")[0] == 2
