"""The contract of a generator of candidates, see :class:`matseek.candidates.Generator`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from matseek.candidates import Generator
from matseek.core.space import StructureSpace
from matseek.testing.rules import ConformanceError, Rules, global_seed

FloatArray = npt.NDArray[np.float64]

_SEEDED = "draw from rng alone, and seed every other generator from it"


def check_generator(generator: Generator, space: StructureSpace, count: int = 6, seed: int = 0) -> None:
    """Certify a generator of candidates on a space of structures.

    It gives as many structures as are asked for, also one, and also where there is a single parent; they are finite and
    inside the confinement; the same source of randomness gives the same ones, and another one others; parents are left
    as they are; the settings are frozen and can be sent to another process.

    Args:
        generator: The settings.
        space: Free atoms and template, with room for them.
        count: Candidates that are asked for.
        seed: Of parents and candidates.

    Raises:
        ConformanceError: If it breaks a rule; the message says which, what was found and what to change.
    """
    rules = Rules(f"the generator {type(generator).__name__}")
    rules.require(isinstance(generator, Generator), "it is a Generator", type(generator).__name__, "derive from it")
    rules.require_text("label", generator.label)
    weight = generator.weight
    rules.require(isinstance(weight, (int, float)) and weight > 0, "weight is above 0", weight, "give it a share")
    copy: Generator = rules.require_frozen_settings(generator)
    generator.check(space)
    parents = space.sample_contiguous(3, np.random.default_rng([seed, 1]))
    with global_seed(1):
        first = _candidates(rules, generator, count, parents, space, seed)
    with global_seed(2):
        again = _candidates(rules, copy, count, parents, space, seed)
    rules.require_close(again, first, "the same generator of numbers gives the same candidates", _SEEDED)
    other = _candidates(rules, copy, count, parents, space, seed + 1)
    rules.require(not np.array_equal(other, first), "another one gives others", first[0], _SEEDED)
    _candidates(rules, copy, 1, parents[:1], space, seed)


def _candidates(
    rules: Rules, generator: Generator, count: int, parents: FloatArray, space: StructureSpace, seed: int
) -> FloatArray:
    given = parents.copy()
    try:
        found = generator.propose(count, given, space, np.random.default_rng(seed))
    except Exception as error:
        call = f"propose({count}, parents, space, rng) of {len(parents)} parents ends without an error"
        raise ConformanceError(rules.subject, call, f"{type(error).__name__}: {error}", "see it") from error
    rules.require(np.array_equal(given, parents), "parents are left as they are", given[0], "work on a copy")
    points = rules.require_array(f"what propose({count}, ...) gives", found, (count, space.dim))
    heights = points.reshape(count, -1, 3)[..., 2]
    inside = (heights >= space.z_low - 1e-6) & (heights <= space.z_high + 1e-6)
    rules.require(
        inside.all(), "candidates lie inside the confinement", heights[~inside][:1], "clip z to z_low and z_high"
    )
    return points
