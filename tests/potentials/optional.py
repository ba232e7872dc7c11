"""Potentials whose packages may be missing."""

from importlib.util import find_spec

import pytest


def optional(package):
    """Marks of tests that need a package, which still uses what others have deprecated."""
    kinds = ("DeprecationWarning", "FutureWarning", "UserWarning")
    outdated = [pytest.mark.filterwarnings(f"ignore::{kind}") for kind in kinds]
    return [pytest.mark.skipif(find_spec(package) is None, reason=f"{package} is not installed"), *outdated]
