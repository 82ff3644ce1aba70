"""The heads of an encoder after each stage of alignment, as the package ships them."""

from pathlib import Path
from typing import Any

import torch

from mars_lib import alignment
from mars_lib.alignment.stages import AlignmentConfig
from mars_lib.data.music import Music
from mars_lib.encoders.base import TrainableEncoder
from mars_lib.io import checkpoint


def make_aligned(
    encoder: TrainableEncoder, music: Music, work: Path, **options: Any
) -> dict[str, torch.Tensor]:
    """Tensors of the aligned heads: each stage's, the one-stage control's, and fitting fusions.

    `options` are those of `AlignmentConfig`.
    """
    config = AlignmentConfig(**options)
    train, validation = (
        alignment.trunk_features(
            encoder, music, split, contaminated=config.hard_negatives > 0, folder=work
        )
        for split in ("train", "validation")
    )
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
