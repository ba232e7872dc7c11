import os
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from ase.calculators.emt import EMT

from matseek.identity import differing, fingerprint
from matseek.library.silver_problems import silver
from matseek.problems import RecipeProblem
from matseek.spaces import Box, Variable

FACTOR = 2.0


def helper(x):
    return x + 1


def scaled(x, by=1.0):
    """Doc."""
    return helper(x) * FACTOR * by


def closing(value):
    def inner(x):
        return x + value

    return inner


class Own:
    def __call__(self, x):
        return x + 1


class Named:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return self.factor * x

    def describe(self):
        return f"times {self.factor}"


class Instrument:
    """Keeps settings, a counter, a clock and a connection."""

    def __init__(self, offset, *, port="a", calls=0):
        self.offset, self._port, self.calls = offset, port, calls
        self.began, self.connection, self.tag = time.time(), object(), os.urandom(8)

    def __call__(self, x):
        self.calls += 1
        return x + self.offset

    def measure(self, x):
        return self(x)


@dataclass
class Settings:
    offset: float
    calls: int = field(default=0, repr=False)

    def measure(self, x):
        return x + self.offset


def test_installed_code_has_its_name_alone():
    for function in (EMT, partial(EMT, asap_cutoff=True), np.sin, os.getcwd, Named(2)):
        assert fingerprint(function) == {}


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (lambda x: x + 1, lambda x: x + 2),
        (lambda x: x + 1, lambda x: x - 1),
        (lambda x: np.sin(x), lambda x: np.cos(x)),
        (lambda x, y=1: x, lambda x, y=2: x),
        (closing(1), closing(2)),
        (closing(Path("a")), closing(Path("b"))),
        (closing(helper), closing(scaled)),
        (partial(closing(1), 3), partial(closing(2), 3)),
        (lambda x: [x + 1 for _ in range(2)], lambda x: [x + 2 for _ in range(2)]),
        (lambda x: x in {"a", "b"}, lambda x: x in {"a", "c"}),
        (Instrument(1), Instrument(2)),
        (Instrument(1, port="a"), Instrument(1, port="b")),
        (Instrument(1).measure, Instrument(2).measure),
        (Settings(1).measure, Settings(2).measure),
        (Named(1).__call__, Named(2).__call__),
        (partial(Instrument(1).measure), partial(Instrument(2).measure)),
    ],
)
def test_other_code_is_told_apart(a, b):
    assert fingerprint(a) == fingerprint(a)
    assert differing({"fingerprint": fingerprint(a)}, {"fingerprint": fingerprint(b)}) == ["fingerprint"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("return helper(x) + 2", "'Doc.'\n    return helper(x) + 2  # comment"),
        ("y = helper(x)\n    print(y, 2)", "'Doc.'\n\n    z = helper(x)\n    print(z, 2)"),
        ("def g(): return 2\n    return g()", "def g():\n        'Doc.'\n        return 2\n    return g()"),
    ],
)
def test_docstrings_comments_and_names_of_variables_do_not_count(before, after):
    def of(body):
        namespace = {"helper": len, "__name__": "notebook"}
        exec(compile(f"def f(x):\n    {body}", "cell", "exec"), namespace)
        return fingerprint(namespace["f"])

    assert of(before) == of(after) != of(after.replace("2", "3"))


def test_what_code_reads_counts(monkeypatch):
    before = fingerprint(scaled)
    with monkeypatch.context() as changed:
        changed.setattr(sys.modules[__name__], "FACTOR", 3.0)
        assert fingerprint(scaled) != before
    with monkeypatch.context() as changed:
        changed.setattr(sys.modules[__name__], "helper", lambda x: x + 3)
        assert fingerprint(scaled) != before
    assert fingerprint(scaled) == before
    own = fingerprint(Own())
    monkeypatch.setattr(Own, "__call__", lambda self, x: x + 2)
    assert fingerprint(Own()) != own


def test_what_may_change_while_a_campaign_runs_does_not_count():
    seen = []

    def counting(x):
        nonlocal calls
        calls += 1
        seen.append(x)
        return x

    calls, before = 0, fingerprint(counting)
    counting(1)
    assert (calls, seen) == (1, [1])
    assert fingerprint(counting) == before


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (Instrument(1), Instrument(1, calls=5)),
        (Instrument(1).measure, Instrument(1).measure),
        (Settings(1).measure, Settings(1, calls=5).measure),
    ],
)
def test_counters_clocks_and_connections_are_no_settings(a, b):
    assert fingerprint(a) == fingerprint(b)


def test_the_content_of_files_counts_not_their_age(tmp_path):
    model = tmp_path / "m.model"
    found = []
    for content in ("a", "b", "a"):
        model.write_text(content)
        os.utime(model, (len(found), len(found)))
        found.append(fingerprint(partial(EMT, model=str(model))))
    assert found[0] == found[2] != found[1]
    assert differing({"fingerprint": found[0]}, {"fingerprint": found[1]}) == ["fingerprint"]
    model.unlink()
    gone = {"fingerprint": fingerprint(partial(EMT, model=str(model)))}
    assert differing({"fingerprint": found[0]}, gone) == []


def test_descriptions_without_a_fingerprint_or_of_another_python_go_with_any():
    here = {"name": "a", "fingerprint": fingerprint(lambda x: x)}
    assert differing({"name": "a"}, here) == differing(here, {"name": "a"}) == []
    assert differing({"name": "a", "fingerprint": {"code": "cpython-27:0123"}}, here) == []
    assert differing({"name": "b"}, here) == ["name"]


def test_a_fingerprint_is_the_same_in_another_process(tmp_path):
    program = textwrap.dedent("""
        from tests.test_identity import scaled, closing, Own
        from matseek.identity import fingerprint
        odd = lambda x: x in {"a", "b", "c", "d"} or x in ("e", 1.5, None)
        print([fingerprint(f)["code"] for f in (scaled, closing(("a", 1)), Own(), odd)])
    """)
    found = set()
    for seed, folder in (("1", "a"), ("2", "b")):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "program.py"
        path.write_text(program)
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "PYTHONHASHSEED": seed}
        found.add(subprocess.run([sys.executable, path], env=environment, capture_output=True, check=True).stdout)
    assert len(found) == 1
    assert str(fingerprint(scaled)["code"]).encode() in found.pop()


def test_problems_say_it(tmp_path):
    space = Box([Variable("x", 0, 1)])
    a, b = (RecipeProblem(space, f).describe() for f in (lambda X: X[:, 0], lambda X: -X[:, 0]))
    assert a["oracle"] == b["oracle"]
    assert differing(a, b) == ["fingerprint"]
    assert "fingerprint" not in silver().describe()
