import pytest

from matseek.configuration import run_settings
from matseek.errors import MatseekError
from matseek.library.adsorbates import adsorbates


def test_molecules_are_named_on_the_command_line():
    problem = run_settings(["problem=adsorbates"]).problem
    assert problem.space.species == ("CO", "CO", "O")
    assert problem.name == "CO + CO + O on Pt(211)"
    other = run_settings(
        ["problem=adsorbates", "problem.molecules=H2O + 2OH", "problem.face=111", "problem.size=[3,3]"]
    )
    assert other.problem.space.species == ("H2O", "OH", "OH")
    assert len(other.problem.space.template) == 27


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"molecules": "Pt3"}, "such as '3Pt'"),
        ({"molecules": "C6H6", "size": (1, 2)}, "repeat the template"),
        ({"metal": "Fe"}, "no fcc metal"),
        ({"size": (0, 1)}, "size"),
    ],
)
def test_what_cannot_be_is_told(settings, told):
    with pytest.raises((ValueError, MatseekError), match=told):
        adsorbates(**settings)
