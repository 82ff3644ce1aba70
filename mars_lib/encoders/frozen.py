"""Encoders that are only listened to: batch norms folded, half precision where a card has it."""

import copy
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mars_lib.encoders.base import Encoder
from mars_lib.encoders.projection import ProjectionEncoder

EncoderT = TypeVar("EncoderT", bound=Encoder)


def frozen(encoder: EncoderT) -> EncoderT:
    """A quicker copy for rewards of an encoder of ours, whose weights stay; any other as it is.

    Batch norms are folded into the convolutions before them. On a card sounds that need no gradient
    go through these in float16, which moves a reward by less than 1e-3; bfloat16 would not do.
    """
    if not isinstance(encoder, ProjectionEncoder):
        return encoder
    if not hasattr(encoder.trunks["audio"], "half_precision"):
        return encoder
    shared = {id(encoder.trunks[name]): encoder.trunks[name] for name in ("text", "image")}
    copied = copy.deepcopy(encoder, shared).eval()
    trunk = copied.trunks["audio"]
    trunk.half_precision = True  # type: ignore[assignment]
    fold(trunk)
    trunk.requires_grad_(False)
    return copied


def fold(network: nn.Module) -> None:
    """Fold every batch norm of a network into the convolution before it, in place.

    Weights lie channels last from then on, which is quicker on a CPU.
    """
    for layers in [each for each in network.modules() if isinstance(each, nn.Sequential)]:
        for index in range(len(layers) - 1):
            convolution, norm = layers[index], layers[index + 1]
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                layers[index] = fuse_conv_bn_eval(convolution, norm)
                layers[index + 1] = nn.Identity()
        layers.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
