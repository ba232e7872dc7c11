"""How a broken rule is reported, and the rules that several kinds share."""

from __future__ import annotations

import copy
import json
import pickle
import random
import reprlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

FloatArray = npt.NDArray[np.float64]


class ConformanceError(AssertionError):
    """A part breaks a rule of its contract.

    Args:
        subject: The part, as its author calls it.
        rule: The rule that is broken.
        value: What was found instead.
        remedy: What to change.
    """

    def __init__(self, subject: str, rule: str, value: object, remedy: str) -> None:
        shown = value if isinstance(value, str) else _REPR.repr(value)
        super().__init__(f"{subject} breaks a rule of its contract: {rule}. Found: {shown}. Remedy: {remedy}.")
        self.subject, self.rule, self.remedy = subject, rule, remedy


_REPR = reprlib.Repr()
_REPR.maxother = _REPR.maxstring = 300


@dataclass(frozen=True)
class Rules:
    """Checks the rules of one part.

    Args:
        subject: The part, as its author calls it.
    """

    subject: str

    def require(self, holds: object, rule: str, value: object, remedy: str) -> None:
        """Refuse the part if a rule does not hold.

        Args:
            holds: Whether it does.
            rule: The rule, in the present tense.
            value: What was found.
            remedy: What to change.

        Raises:
            ConformanceError: If it does not.
        """
        if not bool(holds):
            raise ConformanceError(self.subject, rule, value, remedy)

    def require_text(self, name: str, value: object) -> None:
        """An attribute is a text that is not empty."""
        self.require(isinstance(value, str) and value.strip(), f"{name} is a text", value, f"give {name} a text")

    def require_refusal(self, call: Callable[[], object], rule: str, remedy: str) -> None:
        """A call raises ``ValueError``."""
        try:
            found = call()
        except ValueError:
            return
        except Exception as error:
            raise ConformanceError(self.subject, rule, f"{type(error).__name__}: {error}", remedy) from error
        raise ConformanceError(self.subject, rule, found, remedy)

    def require_array(self, name: str, value: object, shape: tuple[int, ...]) -> FloatArray:
        """A result is a finite array of numbers of a shape."""
        array = np.asarray(value)
        self.require(
            array.shape == shape, f"{name} has shape {shape}", f"shape {array.shape}", "return one row for each point"
        )
        self.require(
            array.dtype.kind in "fiub" and np.isfinite(array).all(),
            f"{name} holds finite numbers",
            array,
            "return float64 numbers without NaN",
        )
        return array.astype(np.float64)

    def require_close(
        self, a: npt.ArrayLike, b: npt.ArrayLike, rule: str, remedy: str, *, tolerance: float = 1e-8
    ) -> None:
        """Two arrays agree within a fraction of their largest entry."""
        x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
        scale = max(1.0, float(np.abs(y).max(initial=0.0))) if np.isfinite(y).all() else 1.0
        agree = x.shape == y.shape and np.allclose(x, y, rtol=0, atol=tolerance * scale, equal_nan=True)
        apart = float(np.nanmax(np.abs(x - y), initial=0.0)) if x.shape == y.shape else f"shapes {x.shape}, {y.shape}"
        self.require(agree, rule, f"a difference of {apart} where {tolerance * scale:.3g} is allowed", remedy)

    def require_plain(self, name: str, value: object) -> None:
        """A description can be written as JSON."""
        remedy = f"let {name} return dicts, lists, texts, finite numbers, booleans and None, e.g. array.tolist()"
        self.require(isinstance(value, dict), f"{name} is a dict", value, remedy)
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ConformanceError(self.subject, f"{name} can be written as JSON", str(error), remedy) from error

    def require_frozen_settings(self, part: Any) -> Any:  # noqa: ANN401 -- any part
        """A part is a frozen dataclass that can be pickled; gives the copy."""
        remedy = "make the class a @dataclass(frozen=True) whose fields are plain settings, and no lambdas"
        kind: Any = type(part)
        frozen = hasattr(kind, "__dataclass_params__") and kind.__dataclass_params__.frozen
        self.require(frozen, "settings are a frozen dataclass", type(part).__name__, remedy)
        try:
            return pickle.loads(pickle.dumps(part))
        except Exception as error:
            raise ConformanceError(
                self.subject, "settings can be pickled", f"{type(error).__name__}: {error}", remedy
            ) from error


def same_plain(a: object, b: object) -> bool:
    """Whether two descriptions are written alike as JSON."""
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)


def copied(part: Any) -> Any:  # noqa: ANN401 -- any part
    """An equal object, made anew."""
    return copy.deepcopy(part)


@contextmanager
def global_seed(seed: int) -> Iterator[None]:
    """Inside, the global generators of random, numpy and torch are seeded; afterwards they are as they were."""
    state = np.random.get_state()  # noqa: NPY002 -- to tell who draws from it
    python = random.getstate()
    with torch.random.fork_rng(devices=[]):
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        torch.manual_seed(seed)
        try:
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002
            random.setstate(python)
