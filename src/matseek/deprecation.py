"""Names of earlier versions, and how long they are kept.

A public name that is renamed is kept for the minor version in which it is renamed, with a ``DeprecationWarning`` that
says the new one, and is removed with the next. What is stored (ledgers, run folders, models) is read for good: the
names in a stored config are looked up in :data:`MOVED`, those of settings in :data:`SETTINGS`, and settings that were
added since in :data:`ADDED`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Final, TypeVar

T = TypeVar("T")

MOVED: Final[Mapping[str, str]] = {
    # 0.1 -> 0.2
    "matseek.data.replay": "matseek.godiff.replay",
    "matseek.data.spectra": "matseek.surrogates.spectra_data",
    "matseek.models.Training": "matseek.surrogates.Training",
    "matseek.models.training.Training": "matseek.surrogates.Training",
    "matseek.models.training.TrainerSettings": "matseek.training.trainer.TrainerSettings",
    "matseek.problems.islands": "matseek.library.islands",
    "matseek.problems.measured": "matseek.library.measured",
    "matseek.problems.platinum": "matseek.library.platinum",
    "matseek.problems.silver": "matseek.library.silver",
    "matseek.problems.silver_problems": "matseek.library.silver_problems",
    "matseek.searchers.domains": "matseek.godiff.domains",
    "matseek.searchers.godiff": "matseek.godiff.searcher",
    "matseek.searchers.steering": "matseek.godiff.steering",
}
"""By the dotted name of an earlier version, today's."""


def current_name(name: str) -> str:
    """Today's dotted name of what an earlier version called by another; other names stay as they are."""
    package, dot, rest = name, "", ""
    while package:
        if package in MOVED:
            return f"{MOVED[package]}{dot}{rest}"
        package, _, last = package.rpartition(".")
        rest, dot = (f"{last}.{rest}" if rest else last), "."
    return name


SETTINGS: Final[Mapping[str, Mapping[str, str]]] = {
    # 0.1 -> 0.2
    "matseek.searchers.BayesianSearcher": {"strategy": "acquisition"},
    "matseek.searchers.bayesian.BayesianSearcher": {"strategy": "acquisition"},
    "matseek.searchers.NetworkSettings": {"radial": "gaussians"},
    "matseek.godiff.domains.NetworkSettings": {"radial": "gaussians"},
    "matseek.searchers.Stage": {"first_run": "first_batch"},
    "matseek.searchers.two_step.Stage": {"first_run": "first_batch"},
    "matseek.insight.stopping.Accuracy": {"runs": "batches"},
    "matseek.insight.stopping.MapStability": {"runs": "batches"},
}
"""By today's dotted name of what has settings, today's names of settings by those of an earlier version."""

_OF_VALUES: Final[Mapping[str, Any]] = {
    "structures": None,
    "model": "loss",
    "log": False,
    "several": "qlognehvi",
    "device": "cpu",
}

ADDED: Final[Mapping[str, Mapping[str, Any]]] = {
    # 0.1 -> 0.2: both searched boxes alone, and the Gaussian process was of the value
    "matseek.searchers.BayesianSearcher": _OF_VALUES,
    "matseek.searchers.bayesian.BayesianSearcher": _OF_VALUES,
    "matseek.searchers.NetworkSearcher": {"structures": None},
    "matseek.searchers.network.NetworkSearcher": {"structures": None},
    # Neither how steps are launched nor how long processes wait for one another changes a result.
    "matseek.searchers.GODiffSearcher": {"capture": False},
    "matseek.godiff.searcher.GODiffSearcher": {"capture": False},
    "matseek.training.trainer.TrainerSettings": {"patience": 168},
    # Templates did not move.
    "matseek.searchers.NetworkSettings": {"displacement": 0.1},
    "matseek.godiff.domains.NetworkSettings": {"displacement": 0.1},
}
"""By today's dotted name of what has settings, what a stored config without a setting means by that."""

OVERRIDES: Final[Mapping[str, str]] = {
    # 0.1 -> 0.2
    "searcher.strategy": "searcher.acquisition",
    "searcher.network.radial": "searcher.network.gaussians",
    "searcher.bayesian.strategy": "searcher.bayesian.acquisition",
    "stop.accuracy.runs": "stop.accuracy.batches",
    "stop.gp_stability.runs": "stop.gp_stability.batches",
    "stop.network_stability.runs": "stop.network_stability.batches",
}
"""Of settings on the command line, today's key by that of an earlier version."""


def current_override(override: str) -> str:
    """A Hydra override with today's key, with a ``DeprecationWarning`` where it had an earlier one."""
    key, equals, value = override.partition("=")
    plain = key.lstrip("+")
    if plain not in OVERRIDES:
        return override
    _warn(f"the setting {plain} is now {OVERRIDES[plain]}; the old name is removed with the next minor version")
    return f"{OVERRIDES[plain]}{equals}{value}"  # without a plus sign: today's key is in every config


def renamed_settings(**names: str) -> Callable[[type[T]], type[T]]:
    """A class decorator: the constructor takes, and objects have, settings by names of an earlier version too.

    Args:
        names: By the old name, today's.

    Example:
        >>> @renamed_settings(colour="color")
        ... @dataclass(frozen=True)
        ... class Settings: ...
    """

    def warn(kind: type, old: str) -> None:
        _warn(
            f"{old} of {kind.__name__} is now {names[old]}; the old name is removed with the next minor version",
            stacklevel=4,
        )

    def decorate(kind: type[T]) -> type[T]:
        make: Callable[..., None] = kind.__init__

        @wraps(make)
        def accept(self: T, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 -- whatever the class takes
            for old in names.keys() & kwargs.keys():
                warn(kind, old)
                if names[old] in kwargs:
                    raise TypeError(f"{kind.__name__} takes {names[old]} or {old}, its earlier name; leave {old} out")
                kwargs[names[old]] = kwargs.pop(old)
            make(self, *args, **kwargs)

        def reader(old: str) -> property:
            def read(self: T) -> Any:  # noqa: ANN401 -- whatever the setting is
                warn(kind, old)
                return getattr(self, names[old])

            return property(read)

        kind.__init__ = accept  # type: ignore[assignment]
        for old in names:
            setattr(kind, old, reader(old))
        return kind

    return decorate


def _warn(message: str, stacklevel: int = 3) -> None:
    warnings.warn(message, DeprecationWarning, stacklevel=stacklevel)
