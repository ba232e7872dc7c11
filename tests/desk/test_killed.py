"""A command that is killed at any of its durable steps has done all or nothing, and may be given again."""

import shutil

import pytest
from typer.testing import CliRunner

from matseek import files
from matseek.cli import app
from matseek.evaluation import LedgerReader
from matseek.evaluation.ledger import store
from tests.desk.lab import made


class Killed(BaseException):
    """What no code catches."""


class Steps:
    """Counts commits and replaced files, and kills before one of them."""

    def __init__(self, monkeypatch):
        self.count, self.at = 0, None
        for place, name in ((store.Store, "write"), (files.Path, "replace")):
            monkeypatch.setattr(place, name, self.counted(getattr(place, name)))

    def counted(self, work):
        def step(*arguments, **settings):
            self.count += 1
            if self.count == self.at:
                raise Killed
            return work(*arguments, **settings)

        return step


def state(folder):
    """Everything that a folder's campaign holds, times left out."""
    if not (folder / "ledger.db").is_file():
        return None
    reader = LedgerReader(folder / "ledger.db")
    rows = [
        (e.number, e.iteration, e.status, e.point.tolist(), repr(e.value), e.replicates.tolist(), e.changes)
        for e in reader.evaluations()
    ]
    handed = {"handing", "handed"}
    events = [(e.kind, e.message.replace(str(folder), "")) for e in reader.events() if e.kind not in handed]
    return rows, events, (folder / "config.yaml").read_text(), sorted(p.name for p in folder.glob("batch*"))


VERBS = {
    "first ask": ["ask", "lab", "problem=laboratory", "searcher=lhs", "searcher.batch_size=3"],
    "ask": ["ask", "lab", "-n", "2", "-o", "lab/batch-x.csv"],
    "correct": ["correct", "lab", "2", "--value", "0.7", "--yes"],
    "withdraw": ["withdraw", "lab", "1", "2", "--yes"],
    "skip": ["skip", "lab", "4", "--yes"],
    "amend": ["amend", "lab", "+problem.variables.pH={low: 4, high: 10}", "--past", "pH=7", "--yes"],
}


@pytest.mark.parametrize("verb", VERBS)
def test_all_or_nothing_and_the_same_command_again(tmp_path, monkeypatch, verb):
    monkeypatch.chdir(tmp_path)
    lab, pristine = tmp_path / "lab", tmp_path / "pristine"
    if verb != "first ask":
        made(pristine, [0.4, 0.1, 0.2, None])
        pristine_config = (pristine / "config.yaml").read_text()
        (pristine / "config.yaml").write_text(pristine_config.replace(str(pristine), str(lab)))

    def anew():
        shutil.rmtree(lab, ignore_errors=True)
        if pristine.is_dir():
            shutil.copytree(pristine, lab)

    def give():
        result = CliRunner().invoke(app, VERBS[verb], catch_exceptions=True)
        if isinstance(result.exception, Killed):
            raise result.exception
        assert result.exit_code == 0, result.output

    steps = Steps(monkeypatch)
    anew()
    before = state(lab)
    steps.count = 0
    give()
    whole, total = state(lab), steps.count
    assert total > 0
    for at in range(1, total + 1):
        anew()
        steps.count, steps.at = 0, at
        with pytest.raises(Killed):
            give()
        steps.at = None
        if before is not None:
            assert state(lab)[:2] in (before[:2], whole[:2]), f"half done before step {at}"
        give()
        assert state(lab) == whole, f"killed before step {at} of {total}"
