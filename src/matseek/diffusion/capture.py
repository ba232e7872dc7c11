"""Steps recorded once in a CUDA graph and replayed: one launch where there were hundreds.

This has never run: no GPU was at hand. It is taken for scores that say of themselves that their shapes do not change.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

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
