"""The examples of docs/testing.md run, and there is one for each function."""

import re
import subprocess
import sys
import types

import pytest

from matseek import testing
from tests.conftest import ROOT

TEXT = (ROOT / "docs" / "testing.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)


@pytest.mark.parametrize("code", EXAMPLES, ids=lambda code: re.findall(r"^(check_\w+)\(", code, re.M)[0])
def test_an_example_runs(code, monkeypatch):
    # Settings are pickled, so that their classes must belong to a module.
    module = types.ModuleType("example_of_testing")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(code, "docs/testing.md", "exec"), module.__dict__)


def test_there_is_an_example_for_each_function():
    checks = {name for name in testing.__all__ if name.startswith("check_")}
    assert checks == {name for code in EXAMPLES for name in re.findall(r"^(check_\w+)\(", code, re.M)}


def test_the_kit_needs_no_test_framework():
    code = (
        "import sys\nimport matseek.testing as t\n[getattr(t, name) for name in t.__all__]\n"
        "assert not {'pytest', '_pytest', 'hypothesis'} & set(sys.modules)"
    )
    path = {"PYTHONPATH": str(ROOT / "src"), "PATH": "", "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", code], env=path, check=True, timeout=120)
