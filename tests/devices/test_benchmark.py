"""The benchmark that a GPU is met with runs from end to end, here on the CPU."""

from benchmarks import gpu, results_io


def test_every_section_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(results_io, "RESULTS", tmp_path)
    report = gpu.main(["--tiny", "--device", "cpu"])
    assert set(report["sections"]) == set(gpu.SECTIONS)
    assert not [name for name, found in report["sections"].items() if {"error", "skipped"} & set(found)]
    assert report["sections"]["relaxation"]["largest_difference_A"] < 1e-4
    assert all(found["most_moved_A"] < 1e-5 for found in report["sections"]["geometry"].values())
    assert (tmp_path / "gpu_tiny.json").is_file()
