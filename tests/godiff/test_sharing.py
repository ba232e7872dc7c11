"""However many processes share a draw, it is the same draw."""

import pytest
import torch

from matseek.diffusion import EulerMaruyama, Heun, LinearSchedule, PeriodicSlab, PredictorCorrector
from matseek.godiff.sharing import Share

SLAB = PeriodicSlab(((3.0, 0.0), (0.0, 3.0)), 0.0, 2.0, 2)
SCHEDULE = LinearSchedule(0.01, 2.0)


def score(x, sigma):
    return (1.0 - x) / (1.0 + sigma.view(-1, 1, 1))


@pytest.mark.parametrize("sampler", [EulerMaruyama(SCHEDULE, 4), Heun(SCHEDULE, 4, 2), PredictorCorrector(SCHEDULE, 4)])
@pytest.mark.parametrize("origin", [None, torch.full((5, 2, 3), 0.7)])
@pytest.mark.parametrize("processes", [1, 2, 3, 7])
def test_samples_do_not_depend_on_the_number_of_processes(sampler, origin, processes, monkeypatch):
    def drawn(rows):
        generator = torch.Generator().manual_seed(3)
        x = sampler.sample(score, SLAB, 5, generator, origin=origin, begin=0.8, rows=rows)
        return x, torch.rand((), generator=generator)

    whole, after = drawn(None)
    shares = [Share(5, rank, processes) for rank in range(processes)]
    parts = [drawn(share.rows) for share in shares]
    assert all(drawn_after == after for _, drawn_after in parts), "the generator goes on alike"

    def gather(places, own):
        assert any(torch.equal(own, part) for part, _ in parts)
        for place, (part, _) in zip(places, parts, strict=True):
            place.copy_(part)

    monkeypatch.setattr(torch.distributed, "all_gather", gather)
    for share, (own, _) in zip(shares, parts, strict=True):
        torch.testing.assert_close(share.whole(own), whole)


@pytest.mark.parametrize("count", [1, 4, 5, 32])
@pytest.mark.parametrize("processes", [2, 3, 8])
def test_every_process_has_as_much_to_do(count, processes):
    rows = [Share(count, rank, processes).rows for rank in range(processes)]
    assert {len(r) for r in rows} == {-(-count // processes)}
    assert set(torch.cat(rows).tolist()) == set(range(count))
