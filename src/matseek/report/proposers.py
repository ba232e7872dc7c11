"""Who proposed a point, as people read it."""

from __future__ import annotations

from matseek import plugins
from matseek.core.records import OPENING, OWN
from matseek.core.searcher import Searcher


def proposer_label(name: str) -> str:
    """How people read the name of who proposed a point; names that no installed package offers stand for themselves."""
    if name == OPENING:
        return "common first points"
    if name == OWN:
        return "own ideas and earlier data"
    kind = searcher_kind(name)
    return name if kind is None else kind.label


def family_of(name: str) -> str:
    """The searcher that a config is of: the longest name of one that it begins with, or itself."""
    known = [n for n in plugins.offered(plugins.SEARCHERS) if name == n or name.startswith((f"{n}_", f"{n},", f"{n} "))]
    return max(known, key=len, default=name)


def searcher_kind(name: str) -> type[Searcher] | None:
    """The class of searchers that proposes under a name; None where no installed package offers it."""
    if name not in plugins.offered(plugins.SEARCHERS):
        return None
    kind: type[Searcher] = plugins.part(plugins.SEARCHERS, name)
    return kind
