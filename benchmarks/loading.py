"""Does reading prepared recordings keep up with training? `MixtureStream` over `CsvMusic` against a
loop that reads whole files.

Both make the same kind of mixture, two sources levelled, on files that are rendered here and read
from the page cache. Rounds take turns, the table holds medians; below it stands what one training
step on --device takes, and so how many mixtures it needs.
"""

import argparse
import csv
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
import torch

from mars_lib import config
from mars_lib.data.csv_music import CsvMusic
from mars_lib.data.mini_music import level
from mars_lib.data.mixtures import BLOCK, MixtureBatch, MixtureStream
from mars_lib.io.devices import choose_device
from mars_lib.separator import Separator
from mars_lib.training.steps import supervised_loss
from mars_lib.waveform import mix

RATE = 16_000


def write(folder: Path, classes: int, files: int, seconds: int) -> None:
    """`train.csv` and its recordings: noise that swells, the same for the same numbers."""
    rng, rows = np.random.default_rng(0), []
    swell = np.sin(np.linspace(0, 20 * np.pi, seconds * RATE)) ** 2
    for k in range(classes):
        (folder / f"audio/{k}").mkdir(parents=True)
        for i in range(files):
            name = f"audio/{k}/{i}.wav"
            soundfile.write(
                folder / name, 0.1 * swell * rng.standard_normal(len(swell)), RATE, subtype="PCM_16"
            )
            rows.append((name, f"frames/{k}/{i}", 0, f"class {k}"))
    with (folder / "train.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def plain(music: CsvMusic, rng: np.random.Generator, count: int) -> torch.Tensor:
    """`count` mixtures, of each source the whole file read and one stretch kept."""
    classes, sources = music.classes("train"), []
    for _ in range(count):
        for k in rng.choice(len(classes), 2, replace=False):
            files = classes[k].sounds
            wave, _ = soundfile.read(files[rng.integers(len(files))], dtype="float32")
            start = rng.integers(max(1, len(wave) - music.length))
            sources.append(level(np.resize(wave[start : start + music.length], music.length)))
    return mix(torch.from_numpy(np.stack(sources)).unflatten(0, (-1, 2)), torch.ones(count, 2))[0]


def rate(work: Callable[[], object], count: int) -> float:
    """`count` per second of `work`."""
    start = time.perf_counter()
    work()
    return count / (time.perf_counter() - start)


def loading(
    music: CsvMusic, training: config.TrainingConfig, rounds: int
) -> tuple[float, float, float, float]:
    """Medians of mixtures a second (stream, whole files) and of clips a second (stretch alone,
    whole files).
    """
    stream, rng = MixtureStream(music, "train", training), np.random.default_rng(0)
    sound, few = music.classes("train")[0], 16

    def batches(first: int) -> None:
        for step in range(first, first + BLOCK):
            stream.batch(step)

    def stretches(first: int) -> None:
        for index in range(first, first + 100):
            music.clip("train", sound, index)

    measured = [
        (
            rate(partial(batches, r * BLOCK), BLOCK * training.batch_size),
            rate(partial(plain, music, rng, few), few),
            rate(partial(stretches, 100 * r), 100),
        )
        for r in range(rounds + 1)
    ]
    ours, theirs, clips = (statistics.median(column) for column in zip(*measured[1:]))
    return ours, theirs, clips, 2 * theirs


def training_step(settings: config.Config, device: torch.device, repeats: int) -> float:
    """Median seconds of a supervised step, its targets included."""
    torch.manual_seed(0)
    t = settings.training
    separator = Separator(settings).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(separator.parameters(), t.learning_rate)
    references = torch.randn(t.batch_size, 2, settings.signal.length, device=device)
    batch = MixtureBatch(references.sum(dim=1), references, torch.zeros(t.batch_size, 2))
    query = torch.randn(t.batch_size, 2, settings.separator.embedding_size, device=device)
    seconds = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16):
            loss = supervised_loss(separator, batch, query)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()  # waits for the device
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[2:])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", default="cpu", help="cpu or gpu: length of the clips, network")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument(
        "--seconds",
        type=int,
        nargs="+",
        default=[10, 150],
        help="lengths of recordings: VGGSound, MUSIC",
    )
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--files", type=int, default=8, help="recordings a class")
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


def main() -> None:
    options = parse()
    torch.set_num_threads(1)
    settings = config.profile(options.profile)
    settings = replace(settings, training=replace(settings.training, batch_size=options.batch_size))
    print(
        f"{'recordings of':>14} {'CsvMusic':>22} {'whole files':>20} {'ratio':>7} "
        f"{'clips: stretch':>18} {'whole':>9} {'ratio':>7}"
    )
    slowest = float("inf")
    for seconds in options.seconds:
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), options.classes, options.files, seconds)
            music = CsvMusic(Path(folder), settings.signal.length)
            ours, theirs, clips, whole = loading(music, settings.training, options.rounds)
        slowest = min(slowest, ours)
        print(
            f"{seconds:12} s {ours:13.0f} mixt./s {theirs:12.0f} mixt./s {ours / theirs:6.1f}x "
            f"{clips:16.0f}/s {whole:7.0f}/s {clips / whole:6.1f}x"
        )
    device = torch.device(choose_device(options.device))
    torch.set_num_threads(2)
    step = training_step(settings, device, options.rounds)
    need = options.batch_size / step
    print(
        f"a step of profile {options.profile} at batch {options.batch_size} on {device}: "
        f"{step:.3f} s, so it needs {need:.0f} mixtures a second; one reading thread gives "
        f"{slowest / need:.1f} times that"
    )


if __name__ == "__main__":
    main()
