"""Cards that are not there: tensors marked as on "cuda:1" or "mps" are computed on the CPU and
refuse to meet those of another device.

A mark belongs to a storage, so views, gradients and parameters keep it. Every torch function that
Python calls is checked. As on a real card: a CPU tensor without dimensions may meet a card's, a CPU
index may index a card's tensor, `copy_` and assignment to a slice cross devices, `.numpy()` is
refused, random numbers come from a generator of the same device, MPS has no float64. What is
imitated is placement alone: kernels, rounding and memory are the CPU's.
"""

from contextlib import contextmanager
from types import SimpleNamespace

import torch
from lightning_fabric import Fabric
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from mars_lib.data import loader
from mars_lib.training import distributed

CPU = torch.device("cpu")
WIDE = (torch.float64, torch.complex128)
# Storage's address: (weak reference, which keeps the address from being used again, device). For
# the whole session: a table that is cached in one test is still on its card in the next.
_marks: dict[int, tuple[StorageWeakRef, torch.device]] = {}


def named(device: str | torch.device | int) -> torch.device:
    """A device with its number: "cuda" is the first card."""
    device = torch.device("cuda", device) if isinstance(device, int) else torch.device(device)
    return (
        torch.device(device.type, 0)
        if device.type != "cpu" and device.index is None
        else torch.device(device)
    )


def device_of(tensor: torch.Tensor) -> torch.device:
    _, device = _marks.get(tensor.untyped_storage()._cdata, (None, tensor.device))
    return device


def mark(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    if device.type == "mps" and tensor.dtype in WIDE:
        raise TypeError(
            f"Cannot convert a MPS Tensor to {tensor.dtype}: the MPS framework doesn't support it"
        )
    storage = tensor.untyped_storage()
    if device != CPU:
        _marks[storage._cdata] = StorageWeakRef(storage), device
    if len(_marks) > 20_000:
        for address in [k for k, (reference, _) in _marks.items() if reference.expired()]:
            del _marks[address]
    return tensor


def moved(tensor: torch.Tensor, device: torch.device, **changes) -> torch.Tensor:
    """`Tensor.to`: the tensor itself where nothing changes, else a copy."""
    found = tensor.to(**changes) if changes else tensor
    if device == device_of(tensor):
        return mark(found, device)
    shared = found.untyped_storage()._cdata == tensor.untyped_storage()._cdata
    return mark(found.clone() if shared else found, device)


def _to(tensor, *args, device=None, dtype=None, copy=False, memory_format=None, other=None, **_):
    for each in (*args, other):
        if isinstance(each, torch.Tensor):
            device, dtype = device_of(each), each.dtype
        elif isinstance(each, torch.dtype):
            dtype = each
        elif isinstance(each, (str, torch.device, int)) and not isinstance(each, bool):
            device = each
    changes = {"dtype": dtype, "memory_format": memory_format, "copy": copy or None}
    changes = {name: value for name, value in changes.items() if value is not None}
    return moved(tensor, device_of(tensor) if device is None else named(device), **changes)


def _refuse_numpy(tensor, *args, **kwargs):
    if device_of(tensor) != CPU:
        raise TypeError(
            f"can't convert {device_of(tensor)} device type tensor to numpy. Use Tensor.cpu() first"
        )
    return tensor.numpy(*args, **kwargs)


def _array(tensor, *args, **kwargs):
    _refuse_numpy(tensor)
    return tensor.__array__(*args, **kwargs)


def _index_tensors(index) -> list[torch.Tensor]:
    return [each for each in tree_leaves(index) if isinstance(each, torch.Tensor)]


def _check_index(tensor, index) -> None:
    for each in _index_tensors(index):
        if each.dim() and device_of(each) not in (CPU, device_of(tensor)):
            raise RuntimeError(
                f"indices should be on cpu or on {device_of(tensor)}, not on {device_of(each)}"
            )


def _get(tensor, index):
    _check_index(tensor, index)
    return mark(tensor[index], device_of(tensor))


def _set(tensor, index, value):
    _check_index(tensor, index)
    advanced = any(
        isinstance(each, (list, torch.Tensor))
        for each in (index if isinstance(index, tuple) else (index,))
    )
    if (
        advanced
        and isinstance(value, torch.Tensor)
        and value.dim()
        and device_of(value) != device_of(tensor)
    ):
        raise RuntimeError(
            "Expected all tensors to be on the same device, "
            f"found {device_of(tensor)} and {device_of(value)}"
        )
    tensor[index] = value


def _made_of(data, *args, device=None, **kwargs):
    """`torch.tensor`: where its tensor was, or on the CPU where its numbers come from a list."""
    where = (
        device_of(data)
        if isinstance(data, torch.Tensor) and device is None
        else named(device or "cpu")
    )
    return mark(torch.tensor(data, *args, **kwargs), where)


def _as_tensor(data, dtype=None, device=None):
    if isinstance(data, torch.Tensor):
        return _to(data, dtype=dtype, device=device)
    return mark(torch.as_tensor(data, dtype=dtype), named(device or "cpu"))


T = torch.Tensor
SPECIAL = {
    T.device.__get__: device_of,
    T.is_cuda.__get__: lambda x: device_of(x).type == "cuda",
    T.is_mps.__get__: lambda x: device_of(x).type == "mps",
    T.is_cpu.__get__: lambda x: device_of(x) == CPU,
    T.get_device: lambda x: -1 if device_of(x) == CPU else device_of(x).index,
    T.to: _to,
    T.type_as: _to,
    T.cpu: lambda x, **_: moved(x, CPU),
    T.cuda: lambda x, device="cuda", **_: moved(x, named(device)),
    T.numpy: _refuse_numpy,
    T.__array__: _array,
    T.__getitem__: _get,
    T.__setitem__: _set,
    T.__deepcopy__: lambda x, memo: mark(x.__deepcopy__(memo), device_of(x)),
    torch.tensor: _made_of,
    torch.as_tensor: _as_tensor,
}
# They cross devices, or ask nothing of the data.
FREE = {T.copy_, T.data.__set__, T.untyped_storage, torch._has_compatible_shallow_copy_type}


class Placement(TorchFunctionMode):
    """Checks the devices of every torch function's tensors and marks what it makes."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if function in SPECIAL:
            return SPECIAL[function](*args, **kwargs)
        if function in FREE:
            return function(*args, **kwargs)
        given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)]
        # One without dimensions may come from the CPU, and from nowhere else.
        met = {device_of(each) for each in given if each.dim()} | {
            device_of(each) for each in given
        } - {CPU}
        asked = kwargs.pop("device", None)
        if len(met) > 1:
            both = " and ".join(sorted(map(str, met)))
            raise RuntimeError(
                "Expected all tensors to be on the same device, "
                f"but found {both} in {function.__name__}"
            )
        where = named(asked) if asked is not None else met.pop() if met else CPU
        generator = kwargs.get("generator")
        if generator is not None and named(generator.device) != where:
            raise RuntimeError(
                f"Expected a '{where}' generator device but found '{generator.device}'"
            )
        known = {each.untyped_storage()._cdata for each in given}
        found = function(*args, **kwargs)
        for each in tree_leaves(found):
            if isinstance(each, torch.Tensor) and each.untyped_storage()._cdata not in known:
                mark(each, where)
        return found


class _Generator(torch.Generator):
    """A generator that says it is of a card; its numbers are the CPU's."""

    def __new__(cls, device="cpu"):
        made = super().__new__(cls)
        made.of = named(device)
        return made

    def __init__(self, device="cpu"):
        super().__init__()

    @property
    def device(self) -> torch.device:
        return self.of


class _Fabric(Fabric):
    """Lightning's own, on the CPU, that takes a card's name for its device."""

    def __init__(self, accelerator, devices=1, **options):
        number = devices[0] if isinstance(devices, list) else 0
        self.card = CPU if accelerator == "cpu" else torch.device(accelerator, number)
        super().__init__(accelerator="cpu", devices=1, **options)

    @property
    def device(self) -> torch.device:
        return self.card

    def to_device(self, held):
        return held.to(self.card)


def _autocast(initialise):
    """Autocast of a card is the CPU's, which runs the kernels."""

    def init(self, device_type, *args, **kwargs):
        initialise(self, "cpu" if device_type in ("cuda", "mps") else device_type, *args, **kwargs)

    return init


@contextmanager
def cards(patch, count: int = 2, bfloat16: bool = True):
    """So many CUDA cards and an MPS device, within the block and in this thread; `patch` is
    pytest's `monkeypatch`.
    """
    said = {
        "is_available": True,
        "device_count": count,
        "is_bf16_supported": bfloat16,
        "is_current_stream_capturing": False,
        "get_device_properties": SimpleNamespace(total_memory=16e9),
        "max_memory_allocated": 0,
    }
    for name, value in said.items():
        patch.setattr(torch.cuda, name, lambda *_, value=value, **__: value)
    patch.setattr(torch.backends.mps, "is_available", lambda: True)
    patch.setattr(torch, "Generator", _Generator)
    patch.setattr(torch.autocast, "__init__", _autocast(torch.autocast.__init__))
    patch.setattr(distributed, "Fabric", _Fabric)
    # A thread reads: the loader of worker processes pins memory by a card's own driver.
    patch.setattr(loader, "cores", lambda: 1)
    with Placement():
        yield
