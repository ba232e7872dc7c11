import io
import json
import re

import ase.io
import pytest
from rich.console import Console
from typer.testing import CliRunner

from matseek import progress
from matseek.cli import app
from matseek.terminal import show_sentences, table
from matseek.training.ranks import Place

SMALL = ["problem=silver", "problem.droplets=2", "searcher.batch_size=5", "budget=15", "seed=1"]


@pytest.fixture
def invoke(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def test_run_makes_the_folder_of_the_contract(invoke, tmp_path):
    result = invoke("run", *SMALL, "run_dir=out")
    assert result.exit_code == 0, result.output
    for name in ("config.yaml", "ledger.db", "trace.csv", "summary.json", "report.html"):
        assert (tmp_path / "out" / name).is_file(), name
    assert len(list((tmp_path / "out" / "figures").glob("*.png"))) >= 3
    assert "15/15" in result.output
    assert "best recipes of silver" in result.output
    assert result.output.rstrip().splitlines()[-1] == f"open {(tmp_path / 'out' / 'report.html').resolve()}"
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["problem"], summary["searcher"], summary["seed"], summary["evaluations"]) == (
        "silver",
        "bayesian",
        1,
        15,
    )


def test_the_same_command_again_changes_nothing_and_a_larger_budget_goes_on(invoke, tmp_path):
    first = invoke("run", *SMALL, "run_dir=out", "searcher=lhs")
    assert first.exit_code == 0, first.output
    trace = (tmp_path / "out" / "trace.csv").read_bytes()
    assert invoke("run", *SMALL, "run_dir=out", "searcher=lhs").exit_code == 0
    assert (tmp_path / "out" / "trace.csv").read_bytes() == trace
    assert invoke("run", *SMALL, "run_dir=out", "searcher=lhs", "budget=20").exit_code == 0
    assert (tmp_path / "out" / "trace.csv").read_bytes().startswith(trace)
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["evaluations"] == 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "budget=5", "searcher.batch_size=15"], "batch_size=15 is larger than budget=5"),
        (["run", "problem=gold"], "Could not find 'problem/gold'"),
        (["run", "problem=silver_measured"], "add data=FILE"),
        (["run", "seed=-1"], "seed=-1"),
        (["run", "run_dir=/proc/nowhere"], "/proc/nowhere"),
    ],
)
def test_errors_are_told_plainly(invoke, arguments, message, tmp_path):
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "runs").exists() or "seed" in message


def test_another_campaign_in_the_folder_is_refused(invoke):
    assert invoke("run", *SMALL, "searcher=lhs", "run_dir=out").exit_code == 0
    result = invoke("run", *SMALL, "searcher=random", "run_dir=out")
    assert result.exit_code == 2
    assert "holds the campaign searcher='lhs' seed=1" in result.output


def test_report_writes_the_page_anew_and_changes_nothing_else(invoke, tmp_path):
    assert invoke("run", *SMALL, "searcher=lhs", "run_dir=out").exit_code == 0
    trace, page = ((tmp_path / "out" / name).read_bytes() for name in ("trace.csv", "report.html"))
    (tmp_path / "out" / "report.html").unlink()
    result = invoke("report", "out")
    assert result.exit_code == 0
    assert "report.html" in result.output
    assert (tmp_path / "out" / "report.html").read_bytes() == page
    assert (tmp_path / "out" / "trace.csv").read_bytes() == trace
    assert "holds no campaign" in invoke("report", "nowhere").output


def test_a_level_on_the_command_line_ends_the_campaign(invoke, tmp_path):
    result = invoke("run", *SMALL, "searcher=lhs", "run_dir=out", "stop.loss_level.below=2")
    assert result.exit_code == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["stopped_by"] == "loss_level"
    assert "stopped by loss level" in result.output
    refused = invoke("run", *SMALL, "searcher=lhs", "run_dir=other", "stop.accuracy.mse=1")
    assert refused.exit_code == 2
    assert "needs a model" in refused.output


def test_models_are_listed_and_shown(invoke):
    listed = invoke("models")
    assert listed.exit_code == 0
    assert "adatom" in listed.output
    shown = invoke("models", "adatom")
    assert '"energy": "eV"' in shown.output
    assert '"problem": "platinum_adatom"' in shown.output
    missing = invoke("models", "nobody")
    assert missing.exit_code == 2


def test_compare_writes_a_table_and_a_page(invoke, tmp_path):
    arguments = ["compare", "problem=silver", "searchers=[lhs]", "seeds=1", "budget=6", "lhs.batch_size=6", "workers=1"]
    result = invoke(*arguments, f"run_dir='{tmp_path / 'compared'}'")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "compared" / "table.csv").is_file()
    assert (tmp_path / "compared" / "report.html").is_file()
    assert invoke(*arguments, f"run_dir='{tmp_path / 'compared'}'", "problem.droplets=3").exit_code == 2


def test_structures_tell_raw_and_relaxed_success_and_the_wall(invoke):
    """An adatom kept above its hollow: nothing is solved as evaluated, one relaxes there; the best is on the wall."""
    settings = ["problem=platinum_adatom", "problem.z=[2.2,4]", "searcher=rss", "calculator=batched_emt", "budget=24"]
    code, output = _told(invoke("run", *settings, "run_dir=out"))
    assert code == 0, output
    assert "As evaluated, no structure solves the problem." in output
    assert "Whether a structure relaxes to a solution has not been looked at" in output
    assert "warning: The best structure" in output
    assert "lies on the lower wall of the confinement, 2.2 angstrom" in output
    code, output = _told(invoke("report", "out", "--relaxed"))
    assert code == 0, output
    assert "Relaxed, the problem is solved, first from evaluation" in output
    code, output = _told(invoke("status", "out"))
    assert "lies on the lower wall" in output
    assert "above the best" in output
    code, output = _told(invoke("export", "out", "--to", "all.xyz"))
    assert (code, output) == (0, "24 structures, 24 with forces on all atoms, 24 with a stress in all.xyz")
    assert len(ase.io.read("all.xyz", index=":")) == 24
    assert invoke("export", "out", "--to", "all.cif").exit_code == 2
    bad = invoke("run", *settings, "problem.least_distance=2", "run_dir=other")
    assert bad.exit_code == 2
    assert "least_distance=2 must be a number" in bad.output


def _told(result):
    return result.exit_code, " ".join(result.output.split())


def _drawn(what, width=80):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(what)
    return console.export_text()


@pytest.mark.parametrize(
    ("heads", "row"),
    [
        (
            [
                "searcher",
                "seeds",
                "success low",
                "success high",
                "mean evaluations to success",
                "an_unbroken_long_name",
            ],
            ["bayesian_qlogei_joint", 10, 0.6915, 1.0, 123.4, 0.1234],
        ),
        (
            ["evaluation", *(f"Q{i}_precursor (%)" for i in range(9)), "value [a,b]", "upper bound"],
            [7, *(12.345678 * i for i in range(9)), 0.123456, -432.2704],
        ),
        (
            ["structure", "energy (eV)", "above the best (meV)", "proposed by"],
            ["1", "-432.2704", "123.1", "GO-Diff, force-guided"],
        ),
    ],
)
def test_every_word_and_number_of_a_table_is_whole_at_80_columns(heads, row):
    drawn = _drawn(table("silver", heads, [row]))
    assert "…" not in drawn
    assert max(map(len, drawn.splitlines())) <= 80
    told = [f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row]
    assert {word for text in (*heads, *told) for word in text.split()} <= set(drawn.split())


def test_a_bar_with_long_names_fits_80_columns_and_keeps_its_digits(monkeypatch):
    console = Console(width=80, force_terminal=True, file=io.StringIO(), color_system=None, legacy_windows=False)
    monkeypatch.setattr(progress, "out", console)
    with progress.counting("platinum_copper_heptamer, godiff_transfer", "evaluations", 2560, 100) as counted:
        counted(1240, "batch 112, best -432.2704 eV")
    lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in re.split(r"[\r\n]", console.file.getvalue())]
    assert max(map(len, lines)) <= 80
    assert any("1240/2560 evaluations, batch 112, best -432.2704 eV 0:00:0" in line for line in lines)


def test_a_file_gets_a_line_for_each_twentieth_and_the_last_state(monkeypatch):
    console, clock = Console(width=80, file=io.StringIO()), iter(range(10000))
    monkeypatch.setattr(progress, "out", console)
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    with progress.counting("silver, lhs", "evaluations", 200) as counted:
        for done in range(1, 196):
            counted(done, f"batch {done // 15 + 1}, best 0.2500")
    lines = console.file.getvalue().splitlines()
    assert 19 <= len(lines) <= 21
    assert re.fullmatch(r"silver, lhs: 195/200 evaluations, batch 14, best 0\.2500, 0:\d\d:\d\d", lines[-1])


@pytest.mark.parametrize(
    "verb", ["run", "compare", "ask", "tell", "status", "watch", "report", "models", "export", "desk"]
)
def test_help_shows_an_example_and_swallows_no_brackets(invoke, verb, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = invoke(verb, "--help").output
    assert f"Example:\n  matseek {verb}" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert "..." not in invoke("--help").output.replace("[ARGS]...", "")
    if verb == "compare":
        assert "searchers=[a,b]" in shown
    if verb in ("run", "compare", "ask"):
        assert {"two_step", "silver_measured", "batched_emt,"} <= set(shown.split())


def test_choices_are_told_with_what_they_are_and_their_defaults(invoke):
    shown = invoke("run", "--choices", "searcher").output
    assert "searcher=lhs" in shown
    assert "Feasible Latin hypercubes." in shown
    shown = invoke("run", "--choices", "searcher=bayesian").output
    assert "kernel: ard # of the loss; isotropic" in shown
    for wanted, told in (("colour", "there is no group 'colour'"), ("searcher=gold", "choose one of")):
        refused = invoke("compare", "--choices", wanted)
        assert refused.exit_code == 2
        assert told in " ".join(refused.output.split())


def test_only_the_first_of_several_processes_tells(invoke, monkeypatch):
    monkeypatch.setattr("matseek.campaign.place_of", lambda _: Place(1, 2, "srun"))
    result = invoke("run", *SMALL, "run_dir=out")
    assert result.exit_code == 0, result.output
    assert "evaluations" not in result.output, "neither a bar nor a table"


@pytest.mark.parametrize(("terminal", "lines"), [(True, 2), (False, 1)])
def test_sentences_are_broken_between_words_in_a_terminal_and_whole_in_a_file(monkeypatch, terminal, lines):
    said = io.StringIO()
    monkeypatch.setattr("matseek.terminal.out", Console(width=80, file=said, force_terminal=terminal, no_color=True))
    sentence = " ".join(["word"] * 30)
    show_sentences([sentence])
    drawn = said.getvalue().splitlines()
    assert len(drawn) == lines
    assert " ".join(line.strip() for line in drawn) == sentence
