"""Fixed mixtures that a run is measured on: SI-SDRi, reward, held-out classifier."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn

from mars_lib.config import TrainingConfig
from mars_lib.data import random_streams
from mars_lib.data.mixtures import MixtureBatch, MixtureStream
from mars_lib.data.music import Music
from mars_lib.encoders.base import Encoder
from mars_lib.evaluation.judge import Judge, right
from mars_lib.evaluation.metrics import si_sdr
from mars_lib.inference.drawn_queries import embed_words
from mars_lib.reward import Reward
from mars_lib.rollout import scene_of, score
from mars_lib.separator import Separator, separate
from mars_lib.training import distributed
from mars_lib.training.query_bank import MODALITIES
from mars_lib.training.targets import RewardEncoder, target_of

# Mixtures that are separated at once.
CHUNK = 16
# Of these the mixtures are drawn, whatever a training draws from.
CLIPS_PER_CLASS = 16


@dataclass(frozen=True)
class Validation:
    """Fixed mixtures of the validation split, not augmented, each source queried by its name.

    Attributes:
        batch: the mixtures, on the CPU.
        query: (B, N, D) embeddings of the names, on the encoder's device.
        names: of the B * N sources.
    """

    batch: MixtureBatch
    query: torch.Tensor
    names: list[str]

    @classmethod
    @torch.no_grad()
    def make(cls, training: TrainingConfig, music: Music, encoder: Encoder) -> "Validation":
        """`training.validation_mixtures` mixtures, the same for every seed; of these, this
        process's part.
        """
        distributed.check_batch("validation mixtures", training.validation_mixtures)
        fixed = replace(
            training,
            batch_size=training.validation_mixtures,
            seed=0,
            augment=0.0,
            clips_per_class=CLIPS_PER_CLASS,
        )
        batch = MixtureStream(music, "validation", fixed).batch(0, distributed.share())
        classes = music.classes("validation")
        names = [classes[k].name for k in batch.labels.flatten().tolist()]
        query = embed_words(encoder, names).reshape(*batch.labels.shape, -1)
        return cls(batch, query, names)

    @torch.no_grad()
    def estimates(self, separator: nn.Module, separate: Callable = separate) -> torch.Tensor:
        """What a separator returns for the queries, (B, N, L) on the CPU.

        Args:
            separator: the network; its training mode is left as it was.
            separate: what the network returns when it is used, as in `Method`.
        """
        was_training, device = separator.training, self.query.device
        separator.eval()
        found = [
            separate(separator, mixture.to(device), query).cpu()
            for mixture, query in zip(self.batch.mixture.split(CHUNK), self.query.split(CHUNK))
        ]
        separator.train(was_training)
        return torch.cat(found)

    def improvement(self, estimates: torch.Tensor) -> torch.Tensor:
        """Mean SI-SDRi in dB of `estimates`, one number: over this process's part."""
        references = self.batch.references
        before = si_sdr(
            estimate=self.batch.mixture[:, None].expand_as(references), reference=references
        )
        return (si_sdr(estimate=estimates, reference=references) - before).mean()


class HeldOut:
    """The validation set with its targets: reward, SI-SDRi and, where there is a held-out
    classifier, its share.

    Args:
        validation: mixtures and queries.
        reward_encoder: embeds the targets.
        reward: of estimates and targets.
        judge: a held-out classifier; nothing is learned from it.
        separator: whose masks the targets go through.
    """

    @torch.no_grad()
    def __init__(
        self,
        validation: Validation,
        reward_encoder: RewardEncoder,
        reward: Reward,
        judge: Judge | None,
        separator: Separator,
    ):
        self.validation, self.reward, self.judge = validation, reward, judge
        batch = validation.batch
        # The bank holds the classes of another split: they are found by name.
        place = {name: k for k, name in enumerate(reward_encoder.bank.names)}
        known = torch.tensor([place.get(name, -1) for name in validation.names]).reshape(
            batch.labels.shape
        )
        generator = random_streams.generator("queries", 0, "validation")
        device, bank = validation.query.device, reward_encoder.bank
        rows = distributed.part(bank.draw(distributed.gather(known.clamp(min=0)), generator))
        embeddings = bank.embeddings(rows).to(device)
        words = reward_encoder.encoder.embed_text(validation.names).reshape(*batch.labels.shape, -1)
        embeddings[:, :, MODALITIES.index("text")] = words
        # A class that training does not know has no picture there: its words stand in for one.
        embeddings[:, :, MODALITIES.index("image")][known < 0] = words[known < 0]
        self.parts = [
            target_of(
                separator,
                reward_encoder.encoder,
                scene_of(separator, each.mixture.to(device), each.references.to(device)),
                examples,
            )
            for each, examples in zip(batch.split(CHUNK), embeddings.split(CHUNK))
        ]

    @torch.no_grad()
    def measure(self, separator: Separator) -> dict[str, float]:
        """Means over all processes, as columns of the log.

        Returns:
            `validation_reward` of the mode, the mask that is used at inference;
            `validation_si_sdri` in dB; `validation_judge`, the share of estimates that the
            classifier names rightly.
        """
        estimates = self.validation.estimates(separator)
        device = self.validation.query.device
        rewards = [
            score(self.reward, part.to(device), target)
            for part, target in zip(estimates.split(CHUNK), self.parts)
        ]
        row = {
            "validation_reward": torch.cat(rewards).mean().cpu(),
            "validation_si_sdri": self.validation.improvement(estimates),
        }
        if self.judge is not None:
            right_ones = right(self.judge, estimates.flatten(0, 1), self.validation.names)
            row["validation_judge"] = right_ones.float().mean().cpu()
        return {name: float(value) for name, value in distributed.mean(row).items()}
