"""Hypothesis strategies for spaces."""

import numpy as np
from hypothesis import strategies as st

from matseek.spaces import Box, Category, LinearConstraint, Pool, Variable


@st.composite
def variables(draw, name="x"):
    low = draw(st.floats(-1e3, 1e3))
    width = draw(st.floats(1e-2, 1e3))
    below, above = draw(st.floats(0, 10)), draw(st.floats(0, 10))
    hardware = draw(st.sampled_from([None, (low - below, low + width + above)]))
    return Variable(name, low, low + width, draw(st.sampled_from(["", "%", "nm"])), hardware)


@st.composite
def boxes(draw, most=4):
    """Boxes with up to two constraints that the centre satisfies, so that they are never empty."""
    d = draw(st.integers(1, most))
    members = [draw(variables(f"x{i}")) for i in range(d)]
    constraints = []
    for _ in range(draw(st.integers(0, 2))):
        weights = draw(st.lists(st.floats(-2, 2).filter(lambda w: abs(w) > 0.1), min_size=d, max_size=d))
        centre = sum(w * (v.low + v.high) / 2 for w, v in zip(weights, members, strict=True))
        reach = sum(abs(w) * (v.high - v.low) for w, v in zip(weights, members, strict=True))
        upper = centre + draw(st.floats(0.02, 0.5)) * reach
        constraints.append(LinearConstraint({v.name: w for w, v in zip(weights, members, strict=True)}, upper=upper))
    return Box(members, constraints)


@st.composite
def settings(draw, name="x"):
    """A variable of any kind."""
    kind = draw(
        st.sampled_from(["plain", "step", "whole", "log", "log step", "fixed", "one-hot", "described", "angle"])
    )
    if kind == "plain":
        return draw(variables(name))
    low = draw(st.integers(-20, 20))
    if kind == "whole":
        return Variable(name, low, low + draw(st.integers(1, 30)), step=1)
    if kind == "step":
        step = draw(st.sampled_from([0.1, 0.25, 3.0]))
        return Variable(name, low, low + step * draw(st.integers(1, 400)), "%", step=step)
    if kind == "log":
        return Variable(name, 10.0 ** draw(st.integers(-9, -3)), 10.0 ** draw(st.integers(-2, 3)), "M", log=True)
    if kind == "log step":
        return Variable(name, 1, draw(st.integers(2, 1000)), step=1, log=True)
    if kind == "fixed":
        return Variable(name, low, low)
    if kind == "angle":
        return Variable(name, 0, 360, "deg", periodic=True, step=draw(st.sampled_from([None, 15.0, 120.0])))
    names = tuple(f"{name}-{letter}" for letter in "abcde"[: draw(st.integers(2, 5))])
    if kind == "one-hot":
        return Category(name, names)
    numbers = st.lists(st.floats(-10, 10), min_size=len(names), max_size=len(names))
    first = draw(numbers.filter(lambda row: np.diff(np.sort(row)).min() > 1e-3))
    return Category(name, names, {"first": first})


@st.composite
def mixed_boxes(draw):
    """Boxes of any variables, some with a mixture whose parts have steps and sum to 100."""
    members = [draw(variables("always")), *(draw(settings(f"x{i}")) for i in range(draw(st.integers(1, 3))))]
    if not draw(st.booleans()):
        return Box(members)
    steps = draw(st.lists(st.sampled_from([None, 0.1, 0.5, 1.0, 5.0]), min_size=3, max_size=4))
    parts = [Variable(f"part{i}", 0, draw(st.sampled_from([60, 80, 100])), "%", step=s) for i, s in enumerate(steps)]
    total = LinearConstraint({part.name: 1 for part in parts}, 100, 100)
    return Box([*parts, *members], [total])


@st.composite
def pools(draw):
    """Lists of candidates, with a category or without."""
    rows, seed = draw(st.integers(2, 40)), draw(st.integers(0, 1000))
    rng = np.random.default_rng(seed)
    points = np.column_stack([rng.random(rows), rng.integers(0, 3, rows), np.full(rows, 7.0)])
    kind = draw(st.sampled_from([Category("kind", ("a", "b", "c")), Variable("kind", 0, 2)]))
    return Pool([Variable("x", 0, 1), kind, Variable("constant", 7, 7)], points)
