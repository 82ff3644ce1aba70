"""Mixtures for training: a stream that is a function of the step, so that it can be resumed
anywhere.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from mars_lib.config import TrainingConfig
from mars_lib.data import random_streams
from mars_lib.data.music import Music
from mars_lib.waveform import mix

# Clips are rendered for blocks of steps, and each is used REUSE times in other company and at other
# gains: rendering would else take longer than the U-Net on two cores.
BLOCK, REUSE = 8, 4


@dataclass(frozen=True)
class MixtureBatch:
    """`mixture` (B, L), `references` (B, N, L) that sum to it, `labels` (B, N) into the split's
    classes.
    """

    mixture: torch.Tensor
    references: torch.Tensor
    labels: torch.Tensor


class MixtureStream:
    """Endless training mixtures of N different classes each.

    `batch(step)` depends on the seed and the step alone. `music` is a `MiniMusic` or anything with
    its `classes(split)` and `clip(split, sound, index, stream)`; clips are rendered when a mixture
    first needs them.
    """

    def __init__(self, music: Music, split: str, training: TrainingConfig):
        self.music, self.split, self.training = music, split, training
        self.classes = music.classes(split)
        self._stream = random_streams.Stream("separator clips", training.seed)
        self._block, self._clips = -1, {}

    def batch(self, step: int, share: tuple[int, int] = (0, 1)) -> MixtureBatch:
        """Mixtures of one step, or (which, of how many) equal parts of them."""
        t = self.training
        by_class = self._pool(step // BLOCK)
        rng = random_streams.rng("mixtures", t.seed, self.split, step)
        present = list(by_class)
        labels = np.stack(
            [rng.choice(present, t.n_sources, replace=False) for _ in range(t.batch_size)]
        )
        picks = [[by_class[k][rng.integers(len(by_class[k]))] for k in row] for row in labels]
        gains = rng.uniform(t.gain_low, t.gain_high, labels.shape).astype(np.float32)
        size = t.batch_size // share[1]
        own = slice(share[0] * size, (share[0] + 1) * size)
        sources = np.stack([[self._clip(number) for number in row] for row in picks[own]])
        mixture, references = mix(torch.from_numpy(sources), torch.from_numpy(gains[own]))
        return MixtureBatch(mixture, references, torch.from_numpy(labels[own]))

    def _pool(self, block: int) -> dict[int, list[int]]:
        """The numbers of a block's clips by label, classes in turn so that all occur."""
        if self._block != block:
            self._block, self._clips = block, {}
        t, n = self.training, len(self.classes)
        size = max(2 * n, BLOCK * t.batch_size * t.n_sources // REUSE)
        by_class: dict[int, list[int]] = {}
        for number in range(block * size, (block + 1) * size):
            by_class.setdefault(number % n, []).append(number)
        return by_class

    def _clip(self, number: int) -> np.ndarray:
        if number not in self._clips:
            label, index = number % len(self.classes), number // len(self.classes)
            self._clips[number] = self.music.clip(
                self.split, self.classes[label], index, self._stream
            )
        return self._clips[number]


def ahead(make: Callable[[int], Any], first: int, last: int) -> Iterator[tuple[int, Any]]:
    """(step, make(step)) for steps first to last - 1, the next one made in a thread while the
    present one is used.
    """
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(make, first)
        for step in range(first, last):
            batch = waiting.result()
            if step + 1 < last:
                waiting = pool.submit(make, step + 1)
            yield step, batch
