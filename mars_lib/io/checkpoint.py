"""Checkpoints: one safetensors file whose header carries the configuration as JSON.

Nothing is unpickled.
"""

import json
import os
import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Generic, NoReturn, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from mars_lib.check import InputError, fail
from mars_lib.io import atomic

Module = TypeVar("Module", bound=torch.nn.Module)
Value = TypeVar("Value")
# Kinds that hold an attention mask, which is minus infinity where nothing may be seen.
MASKED = ("imagebind",)
REMEDY = "fetch or train it again (`mars train supervised`, `mars checkpoints`)"
# What the header's entries are, where one has them; a training run has no best value before it has
# validated.
NUMBER = (int, float, NoneType)
TYPES: dict[str, type | tuple[type, ...]] = {
    "config": dict,
    "rl": dict,
    "names": list,
    "trunks": str,
    "key": str,
    "embedding_size": int,
    "rank": int,
    "step": int,
    "waited": int,
    "best": NUMBER,
    "baseline": NUMBER,
    "validation_si_sdri": NUMBER,
}


class Entries(dict[str, Value], Generic[Value]):
    """A checkpoint's tensors or header: asking for one that is not there is an `InputError`.

    Args:
        entries: what the file holds.
        name: what messages call the checkpoint.
    """

    def __init__(self, entries: dict[str, Value], name: str) -> None:
        super().__init__(entries)
        self.name = name

    def __missing__(self, key: str) -> NoReturn:
        fail(self.name, f"lacks {key!r}", REMEDY)


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        tensors: by name.
        meta: everything else, as plain JSON.
    """

    tensors: dict[str, torch.Tensor]
    meta: dict

    def part(self, prefix: str) -> dict[str, torch.Tensor]:
        """Select the tensors under `prefix.`, with the prefix taken off."""
        start = prefix + "."
        return {k[len(start) :]: v for k, v in self.tensors.items() if k.startswith(start)}


def save(path: str | Path, tensors: dict[str, torch.Tensor], meta: dict) -> None:
    """Write a checkpoint, whole or not at all; `meta` is plain JSON."""
    held = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic.writing(path) as temporary:
        try:
            save_file(held, temporary, metadata={"mars": json.dumps(meta)})
        except SafetensorError as error:
            if "No space" in str(error):
                fail(str(path), "does not fit: the disk is full", "free some space and run again")
            raise


def load(path: str | Path, *kinds: str) -> Checkpoint:
    """Read a checkpoint and check it.

    Args:
        path: the file.
        kinds: what it may be, such as "separator", "minibind" or "judge"; `meta["kind"]` says which
            it is.

    Raises:
        InputError: when it is missing, truncated, no safetensors file, a pickle, or of another
            kind; when its header is not what such a file has; for weights that are not finite.
    """
    path = Path(path)
    name = f"checkpoint {path}"
    if os.path.isdir(path):
        fail(name, "is a folder", "give the path of a .safetensors file")
    if not os.path.isfile(path):
        fail(name, "is not there", REMEDY)
    try:
        with path.open("rb") as file:
            head = file.read(9)
        # After the length of its header, whose bytes may be any, a safetensors file has a brace.
        if head[8:] != b"{" and head[:2] in (b"PK", b"\x80\x02", b"\x80\x04", b"\x80\x05"):
            fail(name, "is a pickle, which could run code", "give a .safetensors file")
        with safe_open(path, framework="pt") as file:
            meta = json.loads((file.metadata() or {}).get("mars", "{}"))
            names = file.keys()
            tensors = {key: file.get_tensor(key) for key in names}
    except InputError:
        raise
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        fail(name, f"is truncated or corrupt ({error})", REMEDY)
    _check_header(name, meta, kinds)
    for key, tensor in tensors.items():
        if not tensor.is_floating_point():
            continue
        sound = ~tensor.isnan() if meta["kind"] in MASKED else tensor.isfinite()
        if not sound.all():
            fail(name, f"holds NaN or infinite weights (first in {key})", REMEDY)
    return Checkpoint(Entries(tensors, name), Entries(meta, name))


def _check_header(name: str, meta: object, kinds: tuple[str, ...]) -> None:
    if not isinstance(meta, dict):
        fail(name, f"has a header that is {reprlib.repr(meta)}", REMEDY)
    if meta.get("kind") not in kinds:
        found, wanted = meta.get("kind", "something else"), " or ".join(kinds)
        fail(name, f"holds {found}, not a {wanted}", f"give a {wanted} checkpoint")
    for key in meta.keys() & TYPES.keys():
        if not isinstance(meta[key], TYPES[key]) or isinstance(meta[key], bool):
            fail(name, f"has {key} {reprlib.repr(meta[key])} in its header", REMEDY)
    if not all(isinstance(each, str) for each in meta.get("names", ())):
        fail(name, "has names in its header that are no words", REMEDY)


def build(make: Callable[[], Module], tensors: dict[str, torch.Tensor], name: str) -> Module:
    """Build the network that `make` makes, with `tensors` for weights.

    Its shapes are compared on the meta device first: a size that a damaged header asks for takes no
    memory.

    Args:
        make: builds the network with any weights.
        tensors: its state, by name.
        name: what messages call the checkpoint.

    Raises:
        InputError: when names or shapes do not match.
    """
    try:
        with torch.device("meta"):
            shapes = make()
    except (RuntimeError, TypeError, OverflowError):
        _misfit(name, "its header asks for sizes that no network has")
    compare(shapes.state_dict(), tensors, name)
    module = make()
    restore(module, tensors, name)
    return module


def restore(module: torch.nn.Module, tensors: dict[str, torch.Tensor], name: str) -> None:
    """Load tensors into a module. Raises `InputError` when names or shapes do not match."""
    own = module.state_dict()
    compare(own, tensors, name)
    module.load_state_dict({k: v.to(own[k].dtype) for k, v in tensors.items()})


def compare(own: dict[str, torch.Tensor], tensors: dict[str, torch.Tensor], name: str) -> None:
    """Raise `InputError` unless `tensors` have the names, shapes and kinds of numbers of `own`."""
    missing, unknown = own.keys() - tensors.keys(), tensors.keys() - own.keys()
    wrong = [k for k in own.keys() & tensors.keys() if not _alike(own[k], tensors[k])]
    if missing or unknown or wrong:
        _misfit(name, f"first at {sorted([*wrong, *missing, *unknown])[0]}")


def _alike(own: torch.Tensor, given: torch.Tensor) -> bool:
    return own.shape == given.shape and (given.is_floating_point() or not own.is_floating_point())


def _misfit(name: str, where: str) -> NoReturn:
    fail(name, f"does not fit this configuration ({where})", "use its own preset")
