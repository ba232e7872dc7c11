import numpy as np
import pytest

from matseek import Campaign
from matseek.configuration import recorded_settings, run_settings
from matseek.errors import ResponseError
from matseek.problems import (
    Derived,
    FurtherObjective,
    LinearCombination,
    OutcomeConstraint,
    PeakPosition,
    PeakWidth,
    RecipeProblem,
    ReplicateSpread,
    SpectralMatch,
)
from matseek.runs import keep_config
from matseek.searchers import RandomSearcher
from matseek.spaces import Box, Category, Variable
from matseek.testing import check_problem

AT = np.linspace(400, 800, 401)
SPACE = Box([Variable("place", 520, 680, unit="nm"), Variable("width", 30, 60, unit="nm")])
HALF = 2 * np.sqrt(2 * np.log(2))
"""Full width at half maximum of a normal curve, in its standard deviations."""


def bands(X):
    """Three replicates of a normal band, one of them much too strong, on a flat ground."""
    band = np.exp(-0.5 * ((AT - X[:, :1]) / X[:, 1:]) ** 2)
    return 0.2 + band[:, None] * np.array([0.9, 1.0, 3.0])[:, None]


def problem_of(**more):
    return RecipeProblem(SPACE, bands, SpectralMatch(AT, bands(np.array([[600.0, 40.0]]))[0, 0]), **more)


def measured(*outcomes, **more):
    problem = problem_of(further_objectives=[FurtherObjective(o) for o in outcomes], **more)
    return Campaign(problem, RandomSearcher(batch_size=6), seed=1).run(6)


def test_peaks_are_read_from_the_median_spectrum():
    campaign = measured(PeakPosition(), PeakWidth())
    evaluations = campaign.ledger.evaluations()
    points = np.array([e.point for e in evaluations])
    position, width = campaign.problem.goals.table(evaluations).T
    np.testing.assert_allclose(position, points[:, 0], atol=0.5)
    np.testing.assert_allclose(width, HALF * points[:, 1], rtol=0.02)
    frame = campaign.to_frame()
    np.testing.assert_array_equal(frame["peak_width (nm)"], width)


def test_a_peak_between_two_wavelengths_ends_where_they_end():
    campaign = measured(PeakPosition(between=(450, 500)), PeakWidth(between=(450, 500)))
    position, width = campaign.problem.goals.table(campaign.ledger.evaluations()).T
    assert (position == 500).all()  # the flank rises to the end
    assert (width < 50).all()


def test_combinations_spread_and_functions_of_your_own():
    strongest = Derived("strongest", lambda point, response: response.max(), unit="AU")
    campaign = measured(LinearCombination("both", {"place": 1, "width": 2}), ReplicateSpread(), strongest)
    for e, row in zip(
        campaign.ledger.evaluations(), campaign.problem.goals.table(campaign.ledger.evaluations()), strict=True
    ):
        assert row == pytest.approx([e.point @ [1, 2], e.replicates.std(ddof=1), e.response.max()])
    assert "strongest (AU)" in campaign.to_frame()


def test_the_summary_and_the_best_follow_the_constraints():
    free = measured(PeakPosition(), PeakWidth())
    widest = free.summary()["best_outcomes"]["peak_width (nm)"] - 0.1
    bound = measured(PeakPosition(), outcome_constraints=[OutcomeConstraint(PeakWidth(), upper=widest)])
    assert free.problem.describe() == bound.problem.describe()  # nothing that is stored differs
    summary = bound.summary()
    assert summary["best_outcomes"]["peak_width (nm)"] <= widest
    assert summary["feasible"] == (bound.to_frame()["peak_width (nm)"] <= widest).sum() >= 1
    assert summary["lowest_evaluation"] == free.lowest.number
    front = bound.pareto_front()
    assert summary["pareto_front"] == front["evaluation"].tolist()
    assert front["feasible"].all()
    assert front["value"].is_monotonic_increasing


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"outcome_constraints": [OutcomeConstraint(PeakWidth(between=(900, 950)), upper=1)]}, "widen the range"),
        ({"outcome_constraints": [OutcomeConstraint(PeakWidth(name="width", unit=""), upper=1)]}, "rename them"),
        ({"outcome_constraints": [OutcomeConstraint(PeakWidth(name="value"), upper=1)]}, "rename them"),
        ({"objective": None, "further_objectives": [FurtherObjective(PeakWidth())]}, "read from spectra"),
        ({"further_objectives": [PeakWidth()]}, "FurtherObjective"),
        ({"maximize": True}, "let it give the negative"),
    ],
)
def test_what_has_no_meaning_is_refused(more, message):
    with pytest.raises(ValueError, match=message):
        RecipeProblem(SPACE, bands, **{"objective": SpectralMatch(AT, AT), **more})


def test_what_is_maximised_is_recorded_as_its_negative():
    problem = RecipeProblem(SPACE, lambda X: X[:, :1] + [[0.0, 1.0, 5.0]], maximize=True, success_below=-600)
    check_problem(problem)
    campaign = Campaign(problem, RandomSearcher(batch_size=8), seed=0).run(8)
    best = campaign.lowest
    assert best.value == -(best.point[0] + 1)
    assert best.point[0] == max(e.point[0] for e in campaign.ledger.evaluations())
    assert campaign.summary()["success"] is True
    assert (problem.value_label, problem.told_label, problem.sign) == ("Negative value", "Value", -1)
    assert problem.describe()["maximize"] is True


def test_configs_say_it(tmp_path):
    settings = run_settings(
        [
            "problem=silver",
            "problem.risk={_target_: matseek.problems.CVaR, level: 0.8}",
            "problem.further_objectives=[{_target_: matseek.problems.FurtherObjective, outcome: "
            "{_target_: matseek.problems.LinearCombination, name: silver_used, coefficients: {QAgNO3: 1}, unit: '%'}}]",
            "problem.outcome_constraints=[{_target_: matseek.problems.OutcomeConstraint, outcome: "
            "{_target_: matseek.problems.PeakWidth}, upper: 200}]",
            f"run_dir={tmp_path / 'run'}",
        ]
    )
    keep_config(settings)
    for problem in (settings.problem, recorded_settings(tmp_path / "run").problem):
        assert problem.risk.label == "mean of the worst 20 %"
        assert [o.label for o in problem.goals.outcomes] == ["silver_used (%)", "peak_width (nm)"]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (OutcomeConstraint(LinearCombination("sum", {"place": 1, "width": 1}), lower=741), "between 550 and 740"),
        (OutcomeConstraint(LinearCombination("gap", {"place": 1, "width": -1}), upper=400), "between 460 and 650"),
        (OutcomeConstraint(PeakPosition(), lower=801), "between 400 and 800"),
        (OutcomeConstraint(PeakPosition(between=(450, 500)), lower=510), "between 450 and 500"),
        (OutcomeConstraint(PeakWidth(), lower=401), "between 0 and 400"),
        (OutcomeConstraint(ReplicateSpread(), upper=-0.1), "between 0 and inf"),
    ],
)
def test_a_constraint_that_no_point_can_meet_is_refused(rule, told):
    with pytest.raises(ValueError, match=f"no point can meet the constraint .* {told}; move the bound"):
        problem_of(outcome_constraints=[rule])


def test_constraints_that_contradict_each_other_are_refused():
    width = PeakWidth()
    rules = [OutcomeConstraint(width, upper=50), OutcomeConstraint(PeakWidth(), lower=60)]
    with pytest.raises(ValueError, match="peak_width .* at most 50 and peak_width .* at least 60"):
        problem_of(outcome_constraints=rules)


def test_a_constraint_is_kept_that_a_widened_window_may_meet():
    space = Box([Variable("a", 0, 1, hardware=(0, 3)), Variable("b", 0, 1)])
    rule = OutcomeConstraint(LinearCombination("sum", {"a": 1, "b": 1}), lower=3.5)
    assert RecipeProblem(space, lambda X: X[:, 0], outcome_constraints=[rule]).goals


def test_a_category_has_no_place_in_a_linear_combination():
    space = Box([Variable("a", 0, 1), Category("ligand", ["x", "y"])])
    used = FurtherObjective(LinearCombination("used", {"a": 1, "ligand": 2}))
    with pytest.raises(ValueError, match=r"'used' names \['ligand'\], whose values have no order"):
        RecipeProblem(space, lambda X: X[:, 0], further_objectives=[used])


def test_an_outcome_that_cannot_be_computed_is_named_and_loses_nothing():
    broken = Derived("ratio", lambda point, response: 1 / 0)
    problem = problem_of(further_objectives=[FurtherObjective(broken)])
    campaign = Campaign(problem, RandomSearcher(batch_size=2), seed=1).run(2)
    with pytest.raises(ResponseError, match="outcome 'ratio' cannot be computed of evaluation 1: ZeroDivisionError"):
        campaign.pareto_front()
    assert len(campaign.ledger.evaluations()) == 2
