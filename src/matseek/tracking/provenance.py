"""Which code a campaign was run by."""

from __future__ import annotations

import subprocess

import matseek

_PATIENCE = 5.0
"""Seconds that git may take."""


def provenance() -> dict[str, str]:
    """The version of matseek, and the commit of the git repository that the command was given in, if it is one.

    The commit ends in ``+`` where files that git knows have changed since.
    """
    result = {"matseek_version": matseek.__version__}
    commit = _git("rev-parse", "HEAD")
    if commit:
        result["git_commit"] = commit + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    return result


def _git(*words: str) -> str:
    """What git says; nothing where there is no repository, or no git."""
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, timeout=_PATIENCE, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
