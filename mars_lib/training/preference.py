"""Preference training of the audio trunk: it learns to hear how clean an estimate is.

Ours, not the paper's. As a reward model learns from people which of two answers is better, the
trunk learns from SI-SDR which of two estimates of a source is: the better one must be more similar
to the source's class (a pairwise logistic loss: Bradley and Terry, 1952). In the terms of Eq. 8 a
triplet's positive is the cleaner version of a source, its negative the more contaminated one.

Of two estimates that hardly differ PPO climbs to the better; so the direction in which similarity
grows must be that in which SI-SDR grows. It is compared at masks that climb the similarity while
the trunk learns, with the noise that PPO's steps have: what one would find that has it as a reward.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional
from tqdm.std import tqdm

from mars_lib import beta
from mars_lib.config import SignalConfig
from mars_lib.data import random_streams
from mars_lib.data.loader import ahead
from mars_lib.data.music import Music
from mars_lib.mask import ideal_ratio, to_waveform
from mars_lib.policy import spread
from mars_lib.reward import held_si_sdr
from mars_lib.stft import LogFrequencyWarp, magnitude_of, stft
from mars_lib.training.minibind_trunks import descend
from mars_lib.training.naming import Naming, SharedBatch, draw_clips, naming_loss

# Of the similarities in the logistic loss; and dB that make one estimate better than another.
TEMPERATURE, MARGIN = 0.03, 0.5
# Weights of the losses of direction, of order, and of naming: the trunk goes on telling classes.
DIRECTION, ORDER, NAMING = 2.0, 0.5, 1.0
# Estimates of a mixture that are ordered in a step, of the dozen that `Scenes.estimates` makes.
ORDERED = 4
# Bins of a side of the patches on which masks are noisy, and climb.
PATCHES = (4, 8, 16)
# A group is met so often; each time its masks take a step of this size in logits, with this
# momentum: as far as a hundred steps of PPO go, in few visits, since a trunk that meets the same
# mixtures more often learns these by heart. PPO's noise, of 16 samples over 256 patches, is as
# large as twice its gradient over such a stride.
VISITS, STRIDE, MOMENTUM, NOISE = 8, 0.9, 0.5, 2.0
# One in so many masks climbs by SI-SDR, so that good ones are met too.
GUIDED = 4
KAPPA = 9.0  # of the policy that climbs, as in the paper
# Groups of mixtures that are met in turn.
GROUPS = 6


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
        logits: (B, h, t) of the climbing masks, grey at first.
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


class Wanted:
    """What estimates of a group are compared with: the class's direction, and another clip's.

    Args:
        naming: the trunk and the directions.
        group: of B mixtures.
    """

    def __init__(self, naming: Naming, group: Group):
        self.word = functional.normalize(naming.directions, dim=-1)[group.labels[0]]
        self.sound = functional.normalize(naming.trunk(group.query), dim=-1)

    def similarity(self, features: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        """(..., B, F) features and the (B,) shares of the word: (..., B)."""
        unit = functional.normalize(features, dim=-1)
        to_word, to_sound = (unit * self.word).sum(-1), (unit * self.sound).sum(-1)
        return share * to_word + (1 - share) * to_sound


def direction_loss(similarity: torch.Tensor, decibels: torch.Tensor) -> torch.Tensor:
    """1 - the cosine of two gradients by a mask's logits, (B, h, t) and (B, h, t): a mean."""
    return 1 - functional.cosine_similarity(similarity.flatten(1), decibels.flatten(1)).mean()


def climb(group: Group, gradient: torch.Tensor, rng: np.random.Generator) -> None:
    """Move a group's masks one step along (B, h, t) gradients by their logits, and noise."""
    noise = torch.from_numpy(rng.normal(size=gradient.shape)).to(gradient)
    group.momentum = MOMENTUM * group.momentum + _even(gradient) + NOISE * noise
    group.logits = (group.logits + STRIDE * _even(group.momentum)).clamp(-5, 5)


def _even(gradient: torch.Tensor) -> torch.Tensor:
    """(B, h, t), each brought to a root mean square of 1."""
    return gradient / (gradient.square().mean(dim=(-2, -1), keepdim=True).sqrt() + 1e-12)


def train_preference(
    naming: Naming,
    scenes: Scenes,
    names: SharedBatch,
    steps: int,
    lr: float = 3e-4,
    each: Callable[[int, dict[str, float]], None] = lambda step, row: None,
    progress: bool = True,
) -> None:
    """Teach a trunk that names sounds to prefer cleaner ones; its batch norms' statistics stay.

    Args:
        naming: what learns.
        scenes: of the mixtures.
        names: batches that it goes on naming.
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
    bar = tqdm(ahead(names, 0, steps), "preference", steps, disable=not progress)
    for step, (waves, shares) in bar:
        place = step % GROUPS
        if groups[place].visits >= VISITS:
            groups[place], drawn = scenes.group(drawn), drawn + 1
        rng = random_streams.rng("preference batches", scenes.seed, "estimates", step)
        loss, row = _loss(naming, scenes, groups[place], rng)
        named = naming_loss(naming(waves.to(scenes.device)), shares.to(scenes.device))
        descend(loss + NAMING * named, parameters, optimizer, schedule, "preference")
        groups[place].visits += 1
        row["names"] = named.item()
        bar.set_postfix({k: f"{v:.2f}" for k, v in row.items()}, refresh=False)
        each(step, row)


def _loss(
    naming: Naming, scenes: Scenes, group: Group, rng: np.random.Generator
) -> tuple[torch.Tensor, dict[str, float]]:
    """The losses of direction and order, and what was measured; the group's masks climb."""
    wanted, batch = Wanted(naming, group), len(group.target)
    share = torch.from_numpy(rng.random(batch, dtype=np.float32)).to(scenes.device)
    mode = torch.sigmoid(group.logits)
    u = torch.from_numpy(rng.random((1, *mode.shape), dtype=np.float32)).to(scenes.device)
    action = beta.quantile(mode, u, KAPPA)[0].requires_grad_(True)
    sampled = scenes.estimate(group, spread(action, group.patch, group.ideal.shape[1:]))
    decibels = quality(sampled[None], group.target)
    similarity = wanted.similarity(naming.trunk(sampled)[None], share)
    slope = mode * (1 - mode)
    (better,) = torch.autograd.grad(decibels.sum(), action, retain_graph=True)
    (nearer,) = torch.autograd.grad(similarity.sum(), action, create_graph=True)
    direction = direction_loss(nearer * slope, better * slope)
    with torch.no_grad():
        made = scenes.estimates(group, rng)
        between = 1 + rng.permutation(len(made) - 2)[: ORDERED - 2]
        made = made[[0, *between, -1]]  # always the reference, and where the masks have climbed to
        decibels = torch.cat([quality(made, group.target), decibels])
    features = naming.trunk(made.flatten(0, 1)).unflatten(0, made.shape[:2])
    similarity = torch.cat([wanted.similarity(features, share), similarity])
    order = preference_loss(similarity, decibels)
    guided = (torch.arange(batch, device=scenes.device) % GUIDED == 0)[:, None, None]
    climb(group, torch.where(guided, better, nearer.detach()) * slope, rng)
    with torch.no_grad():
        pairs = decibels[:, None] > decibels[None] + MARGIN
        right = (similarity[:, None] > similarity[None])[pairs].float().mean()
        past = (similarity[-2] > similarity[0]).float().mean()
    row = {"cosine": 1 - direction.item(), "right": right.item(), "past": past.item()}
    return DIRECTION * direction + ORDER * order, row
