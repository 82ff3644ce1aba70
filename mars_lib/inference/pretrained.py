"""Encoders, fusions and the held-out classifier: pretrained here, or with weights of the user."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from mars_lib import check
from mars_lib.encoders import imagebind, pe_av
from mars_lib.encoders.base import TrainableEncoder
from mars_lib.encoders.minibind import MiniBind
from mars_lib.encoders.minibind2 import MiniBind2
from mars_lib.encoders.projection import restore_heads
from mars_lib.evaluation.judge import Judge
from mars_lib.inference import inputs
from mars_lib.io import assets, checkpoint
from mars_lib.reward import MLBP

Module = TypeVar("Module", MiniBind, MiniBind2, MLBP, Judge)

# Encoders whose weights are not in this package: how each is loaded, and what its weights are.
# MiniBind and MiniBind2 stand beside them, with their own.
ENCODERS: dict[str, tuple[Callable[[Path], TrainableEncoder], str]] = {
    "imagebind": (imagebind.load, "imagebind_huge.pth, or the .safetensors made of it"),
    "pe-av": (pe_av.load, "the folder of a published PE-AV"),
}


def load_encoder(
    name: str, weights: str | Path | None = None, *, aligned: bool = True
) -> TrainableEncoder:
    """An encoder of `PACKAGED` or `ENCODERS`, frozen, on the CPU, as it embeds queries.

    Args:
        name: "minibind", "minibind2", "imagebind" or "pe-av"; the last two need packages of their
            own.
        weights: the path of what `ENCODERS` describes; None for the first two.
        aligned: False for MiniBind2 as alignment finds it, with heads by family; its queries are
            embedded by those of stage 3. The others have one state.

    Raises: `InputError` for a name that is none, for weights where none are wanted, and for weights
        that are not given, missing, damaged or of another model.
    """
    check.one_of("encoder", name, (*PACKAGED, *ENCODERS))
    if name not in ENCODERS:
        if weights is not None:
            problem = f"are not wanted by {name}, which is pretrained"
            check.fail(
                f"weights {weights}",
                problem,
                "leave them out, or choose the encoder imagebind or pe-av",
            )
        return load_packaged(name, QUERY_HEADS[name] if aligned else None)
    load, what = ENCODERS[name]
    if weights is None:
        remedy = f"give --weights PATH: {what}"
        check.fail(f"encoder {name}", "needs weights that are not in this package", remedy)
    return load(inputs.path("weights", weights))


# Heads beside those that an encoder comes with: after each stage of alignment, and its control.
ALIGNED = ("stage1", "stage2", "stage3", "one-stage")
# Encoders of the package, and the checkpoint of their aligned heads.
PACKAGED = {"minibind": "aligned", "minibind2": "aligned2"}
# The heads that embed their queries; None: those that they come with.
QUERY_HEADS = {"minibind": None, "minibind2": "stage3"}


def load_packaged(name: str, heads: str | None = None) -> MiniBind | MiniBind2:
    """An encoder of `PACKAGED`, with `heads` as for `load_minibind`."""
    return load_minibind(heads=heads) if name == "minibind" else load_minibind2(heads)


def load_minibind(path: str | Path | None = None, heads: str | None = None) -> MiniBind:
    """The pretrained MiniBind, frozen.

    Args:
        path: of another MiniBind.
        heads: one of `ALIGNED`: the heads of a stage of alignment in place of its own.
    """
    encoder = _frozen(path, "minibind", lambda meta: MiniBind(meta["embedding_size"]))
    if heads is not None:
        restore_heads(encoder, _aligned(heads), f"heads {heads}")
    return encoder


def load_minibind2(heads: str | None = None) -> MiniBind2:
    """The pretrained MiniBind2, frozen; `heads` as for `load_minibind`.

    Raises `InputError` where the package of its picture trunk is missing.
    """
    encoder = _frozen(None, "minibind2", lambda meta: MiniBind2(meta["embedding_size"]))
    if heads is not None:
        restore_heads(encoder, _aligned(heads, "aligned2"), f"heads {heads}")
    return encoder


def load_mlbp(
    path: str | Path | None = None, heads: str | None = None, encoder: str = "minibind"
) -> MLBP:
    """The pretrained fusion of the target's modalities, frozen.

    It fits an `encoder` of `PACKAGED` with the same `heads`: "stage3", "one-stage" or, of MiniBind
    alone, None.
    """
    if heads is None:
        return _frozen(path, "mlbp", lambda meta: MLBP(meta["embedding_size"], meta["rank"]))
    tensors = _aligned(heads, PACKAGED[encoder]).part("mlbp")
    if not tensors:
        check.fail(f"heads {heads!r}", "have no fusion", 'take "stage3" or "one-stage"')
    size, rank = tensors["out.weight"].shape
    pooling = checkpoint.build(lambda: MLBP(size, rank), tensors, f"fusion {heads}")
    return pooling.eval().requires_grad_(False)


def _aligned(heads: str, file: str = "aligned") -> checkpoint.Checkpoint:
    if heads not in ALIGNED:
        check.fail("heads", f"are {heads!r}", f"give one of {', '.join(ALIGNED)}")
    saved = checkpoint.load(assets.checkpoint(file), "aligned")
    return checkpoint.Checkpoint(saved.part(heads), saved.meta)


def load_judge(path: str | Path | None = None) -> Judge:
    """The pretrained held-out classifier, frozen: for evaluation alone, never a reward."""
    return _frozen(path, "judge", lambda meta: Judge(meta["names"]))


def _frozen(path: str | Path | None, kind: str, build: Callable[[dict], Module]) -> Module:
    """A module of one kind from a checkpoint, by default the pretrained one, in evaluation mode."""
    path = inputs.path("checkpoint", path) if path is not None else assets.checkpoint(kind)
    saved = checkpoint.load(path, kind)
    module = checkpoint.build(lambda: build(saved.meta), saved.tensors, f"checkpoint {path}")
    return module.eval().requires_grad_(False)
