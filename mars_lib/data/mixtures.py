"""Mixtures for training: a stream that is a function of the step, so that it can be resumed anywhere."""

from dataclasses import dataclass

import numpy as np
import torch

from mars_lib.config import TrainingConfig
from mars_lib.data.render import SEPARATOR_CLIPS, MiniMusic
from mars_lib.waveform import mix

# Clips are rendered for blocks of steps, and each is used REUSE times in other company and at other gains:
# rendering would else take longer than the U-Net on two cores.
BLOCK, REUSE = 8, 4


@dataclass(frozen=True)
class MixtureBatch:
    """`mixture` (B, L), `references` (B, N, L) that sum to it, `labels` (B, N) into the split's classes."""

    mixture: torch.Tensor
    references: torch.Tensor
    labels: torch.Tensor


class MixtureStream:
    """Endless training mixtures of N different classes each.

    `batch(step)` depends on the seed and the step alone. `music` is a `MiniMusic` or anything with its
    `classes(split)` and `clip(split, sound, index)`.
    """

    def __init__(self, music: MiniMusic, split: str, training: TrainingConfig):
        self.music, self.split, self.training = music, split, training
        self.classes = music.classes(split)
        self._block: tuple[int, list] = (-1, [])

    def batch(self, step: int) -> MixtureBatch:
        """Mixtures of one step."""
        t = self.training
        clips = self._clips(step // BLOCK)
        rng = np.random.default_rng([t.seed, 1, step])
        by_class: dict[int, list] = {}
        for label, clip in clips:
            by_class.setdefault(label, []).append(clip)
        present = list(by_class)
        labels = np.stack(
            [rng.choice(present, t.n_sources, replace=False) for _ in range(t.batch_size)]
        )
        sources = np.stack(
            [[by_class[k][rng.integers(len(by_class[k]))] for k in row] for row in labels]
        )
        gains = rng.uniform(t.gain_low, t.gain_high, labels.shape).astype(np.float32)
        mixture, references = mix(torch.from_numpy(sources), torch.from_numpy(gains))
        return MixtureBatch(mixture, references, torch.from_numpy(labels))

    def _clips(self, block: int) -> list[tuple[int, np.ndarray]]:
        """The (label, clip) pool of a block, classes in turn so that all occur."""
        if self._block[0] != block:
            t, n = self.training, len(self.classes)
            size = max(2 * n, BLOCK * t.batch_size * t.n_sources // REUSE)
            first = block * size
            numbers = range(first, first + size)
            pool = [(i % n, self._clip(i % n, i // n)) for i in numbers]
            self._block = (block, pool)
        return self._block[1]

    def _clip(self, label: int, index: int) -> np.ndarray:
        return self.music.clip(
            self.split,
            self.classes[label],
            SEPARATOR_CLIPS + index + 10_000_000 * self.training.seed,
        )
