"""What an estimate is held against in reinforcement learning: targets of a batch, and of a
validation set.
"""

from dataclasses import dataclass

import torch

from mars_lib.data.mixtures import MixtureBatch
from mars_lib.encoders.base import Encoder
from mars_lib.query import query_mixup
from mars_lib.reward import Target
from mars_lib.rollout import QueriedBatch, ideal_estimate
from mars_lib.separator import Separator
from mars_lib.training import distributed
from mars_lib.training.query_bank import MODALITIES, QueryBank, draw_queries


@dataclass(frozen=True)
class RewardEncoder:
    """Who is asked for rewards: an encoder, and the examples of the query bank as this encoder
    embeds them.

    The separator's queries come from the encoder that it was trained with; rewards may come from
    one whose heads were aligned since (Section 3.3), in a space that the separator never has to
    understand.
    """

    encoder: Encoder
    bank: QueryBank


@torch.no_grad()
def queried_batch(
    separator: Separator,
    encoder: Encoder,
    bank: QueryBank,
    batch: MixtureBatch,
    seed: int,
    step: int,
    kappa: float,
    device: torch.device,
    reward_encoder: RewardEncoder | None = None,
) -> QueriedBatch:
    """Mixtures, mixed queries, and the targets of the same examples, embedded by the `reward_encoder`
    where there is one.
    """
    embeddings, weights = draw_queries(bank, batch.labels, seed, step)
    query = query_mixup(embeddings.to(device), weights.to(device))
    if reward_encoder is not None:
        embeddings, _ = draw_queries(reward_encoder.bank, batch.labels, seed, step)
        encoder = reward_encoder.encoder
    target = target_of(separator, encoder, batch, embeddings.to(device), device)
    return QueriedBatch(
        batch.mixture.to(device),
        batch.references.to(device),
        query,
        target,
        kappa,
        distributed.share(),
    )


def target_of(separator, encoder, batch: MixtureBatch, embeddings: torch.Tensor, device) -> Target:
    """y* through the ideal mask (Section 3.2.1), with one example of the class in text and
    picture.
    """
    references = batch.references.to(device)
    heard = ideal_estimate(separator, batch.mixture.to(device), references)
    rows = {name: embeddings[:, :, i].flatten(0, 1) for i, name in enumerate(MODALITIES)}
    return Target(
        references.flatten(0, 1), rows | {"audio": encoder.embed_audio(heard.flatten(0, 1))}
    )
