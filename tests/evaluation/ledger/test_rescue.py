import base64
import errno
import json
import logging
import sqlite3

import numpy as np
import pytest
from sqlalchemy import event

from matseek.core.problem import Measurement
from matseek.core.records import Proposal
from matseek.errors import LedgerError
from matseek.evaluation import Ledger
from matseek.evaluation.ledger import rescue
from matseek.evaluation.ledger.values import pack

SPECTRA = np.random.default_rng(0).random((20, 421))


def full(path):
    """A ledger with two pending evaluations whose file can have no further page."""
    ledger = Ledger(path)
    ledger.claim({"name": "p"}, "lhs", 0)
    ledger.write_down(Proposal(np.arange(4.0).reshape(2, 2), ("lhs",) * 2), 0.0)
    with sqlite3.connect(path) as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()

    @event.listens_for(ledger._store.engine, "begin")
    def no_more_pages(connection):
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    ledger._store.engine.dispose()
    return ledger


@pytest.fixture
def no_room(monkeypatch):
    """The folder for what a ledger cannot take is full, too."""

    def refuse(fd):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)


def test_where_nothing_can_be_saved_the_message_holds_every_value(tmp_path, monkeypatch, no_room, caplog):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ledger = full(tmp_path / "c.db")
    results = [
        (1, Measurement(0.1 + 0.2, np.array([0.4, np.nan]), SPECTRA)),
        (2, Measurement.failed("the pump\nstopped")),
    ]
    with pytest.raises(
        LedgerError, match=r"evaluations \[1, 2\] could not be saved in .* either .*No space left"
    ) as lost:
        ledger.record(results)
    told = str(lost.value)
    assert "..." not in told
    assert told in caplog.text or told.split("\n", 1)[1] in caplog.text
    lines = told.split(":\n", 1)[1].splitlines()
    first, second = map(json.loads, lines)
    assert first["value"] == 0.1 + 0.2
    np.testing.assert_array_equal(first["response"], SPECTRA)
    assert second["error"] == "the pump\nstopped"
    # The lines can be put where they belong by hand.
    ledger.rescue_path.write_text("\n".join(lines))
    again = Ledger(tmp_path / "c.db")
    again.claim({"name": "p"}, "lhs", 0)
    assert [e.status for e in again.evaluations()] == ["done", "failed"]
    np.testing.assert_array_equal(again.evaluation(1).response, SPECTRA)
    np.testing.assert_array_equal(again.evaluation(1).replicates, [0.4, np.nan])


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64])
@pytest.mark.parametrize("response", [None, np.zeros((0, 3)), np.arange(6.0).reshape(2, 3)])
def test_what_is_saved_comes_back(tmp_path, kind, response):
    response = None if response is None else response.astype(kind)
    rescue.save(
        tmp_path / "r", [(7, Measurement(np.float64(1.5), np.array([1.0, np.nan, np.inf]), response, "e\0\ud800"))]
    )
    ((number, found),) = rescue.saved(tmp_path / "r").items()
    assert (number, found.value, found.error) == (7, 1.5, "e\0\ud800")
    np.testing.assert_array_equal(found.replicates, [1.0, np.nan, np.inf])
    if response is None:
        assert found.response is None
    else:
        np.testing.assert_array_equal(found.response, response, strict=True)


def test_what_the_version_before_has_saved_is_read(tmp_path):
    packed = base64.b64encode(pack(np.array([1.0, 2.0]))).decode()
    (tmp_path / "r").write_text(json.dumps([3, 0.5, [0.5, float("nan")], packed, None]) + "\n")
    found = rescue.saved(tmp_path / "r")[3]
    assert found.value == 0.5
    np.testing.assert_array_equal(found.response, [1.0, 2.0])


def test_lines_that_are_no_results_are_left_out(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    (tmp_path / "r").write_bytes(b'\xff\n5\n[1]\n{"evaluation": 1}\nnull\n{"cut\n')
    assert rescue.saved(tmp_path / "r") == {}
    assert caplog.text.count("was cut short and is left out") == 6


def test_properties_are_rescued_too(tmp_path):
    told = {"held_forces": np.arange(6, dtype=np.float32).reshape(2, 3), "stress": np.arange(6.0)}
    rescue.save(tmp_path / "rescued.jsonl", [(3, Measurement(1.0, np.ones(1), properties=told))])
    found = rescue.saved(tmp_path / "rescued.jsonl")[3].properties
    assert found.keys() == told.keys()
    for name, array in told.items():
        np.testing.assert_array_equal(found[name], array, strict=True)
