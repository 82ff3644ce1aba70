"""What an estimate is compared with in reinforcement learning: targets of mixtures."""

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
    """The encoder of the reward, and the examples of the query bank as it embeds them.

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
    """Mixtures with mixed queries, and the targets of the same examples, on `device`.

    Args:
        separator: whose masks the targets go through.
        encoder: of the queries; of the targets too, where there is no `reward_encoder`.
        bank: the examples that queries are drawn from, as `encoder` embeds them.
        batch: mixtures.
        seed, step: what the drawing depends on.
        kappa: the policy's concentration at this step.
        device: where the step is computed.
        reward_encoder: embeds the targets.
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


def target_of(
    separator: Separator,
    encoder: Encoder,
    batch: MixtureBatch,
    embeddings: torch.Tensor,
    device: torch.device,
) -> Target:
    """y* through the ideal mask (Section 3.2.1), with one example of the class in text and picture.

    Args:
        separator: whose masks y* goes through.
        encoder: embeds y*.
        batch: mixtures, on any device.
        embeddings: (B, N, 3, D) examples of audio, image and text, on `device`.
        device: of the target.
    """
    batch = batch.to(device)
    best = ideal_estimate(separator, batch.mixture, batch.references)
    rows = {name: embeddings[:, :, i].flatten(0, 1) for i, name in enumerate(MODALITIES)}
    audio = encoder.embed_audio(best.flatten(0, 1))
    return Target(batch.references.flatten(0, 1), rows | {"audio": audio})
