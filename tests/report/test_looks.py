"""A method looks the same wherever it is drawn."""

import matplotlib.colors
import pytest

from matseek.choices import choices_of
from matseek.report.figures.house import INK, MUTED, SUCCESS
from matseek.report.looks import lines_of, looks_among

SEARCHERS = choices_of("searcher")


def contrast(color):
    """Of a colour on white, by the WCAG 2.2."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in matplotlib.colors.to_rgb(color)]
    return 1.05 / (sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True)) + 0.05)


@pytest.mark.parametrize(
    "beside",
    [
        ["bayesian", "network", "godiff"],
        ["godiff", "godiff_ffg", "godiff_transfer", "godiff_active", "rss", "basin_hopping", "genetic"],
        ["lhs", "random", "two_step", "bayesian", "bayesian_ei", "bayesian_ucb", "bayesian_qlognei", "network_box"],
    ],
)
def test_a_name_looks_the_same_whatever_stands_beside_it(beside):
    together = lines_of(beside)
    assert together == {name: lines_of([name])[name] for name in beside} == lines_of(reversed(beside))
    assert len({(line.dashes, line.marker, line.filled) for line in together.values()}) == len(beside)


def test_colours_can_be_seen_on_white_and_words_can_be_read():
    assert min(contrast(line.color) for line in lines_of(SEARCHERS).values()) >= 3
    assert min(map(contrast, (INK, MUTED, SUCCESS))) >= 4.5


def test_names_of_other_packages_look_alike_everywhere_and_apart_where_they_meet():
    alone = lines_of(["annealing"])["annealing"]
    assert lines_of(["bayesian", "annealing"])["annealing"] == alone
    together = lines_of([f"mine{i}" for i in range(5)])
    assert len({(line.color, line.marker) for line in together.values()}) == 5
    assert looks_among({"a": ("#000000", "o"), "b": None})["b"] == looks_among({"b": None})["b"]
