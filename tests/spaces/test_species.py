import pytest
from ase import Atoms
from ase.build import molecule

from matseek.spaces.species import bodies_of, is_molecule


def names(molecules):
    return [name for name, _ in bodies_of(molecules)]


def test_a_sum_names_molecules_and_atoms_with_their_counts():
    assert names("2CO + O") == ["CO", "CO", "O"]
    assert names(" OH+3 Pt ") == ["OH", "Pt", "Pt", "Pt"]
    assert names("2-butyne") == ["2-butyne"]
    assert names(["2CO", molecule("CH4"), "O"]) == ["CO", "CO", "CH4", "O"]
    (_, water), *_ = bodies_of("H2O")
    assert water.get_distance(0, 1) == pytest.approx(0.969, abs=1e-3)
    assert not water.has("initial_magmoms")


@pytest.mark.parametrize(
    ("molecules", "told"),
    [
        ("Pt3", "sum of elements, such as '3Pt'"),
        ("2CO2O", "'CO2O' is neither"),
        ("2Xx", "such as '3Pt \\+ O'"),
        ("C1O1", "such as 'C \\+ O'"),
        ("0CO", "count 0"),
        ("2000CO", "count 2000"),
        (["900CO", "900CO"], "are 1800"),
        ("CO +", "empty term"),
        ("", "empty term"),
        ([], "names nothing"),
        (["CO", 3], "must be a text"),
        (7, "must be a text"),
        (Atoms(), "needs atoms"),
        (Atoms("CO"), "same place"),
        (Atoms("CO", positions=[[0, 0, 0], [0, 0, float("nan")]]), "finite"),
    ],
)
def test_what_is_not_understood_is_told_with_a_remedy(molecules, told):
    with pytest.raises(ValueError, match=told):
        bodies_of(molecules)


def test_formulas_of_molecules_are_known():
    assert all(map(is_molecule, ("CO", "OC", "H2O", "OH", "O2", "CH3OH")))
    assert not any(map(is_molecule, ("Pt7", "C", "Pt3Cu4", "PtO", "nonsense", "")))
