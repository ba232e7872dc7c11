"""The script of ``make mutants``; the mutants themselves run there."""

from dataclasses import replace

import pytest
from benchmarks.mutant_table import MUTANTS
from benchmarks.mutants import MutantError, applied, by, mutated, outcome
from benchmarks.results_io import ROOT


def test_every_mutant_is_one_line_of_the_package_and_names_tests_that_exist():
    assert len(MUTANTS) == len({m.name for m in MUTANTS}) == 40
    for mutant in MUTANTS:
        text = (ROOT / mutant.file).read_text(encoding="utf-8")
        compile(mutated(text, mutant), mutant.file, "exec")
        for test in mutant.tests:
            path, _, name = test.partition("::")
            assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8") if name else (ROOT / path).is_file(), (
                test
            )


def test_a_mutant_is_put_back_whatever_its_tests_do(tmp_path):
    mutant = replace(MUTANTS[0], file="a.py", original="x + y", replacement="x - y")
    (tmp_path / "a.py").write_text("z = x + y\n")

    def fail():
        with applied(tmp_path, mutant):
            raise KeyError((tmp_path / "a.py").read_text())

    with pytest.raises(KeyError, match="z = x - y"):
        fail()
    assert (tmp_path / "a.py").read_text() == "z = x + y\n"


@pytest.mark.parametrize("text", ["nothing of it", "x + y and x + y"])
def test_a_text_that_is_not_there_once_is_refused(text):
    mutant = replace(MUTANTS[0], name="sum", original="x + y", replacement="x - y")
    with pytest.raises(MutantError, match="mutant 'sum': 'x \\+ y' is found . times"):
        mutated(text, mutant)
    with pytest.raises(MutantError):
        mutated("x + y", replace(mutant, replacement="x + y"))


def test_only_a_failed_test_kills():
    assert [outcome(code, timeout_kills=False) for code in (1, 0, 2, 4, 5, None)] == [
        *("killed", "survived", "error", "error", "error", "timed out")
    ]
    assert outcome(None, timeout_kills=True) == "killed"
    assert by("..F\nFAILED tests/test_a.py::test_b[1] - assert 1 == 2\n1 failed") == "tests/test_a.py::test_b[1]"
    assert by("3 passed") is None
