"""A command that is killed at any of its durable steps has done all or nothing, and may be given again."""

import shutil

import pytest
from typer.testing import CliRunner

from matseek import files
from matseek.cli import app
from matseek.evaluation import LedgerReader
from matseek.evaluation.ledger import store
from tests.desk.lab import made


class Steps:
    """Keeps a copy of a folder before each of its commits and replaced files: what is left where that step kills."""

    def __init__(self, monkeypatch, folder, copies):
        self.folder, self.copies, self.kept = folder, copies, None
        for place, name in ((store.Store, "write"), (files.Path, "replace")):
            monkeypatch.setattr(place, name, self.counted(getattr(place, name)))

    def counted(self, work):
        def step(*arguments, **settings):
            if self.kept is not None:
                self.kept.append(self.copies / str(len(self.kept)))
                if self.folder.is_dir():
                    shutil.copytree(self.folder, self.kept[-1])
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

    def anew(left):
        shutil.rmtree(lab, ignore_errors=True)
        if left.is_dir():
            shutil.copytree(left, lab)

    def give():
        result = CliRunner().invoke(app, VERBS[verb])
        assert result.exit_code == 0, result.output

    steps = Steps(monkeypatch, lab, tmp_path)
    anew(pristine)
    before, steps.kept = state(lab), []
    give()
    whole, left, steps.kept = state(lab), steps.kept, None
    assert left
    for place in left:
        anew(place)
        if before is not None:
            assert state(lab)[:2] in (before[:2], whole[:2]), f"half done before step {place.name}"
        give()
        assert state(lab) == whole, f"killed before step {place.name} of {len(left)}"
