"""What a reward encoder hears, sees and reads: shares, rank correlation, the climb test, top-1.

Rewards are the mean of audio and text similarity, on the first mixtures of `unseen`. The climb is
measured beside one whose reward is SI-SDR itself: what patches of 8 x 8 can do. With `--folder` (as
`benchmarks/recordings.py` fills it) also top-1 of recordings and pictures by other hands.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr
from torch.nn import functional

from mars_lib import waveform
from mars_lib.config import SignalConfig
from mars_lib.data import manifests
from mars_lib.data.pictures import drawings, load_picture
from mars_lib.data.synthesis.classes import sound_classes
from mars_lib.encoders.base import Encoder
from mars_lib.evaluation.metrics import si_sdr
from mars_lib.experiments.climb import climb
from mars_lib.inference import pretrained, system
from mars_lib.mask import ideal_ratio, to_waveform
from mars_lib.reward import Reward, Target, mean_of_unimodal, signal_fidelity
from mars_lib.separator import separate
from mars_lib.stft import LogFrequencyWarp, magnitude_of, stft

SIGNAL = SignalConfig(length=manifests.LENGTH, n_bins=128)
ENCODERS: dict[str, Callable[[], Encoder]] = {
    "by-family": pretrained.load_minibind,
    "stage3": lambda: pretrained.load_minibind(heads="stage3"),
}
SECONDS, WINDOW = 10, 32_000  # of a recording, the samples of a window
NAMES = [sound.name for sound in sound_classes()]


def scenes(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, list[str]]:
    """(B, L) mixtures, (B, 2, L) references, (B, L) queries, and names of the first B rows."""
    music, rows = manifests.music(), manifests.read("unseen")[:count]
    rendered = [manifests.render(row, music) for row in rows]
    queries = [music.clip("unseen", row.sounds()[0], row.query_clips[0]) for row in rows]
    mixtures, references = (torch.stack(list(each)) for each in zip(*rendered))
    names = [row.classes[0] for row in rows]
    return mixtures, references, torch.from_numpy(np.stack(queries)), names


@torch.no_grad()
def hears(encoder: Encoder, count: int, climbs: int) -> None:
    """Print shares, rank correlation and the climb."""
    mixtures, references, queries, names = scenes(count)
    wanted, other = references.unbind(dim=1)
    target = Target(
        wanted, {"audio": encoder.embed_audio(queries), "text": encoder.embed_text(names)}
    )
    reward = mean_of_unimodal(encoder.embed_audio)
    warp, spectrogram = LogFrequencyWarp(SIGNAL), stft(mixtures, SIGNAL)
    ideal = ideal_ratio(warp.warp(magnitude_of(stft(references, SIGNAL))))[:, 0]

    def masked(mask: torch.Tensor) -> torch.Tensor:
        return to_waveform(warp.unwarp(mask), spectrogram, SIGNAL, mixtures.shape[-1])

    start = system.load("separator-small", device="cpu")
    estimate = separate(start.separator, mixtures, start.encoder.embed_text(names)[:, None])[:, 0]
    level = wanted.norm(dim=1, keepdim=True) / other.norm(dim=1, keepdim=True)
    truth, guess = reward(wanted, target), reward(estimate, target)
    shares = {
        "the reference beats the estimate": truth > guess,
        "the ideal mask beats the estimate": reward(masked(ideal), target) > guess,
        "clean beats another at -20 dB": truth > reward(wanted + 0.1 * level * other, target),
        "clean beats another at -10 dB": truth > reward(wanted + 0.316 * level * other, target),
    }
    for what, right in shares.items():
        print(f"  {what}: {100 * right.float().mean():.0f} %")
    generator = torch.Generator().manual_seed(0)
    found, decibels = [], []
    for _ in range(16):
        noise = torch.randn(len(ideal), 1, 16, 16, generator=generator)
        size = 3 * torch.rand(len(ideal), 1, 1, 1, generator=generator)
        wide = functional.interpolate(size * noise, ideal.shape[1:])[:, 0]
        share = torch.rand(len(ideal), 1, 1, generator=generator)
        sound = masked(torch.sigmoid(share * torch.logit(ideal, eps=1e-3) + wide))
        found.append(reward(sound, target))
        decibels.append(si_sdr(estimate=sound, reference=wanted))
    ranks = [spearmanr(*pair)[0] for pair in zip(torch.stack(found).T, torch.stack(decibels).T)]
    print(f"  rank correlation with SI-SDR over 16 random masks: {np.mean(ranks):.2f}")
    if climbs:
        with torch.enable_grad():
            _climb("the encoder", reward, mixtures[:climbs], target.of(slice(climbs)))
            _climb("SI-SDR", signal_fidelity, mixtures[:climbs], target.of(slice(climbs)))


def _climb(what: str, reward: Reward, mixtures: torch.Tensor, target: Target) -> None:
    found = climb(reward, mixtures, target, SIGNAL)
    gains = " / ".join(f"{gain:.1f}" for gain in found.improvement.mean(dim=1))
    past = 100 * (found.reward[-1] > found.reference).float().mean()
    print(
        f"  climb by {what}: {gains} dB after {' / '.join(map(str, found.steps))} steps, reward "
        f"{found.reward[-1].mean():.2f}, of the reference {found.reference.mean():.2f}; "
        f"past it in {past:.0f} %"
    )


@torch.no_grad()
def knows(encoder: Encoder, folder: Path | None) -> None:
    """Print how often the nearest word is right."""
    words = encoder.embed_text(NAMES)

    def top1(embedded: list[torch.Tensor], labels: list[str]) -> str:
        near = (torch.stack(embedded) @ words.T).argmax(dim=1).tolist()
        right = [NAMES[each] == label for each, label in zip(near, labels)]
        return f"{100 * np.mean(right):.0f} % of {len(right)}"

    held_out = [(s.name, path) for s in sound_classes() for path in drawings(s, "test")]
    shown = [encoder.embed_image(load_picture(path)[None])[0] for _, path in held_out]
    print(f"  held-out drawings: {top1(shown, [name for name, _ in held_out])}")
    table = json.loads(Path(__file__).with_name("paraphrases.json").read_text(encoding="utf-8"))
    asked = [(name, text) for name, texts in table["classes"].items() for text in texts]
    read = list(encoder.embed_text([text for _, text in asked]))
    print(f"  paraphrases: {top1(read, [name for name, _ in asked])}")
    if folder is None:
        return
    files = sorted(folder.glob("*/*"))
    sounds = [path for path in files if path.suffix != ".png"]
    pictures = [path for path in files if path.suffix == ".png"]
    heard = [_recording(encoder, path) for path in sounds]
    labels = [path.parent.name.replace("_", " ") for path in sounds]
    print(f"  recordings: {top1(heard, labels)}")
    seen = [encoder.embed_image(load_picture(path)[None])[0] for path in pictures]
    drawn = [path.parent.name.replace("_", " ") for path in pictures]
    print(f"  pictures by others: {top1(seen, drawn)}")


def _recording(encoder: Encoder, path: Path) -> torch.Tensor:
    """The mean of the embeddings of a recording's windows that sound."""
    loaded, rate = waveform.load(path, SECONDS)
    wave = waveform.mono(waveform.resample(loaded, rate, 16_000))
    windows = [each for each in wave.split(WINDOW) if len(each) > 8_000] or [wave]
    sounding = [each for each in windows if each.norm() > 0.05 * wave.norm()]
    embedded = torch.cat([encoder.embed_audio(each[None]) for each in sounding])
    return functional.normalize(embedded.mean(dim=0), dim=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("heads", nargs="*", default=["stage3"], help=", ".join(ENCODERS))
    parser.add_argument("--mixtures", type=int, default=50)
    parser.add_argument("--climbs", type=int, default=50, help="mixtures of the climb; 0 for none")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    for name in options.heads:
        print(name, flush=True)
        encoder = ENCODERS[name]()
        knows(encoder, options.folder)
        hears(encoder, options.mixtures, options.climbs)


if __name__ == "__main__":
    main()
