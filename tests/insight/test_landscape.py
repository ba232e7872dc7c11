import numpy as np
import pytest

from matseek.godiff.fields import learnt_score
from matseek.insight.landscape import energy_landscape
from matseek.library.platinum import platinum_adatom, platinum_heptamer
from matseek.potentials.emt import BatchedEMT
from matseek.report.figures import energy_and_score


@pytest.fixture(scope="module")
def problem():
    return platinum_adatom(calculator=BatchedEMT)


@pytest.fixture(scope="module")
def landscape(problem):
    return energy_landscape(problem, spacing=0.8, height_step=0.4)


def test_its_lowest_place_is_near_the_known_minimum(problem, landscape):
    assert 5.506 < np.nanmin(landscape.energies) < 6.5
    lowest = landscape.places.reshape(-1, 3)[np.nanargmin(landscape.energies)]
    assert problem.relaxed_success(problem.space.atoms(lowest), 0.0), "it relaxes into the hollow"


def test_energies_are_those_of_the_places(problem, landscape):
    for place, energy in zip(landscape.places.reshape(-1, 3)[::7], landscape.energies.ravel()[::7], strict=True):
        assert problem.measure(place, np.random.default_rng()).value == pytest.approx(energy)


def test_more_atoms_and_no_distance_are_refused(problem):
    with pytest.raises(ValueError, match="7 free atoms"):
        energy_landscape(platinum_heptamer(calculator=BatchedEMT))
    with pytest.raises(ValueError, match="spacing=0"):
        energy_landscape(problem, spacing=0)


def test_the_shipped_model_sends_atoms_downhill_and_is_drawn(problem, landscape):
    places = landscape.places.reshape(-1, 3)
    score = learnt_score(problem, "adatom", places, sigma=0.3)
    assert score.shape == (len(places), 1, 3)
    high = problem.space.as_points([[*places[0][:2], problem.space.z_high - 0.1]])
    assert learnt_score(problem, "adatom", high, sigma=0.3)[0, 0, 2] < 0, "an atom far above is sent down"
    figure = energy_and_score(problem, landscape, score.reshape(landscape.places.shape), 0.3)
    assert [ax.get_title()[:5] for ax in figure.axes[:2]] == ["The t", "Learn"]
    with pytest.raises(ValueError, match="one arrow per place"):
        energy_and_score(problem, landscape, score, 0.3)


def test_no_noise_is_refused(problem):
    with pytest.raises(ValueError, match="sigma=0"):
        learnt_score(problem, "adatom", [[0.0, 0.0, 15.0]], sigma=0)
