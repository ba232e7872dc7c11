"""Parts that installed packages offer, matseek among them: entry points in groups ``matseek.*``.

A package offers a part by a line in its ``pyproject.toml``, for example::

    [project.entry-points."matseek.searchers"]
    annealing = "my_package:AnnealingSearcher"

From then on ``searcher=annealing`` is known to ``matseek run`` and ``matseek compare``.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final

from matseek.errors import ConfigurationError

PREFIX: Final = "matseek."

SPACES: Final = "matseek.spaces"
PROBLEMS: Final = "matseek.problems"
SEARCHERS: Final = "matseek.searchers"
ACQUISITIONS: Final = "matseek.acquisitions"
SURROGATES: Final = "matseek.surrogates"
GENERATORS: Final = "matseek.candidates"
POTENTIALS: Final = "matseek.potentials"
SCORE_NETWORKS: Final = "matseek.score_networks"
CONFIGS: Final = "matseek.configs"
"""Packages whose folders of YAML files are searched besides matseek's own."""

GROUPS: Final = (SPACES, PROBLEMS, SEARCHERS, ACQUISITIONS, SURROGATES, GENERATORS, POTENTIALS, SCORE_NETWORKS, CONFIGS)


@cache
def offered(group: str) -> dict[str, EntryPoint]:
    """The entry points of a group by name; of two packages that offer the same name, matseek's own counts.

    Args:
        group: One of :data:`GROUPS`.
    """
    result: dict[str, EntryPoint] = {}
    points = [*entry_points(group=group), *_of_checkout(group)]
    for point in sorted(points, key=lambda p: not p.value.startswith(PREFIX)):
        result.setdefault(point.name, point)
    return result


def _of_checkout(group: str) -> list[EntryPoint]:
    """What a source checkout's own pyproject.toml offers of its own code; an editable install knows an earlier one."""
    path = Path(__file__).resolve().parents[2] / "pyproject.toml"
    if not path.is_file():
        return []
    project = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {})
    if project.get("name") != PREFIX.removesuffix("."):
        return []
    points = project.get("entry-points", {}).get(group, {}).items()
    return [EntryPoint(name, value, group) for name, value in points if value.startswith(PREFIX)]


def part(group: str, name: str) -> Any:  # noqa: ANN401 -- whatever a package offers
    """What a package offers by a name.

    Args:
        group: One of :data:`GROUPS`.
        name: The entry point's name.

    Raises:
        ConfigurationError: If nothing of that name is offered, or it cannot be imported.
    """
    point = offered(group).get(name)
    if point is None:
        raise ConfigurationError(
            f"no installed package offers {name!r} in the entry points {group!r}; there are {sorted(offered(group))}"
        )
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"the entry point {name} = {point.value} of {group!r} cannot be imported ({error}); mend or uninstall "
            "the package that offers it"
        ) from error


def targets() -> frozenset[str]:
    """All that installed packages offer as parts, as configs spell a ``_target_``.

    What matseek offers of other packages is left out: their code may be run with the settings of shipped configs only.
    """
    points = (point for group in GROUPS for point in offered(group).values())
    return frozenset(point.value.replace(":", ".") for point in points if not _borrowed(point))


def _borrowed(point: EntryPoint) -> bool:
    """Whether matseek offers code of another package."""
    own = point.dist is not None and point.dist.name == PREFIX.removesuffix(".")
    return own and not point.value.startswith(PREFIX)
