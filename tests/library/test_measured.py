import numpy as np
import pytest

from matseek.library.measured import DropletEmulator, MeasuredDroplets
from matseek.library.silver_problems import silver_measured, silver_space


@pytest.fixture(scope="module")
def droplets(droplets_csv):
    return MeasuredDroplets.read(droplets_csv)


def test_reads_what_was_measured(droplets):
    assert droplets.conditions.shape == (164, 5)
    assert len(droplets.residuals) == 3295
    best = droplets.medians.argmin()
    assert droplets.medians[best] == pytest.approx(0.135, abs=1e-3)
    np.testing.assert_allclose(droplets.conditions[best], [32.5, 16, 6.5, 4.5, 850], atol=0.01)


def test_emulates_the_medians(droplets):
    emulator = DropletEmulator.fit(droplets, silver_space(hardware=False), 20)
    error = np.abs(emulator.mean(droplets.conditions) - droplets.medians)
    assert np.median(error) < 0.01


def test_droplets_scatter_as_measured(droplets_csv, droplets):
    problem = silver_measured(droplets_csv)
    point = droplets.conditions[3]
    losses = [problem.measure(point, np.random.default_rng(i)) for i in range(30)]
    spreads = np.array([np.std(m.replicates, ddof=1) for m in losses])
    assert 0.5 * droplets.residuals.std() < np.median(spreads) < 1.5 * droplets.residuals.std()
    assert len({m.value for m in losses}) > 20, "each evaluation has noise of its own"


def test_needs_its_file(tmp_path):
    with pytest.raises(ValueError, match="add data=FILE"):
        silver_measured(None)
    with pytest.raises(FileNotFoundError, match=r"nowhere.csv' is not a file"):
        silver_measured(tmp_path / "nowhere.csv")
    other = tmp_path / "other.csv"
    other.write_text("x,loss\n1,2\n")
    with pytest.raises(ValueError, match="lacks the columns"):
        silver_measured(other)
