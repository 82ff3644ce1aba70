"""Training of MiniBind from nothing: three trunks, each alone, then heads that meet by family.

Also the batches of the trunks, and the training of any classifier (`train_classifier`). Not part of
the paper, which starts from ImageBind's weights.
"""

from collections.abc import Callable, Sequence
from itertools import permutations
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from tqdm.std import tqdm

from mars_lib.data import random_streams
from mars_lib.data.cached_music import remembering
from mars_lib.data.loader import ahead
from mars_lib.data.music import Music
from mars_lib.data.pictures import augment_pictures, load_rgba
from mars_lib.data.pooled_music import make_ready
from mars_lib.data.synthesis.classes import (
    SoundClass,
    families,
    sound_classes,
    templates,
)
from mars_lib.data.variation import Chains, vary
from mars_lib.encoders.base import TrainableEncoder
from mars_lib.encoders.minibind import FEATURES, MODALITIES
from mars_lib.io.devices import multiplies_bfloat16

# The same clips for every seed, which draws batches of them: they are made once.
ENCODER_CLIPS, CLIPS_PER_CLASS = random_streams.Stream("encoder clips"), 512
# What a trunk embeds: waveforms (B, L), pictures (B, 3, H, W) or texts.
Examples = torch.Tensor | list[str]
# Of a step, its examples and their (B,) labels.
Batch = Callable[[int], tuple[Examples, torch.Tensor]]


def audio_batches(
    music: Music, size: int, seed: int, augment: float = 0.9, device: str = "cpu"
) -> Batch:
    """Clips of all classes, or the first half of them and more.

    Args:
        music: the sounds.
        size: of a batch.
        seed: of the batches; their clips are the same for every seed.
        augment: share of the clips that is augmented.
        device: where they are augmented, and stay.
    """
    classes, music = music.classes("train"), remembering(music)
    make_ready(music, "train", ENCODER_CLIPS, CLIPS_PER_CLASS)

    def batch(step: int) -> tuple[Examples, torch.Tensor]:
        rng = random_streams.rng("pretraining batches", seed, "audio", step)
        labels, picks = rng.integers([[len(classes)], [CLIPS_PER_CLASS]], size=(2, size))
        read = [
            music.clip("train", classes[k], int(i), ENCODER_CLIPS) for k, i in zip(labels, picks)
        ]
        clips = torch.from_numpy(np.stack(read)).to(device)
        clips = vary(clips, Chains.draw(rng, size, augment))
        cut = int(rng.uniform(0.5, 1.0) * clips.shape[1])
        return clips[:, :cut], torch.from_numpy(labels)

    return batch


def image_batches(
    shown: Sequence[Sequence[Path]],
    size: int,
    seed: int,
    device: str = "cpu",
    tilt: float = 0.0,
) -> Batch:
    """Augmented pictures of all classes, made on a device, from the files of every class.

    `tilt` as `augment_pictures` has it.
    """
    files = [(k, path) for k, paths in enumerate(shown) for path in paths]
    # Augmented at half size, four times as fast: the trunk halves what it sees first of all.
    pictures = torch.stack([load_rgba(path) for _, path in files]).to(device)
    pictures = functional.avg_pool2d(pictures, 2)
    labels = torch.tensor([k for k, _ in files])

    def batch(step: int) -> tuple[Examples, torch.Tensor]:
        index = "image", step
        generator = random_streams.generator("pretraining batches", seed, *index, device=device)
        picks = torch.randint(len(files), (size,), generator=generator, device=device)
        augmented = augment_pictures(pictures[picks], generator, tilt)
        return functional.interpolate(augmented, scale_factor=2), labels[picks.cpu()]

    return batch


def text_batches(classes: tuple[SoundClass, ...], size: int, seed: int) -> Batch:
    """Prompts of all classes, some with a letter lost, so that a typing error is not fatal."""

    def batch(step: int) -> tuple[Examples, torch.Tensor]:
        rng = random_streams.rng("pretraining batches", seed, "text", step)
        labels = rng.integers(len(classes), size=size)
        texts = []
        for k in labels:
            name = classes[k].names[rng.integers(len(classes[k].names))]
            if rng.random() < 0.3:
                at = rng.integers(len(name))
                name = name[:at] + name[at + 1 :]
            texts.append(templates()[rng.integers(len(templates()))].format(name))
        return texts, torch.from_numpy(labels)

    return batch


def train_trunk(
    trunk: nn.Module, batches: Batch, steps: int, label: str, lr: float = 2e-3
) -> float:
    """Teach one trunk to tell the classes apart, under a linear classifier that is thrown away.

    Returns:
        The accuracy over the last tenth of the steps.
    """
    return train_classifier(
        _OnTrunk(trunk), batches, steps, f"{label} trunk", lr, half=label != "text"
    )


class _OnTrunk(nn.Module):
    """A trunk and a linear classifier of its features, which stays in full precision."""

    def __init__(self, trunk: nn.Module):
        super().__init__()
        self.trunk = trunk
        device = next(trunk.parameters()).device
        self.linear = nn.Linear(FEATURES, len(sound_classes())).to(device)

    def forward(self, examples: Examples) -> torch.Tensor:
        features = self.trunk(examples)
        with torch.autocast(features.device.type, enabled=False):
            return self.linear(functional.normalize(features.float(), dim=-1) * FEATURES**0.5)


def train_classifier(
    model: nn.Module,
    batches: Batch,
    steps: int,
    label: str,
    lr: float = 2e-3,
    half: bool = True,
    progress: bool = True,
) -> float:
    """Teach a model to name classes: AdamW, one cycle of the learning rate.

    Args:
        model: examples -> logits; it is left in evaluation mode.
        batches: of a step, examples and labels.
        steps: of the optimiser.
        label: of the progress bar.
        lr: peak of the learning rate.
        half: compute in bfloat16, where the device does not emulate it.
        progress: show a progress bar.

    Returns:
        The accuracy over the last tenth of the steps.
    """
    device = next(model.parameters()).device
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=lr, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps, pct_start=0.1)
    half = half and multiplies_bfloat16(device.type)
    right = []
    model.train()
    bar = tqdm(ahead(batches, 0, steps), label, total=steps, mininterval=1, disable=not progress)
    for _, (examples, labels) in bar:
        if torch.is_tensor(examples):
            examples = examples.to(device)
        labels = labels.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            logits = model(examples)
        loss = functional.cross_entropy(logits.float(), labels, label_smoothing=0.1)
        descend(loss, parameters, optimizer, schedule, label)
        right.append((logits.argmax(-1) == labels).float().mean().item())
        bar.set_postfix(loss=f"{loss.item():.2f}", accuracy=f"{np.mean(right[-50:]):.2f}")
    model.eval()
    return float(np.mean(right[-max(1, steps // 10) :]))


def descend(
    loss: torch.Tensor,
    parameters: list[nn.Parameter],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    label: str,
) -> None:
    """One step down a loss, its gradient clipped to a norm of 1.

    Raises FloatingPointError, with the label, for a loss that is not finite.
    """
    if not torch.isfinite(loss):
        raise FloatingPointError(f"{label}: the loss is {loss.item()}")
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    schedule.step()


def train_heads(
    encoder: TrainableEncoder,
    batches: dict[str, Batch],
    steps: int = 200,
    rounds: int | None = None,
) -> None:
    """Bring the heads together by instrument family: symmetric InfoNCE with families as positives.

    Short and coarse on purpose: within a family the modalities do not yet agree. With `rounds` so
    many batches go round, and the trunks see each once.
    """
    family = torch.tensor([families().index(sound.family) for sound in sound_classes()])
    parameters = [*encoder.heads.parameters(), encoder.log_temperature]
    optimizer = torch.optim.Adam(parameters, lr=1e-3)
    device = encoder.log_temperature.device
    seen: dict[tuple[str, int], tuple[torch.Tensor, torch.Tensor]] = {}
    for step in tqdm(range(steps), "heads, by family", mininterval=1):
        embeddings, labels = {}, {}
        for name in MODALITIES:
            key = name, step if rounds is None else step % rounds
            found = seen.get(key) or _features(encoder, name, batches[name](key[1]))
            if rounds is not None:
                seen[key] = found
            features, labels[name] = found
            embeddings[name] = encoder.embed_features(name, features)
        loss = torch.zeros((), device=device)
        for a, b in permutations(MODALITIES, 2):
            logits = embeddings[a] @ embeddings[b].T / encoder.log_temperature.exp()
            same = family[labels[a]][:, None] == family[labels[b]][None, :]
            loss = loss + _family_infonce(logits, same.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            encoder.log_temperature.clamp_(min=-4.6, max=0.0)


@torch.no_grad()
def _features(
    encoder: TrainableEncoder, name: str, batch: tuple[Examples, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """What a trunk makes of a batch, and its labels."""
    examples, labels = batch
    if torch.is_tensor(examples):
        examples = examples.to(encoder.log_temperature.device)
    return encoder.trunks[name](examples), labels


def _family_infonce(logits: torch.Tensor, positive: torch.Tensor) -> torch.Tensor:
    """Cross-entropy against a target spread evenly over all positives of a row."""
    target = positive.float() / positive.sum(dim=-1, keepdim=True).clamp(min=1)
    return -(target * functional.log_softmax(logits, dim=-1)).sum(dim=-1).mean()
