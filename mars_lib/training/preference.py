"""Preference training of the audio trunk: it learns to hear how clean an estimate is.

Ours, not the paper's. As a reward model learns from people which of two answers is better, the
trunk learns from SI-SDR which of two estimates of a source is: the better one must be more similar
to the source's class (a pairwise logistic loss: Bradley and Terry, 1952). In the terms of Eq. 8 a
triplet's positive is the cleaner version of a source, its negative the more contaminated one. Among
the estimates are masks of policies that climb the trunk's own similarity while it learns, by the
score function as PPO does: what one would find that has it as a reward.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional
from tqdm.std import tqdm

from mars_lib import beta
from mars_lib.advantage import group_normalise
from mars_lib.config import SignalConfig
from mars_lib.data import random_streams
from mars_lib.data.music import Music
from mars_lib.mask import ideal_ratio, to_waveform
from mars_lib.policy import BetaMaskPolicy, spread
from mars_lib.reward import held_si_sdr
from mars_lib.stft import LogFrequencyWarp, magnitude_of, stft
from mars_lib.training.minibind_trunks import descend
from mars_lib.training.naming import Naming, draw_clips, naming_loss

# Of the similarities in the logistic loss; and dB that make one estimate better than another.
TEMPERATURE, MARGIN = 0.03, 0.5
# Of the naming loss, so that the trunk goes on telling classes apart.
NAMING = 0.3
# Bins of a side of the patches on which masks are noisy, and climb.
PATCHES = (4, 8, 16)
# A group is met so often; each time its masks take a step of this size in logits, along the mean
# gradient of so many samples, with this momentum.
VISITS, STRIDE, SAMPLES, MOMENTUM = 20, 0.3, 8, 0.8
KAPPA = 9.0  # of the policy that climbs, as in the paper
# Groups of mixtures that are met in turn.
GROUPS = 8


@dataclass
class Group:
    """Mixtures of two sources, with masks that climb.

    Attributes:
        target: (B, L) wanted sources.
        other: (B, L) what they are mixed with, at its level in the mixture.
        query: (B, L) other clips of the wanted classes.
        labels: (2, B) classes of targets and others.
        patch: bins of a side of the climbing mask's patches.
        spectrogram: (B, F, T) complex, of the mixtures.
        ideal: (B, H, T) ideal ratio masks.
        logits: (B, h, t) of the climbing policies' modes, grey at first.
        momentum: (B, h, t) of their gradient.
        visits: how often it was met.
    """

    target: torch.Tensor
    other: torch.Tensor
    query: torch.Tensor
    labels: torch.Tensor
    patch: int
    spectrogram: torch.Tensor
    ideal: torch.Tensor
    logits: torch.Tensor
    momentum: torch.Tensor
    visits: int = 0


class Scenes:
    """Groups of mixtures on one device, drawn from a data set, and masks over them."""

    def __init__(self, music: Music, size: int, seed: int, device: str, augment: float = 0.9):
        self.music, self.size, self.seed, self.augment = music, size, seed, augment
        self.signal, self.device = SignalConfig(n_bins=128), torch.device(device)
        self.warp = LogFrequencyWarp(self.signal).to(self.device)

    def group(self, index: int) -> Group:
        """Group number `index`: two classes a mixture, the other 8 dB softer to 8 dB louder."""
        rng = random_streams.rng("preference batches", self.seed, "group", index)
        count = len(self.music.classes("train"))
        first = rng.integers(count, size=self.size)
        second = (first + rng.integers(1, count, size=self.size)) % count
        waves = draw_clips(self.music, np.concatenate([first, second, first]), rng, self.augment)
        target, other, query = waves.to(self.device).chunk(3)
        gain = 10 ** (torch.from_numpy(rng.uniform(-8, 8, (self.size, 1))).float() / 20)
        other = other * gain.to(self.device)
        spectrogram = stft(target + other, self.signal)
        magnitude = self.warp.warp(magnitude_of(stft(torch.stack([target, other], 1), self.signal)))
        patch = int(rng.choice(PATCHES))
        ideal = ideal_ratio(magnitude)[:, 0]
        grey = torch.zeros(
            self.size, *(-(-edge // patch) for edge in ideal.shape[1:]), device=self.device
        )
        return Group(
            target=target,
            other=other,
            query=query,
            labels=torch.from_numpy(np.stack([first, second])).to(self.device),
            patch=patch,
            spectrogram=spectrogram,
            ideal=ideal,
            logits=grey,
            momentum=torch.zeros_like(grey),
        )

    def estimate(self, group: Group, mask: torch.Tensor) -> torch.Tensor:
        """(B, H, T) masks over a group's mixtures: (B, L)."""
        length = group.target.shape[-1]
        return to_waveform(self.warp.unwarp(mask), group.spectrogram, self.signal, length)

    def samples(self, group: Group, action: torch.Tensor) -> torch.Tensor:
        """Estimates of sampled masks: (G, B, h, t) -> (G, B, L)."""
        masks = [spread(each, group.patch, group.ideal.shape[1:]) for each in action]
        return torch.stack([self.estimate(group, mask) for mask in masks])

    def estimates(self, group: Group, rng: np.random.Generator) -> torch.Tensor:
        """Estimates of many qualities, the reference first: (K, B, L)."""
        ideal, batch = group.ideal, len(group.target)

        def column(low: float, high: float) -> torch.Tensor:
            drawn = torch.from_numpy(rng.uniform(low, high, (batch, 1, 1))).float()
            return drawn.to(self.device)

        def noise(patch: int) -> torch.Tensor:
            size = [-(-edge // patch) for edge in ideal.shape[1:]]
            drawn = torch.from_numpy(rng.normal(size=(batch, *size))).float().to(self.device)
            return spread(drawn, patch, ideal.shape[1:])

        mixed = [
            group.target + 10 ** (column(low, high)[:, 0] / 20) * group.other
            for low, high in ((-30, -15), (-15, -3))
        ]
        logits = torch.logit(ideal, eps=1e-4)
        climbed = spread(group.logits, group.patch, ideal.shape[1:])
        smooth = functional.avg_pool2d(ideal[:, None], (9, 9), 1, 4)[:, 0]
        patches = rng.choice(PATCHES, size=3)
        share, part = column(0.2, 0.95), column(0, 1)
        masks = [
            ideal,
            torch.ones_like(ideal),
            share * ideal + 1 - share,
            part * ideal + (1 - part) * (1 - ideal),
            torch.sigmoid(column(0.3, 1) * logits + column(0.5, 3) * noise(int(patches[0]))),
            torch.sigmoid(column(0.1, 0.6) * logits + column(0.5, 3) * noise(int(patches[1]))),
            torch.sigmoid(column(0.5, 2) * noise(int(patches[2]))),
            torch.sigmoid(column(1, 3) * torch.logit(smooth, eps=1e-3)),
            torch.sigmoid(climbed),
        ]
        return torch.stack([group.target, *mixed, *(self.estimate(group, mask) for mask in masks)])


def quality(estimates: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """SI-SDR in dB (Eq. 13), (K, B, L) and (B, L) -> (K, B), held to [-30, 40]."""
    return held_si_sdr(estimates, target, best=1e4)


def preference_loss(similarity: torch.Tensor, decibels: torch.Tensor) -> torch.Tensor:
    """How badly similarities order estimates: (K, B) and (K, B) -> a mean over pairs.

    -log sigmoid((r_i - r_j) / 0.03) for every two estimates of a mixture of which i is cleaner by
    0.5 dB.
    """
    better = decibels[:, None] > decibels[None] + MARGIN
    gap = (similarity[:, None] - similarity[None]) / TEMPERATURE
    return (functional.softplus(-gap) * better).sum() / better.sum().clamp(min=1)


def similarities(naming: Naming, group: Group, features: torch.Tensor) -> torch.Tensor:
    """(K, B, F) features against what is wanted: (2, K, B).

    First the class's direction, then the mean of it and of another clip of the class.
    """
    unit = functional.normalize(features, dim=-1)
    word = functional.normalize(naming.directions, dim=-1)[group.labels[0]]
    sound = functional.normalize(naming.trunk(group.query), dim=-1)
    to_word, to_sound = (unit * word).sum(-1), (unit * sound).sum(-1)
    return torch.stack([to_word, (to_word + to_sound) / 2])


def sample(group: Group, rng: np.random.Generator) -> torch.Tensor:
    """Actions of a group's policies, antithetic: (G, B, h, t) in (0, 1)."""
    mode = torch.sigmoid(group.logits)
    half = rng.random((SAMPLES // 2, *mode.shape), dtype=np.float32)
    u = torch.from_numpy(np.concatenate([half, 1 - half])).to(mode.device)
    return beta.quantile(mode, u, KAPPA)


def climb(group: Group, action: torch.Tensor, similarity: torch.Tensor) -> None:
    """Move a group's policies up a similarity, one step along the score function's gradient.

    Args:
        group: whose logits move.
        action: (G, B, h, t) that were sampled.
        similarity: (G, B) of their estimates.
    """
    advantage = group_normalise(similarity[..., None])
    logits = group.logits.requires_grad_(True)
    policy = BetaMaskPolicy(torch.sigmoid(logits)[:, None], KAPPA)
    score = policy.log_prob(action[:, :, None])
    surrogate = (advantage[..., None, None] * score).mean(dim=0).sum()
    (gradient,) = torch.autograd.grad(surrogate, logits)
    group.momentum = MOMENTUM * group.momentum + gradient
    size = group.momentum.square().mean(dim=(-2, -1), keepdim=True).sqrt() + 1e-12
    group.logits = (logits + STRIDE * group.momentum / size).detach().clamp(-6, 6)


def train_preference(
    naming: Naming,
    scenes: Scenes,
    steps: int,
    lr: float = 3e-4,
    each: Callable[[int, dict[str, float]], None] = lambda step, row: None,
    progress: bool = True,
) -> None:
    """Teach a trunk that names sounds to prefer cleaner ones; its batch norms' statistics stay.

    Args:
        naming: what learns.
        scenes: of the mixtures.
        steps: of the optimiser.
        lr: at first; it falls to nothing along half a cosine.
        each: called after every step with its number and what was measured.
        progress: show a progress bar.
    """
    parameters = list(naming.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=lr, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    naming.eval()
    groups = [scenes.group(index) for index in range(GROUPS)]
    for number, group in enumerate(groups):  # of all ages, so that not all are renewed at once
        group.visits = number * VISITS // GROUPS
    drawn = GROUPS
    bar = tqdm(range(steps), "preference", disable=not progress)
    for step in bar:
        place = step % GROUPS
        if groups[place].visits >= VISITS:
            groups[place], drawn = scenes.group(drawn), drawn + 1
        group = groups[place]
        rng = random_streams.rng("preference batches", scenes.seed, "estimates", step)
        loss, row = _loss(naming, scenes, group, rng)
        descend(loss, parameters, optimizer, schedule, "preference")
        group.visits += 1
        bar.set_postfix({k: f"{v:.2f}" for k, v in row.items()}, refresh=False)
        each(step, row)


def _loss(
    naming: Naming, scenes: Scenes, group: Group, rng: np.random.Generator
) -> tuple[torch.Tensor, dict[str, float]]:
    """The loss of one step, and what was measured; the group's policies climb."""
    with torch.no_grad():
        action = sample(group, rng)
        estimates = torch.cat([scenes.estimates(group, rng), scenes.samples(group, action)])
        decibels = quality(estimates, group.target)
    features = naming.trunk(estimates.flatten(0, 1)).unflatten(0, estimates.shape[:2])
    similarity = similarities(naming, group, features)
    loss = torch.stack([preference_loss(each, decibels) for each in similarity]).mean()
    # What is known to sound: the reference alone, and the mixture of both.
    level = torch.stack([w.square().mean(dim=-1).sqrt() for w in (group.target, group.other)])
    wanted = functional.one_hot(group.labels, len(naming.directions)).float()
    mixture = (level[..., None] * wanted).sum(0) / level.sum(0)[:, None]
    known = torch.cat([features[0], features[4]])  # the reference, and the mask of ones
    names = naming_loss(naming.cosines(known), torch.cat([wanted[0], mixture]))
    climb(group, action, similarity[group.visits % 2][-SAMPLES:].detach())
    with torch.no_grad():
        better = decibels[:, None] > decibels[None] + MARGIN
        right = (similarity[1][:, None] > similarity[1][None])[better].float().mean()
        past = (similarity[1][-SAMPLES:] > similarity[1][0]).float().mean()
    row = {"loss": loss.item(), "names": names.item(), "right": right.item(), "past": past.item()}
    return loss + NAMING * names, row
