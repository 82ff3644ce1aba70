"""What a reward encoder hears, sees and reads: shares, rank correlation, the climb test, top-1.

Rewards are the mean of audio and text similarity, on the first mixtures of `unseen`. The climb is
measured beside one whose reward is SI-SDR itself: what patches of 8 x 8 can do. With `--folder` (as
`benchmarks/recordings.py` fills it) also top-1 of recordings and pictures by other hands; with
`--photographs` of photographs.
"""

import argparse
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from scipy.stats import spearmanr
from torch.nn import functional

from mars_lib import waveform
from mars_lib.check import told
from mars_lib.config import SignalConfig
from mars_lib.data import manifests
from mars_lib.data.pictures import drawings, load_picture
from mars_lib.data.synthesis.classes import sound_classes
from mars_lib.encoders.base import TrainableEncoder
from mars_lib.encoders.frozen import frozen
from mars_lib.encoders.minibind2 import MiniBind2
from mars_lib.evaluation.metrics import si_sdr
from mars_lib.evaluation.statistics import summary, with_interval
from mars_lib.experiments.climb import Climb, climb
from mars_lib.inference import drawn_queries, known_words, pretrained, system
from mars_lib.mask import ideal_ratio, to_waveform
from mars_lib.reward import Reward, Target, mean_of_unimodal, signal_fidelity
from mars_lib.separator import separate
from mars_lib.show.plots import save
from mars_lib.stft import LogFrequencyWarp, magnitude_of, stft

SIGNAL = SignalConfig(length=manifests.LENGTH, n_bins=128)
ENCODERS: dict[str, Callable[[], TrainableEncoder]] = {
    "minibind": lambda: pretrained.load_minibind(heads="stage3"),
    "minibind2": lambda: pretrained.load_minibind2(heads="stage3"),
    "minibind2-one-stage": lambda: pretrained.load_minibind2(heads="one-stage"),
    "minibind2-by-family": pretrained.load_minibind2,
}
MEASURED, SAID = tuple(range(10, 101, 10)), (20, 60, 100)
SOUNDS = (".ogg", ".flac", ".wav")
SECONDS, WINDOW = 10, 32_000  # of a recording, the samples of a window
NAMES = [sound.name for sound in sound_classes()]


@cache
def scenes(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, list[str]]:
    """(B, L) mixtures, (B, 2, L) references, (B, L) queries, and names of the first B rows."""
    music, rows = manifests.music(), manifests.read("unseen")[:count]
    rendered = [manifests.render(row, music) for row in rows]
    queries = [music.clip("unseen", row.sounds()[0], row.query_clips[0]) for row in rows]
    mixtures, references = (torch.stack(list(each)) for each in zip(*rendered))
    names = [row.classes[0] for row in rows]
    return mixtures, references, torch.from_numpy(np.stack(queries)), names


@torch.no_grad()
def hears(encoder: TrainableEncoder, count: int) -> None:
    """Print shares and rank correlation."""
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
    asked = drawn_queries.embed_words(start.encoder, names)[:, None]
    estimate = separate(start.separator, mixtures, asked)[:, 0]
    level = wanted.norm(dim=1, keepdim=True) / other.norm(dim=1, keepdim=True)
    truth, guess = reward(wanted, target), reward(estimate, target)
    shares = {
        "the reference beats the estimate": truth > guess,
        "the ideal mask beats the estimate": reward(masked(ideal), target) > guess,
        "clean beats another at -20 dB": truth > reward(wanted + 0.1 * level * other, target),
        "clean beats another at -10 dB": truth > reward(wanted + 0.316 * level * other, target),
    }
    for what, right in shares.items():
        print(f"  {what}: {_interval(100 * right.float(), '.0f')} %")
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
    print(f"  rank correlation with SI-SDR over 16 random masks: {_interval(ranks, '.2f')}")


def climbs(encoder: TrainableEncoder | None, count: int) -> Climb:
    """Climb an encoder's reward on the first mixtures, or SI-SDR itself, and print how far."""
    mixtures, references, queries, names = scenes(count)
    reward: Reward = signal_fidelity
    target = Target(references[:, 0], {})
    if encoder is not None:
        with torch.no_grad():
            known = {"audio": encoder.embed_audio(queries), "text": encoder.embed_text(names)}
        target = Target(references[:, 0], known)
        reward = mean_of_unimodal(frozen(encoder).embed_audio)
    found = climb(reward, mixtures, target, SIGNAL, MEASURED)
    gains = [f"{n}: {_interval(found.improvement[MEASURED.index(n)], '.1f')}" for n in SAID]
    past = 100 * (found.reward[-1] > found.reference).float().mean()
    print(
        f"  SI-SDRi in dB after so many steps up: {', '.join(gains)}; reward "
        f"{found.reward[-1].mean():.2f}, of the reference {found.reference.mean():.2f}; "
        f"past it in {past:.0f} %",
        flush=True,
    )
    return found


def _interval(values: ArrayLike, digits: str) -> str:
    """A mean and its 95 % interval."""
    return with_interval(summary(values), digits)


def draw(found: dict[str, Climb], path: Path) -> None:
    """Draw the climbs: SI-SDRi over steps, one line each, means and 95 % intervals."""
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axis = figure.subplots()
    for name, each in found.items():
        steps = [0, *each.steps]
        rows = [summary(gains) for gains in each.improvement]
        (line,) = axis.plot(steps, [0.0, *(row["mean"] for row in rows)], label=name)
        low, high = zip((0.0, 0.0), *(row["ci95"] for row in rows))
        axis.fill_between(steps, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    axis.set(xlabel="steps of PPO on one mask", ylabel="SI-SDRi, dB")
    axis.legend(title="reward", frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    save(figure, path)


@torch.no_grad()
def knows(encoder: TrainableEncoder, folder: Path | None, photographs: Path | None) -> None:
    """Print how often the nearest class is right; MiniBind knows these by their names alone."""
    described = isinstance(encoder, MiniBind2)
    words = known_words.class_directions(encoder) if described else encoder.embed_text(NAMES)

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
    sure, unsure = (
        np.mean(
            [
                known_words.read(encoder, text, words).familiarity >= known_words.LEAST
                for text in texts
            ]
        )
        for texts in ([text for _, text in asked], table["unknown"])
    )
    print(f"  taken for a known sound: {100 * sure:.0f} % of them, {100 * unsure:.0f} % of unknown")
    if folder is not None:
        heard = [(name, _recording(encoder, path)) for name, path in _files(folder, *SOUNDS)]
        print(f"  recordings: {top1([each for _, each in heard], [name for name, _ in heard])}")
    for what, place in (("pictures by others", folder), ("photographs", photographs)):
        if place is not None:
            shown = [(n, load_picture(path)) for n, path in _files(place, ".png")]
            seen = [encoder.embed_image(picture[None])[0] for _, picture in shown]
            print(f"  {what}: {top1(seen, [name for name, _ in shown])}")


def _files(folder: Path, *suffixes: str) -> list[tuple[str, Path]]:
    """Class and path of the files of some kinds in a folder CLASS/NAME."""
    paths = [path for path in sorted(folder.glob("*/*")) if path.suffix in suffixes]
    return [(path.parent.name.replace("_", " "), path) for path in paths]


def _recording(encoder: TrainableEncoder, path: Path) -> torch.Tensor:
    """The mean of the embeddings of a recording's windows that sound."""
    loaded, rate = waveform.load(path, SECONDS)
    wave = waveform.mono(waveform.resample(loaded, rate, 16_000))
    windows = [each for each in wave.split(WINDOW) if len(each) > 8_000] or [wave]
    sounding = [each for each in windows if each.norm() > 0.05 * wave.norm()]
    embedded = torch.cat([encoder.embed_audio(each[None]) for each in sounding])
    return functional.normalize(embedded.mean(dim=0), dim=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "encoders", nargs="*", default=["minibind", "minibind2"], help=", ".join(ENCODERS)
    )
    parser.add_argument("--mixtures", type=int, default=50)
    parser.add_argument("--climbs", type=int, default=50, help="mixtures of the climb; 0 for none")
    parser.add_argument("--folder", type=Path, help="recordings and pictures by others")
    parser.add_argument("--photographs", type=Path)
    parser.add_argument("--figure", type=Path, help="draws the climbs, and that of SI-SDR")
    options = parser.parse_args()
    found = {}
    for name in options.encoders:
        print(name, flush=True)
        encoder = ENCODERS[name]()
        knows(encoder, options.folder, options.photographs)
        hears(encoder, options.mixtures)
        if options.climbs:
            found[name] = climbs(encoder, options.climbs)
    if options.climbs:
        print("SI-SDR as the reward")
        found["SI-SDR"] = climbs(None, options.climbs)
    if options.figure and found:
        draw(found, options.figure)


if __name__ == "__main__":
    with told():
        main()
