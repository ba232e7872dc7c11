import pytest

from matseek.godiff.sizes import EffectiveSizes


@pytest.mark.parametrize(("effective", "samples"), [(16.0, 32), (32.0, 16), (8.0, 64), (1.0, 64), (1000.0, 8)])
def test_samples_are_few_where_many_count_already(effective, samples):
    assert EffectiveSizes(target=16.0, least_samples=8, most_samples=64).samples(32, effective) == samples


@pytest.mark.parametrize(("effective", "rows"), [(1.0, 32), (20.0, 80), (500.0, 256)])
def test_rows_follow_what_counts(effective, rows):
    assert EffectiveSizes(rows_each=4.0, least_rows=32, most_rows=256).rows(effective) == rows


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": 0.5}, "sizes.target"),
        ({"least_samples": 0}, "sizes.least_samples"),
        ({"least_samples": 80}, "sizes.least_samples=80 must be at most"),
        ({"most_rows": 8}, "sizes.least_rows=32 must be at most"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        EffectiveSizes(**settings)
