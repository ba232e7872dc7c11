import pytest
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf

from matseek.choices import config_dir
from matseek.configuration import run_settings
from matseek.errors import ConfigurationError
from matseek.godiff.searcher import GODiffSearcher
from matseek.potentials import BatchedEMT
from matseek.problems import StructureProblem
from matseek.searchers import BayesianSearcher, Widening

GROUPS = ["problem", "searcher", "calculator", "evaluator", "stop", "trainer", "logger", "experiment"]
CHOICES = [(g, p.stem) for g in GROUPS for p in sorted((config_dir() / g).glob("*.yaml"))]

PROTOCOLS = [("protocol", p.stem) for p in sorted((config_dir() / "protocol").glob("*.yaml"))]
EFFORTS = [("effort", p.stem) for p in sorted((config_dir() / "effort").glob("*.yaml"))]


def test_every_file_belongs_to_a_group():
    files = {p.relative_to(config_dir()).as_posix() for p in config_dir().rglob("*.yaml")}
    assert files == {"run.yaml"} | {f"{g}/{name}.yaml" for g, name in [*CHOICES, *PROTOCOLS, *EFFORTS]}


@pytest.mark.parametrize("name", [name for _, name in EFFORTS])
def test_every_effort_is_of_a_problem_and_yields_to_overrides(name):
    effort = OmegaConf.load(config_dir() / "effort" / f"{name}.yaml")
    assert run_settings([f"problem={name}", "searcher=godiff"]).budget == effort.budget
    assert run_settings([f"problem={name}", "searcher=godiff", "budget=64"]).budget == 64


@pytest.mark.parametrize("name", [name for _, name in PROTOCOLS])
def test_every_protocol_is_of_a_problem_and_a_searcher_and_yields_to_overrides(name, request):
    problem, searcher = name.split("-")
    chosen = [f"problem={problem}", f"searcher={searcher}"]
    if problem == "silver_measured":
        chosen.append(f"data={request.getfixturevalue('droplets_csv')}")
    protocol = OmegaConf.to_container(OmegaConf.load(config_dir() / "protocol" / f"{name}.yaml"))
    config = OmegaConf.to_container(run_settings(chosen).config)
    for key in {*protocol} - {"defaults", "searcher"}:
        assert config[key] == protocol[key]
    for key, value in protocol.get("searcher", {}).items():
        assert isinstance(value, dict) or config["searcher"][key] == value
    assert run_settings([*chosen, "budget=64"]).budget == 64


@pytest.mark.parametrize(("group", "name"), CHOICES)
def test_every_yaml_instantiates(group, name, request):
    overrides = [f"{group}={name}"] + ["problem=platinum_heptamer"] * (group == "calculator")
    if name == "silver_measured":
        overrides.append(f"data={request.getfixturevalue('droplets_csv')}")
    settings = run_settings(overrides)
    settings.searcher.check(settings.budget)
    if isinstance(settings.problem, StructureProblem):
        names = ("platinum", "copper", "Pt7 on Pt(111)", "CO + CO + O on Pt(211)", "lj", "pt13")
        assert settings.problem.name.startswith(names)
        assert settings.problem.has_success == (name not in {"island", "adsorbates"})
    elif name == "platinum_copper_alloy":
        assert settings.problem.space.dim == 16
    else:
        assert settings.problem.space.dim == (6 if name == "gold_nanorods" else 5)
        assert (settings.problem.oracle is None) == (name == "laboratory")


def test_defaults_of_configs_and_of_classes_are_the_same():
    assert run_settings(["searcher=bayesian"]).searcher == BayesianSearcher()
    assert run_settings(["problem=platinum_adatom", "searcher=godiff"]).searcher == GODiffSearcher()


def test_overrides_reach_the_objects():
    settings = run_settings(
        ["searcher.acquisition=qlogei", "searcher.widening=null", "budget=30", "seed=7", "problem.droplets=4"]
    )
    assert settings.searcher == BayesianSearcher(acquisition="qlogei", widening=None)
    assert (settings.budget, settings.seed) == (30, 7)
    assert settings.problem.oracle.droplets == 4
    assert str(settings.run_dir) == "runs/silver-bayesian-7"
    assert settings.config.seed == 7
    assert run_settings(["searcher.widening.share=0.5"]).searcher.widening == Widening(share=0.5)


def test_the_papers_experiment_is_a_diff():
    searcher = run_settings(["experiment=silver_paper"]).searcher
    assert searcher == BayesianSearcher(
        model="loss", acquisition="local_penalization_ei", kernel="isotropic", log=False
    )


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["problem=gold"], "Could not find 'problem/gold'"),
        (["searcher.colour=red"], "colour"),
        (["searcher.acquisition=magic"], "acquisition='magic' is unknown; choose one of"),
        (["searcher.batch_size=0"], "batch_size=0 must be"),
        (["budget=many"], "budget='many' must be a whole number"),
        (["searcher.batch_size=abc"], "searcher: batch_size='abc' must be a whole number"),
        (["evaluator.timeout_s=abc"], "evaluator: timeout_s='abc' must be a number in"),
        (["problem.droplets=abc"], "problem: droplets='abc'"),
        (["problem.success_below=abc"], "problem: success_below='abc' must be a finite number"),
        (
            ["problm=silver"],
            r"problm.*\s*.*groups are \['calculator', 'effort', 'evaluator', 'experiment', 'logger', 'problem',",
        ),
        (["run_dir=[a]"], "run_dir must be a path"),
        (["run_dir=''"], "run_dir must be a path"),
        (["problem=silver_measured"], "add data=FILE"),
        (["problem=silver_measured", "data=nowhere.csv"], "data='nowhere.csv' is not a file"),
        (["nonsense"], "nonsense"),
    ],
)
def test_bad_overrides_are_explained(overrides, message):
    with pytest.raises(ConfigurationError, match=message):
        run_settings(overrides)


def test_stop_criteria_come_from_their_group():
    watched = run_settings([]).stop
    names = ["loss_level", "spectra_stability", "gp_stability", "network_stability", "accuracy"]
    assert [c.name for c in watched] == names
    assert [c.level for c in watched] == [""] * 5, "by default nothing but the budget ends a campaign"
    assert run_settings(["stop=none"]).stop == ()
    levels = {c.name: c.level for c in run_settings(["stop=paper", "stop.loss_level.below=0.2"]).stop}
    assert levels["loss_level"] == "best value below 0.2"
    assert levels["network_stability"] == "similarity to the map before at least 0.995, 2 batches in a row"
    assert levels["accuracy"] == "median spectral cosine at least 0.99, 2 batches in a row"
    with pytest.raises(ConfigurationError, match=r"at_least=2.* must be a number in \(0, 1\]"):
        run_settings(["stop.gp_stability.at_least=2"])


def test_the_saved_config_composes_again(tmp_path):
    settings = run_settings(["seed=3"])
    OmegaConf.save(settings.config, tmp_path / "config.yaml")
    again = OmegaConf.load(tmp_path / "config.yaml")
    assert instantiate(again.searcher, _convert_="all") == settings.searcher
    with initialize_config_dir(version_base="1.3", config_dir=str(config_dir())):
        assert compose("run").budget == again.budget


@pytest.mark.parametrize(
    ("overrides", "kind"),
    [
        ([], EMT),
        (["calculator=batched_emt"], BatchedEMT),
        (["calculator._target_=ase.calculators.lj.LennardJones", "+calculator.sigma=2.0"], LennardJones),
    ],
)
def test_structures_take_any_calculator(overrides, kind):
    problem = run_settings(["problem=platinum_heptamer", *overrides]).problem
    assert isinstance(problem.calculator(), kind)
    assert isinstance(problem.relaxed_success.calculator(), kind)


@pytest.mark.parametrize(
    ("problem", "message"),
    [("lj13", "problem=lj13 has a calculator of its own"), ("silver", "problem=silver is not given one")],
)
@pytest.mark.parametrize("given", ["calculator=batched_emt", "calculator._target_=ase.calculators.emt.EMT"])
def test_a_calculator_that_the_problem_would_not_use_is_refused(problem, message, given):
    with pytest.raises(ConfigurationError, match=f"calculator has no effect: {message}"):
        run_settings([f"problem={problem}", "searcher=random", given])


def test_an_own_calculator_is_set_with_the_problem():
    own = "problem.calculator._target_=matseek.potentials.BatchedEMT"
    settings = run_settings(["problem=lennard_jones_cluster", "searcher=rss", own, "problem.lowest=1.0"])
    assert isinstance(settings.problem.calculator(), BatchedEMT)
