"""A pretended CUDA device: CPU tensors that say they are on ``cuda:0``, and a dispatcher as strict as CUDA's.

Values are real, so that whole training steps, samplers and campaigns run, also in bf16-mixed and 16-mixed (autocast of
the CPU stands in for CUDA's, whose lists agree for matrix products; GradScaler is the real one). What raises on a GPU
raises here: tensors of two devices in one operation, draws on the GPU from a generator of the CPU, ``.numpy()``. What
is slow there is counted by the line of matseek that asked for it: launches, and waits of the host for the device.

Whether kernels exist, how long they take, memory and several GPUs cannot be seen with it.

    with pretend_cuda() as device:
        module.to("cuda")
        module(x.to("cuda")).sum().backward()
    device.launches, device.waits   # 42, Counter({("nonzero", "matseek/networks/graphs.py:254"): 3})

With ``pretend_cuda(graphs=True)`` it has CUDA graphs too, see :mod:`tests.devices.graphs`.
"""

import sys
from collections import Counter
from contextlib import ExitStack, contextmanager
from unittest import mock

import torch
from lightning.pytorch.accelerators import CUDAAccelerator
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only, tree_unflatten

from tests.devices.graphs import patches

CUDA = torch.device("cuda:0")

_WAITING = {
    "aten::_local_scalar_dense": "item",
    "aten::_unique2": "unique",
    "aten::argwhere": "nonzero",
    "aten::bincount": "bincount",
    "aten::equal": "equal",
    "aten::is_nonzero": "bool",
    "aten::masked_select": "masked_select",
    "aten::nonzero": "nonzero",
    "aten::unique_consecutive": "unique",
    "aten::unique_dim": "unique",
}
"""Operations whose result's size the host must know, or whose value it reads."""

_INDEXING = {"aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_"}

_VIEWS = {
    *("_reshape_alias", "_unsafe_view", "alias", "as_strided", "chunk", "detach", "expand", "permute", "select"),
    *("slice", "split", "split_with_sizes", "squeeze", "t", "transpose", "unbind", "unsqueeze", "view", "empty"),
    *("empty_like", "empty_strided", "new_empty", "new_empty_strided", "record_stream"),
}
"""Operations that launch no kernel."""

_TWO_DEVICES = "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!"


class OnCuda(torch.Tensor):
    """A tensor of the CPU that says it is on cuda:0.

    Attributes:
        held: Its values.
        nowhere: Whether it was made in a backward pass out of nothing: autograd's engine does not say for which device.
    """

    @staticmethod
    def __new__(cls, held):
        assert type(held) in (torch.Tensor, torch.nn.Parameter), type(held)
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            layout=held.layout,
            device="cpu",
            requires_grad=False,
        )
        made.held, made.nowhere = held.detach(), False
        return made

    device = property(lambda self: CUDA)
    is_cuda = property(lambda self: True)
    is_cpu = property(lambda self: False)

    def data_ptr(self):
        return self.held.data_ptr()

    def __repr__(self):
        return f"OnCuda({self.held!r})"

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        self = args[0] if args else None
        if func in (torch.Tensor.numpy, torch.Tensor.__array__):
            raise TypeError(
                "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory "
                "first."
            )
        if func is torch.Tensor.tolist:
            _NOW.note("item")
            return self.held.tolist()
        if func is torch.Tensor.cpu:
            return _ToCpu.apply(self)
        if func is torch.Tensor.cuda:
            return self
        if func is torch.Tensor.__deepcopy__:
            made = OnCuda(self.held.clone())
            if getattr(self, "_is_param", False):
                made = torch.nn.Parameter(made, self.requires_grad)
            args[1][id(self)] = made
            return made
        if func is torch.Tensor.__reduce_ex__:
            return self.held.__reduce_ex__(*args[1:])
        if func is torch.Tensor.to:
            args, kwargs = _to(args, kwargs)
            if len(args) == 1 and not kwargs:
                return args[0]
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **kwargs)

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _dispatch(func, args, kwargs or {})


def _to(args, kwargs):
    """The arguments of ``Tensor.to`` without a device, where that is known already or the way there is taken."""
    self, *rest = args
    kwargs = {k: v for k, v in kwargs.items() if not (k == "non_blocking" and isinstance(self, OnCuda))}
    for k, given in enumerate(rest):
        if isinstance(given, torch.Tensor):  # x.to(other)
            rest[k : k + 1] = [given.device, given.dtype]
            break
    asked = kwargs.pop("device", None)
    if len(rest) > 1 and isinstance(rest[1], (torch.dtype, type(None))):  # to(device, dtype, non_blocking)
        kwargs |= {} if rest[1] is None else {"dtype": rest[1]}
        rest = rest[:1]
    for k, given in enumerate(rest):
        if isinstance(given, (str, torch.device)):
            asked = rest.pop(k)
            break
    if isinstance(self, OnCuda):
        if asked is not None and torch.device(asked).type == "cpu":
            self = _ToCpu.apply(self)
    elif asked is not None:
        kwargs["device"] = asked
    for k, given in enumerate(rest):
        if isinstance(given, torch.dtype):
            kwargs["dtype"] = rest.pop(k)
            break
    return [self, *rest], kwargs


class _ToCpu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        _NOW.note("to cpu")
        return x.held.clone()

    @staticmethod
    def backward(ctx, gradient):
        return OnCuda(gradient)


class _ToCuda(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        _NOW.note("to cuda")
        return OnCuda(x.detach().clone())

    @staticmethod
    def backward(ctx, gradient):
        return gradient.held.clone()


class CudaGenerator(torch.Generator):
    """A generator that says it is on cuda:0."""

    device = property(lambda self: CUDA)


class Device:
    """What has been asked of the pretended device.

    Attributes:
        waits: How often the host waits, by kind and line.
        launches: Kernels.
        launched: Kernels by operation.
        recording: The graph that is being recorded, if any.
    """

    def __init__(self):
        self.waits = Counter()
        self.launches = 0
        self.launched = Counter()
        self.recording = None

    def note(self, kind):
        if self.recording is not None:
            raise RuntimeError(f"operation not permitted when stream is capturing: {kind} at {_caller()}")
        self.waits[kind, _caller()] += 1


_NOW = Device()


def _caller():
    """The innermost line of matseek, and the line of Lightning or of torch's optimisers inside it, if any."""
    frame, inner = sys._getframe(1), ""
    while frame is not None:
        name = frame.f_code.co_filename
        if "/src/matseek/" in name:
            return f"{name.split('/src/')[-1]}:{frame.f_lineno}" + (f" ({inner})" if inner else "")
        known = ("/lightning/", "swa_utils", "/torch/optim", "grad_scaler")
        if not inner and any(part in name for part in known):
            inner = f"{name.split('site-packages/')[-1]}:{frame.f_lineno}"
        frame = frame.f_back
    return inner or "?"


def _dispatch(func, args, kwargs):
    name = func._schema.name
    operation = name.removeprefix("aten::")
    flat, spec = tree_flatten((args, {k: v for k, v in kwargs.items() if k != "device"}))
    gpu = [x for x in flat if isinstance(x, OnCuda)]
    cpu = [x for x in flat if isinstance(x, torch.Tensor) and not isinstance(x, OnCuda)]
    nowhere = bool(gpu) and all(t.nowhere for t in gpu)
    if nowhere and any(t.dim() for t in cpu):
        return func(*(tree_map_only(OnCuda, lambda t: t.held, part) for part in args), **kwargs)
    on_gpu = _is_on_gpu(operation, gpu, cpu, kwargs.get("device"))
    if not on_gpu and not gpu:
        return func(*args, **kwargs)
    if operation not in _VIEWS and _NOW.recording is None:
        _NOW.launches += 1
        _NOW.launched[name] += 1
    generator = next((a for a in flat if isinstance(a, torch.Generator)), None)
    if on_gpu and generator is not None and generator.device.type == "cpu":
        raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
    _note_copies(name, func, args, kwargs, on_gpu, gpu, cpu)
    if name in _INDEXING and gpu:
        if not isinstance(args[0], OnCuda):
            raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
        if any(i is not None and i.dtype in (torch.bool, torch.uint8) for i in args[1]):
            _NOW.note("boolean index")
    if gpu and name in _WAITING:
        _NOW.note(_WAITING[name])
    if operation == "repeat_interleave" and gpu and kwargs.get("output_size") is None:
        _NOW.note("repeat_interleave")
    own_args, own_kwargs = tree_unflatten([t.held if isinstance(t, OnCuda) else t for t in flat], spec)
    own_kwargs |= {"pin_memory": None} if own_kwargs.get("pin_memory") else {}
    out = func(*own_args, **own_kwargs)
    if _NOW.recording is not None and not operation.startswith(("empty", "new_empty")):
        _NOW.recording.record(func, own_args, own_kwargs, out)
    schema = func._schema
    written = [a for a in schema.arguments if a.alias_info is not None and a.alias_info.is_write]
    if written:
        if not schema.returns:
            return None
        places = {a.name: i for i, a in enumerate(schema.arguments)}
        targets = [args[places[a.name]] if places[a.name] < len(args) else kwargs.get(a.name) for a in written]
        if len(schema.returns) == len(targets):
            return targets[0] if len(targets) == 1 else tuple(targets)
    if not on_gpu:
        return out
    if type(out) is torch.Tensor:
        made = OnCuda(out)
        made.nowhere = nowhere or (not gpu and not cpu and torch._C._current_graph_task_id() >= 0)
        return made
    return tree_map_only(torch.Tensor, lambda t: t if isinstance(t, OnCuda) else OnCuda(t), out)


def _is_on_gpu(operation, gpu, cpu, asked):
    asked = None if asked is None else torch.device(asked)
    if asked is None:
        return bool(gpu)
    if gpu and asked.type == "cpu" and (operation.startswith("new_") or operation.endswith("_like")):
        return True  # C++ has filled in what it takes for the tensor's device
    if not cpu and torch._C._current_graph_task_id() >= 0:
        return True  # the engine in C++ takes gradients, and zeros where there is none, for a CPU's
    return asked.type == "cuda"


def _note_copies(name, func, args, kwargs, on_gpu, gpu, cpu):
    """Count what crosses between the devices, and refuse what mixes them."""
    if name == "aten::_to_copy":
        if cpu and on_gpu:
            if not (kwargs.get("non_blocking") and getattr(cpu[0], "pretends_pinned", False)):
                _NOW.note("to cuda")
        elif gpu and not on_gpu:
            _NOW.note("to cpu")
    elif name == "aten::copy_" and gpu and cpu:
        _NOW.note("to cuda" if isinstance(args[0], OnCuda) else "to cpu")
    elif gpu and any(t.dim() for t in cpu):
        if not (name in _INDEXING and isinstance(args[0], OnCuda)):
            raise RuntimeError(f"{_TWO_DEVICES} (in {func})")
        _NOW.note("cpu index")


class _Dispatching(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _dispatch(func, args, kwargs or {})


class _Naming(TorchFunctionMode):
    """``cuda`` is ``cuda:0``, where torch would ask a driver which one is meant; pinned memory is a mark."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if str(kwargs.get("device", "")) == "cuda":
            kwargs["device"] = CUDA
        if func is torch.Tensor.pin_memory:
            pinned = args[0].clone()
            pinned.pretends_pinned = True
            return pinned
        if func in (torch.Tensor.to, torch.Tensor.cuda):
            args = tuple(
                CUDA if isinstance(a, (str, torch.device)) and torch.device(a).type == "cuda" else a for a in args
            )
            if func is torch.Tensor.cuda:
                func, args = torch.Tensor.to, (args[0], CUDA)
            crosses = CUDA in args[1:] or kwargs.get("device") == CUDA
            if crosses and type(args[0]) is torch.Tensor and args[0].requires_grad and torch.is_grad_enabled():
                args = (_ToCuda.apply(args[0]), *args[1:])
        return func(*args, **kwargs)


_ACCELERATOR = {
    "auto_device_count": staticmethod(lambda: 1),
    "get_device_stats": lambda self, device: {},
    "get_parallel_devices": staticmethod(lambda devices: [CUDA]),
    "is_available": staticmethod(lambda: True),
    "parse_devices": staticmethod(lambda devices: [0]),
    "setup": lambda self, trainer: None,
    "setup_device": lambda self, device: None,
    "teardown": lambda self: None,
}
"""What Lightning's accelerator answers."""


_AUTOCAST, _GENERATOR = torch.autocast, torch.Generator


def _autocast(device_type, *args, **kwargs):
    return _AUTOCAST("cpu" if device_type == "cuda" else device_type, *args, **kwargs)


class _Generators(type):
    """``torch.Generator`` as a class whose instances may be on cuda."""

    def __instancecheck__(cls, instance):
        return isinstance(instance, _GENERATOR)

    def __call__(cls, device="cpu"):
        return (CudaGenerator if torch.device(device).type == "cuda" else _GENERATOR)()


class _AnyGenerator(metaclass=_Generators):
    pass


_DRIVER = {
    "_lazy_init": None,
    "current_device": 0,
    "device_count": 1,
    "empty_cache": None,
    "get_device_capability": (9, 0),
    "get_device_name": "pretended",
    "is_available": True,
    "is_bf16_supported": True,
    "is_initialized": True,
    "manual_seed_all": None,
    "set_device": None,
    "synchronize": None,
}
"""What ``torch.cuda`` answers."""


@contextmanager
def pretend_cuda(graphs=False):
    """Inside, ``cuda`` is a device; it may have CUDA graphs."""
    global _NOW
    before, _NOW = _NOW, Device()
    overwrite = torch.__future__.get_overwrite_module_params_on_conversion()
    with ExitStack() as stack:
        for name, value in _DRIVER.items():
            stack.enter_context(mock.patch(f"torch.cuda.{name}", lambda *a, _v=value, **k: _v))
        stack.enter_context(mock.patch.multiple(CUDAAccelerator, **_ACCELERATOR))
        stack.enter_context(mock.patch("torch.autocast", _autocast))
        stack.enter_context(mock.patch("torch.amp.autocast", _autocast))
        stack.enter_context(mock.patch("torch.Generator", _AnyGenerator))
        stack.enter_context(mock.patch("torch.cuda.amp.common.amp_definitely_not_available", return_value=False))
        # Modules get new parameters: torch would put a wrapper's insides into the old ones.
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        stack.callback(torch.__future__.set_overwrite_module_params_on_conversion, overwrite)
        # torch.tensor(..., device=...) passes by the dispatcher, as under FakeTensorMode.
        stack.callback(torch._C._set_only_lift_cpu_tensors, torch._C._only_lift_cpu_tensors())
        torch._C._set_only_lift_cpu_tensors(True)
        for patch in patches(_NOW) if graphs else ():
            stack.enter_context(patch)
        stack.enter_context(_Dispatching())
        stack.enter_context(_Naming())
        try:
            yield _NOW
        finally:
            _NOW = before
