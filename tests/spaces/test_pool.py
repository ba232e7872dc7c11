import numpy as np
import pandas as pd
import pytest

from matseek.errors import InfeasibleSpaceError
from matseek.spaces import Category, Pool, Variable

TABLE = pd.DataFrame({"a": [1.0, 2.0, 3.0, 3.0], "solvent": ["water", "DMF", "water", "water"], "T": [20.0] * 4})


def test_a_table_becomes_candidates():
    pool = Pool.of(TABLE, {"a": "%"})
    assert pool.labels == ("a (%)", "solvent", "T")
    assert len(pool) == 3  # equal rows count once
    assert pool.contains([[2, 0, 20], [2, 1, 20], [2.5, 0, 20], [2, 0, 21], [np.nan, 0, 20]]).tolist() == [
        True,
        False,
        False,
        False,
        False,
    ]
    np.testing.assert_array_equal(pool.nearest([[2.9, 1, 0]]), [[3, 1, 20]])


def test_a_file_is_read_by_columns(tmp_path):
    TABLE.assign(note="x").to_csv(tmp_path / "pool.csv", index=False)
    assert len(Pool.read(tmp_path / "pool.csv", ["a", "T"])) == 3
    with pytest.raises(ValueError, match=r"lacks the columns \['b'\]"):
        Pool.read(tmp_path / "pool.csv", ["b"])
    with pytest.raises(FileNotFoundError, match="is not a file"):
        Pool.read(tmp_path / "none.csv")


def test_a_file_with_other_separators_and_a_typing_error_are_refused(tmp_path):
    path = tmp_path / "pool.csv"
    path.write_text("a;b\n1,5;2\n2,5;3\n")
    with pytest.raises(ValueError, match="single column 'a;b'; separate cells by commas"):
        Pool.read(path)
    path.write_text("a,b\n1.5,2\n2.5,3x\n")
    with pytest.raises(ValueError, match="column 'b', row 1: '3x' is no number, but others are"):
        Pool.read(path)


def test_a_hypercube_takes_each_candidate_once():
    pool = Pool([Variable("x", 0, 1), Variable("y", 0, 1)], np.random.default_rng(0).random((30, 2)))
    points = pool.sample_latin_hypercube(30, np.random.default_rng(1))
    assert len(np.unique(points, axis=0)) == 30


def test_holding_leaves_the_candidates_that_have_the_value():
    pool = Pool.of(TABLE)
    held = pool.fixed_at(pool.numbers_of({"solvent": "DMF"}))
    np.testing.assert_array_equal(held.candidates, [[2, 0, 20]])
    with pytest.raises(InfeasibleSpaceError, match="no candidate has these values"):
        pool.fixed_at(pool.numbers_of({"a": 1.0, "solvent": "DMF"}))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Pool([Variable("x", 0, 1)], [[2.0]]), "candidate 0"),
        (lambda: Pool([Variable("x", 0, 1)], [[0.5, 0.5]]), "2 columns for 1 variables"),
        (lambda: Pool([Category("x", ("a", "b"))], [[0.5]]), "candidate 0"),
        (lambda: Pool([Variable("x", 0, 1)], [[0.5], [np.nan]]), r"candidate 1 \[nan\] has no finite number"),
        (lambda: Pool([Variable("x", 0, 1)], np.zeros((0, 1))), "a row for each candidate"),
        (lambda: Pool.of(pd.DataFrame({"x": [1.0, None]})), "row 1: the cell is empty"),
        (lambda: Pool.from_description({"variables": []}), "does not describe a Pool"),
    ],
)
def test_bad_pools_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
