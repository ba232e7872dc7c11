"""Campaigns that begin with what others have measured."""

import gc
import hashlib
import shutil
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
from ase.build import fcc111
from hypothesis import given, settings
from hypothesis import strategies as st

from matseek import Campaign
from matseek.core.history import History
from matseek.core.records import HISTORY, WINDOW_WIDENED, Event, Proposal
from matseek.errors import ConfigurationError, LedgerBusyError, LedgerError, LedgerMismatchError
from matseek.evaluation import LedgerReader
from matseek.evaluation.earlier import earlier_evaluations
from matseek.evaluation.ledger import Ledger
from matseek.insight.stopping import LossLevel
from matseek.potentials import BatchedEMT
from matseek.problems import RecipeProblem, SpectralMatch, StructureProblem
from matseek.record import Record
from matseek.searchers import BayesianSearcher, LatinHypercube, RandomStructureSearch, TwoStepSearcher
from matseek.spaces import Adlayer, Box, LinearConstraint, Variable
from tests.conftest import WAVELENGTHS, Counting, bands, bowl

X, Y = Variable("x", 0, 1, unit="%", hardware=(0, 2)), Variable("y", 0.2, 1)


@dataclass
class Lab:
    """Spectra of two replicates on given wavelengths; every call is counted, and the class alone is its identity."""

    at: tuple[float, ...] = tuple(WAVELENGTHS)
    order: tuple[int, int] = (0, 1)

    def describe(self):
        return "bands"

    def __call__(self, points, rng):
        x, y = np.asarray(points)[:, list(self.order)].T[:, :, None]
        spectra = (0.3 + 0.6 * y) * np.exp(-0.5 * ((np.array(self.at) - 450 - 250 * x) / 60) ** 2)
        return spectra[:, None] + rng.normal(0, 0.01, (len(x), 2, len(self.at)))


def match(x, y=0.9, at=WAVELENGTHS):
    at = np.asarray(at)
    return SpectralMatch(at, (0.3 + 0.6 * y) * np.exp(-0.5 * ((at - 450 - 250 * x) / 60) ** 2))


def target(x, at=WAVELENGTHS, variables=(X, Y), lab=None, **settings):
    return RecipeProblem(Box(variables), lab or Lab(tuple(at)), match(x, at=at), name=f"to {x}", **settings)


@pytest.fixture
def first(tmp_path):
    """The ledger of a campaign for x = 0.2, of 12 evaluations."""
    path = tmp_path / "first" / "ledger.db"
    Campaign(target(0.2), LatinHypercube(6), path, seed=3).run(12)
    gc.collect()  # closes the ledger
    return path


def test_spectra_are_scored_by_the_new_target_and_nothing_is_written_into_their_ledger(first, tmp_path):
    files = {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in first.parent.iterdir()}
    problem = target(0.8)
    campaign = Campaign(problem, LatinHypercube(4), tmp_path / "second.db", seed=3, history=first.parent)
    assert {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in first.parent.iterdir()} == files
    there = LedgerReader(first).evaluations()
    assert len(campaign.earlier) == 12
    for own, old in zip(campaign.earlier, there, strict=True):
        np.testing.assert_array_equal(own.response, old.response)
        np.testing.assert_allclose(own.replicates, problem.objective(old.response))
        assert own.value == pytest.approx(float(np.median(problem.objective(old.response))))
        assert own.value != pytest.approx(old.value)
        assert own.variance == pytest.approx(np.pi / 4 * own.replicates.var(ddof=1))
    assert [e.number for e in campaign.earlier] == list(range(-11, 1))
    assert {e.iteration for e in campaign.earlier} == {0}
    history = campaign.history()
    assert len(history.points) == len(history.values) == len(history.tried) == 12
    assert not history.evaluations


@settings(max_examples=8)
@given(st.integers(1, 9), st.integers(1, 9), st.floats(0.1, 1.0), st.integers(0, 3))
def test_what_was_measured_before_counts_for_nothing(tmp_path_factory, before, budget, level, failing):
    """Calls, evaluations, success and trace are the campaign's own, whatever it begins with."""

    def sometimes(points):
        if failing and len(oracle.points) % 4 < failing:
            raise OSError("no connection")
        return points.sum(axis=1)

    folder = tmp_path_factory.mktemp("own")
    oracle = Counting(sometimes)
    oracle.describe = lambda: "sum"
    problem = RecipeProblem(Box([X, Y]), oracle, name="sum", success_below=level)
    Campaign(problem, LatinHypercube(3 if before >= 3 else 1), folder / "a.db", seed=1).run(before)
    oracle.points.clear()
    campaign = Campaign(problem, LatinHypercube(1), folder / "b.db", seed=1, history=folder / "a.db").run(budget)
    summary, frame = campaign.summary(), campaign.to_frame()
    assert len(oracle.points) == campaign.ledger.count() == summary["evaluations"] == len(frame) == budget
    own = [e for e in campaign.ledger.evaluations() if e.status == "done"]
    assert summary["failed"] == budget - len(own)
    assert summary["lowest_value"] == min((e.value for e in own), default=None)
    assert summary["evaluations_to_success"] == next((e.number for e in own if e.value < level), None)
    assert len(campaign.history().tried) == before + budget
    assert summary["earlier"]["evaluations"] == before == len(campaign.earlier)


def test_the_own_best_stands_beside_the_earlier_one(first, tmp_path):
    campaign = Campaign(target(0.2, success_below=1.0), LatinHypercube(1), seed=8, history=first).run(1)
    assert campaign.best.number == 1
    there = LedgerReader(first).evaluations()
    assert campaign.earlier_best.value == campaign.problem.ranked(there)[0].value
    assert campaign.earlier_best.value < campaign.best.value
    summary = campaign.summary()
    assert summary["earlier"]["best_value"] == campaign.earlier_best.value
    assert summary["earlier"]["best_point"].keys() == {"x (%)", "y"}
    assert "began with 12 earlier evaluations" in summary["outcome"][-1]
    assert "its own best is not better" in summary["outcome"][-1]
    assert "12 have a loss here" in summary["events"][0]
    page = campaign.write(tmp_path / "page").read_text()
    assert "began with 12 earlier evaluations" in page


def test_the_first_batch_comes_from_the_model_where_enough_is_known(first):
    campaign = Campaign(target(0.8), BayesianSearcher(4), seed=3, history=first).run(4)
    assert set(campaign.to_frame()["proposer"]) == {"bayesian"}
    few = Campaign(target(0.8), BayesianSearcher(13), seed=3, history=first)
    assert set(few.run(13).to_frame()["proposer"]) == {"lhs"}
    stages = TwoStepSearcher(batch_size=6)
    assert stages.stage(campaign.history()).proposers == ("bayesian",)
    assert stages.stage(replace(campaign.history(), earlier=(), iteration=1)).proposers == ("lhs",)


def test_points_of_the_same_seed_are_not_measured_again(first):
    again = Campaign(target(0.8), LatinHypercube(6), seed=3, history=first).run(6)
    old = np.array([e.point for e in again.earlier])
    own = np.array([e.point for e in again.ledger.evaluations()])
    assert np.abs(own[:, None] - old[None]).max(axis=2).min() > 1e-6


def test_a_campaign_ends_alike_when_it_was_cut_off_and_its_origin_is_gone(first, tmp_path):
    whole = Campaign(target(0.8), BayesianSearcher(4), tmp_path / "whole.db", seed=3, history=first).run(12)
    cut = partial(Campaign, target(0.8), BayesianSearcher(4), tmp_path / "cut.db", seed=3)
    cut(history=first).run(4)
    shutil.rmtree(first.parent)
    cut().run(8)
    with pytest.raises(LedgerMismatchError, match=r"began with history=\['.*ledger.db'\].*leave history out"):
        cut(history=tmp_path / "whole.db")
    cut(history=first)
    resumed = cut(history=first.parent).run(12)
    for a, b in zip(whole.ledger.evaluations(), resumed.ledger.evaluations(), strict=True):
        np.testing.assert_array_equal(a.point, b.point)
        assert a.value == b.value
    read = Record.read(target(0.8), BayesianSearcher(4), tmp_path / "cut.db", 3)
    assert [e.value for e in read.earlier] == [e.value for e in whole.earlier]
    told = [e.data for e in resumed.ledger.events() if e.kind == HISTORY]
    assert len(told) == 1
    assert told[0]["evaluations"] == told[0]["done"] == 12
    assert told[0]["digest"] == resumed.ledger.origins()[0].digest
    assert told[0]["ledger"] == str(first)


def test_the_digest_tells_responses_apart(first):
    origin = LedgerReader(first).as_origin()
    e = origin.evaluations[0]
    other = replace(e, load_response=lambda: e.response + 1e-9)
    assert replace(origin, evaluations=(other, *origin.evaluations[1:])).digest != origin.digest
    assert replace(origin).digest == origin.digest


def test_a_history_belongs_to_the_beginning(first, tmp_path):
    path = tmp_path / "second.db"
    Campaign(target(0.8), LatinHypercube(2), path, seed=3).run(2)
    with pytest.raises(LedgerMismatchError, match=r"began without a history"):
        Campaign(target(0.8), LatinHypercube(2), path, seed=3, history=first)


def test_a_campaign_that_is_running_gives_what_it_has(tmp_path):
    problem = replace(target(0.2), oracle=None)
    running = Campaign(problem, LatinHypercube(3), tmp_path / "a.db", seed=1)
    here = partial(Campaign, replace(problem, objective=match(0.8)), LatinHypercube(3), seed=1)
    with pytest.raises(ConfigurationError, match=r"holds no evaluation with a result yet"):
        here(history=tmp_path / "a.db")
    batch = running.ask()
    results = [np.full(WAVELENGTHS.size, np.nan), *bands([[0.3, 0.8, 0], [0.6, 0.8, 0]])]
    running.tell(batch.with_responses(results))
    running.ask()
    with running.ledger.locked():
        campaign = here(history=tmp_path / "a.db")
    assert [e.status for e in campaign.earlier] == ["failed", "done", "done"]
    assert len(campaign.history().failed) == 1
    assert campaign.history().pending.shape == (0, 2)


def test_variables_are_found_by_name_and_unit(first):
    turned = target(0.8, variables=(Y, X), lab=Lab(order=(1, 0)))
    campaign = Campaign(turned, LatinHypercube(2), history=first)
    there = np.array([e.point for e in LedgerReader(first).evaluations()])
    np.testing.assert_array_equal(campaign.history().points, there[:, ::-1])


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ((X, replace(Y, unit="mL")), r"its variable 'y' is a pure number, this one is in mL"),
        ((X, Y, Variable("z", 0, 1)), r"its variables are \['x', 'y'\], these are \['x', 'y', 'z'\]"),
        ((replace(X, hardware=None, periodic=True), Y), r"'x' is in %, this one is in % with"),
    ],
)
def test_other_variables_are_refused_before_anything_is_paid(first, variables, message, tmp_path):
    problem = target(0.8, variables=variables)
    with pytest.raises(ConfigurationError, match=message):
        Campaign(problem, LatinHypercube(2), tmp_path / "new.db", history=first)
    assert LedgerReader(tmp_path / "new.db").count() == 0


def test_points_beyond_the_window_are_used_and_those_beyond_the_hardware_are_not(first):
    narrow = replace(X, low=0.4, high=0.6, hardware=(0.2, 0.8))
    problem = RecipeProblem(Box([narrow, Y], [LinearConstraint({"x": 1}, upper=0.5)]), Lab(), match(0.8), name="n")
    campaign = Campaign(problem, BayesianSearcher(4), history=first, seed=1)
    there = np.array([e.point[0] for e in LedgerReader(first).evaluations()])
    within = there[(there >= 0.2) & (there <= 0.8)]
    np.testing.assert_array_equal(campaign.history().points[:, 0], within)
    assert within.min() < 0.4
    assert within.max() > 0.6
    assert f"{12 - len(within)} lie beyond what can be set here" in campaign.summary()["events"][0]
    campaign.run(4)
    assert campaign.history().window.contains([e.point for e in campaign.ledger.evaluations()]).all()


def test_a_best_beyond_the_window_widens_it(first):
    narrow = replace(X, low=0.0, high=0.4, hardware=(0, 1))
    problem = RecipeProblem(Box([narrow, Y]), Lab(), match(0.8), name="n")
    campaign = Campaign(problem, BayesianSearcher(2), history=first, seed=1).run(4)
    assert campaign.earlier_best.point[0] > 0.5
    widened = [e.data for e in campaign.ledger.events() if e.kind == WINDOW_WIDENED]
    assert ("x", "high") in [(w["variable"], w["side"]) for w in widened]


def test_spectra_on_other_wavelengths_are_interpolated_where_they_cover_the_targets(first):
    inner = np.linspace(400, 780, 77)
    campaign = Campaign(target(0.8, at=inner), LatinHypercube(2), history=first)
    for own, old in zip(campaign.earlier, LedgerReader(first).evaluations(), strict=True):
        expected = [np.interp(inner, WAVELENGTHS, r) for r in old.response]
        np.testing.assert_allclose(own.response, expected)
        np.testing.assert_allclose(own.replicates, campaign.problem.objective(np.array(expected)))
    with pytest.raises(ConfigurationError, match=r"evaluation 1: spectra were measured at 380-800 nm, but 370-780"):
        Campaign(target(0.8, at=np.linspace(370, 780, 30)), LatinHypercube(2), history=first)


def test_a_ledger_that_does_not_tell_its_wavelengths(first):
    origin = LedgerReader(first).as_origin()
    silent = {k: v for k, v in origin.campaign.problem.items() if k != "wavelengths"}
    old = replace(origin, campaign=replace(origin.campaign, problem=silent))
    assert len(earlier_evaluations(target(0.8), [old])) == 12
    with pytest.raises(ConfigurationError, match=r"shape \(2, 43\) does not fit the objective's 30 wavelengths"):
        earlier_evaluations(target(0.8, at=np.linspace(400, 780, 30)), [old])
    # It is the same campaign as before, and tells them from now on.
    ledger = Ledger(None)
    ledger.claim(silent, "lhs", 3)
    ledger.claim(origin.campaign.problem, "lhs", 3)
    assert ledger.identity.problem == origin.campaign.problem
    with pytest.raises(LedgerMismatchError, match="wavelengths"):
        ledger.claim({**origin.campaign.problem, "wavelengths": [1.0, 2.0]}, "lhs", 3)


def values(name="bowl", oracle=bowl, **settings):
    return RecipeProblem(Box([Variable(n, -10, 1000) for n in "abc"]), oracle, name=name, **settings)


def test_values_are_taken_where_they_are_the_same(tmp_path, first):
    Campaign(values(), LatinHypercube(3), tmp_path / "v.db").run(3)
    campaign = Campaign(values(), LatinHypercube(3), history=[tmp_path / "v.db"])
    assert [e.value for e in campaign.earlier] == [e.value for e in LedgerReader(tmp_path / "v.db").evaluations()]

    def other(points):
        return points.sum(axis=1)

    scored = values(objective=match(0.2))
    for problem, source, message in (
        (values(oracle=other), "v.db", r"what it measured is something else: its oracle is .*; its fingerprint is"),
        (values(name="x"), "v.db", r"its name is 'bowl', this one is 'x'"),
        (scored, "v.db", r"it holds values, and this problem's objective needs spectra"),
        (values(), first, r"it holds spectra, and this problem has no objective"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            Campaign(problem, LatinHypercube(3), history=tmp_path / source)


def test_spectra_of_another_laboratory_are_refused(first):
    lab = Lab()
    lab.describe = lambda: "another"
    with pytest.raises(ConfigurationError, match=r"its oracle is 'bands', this one is 'another'"):
        Campaign(target(0.8, lab=lab), LatinHypercube(2), history=first)


def test_several_and_those_that_they_began_with_count_once(first, tmp_path):
    second, third = tmp_path / "second.db", tmp_path / "third.db"
    Campaign(target(0.8), LatinHypercube(4), second, seed=3, history=first).run(4)
    campaign = Campaign(target(0.5), LatinHypercube(4), third, seed=3, history=[second, first])
    assert len(campaign.earlier) == 16
    assert len(Campaign(target(0.5), LatinHypercube(4), history=f"sqlite:///{second}").earlier) == 16
    assert [o.ledger for o in campaign.ledger.origins()] == [str(first), str(second)]


@pytest.mark.parametrize(
    ("history", "error", "message"),
    [
        (7, ConfigurationError, "history"),
        ("nowhere.db", LedgerError, r"nowhere\.db"),
        ("nonsense://x", LedgerError, "nonsense"),
    ],
)
def test_what_is_no_history_is_refused(history, error, message):
    with pytest.raises(error, match=message):
        Campaign(target(0.8), LatinHypercube(2), history=history)


def test_a_target_is_changed_in_the_same_ledger(first):
    here = partial(Campaign, searcher=LatinHypercube(6), ledger=first, seed=3)
    values = [e.value for e in LedgerReader(first).evaluations()]
    with pytest.raises(LedgerMismatchError, match=r"To go on here with another target, name this ledger"):
        here(target(0.8))
    changed = here(target(0.8), history=first.parent)
    aside = first.with_name("ledger.1.db")
    assert [e.value for e in LedgerReader(aside).evaluations()] == values
    assert changed.ledger.count() == 0
    changed.run(6)
    del changed
    again = here(target(0.8), history=first.parent).run(12)
    assert again.ledger.count() == 12
    assert len(again.earlier) == 12
    assert str(aside) in again.summary()["events"][0]
    del again
    back = here(target(0.2), history=first)
    assert len(back.earlier) == 24
    assert sorted(p.name for p in first.parent.glob("*.db")) == ["ledger.1.db", "ledger.2.db", "ledger.db"]


def test_a_ledger_is_set_aside_only_where_nothing_is_lost(first, tmp_path):
    same = partial(Campaign, searcher=LatinHypercube(6), ledger=first, seed=3, history=first)
    with pytest.raises(ConfigurationError, match=r"holds no other target; leave it out"):
        same(target(0.2))
    with pytest.raises(ConfigurationError, match=r"its variable 'y' is"):
        same(target(0.8, variables=(X, replace(Y, unit="mL"))))
    reading = Ledger(first)
    with pytest.raises(LedgerBusyError, match=r"is open elsewhere"):
        same(target(0.8))
    assert reading.count() == 12
    del reading
    people = replace(target(0.2), oracle=None)
    waiting = tmp_path / "waiting.db"
    Campaign(people, LatinHypercube(3), waiting).ask()
    with pytest.raises(ConfigurationError, match=r"3 evaluations have no result yet"):
        Campaign(replace(people, objective=match(0.8)), LatinHypercube(3), waiting, history=waiting)
    assert not list(tmp_path.glob("waiting.*.db"))


def test_a_stop_criterion_judges_the_campaigns_own(first):
    level = LossLevel(below=max(e.value for e in LedgerReader(first).evaluations()))
    campaign = Campaign(target(0.2), LatinHypercube(2), seed=9, stop=[level], history=first).run(2)
    assert campaign.judgements()["loss_level"][1]["best"] == campaign.best.value


def island(calculator=BatchedEMT, free="Pt", layers=2):
    template = fcc111("Pt", (2, 2, layers), vacuum=6.0)
    return StructureProblem(Adlayer(template, free, z=(0.5, 3.5)), calculator=calculator, name="adatom")


def test_structures_of_the_same_template_and_energy_are_used(tmp_path):
    path = tmp_path / "atoms.db"
    Campaign(island(), LatinHypercube(5), path, seed=1).run(5)
    campaign = Campaign(island(), BayesianSearcher(1), seed=2, history=path).run(1)
    assert set(campaign.to_frame()["proposer"]) == {"bayesian"}
    assert [e.value for e in campaign.earlier] == [e.value for e in LedgerReader(path).evaluations()]
    assert all(e.response is not None for e in campaign.earlier)
    from ase.calculators.emt import EMT

    for problem, message in (
        (island(EMT), "its calculator is"),
        (island(layers=3), "its template is another one"),
        (island(free="Cu"), "its free atoms are others"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            Campaign(problem, BayesianSearcher(2), history=path)


def test_a_history_seen_through_a_box_keeps_what_is_earlier_apart(tmp_path):
    path = tmp_path / "atoms.db"
    Campaign(island(), LatinHypercube(3), path, seed=1).run(3)
    history = Campaign(island(), LatinHypercube(2), seed=2, history=path).run(2).history()
    seen = history.in_box()
    assert (len(seen.earlier), len(seen.evaluations)) == (3, 2)
    assert seen.space.contains(seen.tried).all()
    assert len(history.until(0).done) == 3


def test_what_was_known_before_changes_the_draws_alone():
    space = Box([X, Y])
    nothing = History(space, 3, 1, (), ())
    proposed = nothing.with_pending(Proposal(np.array([[0.5, 0.5]]), ("t",)))
    known = replace(nothing, earlier=proposed.evaluations)
    assert known.rng().random() == known.rng().random() != nothing.rng().random()
    assert known.after((Event("k", "m"),)).earlier == known.earlier


def test_who_begins_with_structures_of_its_own_refuses_a_history(tmp_path):
    path = tmp_path / "atoms.db"
    Campaign(island(), LatinHypercube(5), path, seed=1).run(5)
    with pytest.raises(ConfigurationError, match=r"searcher=rss begins with structures of its own.*leave history out"):
        Campaign(island(), RandomStructureSearch(), tmp_path / "rss.db", history=path)
    assert not (tmp_path / "rss.db").exists()
