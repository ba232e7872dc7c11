"""Figures of the documentation can be measured again."""

from benchmarks.claims import agrees, runs, tables


def test_every_table_names_the_command_that_measures_it():
    commands = tables()
    assert len(commands) > 30
    assert all("benchmarks." in command for command in commands.values())


def test_a_stored_run_is_made_again_as_it_was():
    every = {run.name: run for run in runs()}
    assert len(every) == len(runs()) > 100
    run = every["functions: branin/random/1000"]
    now = run.again()
    assert now.keys() == run.stored.keys()
    assert all(agrees(value, now[key]) for key, value in run.stored.items())


def test_what_differs_by_more_than_rounding_does_not_agree():
    assert agrees(5.5060001, 5.5060002)
    assert agrees(None, None)
    assert not agrees(7, None)
    assert not agrees(7, 8)
