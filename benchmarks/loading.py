"""Does reading keep up with training? Mixtures a second of the loader, for 1, 2, 4 ... worker
processes, beside those of the network's own step on a batch that is there.

Clips come from a pool that is made in a folder of its own and lies in the page cache then. Read
alone: batches arrive in the main process. Read and mixed: they are augmented and mixed on the
device too, as training has them. Every row is the median of its rounds, and rows take turns. The
last line says what one core reads, and what 16 of them would: the rate a worker times 16.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace

import torch

from mars_lib import config
from mars_lib.check import told
from mars_lib.data import manifests
from mars_lib.data.loader import mixtures, reading
from mars_lib.data.mixtures import MixtureBatch, MixtureStream
from mars_lib.data.pooled_music import PooledMusic
from mars_lib.io.devices import choose_device, half_precision
from mars_lib.io.processes import cores
from mars_lib.separator import Separator
from mars_lib.training.steps import supervised_loss


def rate(batches: Iterator, size: int, device: torch.device) -> float:
    """Mixtures a second of a loader, once its workers are there."""
    next(batches)
    start, count = time.perf_counter(), 0
    for _ in batches:
        count += size
    if device.type == "cuda":
        torch.cuda.synchronize()
    return count / (time.perf_counter() - start)


def step_rate(settings: config.Config, device: torch.device, repeats: int) -> float:
    """Mixtures a second of a supervised step, its targets included, on one batch."""
    torch.manual_seed(0)
    t = settings.training
    separator = Separator(settings).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(separator.parameters(), t.learning_rate, fused=True)
    references = torch.randn(t.batch_size, 2, settings.signal.length, device=device)
    batch = MixtureBatch(references.sum(dim=1), references, torch.zeros(t.batch_size, 2))
    query = torch.randn(t.batch_size, 2, settings.separator.embedding_size, device=device)
    half = device.type == "cuda" and half_precision(device.type) == "bf16-mixed"
    seconds = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            loss = supervised_loss(separator, batch, query)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()  # waits for the device
        seconds.append(time.perf_counter() - start)
    return t.batch_size / statistics.median(seconds[2:])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", default="cpu", help="cpu or gpu: length of the clips, network")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--clips", type=int, default=32, help="of a class in the pool")
    parser.add_argument("--batches", type=int, default=24, help="a round")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def main() -> None:
    options = parse()
    device = torch.device(choose_device(options.device))
    settings = config.profile(options.profile)
    training = replace(
        settings.training, batch_size=options.batch_size, clips_per_class=options.clips
    )
    settings = replace(settings, training=training)
    counts = [count for count in (1, 2, 4, 8, 16) if count <= cores()]
    found: dict[tuple[str, int], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MARS_CACHE"] = folder
        music = replace(manifests.music(), length=settings.signal.length)
        stream = MixtureStream(PooledMusic(music), "train", training)
        for _ in range(options.rounds):
            for count in counts:
                alone = reading(stream, 0, options.batches, workers=count)
                mixed = mixtures(stream, 0, options.batches, device, workers=count)
                for name, batches in (("read", alone), ("mixed", mixed)):
                    found.setdefault((name, count), []).append(
                        rate(batches, options.batch_size, device)
                    )
    own = step_rate(settings, device, options.rounds)
    print(f"profile {options.profile}, batch {options.batch_size}, {device}, {cores()} cores")
    print(f"{'workers':>8} {'read alone':>16} {'read and mixed':>16} {'of the step':>12}")
    for count in counts:
        read, mixed = (statistics.median(found[name, count]) for name in ("read", "mixed"))
        print(f"{count:8} {read:10.0f} mix./s {mixed:10.0f} mix./s {mixed / own:11.1f}x")
    each = statistics.median(found["read", 1])
    print(f"the step alone: {own:.0f} mixtures a second; one worker reads {each:.0f}, ", end="")
    print(f"16 of them {16 * each:.0f} (computed)")


if __name__ == "__main__":
    with told():
        main()
