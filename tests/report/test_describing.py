"""Figures are told in words."""

from matplotlib.figure import Figure

from matseek.report.describing import description


def test_curves_points_maps_and_words_are_told():
    figure = Figure()
    left, right = figure.subplots(1, 2)
    left.plot([1, 2, 3], [0.5, 0.3, 0.1], label="Bayesian")
    left.plot([1, 2], [7, 8], label="_not named")
    left.scatter([1, 2, 3], [4.0, float("nan"), 9.0], label="failed")
    left.set(xlabel="Evaluation", ylabel="Loss")
    mesh = right.pcolormesh([[0.25, 0.5], [0.75, 1.5]])
    right.set(xlabel="a", ylabel="b", title="network")
    right.text(0.5, 0.5, "nothing\nyet", transform=right.transAxes)
    figure.colorbar(mesh)
    assert description(figure, "Progress") == (
        "Progress. Loss against evaluation. b against a. Bayesian from 0.5 to 0.1; failed, 2 points between 4 and 9. "
        "network: a map of values from 0.25 to 1.5; nothing yet."
    )
