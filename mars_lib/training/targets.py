"""What an estimate is compared with in reinforcement learning: targets of mixtures."""

from dataclasses import dataclass

import torch

from mars_lib.data.mixtures import MixtureBatch
from mars_lib.encoders.base import Encoder
from mars_lib.query import query_mixup
from mars_lib.reward import Target
from mars_lib.rollout import QueriedBatch, Scene, ideal_estimate, scene_of
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
        batch: mixtures, on any device.
        seed, step: what the drawing depends on.
        kappa: the policy's concentration at this step.
        device: where the step is computed.
        reward_encoder: embeds the targets; its bank holds the same examples as `bank`.
    """
    batch = batch.to(device)
    rows, weights = draw_queries(bank, batch.labels, seed, step)
    examples = bank.embeddings(rows)
    query = query_mixup(examples, weights)
    if reward_encoder is not None:
        examples, encoder = reward_encoder.bank.embeddings(rows), reward_encoder.encoder
    scene = scene_of(separator, batch.mixture, batch.references)
    target = target_of(separator, encoder, scene, examples)
    return QueriedBatch(scene, query, target, kappa, distributed.share())


def target_of(
    separator: Separator, encoder: Encoder, scene: Scene, examples: torch.Tensor
) -> Target:
    """y* through the ideal mask (Section 3.2.1), with one example of the class in text and picture.

    Args:
        separator: whose masks y* goes through.
        encoder: embeds y*.
        scene: mixtures.
        examples: (B, N, 3, D) embeddings of audio, image and text.
    """
    best = ideal_estimate(separator, scene)
    rows = {name: examples[:, :, i].flatten(0, 1) for i, name in enumerate(MODALITIES)}
    audio = encoder.embed_audio(best.flatten(0, 1))
    return Target(scene.references.flatten(0, 1), rows | {"audio": audio})
