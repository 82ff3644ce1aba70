"""Mixtures for training: a stream that is a function of the step, so that it can be resumed."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from mars_lib.config import TrainingConfig
from mars_lib.data import random_streams
from mars_lib.data.music import Music
from mars_lib.waveform import mix

# Clips are rendered for blocks of steps, and each is used REUSE times in other company and at other
# gains: rendering would else take longer than the U-Net on two cores.
BLOCK, REUSE = 8, 4

Made = TypeVar("Made")


@dataclass(frozen=True)
class MixtureBatch:
    """Mixtures and what they are made of.

    Attributes:
        mixture: (B, L) waveforms.
        references: (B, N, L) sources that sum to the mixture.
        labels: (B, N) places in the split's classes.
    """

    mixture: torch.Tensor
    references: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.mixture)

    def __getitem__(self, rows: slice) -> "MixtureBatch":
        return MixtureBatch(self.mixture[rows], self.references[rows], self.labels[rows])

    def to(self, device: torch.device | str) -> "MixtureBatch":
        """The same mixtures on another device."""
        return MixtureBatch(
            self.mixture.to(device), self.references.to(device), self.labels.to(device)
        )

    def split(self, size: int) -> list["MixtureBatch"]:
        """Batches of `size` mixtures in order, as `torch.split`: the last one may be smaller."""
        return [self[i : i + size] for i in range(0, len(self), size)]


class MixtureStream:
    """Endless training mixtures of N different classes each.

    `batch(step)` depends on the seed and the step alone. Clips are rendered when a mixture first
    needs them.
    """

    def __init__(self, music: Music, split: str, training: TrainingConfig):
        self.music, self.split, self.training = music, split, training
        self.classes = music.classes(split)
        self._stream = random_streams.Stream("separator clips", training.seed)
        self._block = -1
        self._clips: dict[int, np.ndarray] = {}

    def batch(self, step: int, share: tuple[int, int] = (0, 1)) -> MixtureBatch:
        """The mixtures of one step, or one of several equal parts of them.

        Args:
            step: from 0.
            share: (which, of how many) parts; by default all `batch_size` mixtures.
        """
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
        """One clip of the block, (L,)."""
        if number not in self._clips:
            label, index = number % len(self.classes), number // len(self.classes)
            self._clips[number] = self.music.clip(
                self.split, self.classes[label], index, self._stream
            )
        return self._clips[number]


def ahead(make: Callable[[int], Made], first: int, last: int) -> Iterator[tuple[int, Made]]:
    """(step, make(step)) for the steps from `first` to `last` - 1.

    A thread makes the next one while the present one is used.
    """
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(make, first)
        for step in range(first, last):
            batch = waiting.result()
            if step + 1 < last:
                waiting = pool.submit(make, step + 1)
            yield step, batch
