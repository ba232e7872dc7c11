"""CUDA graphs on the pretended device: what is launched while one is recorded is kept, and done again by a replay.

As on CUDA a recording refuses whatever the host would have to wait for, keeps the memory that it was made with, and
bakes numbers of the host in. A replay is one launch.
"""

from contextlib import contextmanager, nullcontext
from unittest import mock

import torch
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves


class CudaGraph:
    """What was launched between the two ends of a ``torch.cuda.graph``."""

    def __init__(self, device):
        self.device, self.steps = device, []

    def record(self, func, args, kwargs, out):
        """Keep an operation, with the tensors of the CPU that it reads and writes."""
        self.steps.append((func, args, kwargs, out))

    def replay(self):
        """Do it all again, into the same tensors."""
        assert self.steps, "a graph is replayed that was not recorded"
        assert self.device.recording is None, "a graph is replayed while another is recorded"
        self.device.launches += 1
        self.device.launched["graph"] += 1
        with torch.no_grad(), _disable_current_modes(), torch._C._DisableAutocast():
            for func, args, kwargs, out in self.steps:
                again = func(*args, **kwargs)
                for kept, made in zip(tree_leaves(out), tree_leaves(again), strict=True):
                    if isinstance(kept, torch.Tensor) and kept.data_ptr() != made.data_ptr():
                        kept.copy_(made)


@contextmanager
def _recording(graph, pool=None):
    assert graph.device.recording is None, "two graphs are recorded at once"
    graph.device.recording = graph
    try:
        yield
    finally:
        graph.device.recording = None


class _Stream:
    def wait_stream(self, other):
        pass


def patches(device):
    """What makes ``torch.cuda`` have graphs, launched and recorded on a device of :mod:`tests.devices.pretend`."""
    graphs = {
        "CUDAGraph": lambda: CudaGraph(device),
        "graph": _recording,
        "Stream": _Stream,
        "stream": lambda stream: nullcontext(),
        "current_stream": lambda device=None: _Stream(),
    }
    return [
        *(mock.patch(f"torch.cuda.{name}", value) for name, value in graphs.items()),
        mock.patch("torch.cuda.graphs.graph_pool_handle", return_value=None),
        mock.patch("torch.backends.cuda.is_built", return_value=True),
    ]
