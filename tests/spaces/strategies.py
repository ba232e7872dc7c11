"""Hypothesis strategies for spaces."""

from hypothesis import strategies as st

from matseek.spaces import Box, LinearConstraint, Variable


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
