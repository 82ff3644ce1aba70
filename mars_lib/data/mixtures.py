"""Mixtures for training: what a step sees is a function of the seed and the step alone."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from mars_lib.check import fail
from mars_lib.config import TrainingConfig
from mars_lib.data import random_streams
from mars_lib.data.cached_music import remembering
from mars_lib.data.music import Music
from mars_lib.data.pooled_music import make_ready
from mars_lib.data.variation import Chains, vary
from mars_lib.waveform import mix

# The same clips for every seed, which draws mixtures of them: they are made once.
CLIPS = random_streams.Stream("separator clips")


@dataclass(frozen=True)
class MixtureBatch:
    """Mixtures and what they are made of.

    Attributes:
        mixture: (B, L) waveforms.
        references: (B, N, L) sources that sum to the mixture.
        labels: (B, N) places in the split's classes, on the CPU.
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
        return replace(self, mixture=self.mixture.to(device), references=self.references.to(device))

    def split(self, size: int) -> list["MixtureBatch"]:
        """Batches of `size` mixtures in order, as `torch.split`: the last one may be smaller."""
        return [self[i : i + size] for i in range(0, len(self), size)]


@dataclass(frozen=True)
class Ingredients:
    """What mixtures are made of, as it was read: a device makes the mixtures.

    Attributes:
        clips: (B, N, L), of different classes in a mixture.
        gains: (B, N), of the sources.
        labels: (B, N).
        chains: how each of the B * N clips is augmented.
    """

    clips: torch.Tensor
    gains: torch.Tensor
    labels: torch.Tensor
    chains: Chains

    def pin_memory(self) -> "Ingredients":
        """The same in memory that a card reads without waiting; a data loader asks for it."""
        return replace(self, clips=self.clips.pin_memory(), gains=self.gains.pin_memory())

    def mixed(self, device: torch.device | str) -> MixtureBatch:
        """Augment, level and mix on a device, which is not waited for."""
        clips = self.clips.to(device, non_blocking=True)
        gains = self.gains.to(device, non_blocking=True)
        augmented = vary(clips.flatten(0, 1), self.chains).reshape(clips.shape)
        return MixtureBatch(*mix(augmented, gains), self.labels)


class MixtureStream:
    """Endless training mixtures of N different classes each.

    They are drawn from the first `training.clips_per_class` clips of every class, in other company,
    at other gains, and augmented in another way every time. A clip is made when a mixture first
    needs it, or comes from the pool of a `PooledMusic`, which is made here.

    Args:
        music: the sounds.
        split: of the classes.
        training: sizes, gains, seed, share of the clips that is augmented.

    Raises:
        InputError: for fewer classes than sources.
    """

    def __init__(self, music: Music, split: str, training: TrainingConfig):
        self.music, self.split, self.training = remembering(music), split, training
        self.classes = music.classes(split)
        if len(self.classes) < training.n_sources:
            problem = f"has {len(self.classes)} classes, for {training.n_sources} sources"
            fail(f"split {split!r}", problem, "give more classes")
        make_ready(music, split, CLIPS, training.clips_per_class)

    def batch(
        self, step: int, share: tuple[int, int] = (0, 1), device: torch.device | str = "cpu"
    ) -> MixtureBatch:
        """The mixtures of one step, or one of several equal parts of them, on a device.

        Args:
            step: from 0.
            share: (which, of how many) parts; by default all `batch_size` mixtures.
            device: where clips are augmented and mixed.
        """
        return self.ingredients(step, share).mixed(device)

    def ingredients(self, step: int, share: tuple[int, int] = (0, 1)) -> Ingredients:
        """What `batch` is made of, read on the CPU: of the part alone."""
        t = self.training
        rng = random_streams.rng("mixtures", t.seed, self.split, step)
        shape = (t.batch_size, t.n_sources)
        # The places of the N largest of random numbers: N different classes.
        labels = rng.random((t.batch_size, len(self.classes))).argsort(axis=1)[:, : t.n_sources]
        picks = rng.integers(t.clips_per_class, size=shape)
        gains = rng.uniform(t.gain_low, t.gain_high, shape).astype(np.float32)
        chains = Chains.draw(rng, labels.size, t.augment)
        size = t.batch_size // share[1]
        own = slice(share[0] * size, (share[0] + 1) * size)
        clips = np.stack(
            [
                self.music.clip(self.split, self.classes[k], int(pick), CLIPS)
                for k, pick in zip(labels[own].flat, picks[own].flat)
            ]
        )
        return Ingredients(
            torch.from_numpy(clips).unflatten(0, (size, t.n_sources)),
            torch.from_numpy(gains[own]),
            torch.from_numpy(labels[own].copy()),
            chains[own.start * t.n_sources : own.stop * t.n_sources],
        )
