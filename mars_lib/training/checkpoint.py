"""Checkpoints: one safetensors file whose header carries the configuration as JSON. Nothing is unpickled."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from mars_lib import atomic
from mars_lib.check import fail

REMEDY = "fetch or train it again (`mars train supervised`, `mars checkpoints`)"


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name, and everything else in `meta` (plain JSON)."""

    tensors: dict[str, torch.Tensor]
    meta: dict

    def part(self, prefix: str) -> dict[str, torch.Tensor]:
        """The tensors under `prefix.`, with the prefix taken off."""
        start = prefix + "."
        return {k[len(start) :]: v for k, v in self.tensors.items() if k.startswith(start)}


def save(path: str | Path, tensors: dict[str, torch.Tensor], meta: dict) -> None:
    """Write a checkpoint, whole or not at all."""
    held = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic.writing(path) as temporary:
        try:
            save_file(held, temporary, metadata={"mars": json.dumps(meta)})
        except SafetensorError as error:
            if "No space" in str(error):
                fail(str(path), "does not fit: the disk is full", "free some space and run again")
            raise


def load(path: str | Path, *kinds: str) -> Checkpoint:
    """Read a checkpoint of one of these kinds ("separator", "minibind", "judge" ...); `meta["kind"]` says which.

    Raises `InputError` when it is missing, truncated, no safetensors file, a pickle, or of another kind.
    """
    path = Path(path)
    if not path.is_file():
        fail(f"checkpoint {path}", "is not there", REMEDY)
    with path.open("rb") as file:
        head = file.read(4)
    if head[:2] in (b"PK", b"\x80\x02", b"\x80\x04", b"\x80\x05"):
        fail(f"checkpoint {path}", "is a pickle, which could run code", "give a .safetensors file")
    try:
        with safe_open(path, framework="pt") as file:
            meta = json.loads((file.metadata() or {}).get("mars", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, ValueError) as error:
        fail(f"checkpoint {path}", f"is truncated or corrupt ({error})", REMEDY)
    if meta.get("kind") not in kinds:
        found, wanted = meta.get("kind", "something else"), " or ".join(kinds)
        fail(f"checkpoint {path}", f"holds {found}, not a {wanted}", f"give a {wanted} checkpoint")
    return Checkpoint(tensors, meta)


def restore_heads(encoder: torch.nn.Module, saved: Checkpoint, name: str) -> None:
    """Put the heads and the temperature of a checkpoint onto an encoder (see `mars_lib.alignment.features.Alignable`)."""
    restore(encoder.heads, saved.part("heads"), name)
    with torch.no_grad():
        encoder.log_temperature.copy_(saved.tensors["log_temperature"])


def restore(module: torch.nn.Module, tensors: dict[str, torch.Tensor], name: str) -> None:
    """Load tensors into a module; raises `InputError` when names or shapes do not match."""
    own = module.state_dict()
    missing, unknown = own.keys() - tensors.keys(), tensors.keys() - own.keys()
    wrong = [k for k in own.keys() & tensors.keys() if own[k].shape != tensors[k].shape]
    if missing or unknown or wrong:
        first = sorted([*wrong, *missing, *unknown])[0]
        fail(name, f"does not fit this configuration (first at {first})", "use its own preset")
    module.load_state_dict({k: v.to(own[k].dtype) for k, v in tensors.items()})
