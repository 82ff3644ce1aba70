"""A way to train a separator: OmniSep's here, those that it is compared with in
`mars_lib.baselines`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from mars_lib.config import Config
from mars_lib.data.mixtures import MixtureBatch
from mars_lib.separator import Separator, separate
from mars_lib.training.query_bank import mixed_or_single
from mars_lib.training.steps import supervised_loss


@dataclass(frozen=True)
class Method:
    """What differs between supervised systems; data, encoder, optimiser and schedule are the same
    for all.

    `kind` is written into checkpoints. `build(config)` makes the network, which keeps `config` as
    an attribute. `loss(network, batch, query)` is a scalar; `query` is (B, N, D), one a source.
    `separate(network, mixture, query)` is what the network returns when it is used: (B, L), (B, N,
    D) -> (B, N, L). `weights(shape, generator)` are the weights of Eq. 1 of audio, image and text,
    (B, N) -> (B, N, 3), that it is trained with.
    """

    kind: str
    build: Callable[[Config], nn.Module]
    loss: Callable[[nn.Module, MixtureBatch, torch.Tensor], torch.Tensor]
    separate: Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]
    weights: Callable[[torch.Size, torch.Generator], torch.Tensor]


# OmniSep (Section 3.1): Query-Mixup, binary masks, WBCE. MARS-Sep starts from it.
OMNISEP = Method("separator", Separator, supervised_loss, separate, mixed_or_single)
