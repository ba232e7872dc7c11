import math
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from matseek.checks import (
    check,
    flag,
    function,
    numbers,
    of,
    one_of,
    optional,
    path,
    real,
    several,
    shown,
    takes,
    text,
    whole,
)
from matseek.diffusion import ExponentialKT, KTSchedule


class Unprintable:
    def __repr__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("rule", "value", "kept"),
    [
        (whole(1), np.int64(3), 3),
        (real(), np.float32(0.5), 0.5),
        (real(0), 2, 2.0),
        (real(), Fraction(1, 2), 0.5),
        (flag, np.bool_(True), True),
        (several(whole()), np.array([1, 2]), (1, 2)),
        (several(text), ["a", "b"], ("a", "b")),
        (optional(whole()), None, None),
        (path, "runs/x", Path("runs/x")),
        (one_of(("a", "b")), "b", "b"),
    ],
)
def test_values_are_kept_in_pythons_own_kinds(rule, value, kept):
    found = rule("x", value)
    assert (found, type(found)) == (kept, type(kept))


@pytest.mark.parametrize(
    ("rule", "value", "message"),
    [
        (whole(1), 0, "x=0 must be a whole number of at least 1"),
        (whole(1), True, "x=True must be a whole number"),
        (whole(1), 120.0, "x=120.0 must be a whole number"),
        (whole(1), "120", "x='120' must be a whole number"),
        (whole(1, 5), 10**400, "and at most 5"),
        (whole(1), np.array(3), "must be a whole number"),
        (real(), math.nan, "x=nan must be a finite number"),
        (real(), 10**400, "must be a finite number"),
        (real(), True, "must be a finite number"),
        (real(), "1", "must be a finite number"),
        (real(above=0, high=1), 0.0, r"x=0.0 must be a number in \(0, 1\]"),
        (real(above=0, unit="eV"), -1, r"x=-1 must be a finite number above 0 \(eV\)"),
        (flag, 1, "x=1 must be true or false"),
        (text, "a\nb", "without control characters"),
        (text, "\ud800", "without control characters"),
        (text, " ", "not empty"),
        (path, "x" * 300, "must be a path"),
        (path, 5, "x=5 must be a path"),
        (one_of(("a", "b")), ["a"], "choose one of"),
        (several(whole(1)), [1, 0], r"x\[1\]=0 must be a whole number"),
        (several(whole()), "12", "must be a list"),
        (several(whole()), np.array(3), "must be a list"),
        (several(whole(), 2, 2), (1,), "a list of exactly 2"),
        (optional(whole()), -1, "or None"),
        (of(KTSchedule, "a schedule"), ExponentialKT, "not a class"),
        (of(KTSchedule, "a schedule"), 5, "x=5 must be a schedule"),
        (function("(points)", 1), lambda: 1, "its parameters are others"),
        (function("(points)", 1), 5, "must be callable"),
        (numbers, ["1"], "must be an array of numbers"),
        (numbers, [1, [2]], "must be an array of numbers"),
        (numbers, [1j], "must be an array of numbers"),
        (numbers, Unprintable(), "<Unprintable>"),
    ],
)
def test_what_is_refused_names_setting_value_and_remedy(rule, value, message):
    with pytest.raises(ValueError, match=message):
        rule("x", value)


def test_a_frozen_class_states_its_rules_in_one_place():
    @dataclass(frozen=True)
    class Settings:
        size: int = 1
        share: float = 0.5

        def __post_init__(self):
            check(self, "group.", size=whole(1), share=real(0, 1))

    assert type(Settings(np.int32(4)).size) is int
    with pytest.raises(ValueError, match=r"group.share=2 must be a number in \[0, 1\]"):
        Settings(share=2)


def test_signatures_are_looked_at():
    assert takes(lambda a, b=1: a, 1)
    assert not takes(lambda a, b: a, 1)
    assert takes(print, 3)
    assert not takes(partial(int, nope=1), 0)
    assert takes(lambda x, *, rng: x, 1, rng=None)


def test_long_values_are_cut():
    assert len(shown("x" * 10_000)) < 200
