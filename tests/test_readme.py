"""The code of README and of the how-to pages runs, page by page, as it stands; what they name exists."""

import contextlib
import io
import re
import shlex
import warnings

import pytest

from matseek.choices import config_dir
from matseek.configuration import run_settings
from tests.conftest import ROOT

README = ROOT / "README.md"
PAGES = [README, ROOT / "docs" / "index.md", *sorted((ROOT / "docs" / "howto").glob("*.md"))]


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def run(monkeypatch, tmp_path):
    """All Python of a page, as one script in an empty folder; returns what it prints."""

    def script(page):
        monkeypatch.chdir(tmp_path)
        printed = io.StringIO()
        with warnings.catch_warnings(), contextlib.redirect_stdout(printed):
            warnings.simplefilter("ignore")
            exec(compile("\n".join(blocks(page, "python")), str(page), "exec"), {"__name__": page.stem})
        return printed.getvalue()

    return script


@pytest.mark.parametrize("page", [p for p in PAGES[2:] if blocks(p, "python")], ids=lambda page: page.stem)
def test_the_python_of_a_page_runs(page, run):
    run(page)


def test_what_readme_promises_is_written(run, tmp_path):
    said = run(README)
    assert re.match(r"loss 0\.\d+ at \{'QAgNO3 \(%\)'", said)
    assert re.search(r"^\d+\.\d{3} eV$", said, re.MULTILINE)
    assert (tmp_path / "silver.db").is_file()
    assert (tmp_path / "runs/readme/report.html").is_file()


def test_the_front_page_has_the_recipe_of_readme():
    recipe, shown = blocks(README, "python")[0], blocks(ROOT / "docs" / "index.md", "python")[0]
    assert recipe.splitlines()[:9] == shown.splitlines()[:9]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_compose(page, droplets_csv):
    lines = [
        shlex.split(line, comments=True)
        for block in blocks(page, "sh")
        for line in block.replace("\\\n", " ").splitlines()
    ]
    for _, _, *overrides in (line for line in lines if line[:2] == ["matseek", "run"]):
        settings = run_settings([o.replace("agnp_droplets.csv", str(droplets_csv)) for o in overrides])
        settings.searcher.check(settings.budget)


@pytest.mark.parametrize("page", [*PAGES, *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.stem)
def test_every_linked_file_exists(page):
    for link in re.findall(r"\]\((?!http|#)([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / link).exists(), link


def test_readme_is_one_screen_of_a_file():
    assert len(README.read_text().splitlines()) <= 150


def test_every_choice_that_is_named_exists():
    text = (ROOT / "docs" / "howto" / "command_line.md").read_text()
    for group in ("problem", "searcher", "evaluator"):
        (row,) = re.findall(rf"^\| `{group}` \| (.*) \|$", text, re.MULTILINE)
        names = set(re.findall(r"`(\w+)`", row))
        assert names == {p.stem for p in (config_dir() / group).glob("*.yaml")}
