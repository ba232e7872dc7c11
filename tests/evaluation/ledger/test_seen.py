import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from matseek.core.problem import Measurement
from matseek.core.records import Event, Proposal
from matseek.evaluation import Ledger, LedgerReader
from matseek.evaluation.ledger import Change, seen


def plain(reader):
    return [
        [(e.number, e.iteration, e.status, e.error, e.point.tolist(), repr(e.value)) for e in reader.evaluations()],
        [(e.changes, [s.status for s in e.earlier_states], repr(e.response)) for e in reader.evaluations()],
        [(e.kind, dict(e.data)) for e in reader.events()],
        reader.count(),
        reader.iterations(),
        [e.number for e in reader.evaluations(status="pending")],
        [e.number for e in reader.evaluations(status="failed")],
        [e.number for e in reader.evaluations(iteration=2)],
        [e.number for e in reader.evaluations(iteration=2, status="done")],
        reader.has_told("noted", 1),
    ]


STATUS = {"withdraw": "withdrawn", "open": "pending", "correct": "done"}

steps = st.lists(
    st.tuples(
        st.sampled_from(["ask", "tell", "fail", "note", "look", "other", "withdraw", "open", "correct"]),
        st.integers(0, 5),
    ),
    max_size=12,
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps, many=st.sampled_from([1, 500]), held=st.booleans())
def test_what_is_kept_is_what_the_file_holds(tmp_path_factory, monkeypatch, steps, many, held):
    monkeypatch.setattr(seen, "_MANY", many)
    path = tmp_path_factory.mktemp("seen") / "c.db"
    ledger, other = Ledger(path), Ledger(path)
    readers = [LedgerReader(path), ledger]

    def work():
        for step, n in steps:
            writer = other if step == "other" and not held else ledger
            pending = writer.evaluations(status="pending")
            if step in ("ask", "other"):
                writer.write_down(Proposal(np.full((n, 2), float(n)), ("lhs",) * n), 0.0)
            elif step == "note":
                writer.note(Event("noted", "", {"run": n}))
            elif step in STATUS and (known := writer.evaluations()):
                before = known[n % len(known)]
                new = Measurement(7.0 + n, np.ones(1), np.full(3, float(n))) if step == "correct" else None
                change = Change("changed", before, before.point + 1, before.point, STATUS[step], new, "")
                writer.record([], [change])
            elif step != "look" and pending:
                measurement = Measurement.failed("no") if step == "fail" else Measurement(float(n), np.ones(1))
                writer.record([(pending[n % len(pending)].number, measurement)])
            if n % 2:
                assert plain(readers[0]) == plain(readers[1]) == plain(LedgerReader(path))

    if held:
        with ledger.locked():
            work()
    else:
        work()
    assert plain(readers[0]) == plain(readers[1]) == plain(LedgerReader(path))


def test_settled_evaluations_are_read_once(tmp_path):
    ledger = Ledger(tmp_path / "c.db")
    rows = []
    with ledger.locked():
        for number in range(1, 31):
            ledger.write_down(Proposal(np.zeros((1, 2)), ("lhs",)), 0.0)
            ledger.record([(number, Measurement(1.0, np.ones(1)))])
            assert ledger.count() == number
        made = []
        original = ledger._seen.evaluation
        ledger._seen.evaluation = lambda row: made.append(row) or original(row)

        @event.listens_for(ledger._store.engine, "before_cursor_execute")
        def count(connection, cursor, statement, parameters, context, executemany):
            rows.append(statement)

        ledger.evaluations(), ledger.events(), ledger.count(), ledger.has_told("noted", 1), ledger.iterations()
        assert rows == []
        ledger.write_down(Proposal(np.zeros((1, 2)), ("lhs",)), 0.0)
        ledger.record([(31, Measurement(1.0, np.ones(1)))])
        assert len(ledger.evaluations()) == 31
        assert len(made) == 2


def test_responses_that_were_looked_at_do_not_stay_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("matseek.evaluation.ledger.reader._RESPONSES", 2)
    ledger = Ledger(tmp_path / "c.db")
    ledger.write_down(Proposal(np.zeros((4, 2)), ("lhs",) * 4), 0.0)
    ledger.record([(n, Measurement(1.0, np.ones(1), np.full(3, float(n)))) for n in range(1, 5)])
    assert [e.response[0] for e in ledger.evaluations()] == [1, 2, 3, 4]
    first = ledger.evaluations()[0]
    assert first.response is not first.response or "response" not in vars(first)
    assert ledger.evaluation(4).response is ledger.evaluation(4).response


def test_nobody_can_change_what_is_kept(tmp_path):
    ledger = Ledger(tmp_path / "c.db")
    ledger.write_down(Proposal(np.zeros((1, 2)), ("lhs",)), 0.0)
    with pytest.raises(ValueError, match="read-only"):
        ledger.evaluations()[0].point[0] = 1.0
