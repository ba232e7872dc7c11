"""A run folder is data: what its config.yaml may make, and what it may not."""

import json
import subprocess
import sys

import pytest
from omegaconf import OmegaConf
from typer.testing import CliRunner

from matseek.choices import config_dir
from matseek.cli import app
from matseek.configuration import recorded_settings, run_settings
from matseek.errors import ConfigurationError
from matseek.parts import foreign_targets

FOREIGN = [
    {"_target_": "pandas.read_pickle", "filepath_or_buffer": "x.pkl"},
    {"_target_": "pathlib.Path.write_text", "_args_": ["ran", "ran"]},
    {"_target_": "os.system", "_args_": ["touch ran"]},
    {"_target_": "builtins.exec", "_args_": ["1"]},
    {"_target_": "functools.partial", "_args_": [{"_target_": "hydra.utils.get_method", "path": "os.system"}]},
    {"_target_": "hydra.utils.get_method", "path": "os.system"},
    {"_target_": "hydra.utils.instantiate", "config": {"_target_": "os.system"}},
    {"_target_": "matseek.standing.json.loads", "_args_": ["1"]},
    {"_target_": "matseek.cli.signal.raise_signal", "_args_": [9]},
    {"_target_": "matseek.cli.app"},
    {"_target_": "matseek.files.write_text", "path": "ran", "text": "ran"},
    {"_target_": "matseek.tables.write_csv", "frame": None, "path": "ran"},
    {"_target_": "matseek.report.write_page", "path": "ran"},
    {"_target_": "matseek.campaign.Campaign", "problem": None, "searcher": None, "ledger": "ran"},
    {"_target_": "matseek.evaluation.Ledger", "location": "ran"},
    {"_target_": "matseek.comparison.run_cell", "overrides": []},
    {"_target_": "matseek.configuration.run_settings", "overrides": []},
    {"_target_": "matseek.comparison.pd.read_pickle", "filepath_or_buffer": "ran"},
    {"_target_": "matseek.searchers.BayesianSearcher.__init__.__globals__.get", "_args_": ["os"]},
    {"_target_": "matseek.surrogates.spectrum_net.SpectrumNet.load", "path": "x"},
    {"_target_": "ase.calculators.emt.EMT", "label": "elsewhere/ran"},
    {"_target_": "ase.calculators.lj.LennardJones", "_partial_": True},
    {"_target_": "matseek.errors.MatseekError", "_args_": ["ran"]},
    {"_target_": ["os.system"]},
]


@pytest.mark.parametrize("node", FOREIGN, ids=lambda node: str(node["_target_"]))
@pytest.mark.parametrize("nested", [False, True])
def test_what_is_no_part_is_foreign(node, nested):
    config = {"searcher": {"_target_": "matseek.searchers.RandomSearcher", "x": [{"y": node}]} if nested else node}
    found = foreign_targets(config, config_dir())
    assert str(node["_target_"]) in found.values()
    assert next(iter(found)).startswith("searcher.x[0].y" if nested else "searcher")


@pytest.mark.parametrize("path", sorted(config_dir().rglob("*.yaml")), ids=lambda path: path.stem)
def test_all_that_comes_with_matseek_is_made_of_parts(path):
    assert foreign_targets(OmegaConf.to_container(OmegaConf.load(path)), config_dir()) == {}


@pytest.mark.parametrize(
    "target",
    [
        "matseek.diffusion.AdaptiveKT",
        "matseek.diffusion.Heun",
        "matseek.diffusion.sampler.PredictorCorrector",
        "matseek.searchers.bayesian.BayesianSearcher",
        "matseek.spaces.LinearConstraint",
        "matseek.problems.SpectralMatch",
    ],
)
def test_matseeks_own_values_are_parts_wherever_they_are_named(target):
    assert foreign_targets({"_target_": target}, config_dir()) == {}


def test_what_an_extension_names_is_a_part(offer):
    offer("matseek.problems", "mine", "mypackage.lab:problem")
    offer("console_scripts", "other", "os:system")
    assert foreign_targets({"_target_": "mypackage.lab.problem"}, config_dir()) == {}
    assert foreign_targets({"_target_": "os.system"}, config_dir())


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """A folder of a campaign, and a change of its config.yaml."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["ask", "lab", "problem=laboratory", "searcher=lhs", "-n", "2"])
    assert result.exit_code == 0, result.output
    path = tmp_path / "lab" / "config.yaml"

    def change(**changes):
        config = OmegaConf.load(path)
        for key, value in changes.items():
            OmegaConf.update(config, key.replace("__", "."), value, merge=False)
        OmegaConf.save(config, path)
        return tmp_path / "lab"

    return change


@pytest.mark.parametrize("verb", [["report"], ["ask"], ["tell"], ["watch", "--once"]], ids=lambda verb: verb[0])
def test_a_foreign_target_is_named_and_not_run(stored, tmp_path, verb):
    node = {"_target_": "pathlib.Path.write_text", "_args_": [{"_target_": "pathlib.Path", "_args_": ["ran"]}, "ran"]}
    folder = stored(searcher=node)
    (tmp_path / "results.csv").write_text("evaluation,value\n1,0.5\n")
    arguments = [verb[0], str(folder), *verb[1:], *(["results.csv"] if verb[0] == "tell" else [])]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "would run pathlib.Path.write_text (searcher)" in result.output
    assert "add --trust" in result.output
    assert not (tmp_path / "ran").exists()
    CliRunner().invoke(app, [*arguments, "--trust"])
    assert (tmp_path / "ran").exists(), "with the user's word it is run"


def test_what_reading_does_not_need_is_not_made(stored, tmp_path):
    folder = stored(
        evaluator={"_target_": "os.mkdir", "path": str(tmp_path / "ran")},
        logger={"_target_": "os.mkdir", "path": "${oc.env:SECRET_PLACE}"},
    )
    assert recorded_settings(folder).tracking is None
    assert CliRunner().invoke(app, ["status", str(folder)]).exit_code == 0
    assert CliRunner().invoke(app, ["ask", str(folder), "-n", "1"]).exit_code == 0
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "value",
    [
        "${oc.env:MATSEEK_TEST_KEY}",
        "${data}",
        "${oc.decode:${oc.env:MATSEEK_TEST_KEY}}",
        r"${oc.decode:'\${oc.env:MATSEEK_TEST_KEY}'}",
        "${oc.${data}:HOME}",
    ],
)
def test_nothing_of_the_environment_is_read_for_a_stored_file(stored, monkeypatch, value):
    monkeypatch.setenv("MATSEEK_TEST_KEY", "opensesame")
    folder = stored(problem__name=value, data="${oc.env:MATSEEK_TEST_KEY}")
    with pytest.raises(ConfigurationError, match=r"would read .*--trust") as refused:
        recorded_settings(folder)
    assert "opensesame" not in str(refused.value)
    if "data}:" not in value:
        assert recorded_settings(folder, trust=True).problem.name == "opensesame"


@pytest.mark.parametrize("key", ["seed", "budget", "opening"])
def test_no_number_of_a_stored_file_is_taken_from_the_environment(stored, monkeypatch, key):
    monkeypatch.setenv("MATSEEK_TEST_KEY", "12345678")
    folder = stored(**{key: "${oc.decode:${oc.env:MATSEEK_TEST_KEY}}"})
    with pytest.raises(ConfigurationError, match=r"would read .*--trust") as refused:
        recorded_settings(folder)
    assert "12345678" not in str(refused.value)
    assert getattr(recorded_settings(folder, trust=True), key) == 12345678


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x [1]\nb: *x\n", "aliases"),
        ("a: [", "cannot be read as YAML"),
        ("- 1\n", "holds no settings"),
        ("", "holds no settings"),
        ("5\n", "holds no settings"),
        ("a: 1\n---\nb: 2\n", "cannot be read as YAML"),
        ("null: 1\n", "config.yaml holds what is no setting"),
        ("a: !!set {b, c}\n", "config.yaml holds what is no setting"),
        ("a: ${.}\n", "config.yaml holds what is no setting"),
        ("a: \udce9\n", "config.yaml cannot be read as YAML"),
        ("a: " + "[" * 100_000, "nested more than 50 deep"),
        ("problem: !!python/object/apply:os.system [touch ran]\n", "cannot be read as YAML"),
    ],
)
def test_files_that_are_no_settings_are_told_as_such(tmp_path, text, message):
    (tmp_path / "config.yaml").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigurationError, match=message):
        recorded_settings(tmp_path)


@pytest.mark.parametrize("name", ["it's", "a\\'b", "${x}", "\\${oc.env:HOME}", "a=b [c] {d}", "dollar$, 100 %"])
def test_a_folder_may_have_any_name(monkeypatch, tmp_path, name):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["ask", name, "problem=laboratory", "searcher=lhs", "-n", "1"])
    assert result.exit_code == 0, result.output
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert recorded_settings(tmp_path / name).seed == 0


def test_the_users_own_target_on_the_command_line_is_the_users_word():
    overrides = ["problem=platinum_heptamer", "calculator._target_=ase.calculators.lj.LennardJones"]
    assert run_settings(overrides).problem.calculator.func.__name__ == "LennardJones"


def test_status_needs_no_torch_and_no_problem(stored, tmp_path):
    folder = stored(problem={"_target_": "os.mkdir", "path": str(tmp_path / "ran")})
    code = (
        "import sys, json\nfrom typer.testing import CliRunner\nfrom matseek.cli import app\n"
        f"result = CliRunner().invoke(app, ['status', {str(folder)!r}])\n"
        "heavy = [m for m in ('torch', 'pandas', 'matplotlib', 'hydra', 'ase') if m in sys.modules]\n"
        "print(json.dumps([result.exit_code, result.output, heavy]))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True).stdout
    exit_code, output, heavy = json.loads(told)
    assert (exit_code, heavy) == (0, [])
    assert "laboratory, lhs: 0 measured (0 failed), 2 to be measured" in output
    assert not (tmp_path / "ran").exists()
