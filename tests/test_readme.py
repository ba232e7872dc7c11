"""README's code runs, as one script, in the order in which it stands."""

import re
import shlex
import subprocess
import sys

from matseek.configuration import config_dir, run_settings
from tests.conftest import ROOT

TEXT = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_the_python_examples_run(tmp_path):
    code = "\n".join(blocks("python"))
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert re.match(r"loss 0\.\d+ at \{'QAgNO3 \(%\)'", result.stdout)
    assert (tmp_path / "silver.db").is_file()
    assert (tmp_path / "runs/readme/report.html").is_file()
    assert (tmp_path / "to_measure.csv").read_text().startswith("evaluation,QAgNO3 (%),Qpva (%)")


def test_the_commands_compose(droplets_csv):
    lines = [
        shlex.split(line, comments=True) for block in blocks("sh") for line in block.replace("\\\n", " ").splitlines()
    ]
    runs = [line[2:] for line in lines if line[:2] == ["matseek", "run"]]
    assert len(runs) >= 3
    for overrides in runs:
        overrides = [o.replace("agnp_droplets.csv", str(droplets_csv)) for o in overrides]
        settings = run_settings(overrides)
        settings.searcher.check(settings.budget)


def test_every_linked_file_exists():
    links = re.findall(r"\]\((?!http)([^)#]+)\)", TEXT)
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_every_choice_that_is_named_exists():
    for group in ("problem", "searcher", "evaluator"):
        (row,) = re.findall(rf"^\| `{group}` \| (.*) \|$", TEXT, re.MULTILINE)
        names = set(re.findall(r"`(\w+)`", row))
        assert names == {p.stem for p in (config_dir() / group).glob("*.yaml")}
