"""Training of the judge, the held-out classifier of `mars_lib.evaluation.judge`, from nothing.

Not part of the paper, which reports the CLAP score.
"""

import numpy as np
import torch
from torch.nn import functional
from tqdm.std import tqdm

from mars_lib import config
from mars_lib.data import random_streams
from mars_lib.data.music import Music
from mars_lib.data.pooled_music import make_ready
from mars_lib.data.variation import Chains, vary
from mars_lib.evaluation.judge import Judge
from mars_lib.mask import ideal_binary, ideal_ratio, to_waveform
from mars_lib.stft import stft
from mars_lib.training.minibind_trunks import Batch, train_classifier

# The same clips for every seed; so many a class, and each serves in ever other mixtures.
JUDGE_CLIPS, PER_CLASS = random_streams.Stream("judge clips"), 200


def train_judge(
    music: Music,
    *,
    steps: int = 1_100,
    batch_size: int = 64,
    seed: int = 0,
    augment: float = 0.9,
    device: str = "cpu",
    progress: bool = True,
) -> Judge:
    """A judge of the classes of `music`'s training split, in evaluation mode.

    Its clips are a stream of their own: neither MiniBind nor a separator was trained on one of
    them.
    """
    classes, rng = music.classes("train"), random_streams.rng("judge batches", seed, "chains")
    make_ready(music, "train", JUDGE_CLIPS, PER_CLASS)
    labels = torch.arange(len(classes)).repeat_interleave(PER_CLASS)
    clips = []
    for sound in tqdm(classes, "clips of the judge", unit="class", disable=not progress):
        read = np.stack([music.clip("train", sound, i, JUDGE_CLIPS) for i in range(PER_CLASS)])
        chains = Chains.draw(rng, PER_CLASS, augment)
        clips.append(vary(torch.from_numpy(read).to(device), chains).half().cpu())
    # Of its weights and its dropout.
    torch.manual_seed(random_streams.generator("initial weights", seed, "judge").initial_seed())
    judge = Judge([sound.name for sound in classes]).to(device)
    batches = estimate_batches(torch.cat(clips), labels, batch_size, seed)
    train_classifier(judge, batches, steps, "judge", progress=progress)
    return judge


def estimate_batches(clips: torch.Tensor, labels: torch.Tensor, size: int, seed: int) -> Batch:
    """Batches that sound like estimates, from (P, L) clips and their (P,) labels.

    A third is as it was rendered; a third lets a clip of another class through, 10 to 40 dB down; a
    third was cut out of a mixture with another clip by an ideal mask, binary or ratio, at gains as
    in training.
    """
    signal = config.SignalConfig()

    def batch(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        generator = random_streams.generator("judge batches", seed, step)

        def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
            return low + (high - low) * torch.rand(shape, generator=generator)

        picks = torch.randint(len(clips), (size,), generator=generator)
        # A stretch from anywhere, eight of them a batch, each at another speed: no two instruments
        # have the same size or tuning.
        length = int(uniform(0.5, 0.75) * clips.shape[-1])
        stretches = []
        for part in picks.chunk(8):
            taken = int(length * 2 ** uniform(-0.15, 0.15))
            start = int(uniform(0, clips.shape[-1] - taken))
            cut = clips[part, None, start : start + taken].float()
            stretches.append(functional.interpolate(cut, size=length, mode="linear")[:, 0])
        wave = torch.cat(stretches)
        other = wave.roll(1, dims=0)
        other[labels[picks] == labels[picks].roll(1)] = 0
        third = size // 3
        wave[:third] += 10 ** uniform(-2.0, -0.5, third, 1) * other[:third]
        pair = torch.stack([wave, other], dim=1)[third : 2 * third] * uniform(0.5, 1.5, third, 2, 1)
        mixture = stft(pair.sum(dim=1), signal)
        magnitude = stft(pair, signal).abs()
        binary = uniform(0, 1, third, 1, 1) < 0.5
        mask = torch.where(
            binary, ideal_binary(magnitude, mixture.abs())[:, 0], ideal_ratio(magnitude)[:, 0]
        )
        wave[third : 2 * third] = to_waveform(mask, mixture, signal, length)
        return wave, labels[picks]

    return batch
