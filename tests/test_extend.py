"""The pages of docs/extend run as they stand: each certifies its part, and names entry points that there are."""

import re
import sys
import tomllib
import types

import pytest

from matseek import plugins, testing
from tests.conftest import ROOT

PAGES = sorted(p for p in (ROOT / "docs" / "extend").glob("*.md") if p.name != "README.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_runs(page, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    (lines,) = re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL)
    ((group, points),) = tomllib.loads(lines)["project"]["entry-points"].items()
    assert group in plugins.GROUPS
    # Settings are pickled, so that their classes must belong to a module.
    module = types.ModuleType("my_package")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(code, str(page), "exec"), module.__dict__)
    ((_, target),) = points.items()
    assert hasattr(module, target.removeprefix("my_package:"))


def test_there_is_a_page_for_each_function_of_the_kit():
    checks = {name for name in testing.__all__ if name.startswith("check_")}
    assert checks == {name for p in PAGES for name in re.findall(r"^(check_\w+)\(", p.read_text(), re.M)}
