"""What `import matseek` gives, and what it costs."""

import subprocess
import sys

import pytest

import matseek


def test_the_names_of_the_readme_are_exported():
    for name in ("Campaign", "Box", "Variable", "LinearConstraint", "RecipeProblem", "SpectralMatch"):
        assert getattr(matseek, name).__name__ == name
    assert {"StructureProblem", "Adlayer", "GODiffSearcher", "BayesianSearcher"} <= set(dir(matseek))
    with pytest.raises(AttributeError, match="no_such_name"):
        matseek.no_such_name  # noqa: B018


def test_importing_is_quiet_and_loads_no_torch():
    code = "import sys, matseek; from matseek import Box; print('torch' in sys.modules, 'matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
    assert done.stderr == ""


def test_a_problem_of_recipes_and_its_page_load_no_model_and_no_numba():
    code = (
        "import sys, matseek.report.campaign_report; from matseek.library.silver_problems import silver\n"
        "print([m for m in ('gpytorch', 'botorch', 'lightning', 'numba', 'scipy.stats') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
