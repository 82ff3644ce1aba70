"""A way to train a separator: OmniSep's here, those it is compared with in `mars_lib.baselines`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import nn

from mars_lib.config import Config
from mars_lib.data.mixtures import MixtureBatch
from mars_lib.separator import Separator, separate
from mars_lib.training.query_bank import mixed_or_single
from mars_lib.training.steps import supervised_loss

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Method(Generic[Network]):
    """What differs between supervised systems; data, encoder, optimiser and schedule do not.

    Attributes:
        kind: of the checkpoints.
        build: makes the network, which keeps its `Config` as the attribute `config`.
        loss: of the network, mixtures and (B, N, D) queries, one a source; a scalar.
        separate: what the network returns when it is used: (B, L) mixtures, (B, N, D) queries ->
            (B, N, L) estimates.
        weights: of Eq. 1 that it is trained with, of audio, image and text: (B, N) -> (B, N, 3).
    """

    kind: str
    build: Callable[[Config], Network]
    loss: Callable[[Network, MixtureBatch, torch.Tensor], torch.Tensor]
    separate: Callable[[Network, torch.Tensor, torch.Tensor], torch.Tensor]
    weights: Callable[[torch.Size, torch.Generator], torch.Tensor]


# OmniSep (Section 3.1): Query-Mixup, binary masks, WBCE. MARS-Sep starts from it.
OMNISEP = Method("separator", Separator, supervised_loss, separate, mixed_or_single)
