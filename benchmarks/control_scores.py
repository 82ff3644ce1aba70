"""How `benchmarks/controls.py` scores a separator."""

import torch
from tqdm.std import tqdm

from mars_lib.data import manifests
from mars_lib.encoders.base import Encoder
from mars_lib.evaluation.judge import Judge, right
from mars_lib.evaluation.metrics import si_sdr
from mars_lib.experiments.query_modes import embed_queries
from mars_lib.inference.system import System
from mars_lib.policy import BetaMaskPolicy
from mars_lib.reward import MLBP, Target, fused
from mars_lib.rollout import analyse, ideal_estimate, reconstruct, scene_of
from mars_lib.separator import Separator, separate


class Scorer:
    """The first mixtures of a manifest, rendered once, with text queries and the targets of the
    reward.
    """

    def __init__(
        self,
        start: System,
        reward_encoder: Encoder,
        pooling: MLBP,
        judge: Judge,
        split: str,
        count: int,
    ) -> None:
        self.judge, self.reward = judge, fused(reward_encoder.embed_audio, pooling)
        music, part = manifests.music(), manifests.read(split)[:count]
        rendered = [manifests.render(row, music) for row in tqdm(part, f"mixtures of {split}")]
        self.mixture = torch.stack([x for x, _ in rendered])
        self.reference = torch.stack([r for _, r in rendered])
        self.names = [name for row in part for name in row.classes]
        self.query = embed_queries(start.encoder, part, "text", music)
        text, image = (
            embed_queries(reward_encoder, part, kind, music) for kind in ("text", "image")
        )
        self.targets = []
        for i in range(0, len(part), 16):
            here = slice(i, i + 16)
            with torch.no_grad():
                scene = scene_of(start.separator, self.mixture[here], self.reference[here])
                ideal = ideal_estimate(start.separator, scene)
                audio = reward_encoder.embed_audio(ideal.flatten(0, 1))
            embeddings = {
                "audio": audio,
                "text": text[here].flatten(0, 1),
                "image": image[here].flatten(0, 1),
            }
            self.targets.append(Target(self.reference[here].flatten(0, 1), embeddings))

    @torch.no_grad()
    def measure(self, estimates: torch.Tensor) -> dict[str, list[float]]:
        """Per mixture: SI-SDRi without matching, the judge's share, the reward."""
        floor = si_sdr(
            estimate=self.mixture[:, None].expand_as(self.reference), reference=self.reference
        )
        gain = (si_sdr(estimate=estimates, reference=self.reference) - floor).mean(dim=1)
        named, rewards = [], []
        for i, (part, target) in enumerate(zip(estimates.split(16), self.targets)):
            names = self.names[32 * i : 32 * i + part.shape[0] * 2]
            correct = right(self.judge, part.flatten(0, 1), names)
            named.append(correct.float().reshape(-1, 2).mean(dim=1))
            rewards.append(self.reward(part.flatten(0, 1), target).reshape(-1, 2).mean(dim=1))
        return {
            "si_sdri": gain.tolist(),
            "judge": torch.cat(named).tolist(),
            "reward": torch.cat(rewards).tolist(),
        }

    @torch.no_grad()
    def separated(self, separator: Separator) -> torch.Tensor:
        """(B, N, L) estimates by the mode."""
        parts = zip(self.mixture.split(16), self.query.split(16))
        return torch.cat([separate(separator, x, q) for x, q in parts])

    @torch.no_grad()
    def best_of(self, separator: Separator, count: int, seed: int) -> torch.Tensor:
        """Of the mode and `count` samples a query, the one with the highest reward: no training at
        all.
        """
        generator, chosen = torch.Generator().manual_seed(seed), []
        for x, q, target in zip(self.mixture.split(16), self.query.split(16), self.targets):
            magnitude, spectrogram = analyse(separator, x)
            policy = BetaMaskPolicy(separator(magnitude, q))
            best, highest = None, None
            for action in [policy.mode, *(policy.sample(generator)[0] for _ in range(count))]:
                mask = policy.mask(action)
                estimate = reconstruct(separator, mask, spectrogram, x.shape[-1]).flatten(0, 1)
                value = self.reward(estimate, target)
                if best is None or highest is None:
                    best, highest = estimate, value
                else:
                    best = torch.where((value > highest)[:, None], estimate, best)
                    highest = torch.maximum(value, highest)
            chosen.append(best.reshape(len(x), -1, x.shape[-1]))
        return torch.cat(chosen)
