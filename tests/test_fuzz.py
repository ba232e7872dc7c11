"""A seeded part of ``benchmarks/fuzz.py``, which ``make attack`` runs in full."""

import pytest
from benchmarks import fuzz

import matseek


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    here = tmp_path / "so" / "deep" / "that" / "no" / "path" / "leaves" / "it"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)  # what is accepted may write


def test_hostile_arguments_are_refused_by_matseek_itself():
    tally = fuzz.fuzz_constructors(300, "11")
    assert tally.defects == []
    assert tally.outcomes["refused"] > 200


def test_hostile_configurations_are_refused_before_anything_is_paid():
    tally = fuzz.fuzz_configurations(40, "11", run=0.2)
    assert tally.defects == []
    assert tally.outcomes["refused before paid"] > 20


def test_the_rule_tells_our_refusals_from_others():
    with pytest.raises(ValueError, match="invalid literal") as foreign:
        int("x")
    assert not fuzz.ours(foreign.value)
    with pytest.raises(ValueError, match="batch_size") as own:
        matseek.searchers.RandomSearcher(batch_size=0)
    assert fuzz.ours(own.value, ["batch_size"])
