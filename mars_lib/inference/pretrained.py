"""Encoders, fusions and the judge: those that ship, and those whose weights the user has."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from mars_lib import check
from mars_lib.encoders.base import TrainableEncoder
from mars_lib.encoders.minibind import MiniBind
from mars_lib.encoders.projection import restore_heads
from mars_lib.evaluation.judge import Judge
from mars_lib.inference import inputs
from mars_lib.io import assets, checkpoint
from mars_lib.reward import MLBP

Module = TypeVar("Module", MiniBind, MLBP, Judge)


# Encoders by name, and what their weights are; None for the one that ships.
ENCODERS = {
    "minibind": None,
    "imagebind": "imagebind_huge.pth, or the .safetensors made of it",
    "pe-av": "the folder of a published PE-AV",
}


def load_encoder(name: str, weights: str | Path | None = None) -> TrainableEncoder:
    """An encoder of `ENCODERS`, frozen, on the CPU; `weights` is the path that is described there.

    Raises `InputError` for a name that is none, for weights where none are wanted, and for weights
    that are not given, missing, damaged or of another model.
    """
    if name not in ENCODERS:
        check.fail("encoder", f"is {name!r}", f"give one of {', '.join(ENCODERS)}")
    if ENCODERS[name] is None:
        if weights is not None:
            check.fail(
                f"weights {weights}",
                f"are not wanted by {name}, whose own ship",
                "give --encoder imagebind or pe-av",
            )
        return load_minibind()
    if weights is None:
        check.fail(
            f"encoder {name}",
            "needs weights that do not ship",
            f"give --weights PATH: {ENCODERS[name]}",
        )
    # Each needs a package that only its users install.
    if name == "imagebind":
        from mars_lib.encoders.imagebind import load
    else:
        from mars_lib.encoders.pe_av import load
    return load(inputs.path("weights", weights))


# Heads that ship beside those that the separators were trained with: after each stage of alignment,
# and its control.
ALIGNED = ("stage1", "stage2", "stage3", "one-stage")


def load_minibind(path: str | Path | None = None, heads: str | None = None) -> MiniBind:
    """The encoder that ships, frozen; with `heads` (of `ALIGNED`) those of a stage of alignment in
    place of its own.
    """
    encoder = _frozen(path, "minibind", lambda meta: MiniBind(meta["embedding_size"]))
    if heads is not None:
        restore_heads(encoder, _aligned(heads), f"heads {heads}")
    return encoder


def load_mlbp(path: str | Path | None = None, heads: str | None = None) -> MLBP:
    """The fusion of the target's modalities that ships, frozen. It fits MiniBind with the same
    `heads`: none, "stage3" or "one-stage".
    """
    if heads is None:
        return _frozen(path, "mlbp", lambda meta: MLBP(meta["embedding_size"], meta["rank"]))
    tensors = _aligned(heads).part("mlbp")
    if not tensors:
        check.fail(f"heads {heads!r}", "have no fusion", 'take "stage3" or "one-stage"')
    size, rank = tensors["out.weight"].shape
    pooling = checkpoint.build(lambda: MLBP(size, rank), tensors, f"fusion {heads}")
    return pooling.eval().requires_grad_(False)


def _aligned(heads: str) -> checkpoint.Checkpoint:
    if heads not in ALIGNED:
        check.fail("heads", f"are {heads!r}", f"give one of {', '.join(ALIGNED)}")
    saved = checkpoint.load(assets.checkpoint("aligned"), "aligned")
    return checkpoint.Checkpoint(saved.part(heads), saved.meta)


def load_judge(path: str | Path | None = None) -> Judge:
    """The judge that ships, frozen: for evaluation alone, never a reward."""
    return _frozen(path, "judge", lambda meta: Judge(meta["names"]))


def _frozen(path: str | Path | None, kind: str, build: Callable[[dict], Module]) -> Module:
    """A module of one kind from a checkpoint, by default the one that ships, in evaluation mode."""
    path = inputs.path("checkpoint", path) if path is not None else assets.checkpoint(kind)
    saved = checkpoint.load(path, kind)
    module = checkpoint.build(lambda: build(saved.meta), saved.tensors, f"checkpoint {path}")
    return module.eval().requires_grad_(False)
