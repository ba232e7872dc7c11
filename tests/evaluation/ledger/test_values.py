import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matseek.evaluation.ledger.values import clean, from_strict, pack, to_strict, unpack

text = st.text(st.characters(exclude_categories=()))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("ab/~.", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~.", max_size=4), inner, max_size=3),
)


def refuse(constant):
    raise AssertionError(f"{constant} is no JSON")


@given(values)
def test_json_is_strict_and_gives_back_what_was_stored(value):
    stored = json.dumps(to_strict(value), allow_nan=False)
    np.testing.assert_equal(from_strict(json.loads(stored, parse_constant=refuse)), value)


@given(text)
def test_clean_text_is_text_that_every_database_takes(dirty):
    found = clean(dirty)
    assert "\0" not in found
    found.encode("utf-8")
    if "\0" not in dirty and not any("\ud800" <= c <= "\udfff" for c in dirty):
        assert found == dirty


def test_null_stays_null_and_a_number_stays_a_number():
    found = from_strict(to_strict({"none": None, "nan": math.nan, "inf": [-math.inf]}))
    assert found["none"] is None
    assert math.isnan(found["nan"])
    assert found["inf"] == [-math.inf]
    assert to_strict({"a": None, "b": 1.0}) == {"a": None, "b": 1.0}


def test_numpy_values_are_plain():
    found = to_strict({"a": np.float32(0.5), "b": np.arange(3), "c": np.array([np.nan]), "d": np.bool_(True), 1: (2,)})
    assert from_strict(found)["a"] == 0.5
    assert found["plain"]["b"] == [0, 1, 2]
    assert found["plain"]["c"] == [None]
    assert found["plain"]["1"] == [2]


def test_lookalikes_of_what_is_stored_come_back():
    value = {"plain": 1, "non_finite": {"a": "nan"}}
    assert from_strict(to_strict(value)) == value


@pytest.mark.parametrize("array", [np.arange(3.0), np.array([object(), None]), np.array(["a"])])
def test_arrays_are_stored_without_code(array):
    assert unpack(pack(array)).shape == array.shape
