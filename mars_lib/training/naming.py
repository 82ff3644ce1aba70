"""First part of the audio trunk's training: to name what sounds, alone and in mixtures.

Ours, not the paper's, which starts from ImageBind's trunks. A mixture's target is not one class: it
is each source's share of the amplitude, so that what contaminates a sound costs it similarity.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from tqdm.std import tqdm

from mars_lib.data import random_streams
from mars_lib.data.loader import ahead
from mars_lib.data.music import Music
from mars_lib.data.pooled_music import make_ready
from mars_lib.data.variation import Chains, vary
from mars_lib.training.minibind_trunks import descend

# The same clips for every seed, which draws batches of them: they are made once.
TRUNK_CLIPS, CLIPS_PER_CLASS = random_streams.Stream("encoder clips"), 1024
# Of cosines in the cross-entropy.
TEMPERATURE = 0.07
# (B, L) waves and their (B, C) shares.
SharedBatch = Callable[[int], tuple[torch.Tensor, torch.Tensor]]


class Naming(nn.Module):
    """A trunk, and a direction of its features for every class.

    Args:
        trunk: (B, L) -> (B, F).
        features: F.
        classes: C.
    """

    def __init__(self, trunk: nn.Module, features: int, classes: int):
        super().__init__()
        self.trunk = trunk
        self.directions = nn.Parameter(functional.normalize(torch.randn(classes, features), dim=-1))

    def forward(self, waves: torch.Tensor) -> torch.Tensor:
        """(B, L) -> (B, C) cosines with the directions of all classes."""
        return self.cosines(self.trunk(waves))

    def cosines(self, features: torch.Tensor) -> torch.Tensor:
        """(B, F) -> (B, C) cosines with the directions of all classes."""
        return functional.normalize(features, dim=-1) @ functional.normalize(self.directions).T


def naming_loss(cosines: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of (B, C) cosines against (B, C) shares, 5 % of them spread over all."""
    smoothed = 0.95 * shares + 0.05 / shares.shape[1]
    return -(smoothed * functional.log_softmax(cosines / TEMPERATURE, dim=-1)).sum(-1).mean()


def sound_batches(music: Music, size: int, seed: int, augment: float = 0.9) -> SharedBatch:
    """Clips of all classes, half of them with one or two others, -20 to 30 dB below.

    Each is played at another speed, which moves pitch and resonances, and sent through a recording
    chain of its own. A batch lasts 0.5 to 0.8 of a clip.
    """
    classes = music.classes("train")
    make_ready(music, "train", TRUNK_CLIPS, CLIPS_PER_CLASS)

    def batch(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        rng = random_streams.rng("naming batches", seed, step)
        labels = rng.integers(len(classes), size=(3, size))
        waves = draw_clips(music, labels.ravel(), rng, augment).reshape(3, size, -1)
        gain = 10 ** (-rng.uniform(-20, 30, (3, size)) / 20)
        gain[0] = 1.0
        gain[1] *= rng.random(size) < 0.55
        gain[2] *= (rng.random(size) < 0.15) * (gain[1] > 0)
        shares = np.zeros((size, len(classes)), dtype=np.float32)
        for row in range(3):
            np.add.at(shares, (np.arange(size), labels[row]), gain[row])
        mixed = (torch.from_numpy(gain).float()[..., None] * waves).sum(dim=0)
        return mixed, torch.from_numpy(shares / shares.sum(axis=1, keepdims=True))

    return batch


def draw_clips(
    music: Music, labels: np.ndarray, rng: np.random.Generator, augment: float
) -> torch.Tensor:
    """A clip of each of (n,) classes, at other speeds, through recording chains: (n, L).

    They last 0.5 to 0.8 of a clip, all as long.
    """
    classes = music.classes("train")
    picks = rng.integers(CLIPS_PER_CLASS, size=len(labels))
    read = np.stack(
        [music.clip("train", classes[k], int(i), TRUNK_CLIPS) for k, i in zip(labels, picks)]
    )
    clips = torch.from_numpy(read).float()
    length = int(rng.uniform(0.5, 0.8) * clips.shape[1])
    stretched = []
    for part in clips.split(6):
        taken = int(length * 2 ** rng.uniform(-0.25, 0.25))
        start = int(rng.integers(clips.shape[1] - taken + 1))
        cut = part[:, None, start : start + taken]
        stretched.append(functional.interpolate(cut, size=length, mode="linear")[:, 0])
    return vary(torch.cat(stretched), Chains.draw(rng, len(labels), augment))


def train_naming(
    naming: Naming,
    batches: SharedBatch,
    steps: int,
    lr: float = 2e-3,
    each: Callable[[int], None] = lambda step: None,
    progress: bool = True,
) -> None:
    """AdamW, one cycle of the learning rate; the network is left in evaluation mode.

    Args:
        naming: what learns.
        batches: of every step.
        steps: of the optimiser.
        lr: peak of the learning rate.
        each: called after every step with its number.
        progress: show a progress bar.
    """
    device = naming.directions.device
    parameters = list(naming.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=lr, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps, pct_start=0.1)
    naming.train()
    bar = tqdm(ahead(batches, 0, steps), "naming", steps, disable=not progress)
    for step, (waves, shares) in bar:
        loss = naming_loss(naming(waves.to(device)), shares.to(device))
        descend(loss, parameters, optimizer, schedule, "naming")
        bar.set_postfix(loss=f"{loss.item():.2f}", refresh=False)
        each(step)
    naming.eval()
