"""What an estimate is held against in reinforcement learning: targets of a batch, and of a validation set."""

from dataclasses import dataclass

import torch

from mars_lib import streams
from mars_lib.data.mixtures import MixtureBatch
from mars_lib.encoders import Encoder
from mars_lib.evaluation.judge import Judge, right
from mars_lib.query import query_mixup
from mars_lib.reward import Reward, Target
from mars_lib.rollout import QueriedBatch, ideal_estimate, score
from mars_lib.separator import Separator
from mars_lib.training import processes
from mars_lib.training.loop import Validation, draw_queries
from mars_lib.training.query_bank import MODALITIES, QueryBank


@dataclass(frozen=True)
class Listener:
    """Who is asked for rewards: an encoder, and the examples of the query bank as this encoder embeds them.

    The separator's queries come from the encoder that it was trained with; rewards may come from one whose heads were aligned
    since (Section 3.3), in a space that the separator never has to understand.
    """

    encoder: Encoder
    bank: QueryBank


@torch.no_grad()
def queried_batch(
    separator: Separator, encoder: Encoder, bank: QueryBank, batch: MixtureBatch, seed: int, step: int,
    kappa: float, device: torch.device, listener: Listener | None = None,
) -> QueriedBatch:
    """Mixtures, mixed queries, and the targets of the same examples, embedded by the `listener` where there is one."""
    embeddings, weights = draw_queries(bank, batch.labels, seed, step)
    query = query_mixup(embeddings.to(device), weights.to(device))
    if listener is not None:
        embeddings, _ = draw_queries(listener.bank, batch.labels, seed, step)
        encoder = listener.encoder
    target = _target(separator, encoder, batch, embeddings.to(device), device)
    return QueriedBatch(
        batch.mixture.to(device), batch.references.to(device), query, target, kappa, processes.share()
    )


def _target(separator, encoder, batch: MixtureBatch, embeddings: torch.Tensor, device) -> Target:
    """y* through the ideal mask (Section 3.2.1), with one example of the class in text and picture."""
    references = batch.references.to(device)
    heard = ideal_estimate(separator, batch.mixture.to(device), references)
    rows = {name: embeddings[:, :, i].flatten(0, 1) for i, name in enumerate(MODALITIES)}
    return Target(references.flatten(0, 1), rows | {"audio": encoder.embed_audio(heard.flatten(0, 1))})


class HeldOut:
    """The validation set with its targets: reward, SI-SDRi and, where a judge is given, its verdict."""

    @torch.no_grad()
    def __init__(
        self, validation: Validation, listener: Listener, reward: Reward, judge: Judge | None, separator: Separator,
    ):
        self.validation, self.reward, self.judge = validation, reward, judge
        batch = validation.batch
        # The bank holds the classes of another split: they are found by name.
        place = {name: k for k, name in enumerate(listener.bank.names)}
        known = torch.tensor([place.get(name, -1) for name in validation.names]).reshape(batch.labels.shape)
        generator = streams.generator("queries", 0, "validation")
        drawn = listener.bank.draw(processes.gather(known.clamp(min=0)), generator)
        embeddings = processes.part(drawn).to(validation.query.device)
        words = listener.encoder.embed_text(validation.names).reshape(*batch.labels.shape, -1)
        embeddings[:, :, MODALITIES.index("text")] = words
        # A class that training does not know has no picture there: its words stand in for one.
        embeddings[:, :, MODALITIES.index("image")][known < 0] = words[known < 0]
        self.parts = [
            _target(separator, listener.encoder, MixtureBatch(*(x[i : i + 16] for x in vars(batch).values())),
                    embeddings[i : i + 16], validation.query.device)
            for i in range(0, len(batch.mixture), 16)
        ]

    @torch.no_grad()
    def measure(self, separator: Separator) -> dict[str, float]:
        """Reward of the mode, the mask that is used at inference; SI-SDRi in dB; the judge's share; over all processes."""
        estimates = self.validation.estimates(separator)
        device = self.validation.query.device
        rewards = [score(self.reward, part.to(device), target)
                   for part, target in zip(estimates.split(16), self.parts)]
        row = {"validation_reward": float(torch.cat(rewards).mean()),
               "validation_si_sdri": self.validation.improvement(estimates)}
        if self.judge is not None:
            heard = right(self.judge, estimates.flatten(0, 1), self.validation.names)
            row["validation_judge"] = float(heard.float().mean())
        return processes.mean(row)
