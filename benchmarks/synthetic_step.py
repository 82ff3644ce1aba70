"""A training step on random sound that is on the device already: nothing is read."""

from dataclasses import replace

import torch
from torch.nn import functional

from mars_lib.advantage import MovingBaseline
from mars_lib.config import Config, PolicyConfig
from mars_lib.data.mixtures import MixtureBatch
from mars_lib.encoders.frozen import frozen
from mars_lib.inference import pretrained
from mars_lib.reward import MLBP
from mars_lib.rollout import QueriedBatch, scene_of
from mars_lib.separator import Separator
from mars_lib.training.query_bank import MODALITIES
from mars_lib.training.rl_config import RLConfig, make_reward
from mars_lib.training.steps import rl_step, supervised_loss
from mars_lib.training.targets import target_of


class Step:
    """One step of an estimator, with MiniBind as the reward encoder: `step()`.

    All that the trainers compute on the device is in it: analysis, targets, loss, gradients,
    clipping, optimiser.

    Args:
        config: of network and segment; in MiniBind's embeddings.
        estimator: of `mars_lib.training.rl_config`.
        batch: mixtures.
        device: "cpu" or "cuda".
        group: G of the estimator "score".
        half: under bfloat16 autocast.
    """

    def __init__(
        self,
        config: Config,
        estimator: str,
        batch: int,
        device: str,
        group: int = 1,
        half: bool = True,
    ) -> None:
        encoder = pretrained.load_minibind().to(device)
        size = encoder.embedding_size
        config = replace(config, separator=replace(config.separator, embedding_size=size))
        self.device, self.half = device, half
        self.run = RLConfig(estimator=estimator, policy=PolicyConfig(group_size=group))
        self.separator = Separator(config).to(device, memory_format=torch.channels_last)
        # Rewards: batch normalisation keeps its statistics.
        self.separator.train(estimator == "supervised")
        self.old = Separator(config).to(device, memory_format=torch.channels_last)
        self.old.eval().requires_grad_(False)
        parameters, fused = self.separator.parameters(), device == "cuda"
        self.optimizer = torch.optim.AdamW(parameters, 2e-4, fused=fused)
        self.encoder = frozen(encoder)
        pooling = MLBP(size).to(device).eval()
        self.reward = make_reward(self.run, self.encoder.embed_audio, pooling)
        self.baseline = MovingBaseline()
        references = 0.1 * torch.randn(batch, 2, config.signal.length, device=device)
        labels = torch.zeros(batch, 2, dtype=torch.long)
        self.mixtures = MixtureBatch(references.sum(dim=1), references, labels)
        examples = torch.randn(batch, 2, len(MODALITIES), size, device=device)
        self.examples = functional.normalize(examples, dim=-1)

    def loss(self) -> torch.Tensor:
        """Of the step, under autocast."""
        query = self.examples[:, :, 0]
        if self.run.estimator == "supervised":
            with self.autocast():
                return supervised_loss(self.separator, self.mixtures, query)
        with torch.no_grad():
            scene = scene_of(self.separator, self.mixtures.mixture, self.mixtures.references)
            target = target_of(self.separator, self.encoder, scene, self.examples)
        batch = QueriedBatch(scene, query, target)
        noise = torch.Generator(self.device).manual_seed(0)
        given = self.old, batch, self.reward, self.baseline, self.run, noise
        with self.autocast():
            return rl_step(self.separator, *given)[0]

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device, torch.bfloat16, enabled=self.half)

    def __call__(self) -> None:
        self.optimizer.zero_grad()
        self.loss().backward()
        torch.nn.utils.clip_grad_norm_(self.separator.parameters(), 1.0)
        self.optimizer.step()
