"""Steps recorded once in a CUDA graph and replayed: one launch where there were hundreds.

No GPU was at hand: this has run on a pretended one only. It is taken for networks that say of themselves that their
shapes do not change and that the host is asked for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

Step = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From points, a row of coefficients and noise to points of the same shape."""

_WARM = 3
"""Runs before the recording, which let libraries choose their kernels."""


def can_capture(device: torch.device) -> bool:
    """Whether a device has CUDA graphs."""
    return device.type == "cuda" and torch.backends.cuda.is_built()  # type: ignore[no-untyped-call]


class Captured:
    """A step that is recorded at its first call, without gradients; later calls have tensors of the same shapes.

    Args:
        step: What is recorded. It must not ask the host for anything.
    """

    def __init__(self, step: Step) -> None:
        self._step = step
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: tuple[Tensor, ...] = ()
        self._result = torch.empty(0)

    def __call__(self, x: Tensor, row: Tensor, noise: Tensor) -> Tensor:
        """The points after the step; they are overwritten by the next call."""
        if self._graph is None:
            self._record(x, row, noise)
        for own, given in zip(self._inputs, (x, row, noise), strict=True):
            own.copy_(given)
        assert self._graph is not None
        self._graph.replay()
        return self._result

    def _record(self, *given: Tensor) -> None:
        self._inputs = tuple(t.clone() for t in given)
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_WARM):
                self._step(*self._inputs)
        torch.cuda.current_stream().wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._result = self._step(*self._inputs)


class CapturedPasses:
    """A network in training whose passes, forwards and backwards, are recorded once for every shape of batch.

    Its parameters must stay where they are in memory; all of those in training must reach what it gives.

    Args:
        network: From tensors to a tensor or several.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._passes: dict[tuple[torch.Size, ...], Any] = {}

    def __call__(self, *given: Tensor) -> Any:  # noqa: ANN401 -- what the network gives
        """What the network gives; the next call overwrites it."""
        shapes = tuple(tensor.shape for tensor in given)
        if shapes not in self._passes:
            sample = tuple(tensor.detach().clone() for tensor in given)
            with _without_cached_casts():
                self._passes[shapes] = torch.cuda.make_graphed_callables(_Passes(self._network), sample)
        return self._passes[shapes](*given)


class _Passes(nn.Module):
    """A module around the network: the one that is recorded gets another ``forward``."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *given: Tensor) -> Any:  # noqa: ANN401
        return self.network(*given)


@contextmanager
def _without_cached_casts() -> Iterator[None]:
    """Autocast casts parameters in every pass: a graph would keep the casts of the parameters as they were."""
    before = torch.is_autocast_cache_enabled()
    torch.clear_autocast_cache()
    torch.set_autocast_cache_enabled(False)
    try:
        yield
    finally:
        torch.set_autocast_cache_enabled(before)
