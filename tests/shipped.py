"""What pyproject.toml says that matseek offers, whatever version of it is installed."""

import tomllib
from pathlib import Path

_PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def shipped(group):
    """By name, the value of each entry point of a group."""
    return tomllib.loads(_PROJECT.read_text())["project"]["entry-points"][group]
