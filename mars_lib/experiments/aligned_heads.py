"""The heads of an encoder after each stage of alignment, as the package ships them."""

from pathlib import Path

import torch

from mars_lib import alignment
from mars_lib.alignment.stages import DEFAULTS, AlignmentConfig
from mars_lib.data.music import Music
from mars_lib.encoders.base import TrainableEncoder
from mars_lib.experiments.imagenet_pictures import with_photographs
from mars_lib.io import checkpoint


def make_aligned(
    encoder: TrainableEncoder,
    music: Music,
    work: Path,
    config: AlignmentConfig = DEFAULTS,
    *,
    photographs: bool = False,
) -> dict[str, torch.Tensor]:
    """Tensors of the aligned heads: each stage's, the one-stage control's, and fitting fusions.

    With `photographs` (for MiniBind2's trunk of pictures alone) stages learn from those of
    `with_photographs` too.
    """
    train, validation = (
        alignment.trunk_features(
            encoder, music, split, contaminated=config.hard_negatives > 0, folder=work
        )
        for split in ("train", "validation")
    )
    if photographs:
        train = with_photographs(train)
    tensors: dict[str, torch.Tensor] = {}
    for name, stages in (("stage3", alignment.STAGES), ("one-stage", ("one-stage",))):
        ours = alignment.with_trainable_heads(encoder)
        paths = alignment.align(
            ours, train, validation, work / name, config, stages=stages, resume=True
        )
        fusion = checkpoint.load(paths.pop("mlbp"), "mlbp").tensors
        tensors |= {f"{name}.mlbp.{k}": v for k, v in fusion.items()}
        for stage, path in paths.items():
            tensors |= {
                f"{stage}.{k}": v for k, v in checkpoint.load(path, "heads").tensors.items()
            }
    return tensors
