"""What training takes on a card, end to end, beside what its network alone takes.

A row an estimator: mixtures a second of the trainer's own loop (clips from a pool on the disk, read
by worker processes, augmented, mixed, embedded and trained on), of the same step on a batch that is
on the card already, the ratio of both, the share of the loop's time in which the card computes, and
the peak of its memory. Below, the loader alone: clips read, augmented and mixed on the card.

The pool and the runs are in a temporary folder, which is removed.

    python benchmarks/card.py --batch-size 128
"""

import argparse
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from synthetic_step import Step
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from mars_lib import config
from mars_lib.check import told
from mars_lib.config import Config, PolicyConfig
from mars_lib.data import manifests
from mars_lib.data.loader import PREFETCH, mixtures
from mars_lib.data.mixtures import MixtureStream
from mars_lib.data.pooled_music import PooledMusic
from mars_lib.inference import pretrained
from mars_lib.io import checkpoint
from mars_lib.io.devices import choose_device, used
from mars_lib.io.processes import cores
from mars_lib.separator import Separator
from mars_lib.training.method import OMNISEP
from mars_lib.training.reinforce import train_rl
from mars_lib.training.rl_config import RLConfig
from mars_lib.training.state import separator_checkpoint
from mars_lib.training.supervised import train_supervised

# Estimator and G.
ROWS = {
    "supervised": ("supervised", 1),
    "score, G = 1": ("score", 1),
    "score, G = 4": ("score", 4),
    "pathwise": ("pathwise", 1),
    "mode": ("mode", 1),
}
# Steps that fill caches and the workers' queues, and steps that are profiled after those timed.
FIRST, PROFILED = 5, 5
LINE = "{:14} {:>12} {:>12} {:>7} {:>14} {:>9}"
HEADER = LINE.format("mixtures/s", "end to end", "on the card", "ratio", "card computes", "peak")


class Clock:
    """Called once a step: times `steps` of them, then profiles a few more."""

    def __init__(self, steps: int, card: bool) -> None:
        self.steps, self.card, self.calls = steps, card, 0
        self.seconds, self.share = 0.0, float("nan")

    def __call__(self, *_: object) -> None:
        self.calls += 1
        if self.calls not in (FIRST, FIRST + self.steps, FIRST + self.steps + PROFILED):
            return
        self.wait()
        now = time.perf_counter()
        if self.calls == FIRST:
            self.begun = now
        elif self.calls == FIRST + self.steps:
            self.seconds = (now - self.begun) / self.steps
            if self.card:
                self.profile = profile(activities=[ProfilerActivity.CUDA])
                self.profile.start()
                self.begun = time.perf_counter()
        elif self.card:
            self.profile.stop()
            ours = [
                (event.time_range.start, event.time_range.end)
                for event in self.profile.events() or ()
                if event.device_type == DeviceType.CUDA and not event.is_user_annotation
            ]
            self.share = covered(ours) * 1e-6 / (now - self.begun)

    def wait(self) -> None:
        """For the card."""
        if self.card:
            torch.cuda.synchronize()

    @property
    def needed(self) -> int:
        """Steps that a run must have."""
        return FIRST + self.steps + PROFILED


def covered(intervals: list[tuple[float, float]]) -> float:
    """The length of the union of intervals (start, end).

    >>> covered([(0, 2), (1, 3), (5, 6)])
    4.0
    """
    total, until = 0.0, float("-inf")
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def trained(
    name: str, settings: Config, music: PooledMusic, folder: Path, device: str, steps: int
) -> tuple[float, float, float]:
    """A run of the trainer: (mixtures a second, share in which the card computes, peak in GB)."""
    card = device != "cpu"
    clock = Clock(steps, card)
    t, (estimator, group) = settings.training, ROWS[name]
    encoder, length = pretrained.load_minibind(), clock.needed
    if card:
        torch.cuda.reset_peak_memory_stats()
    if estimator == "supervised":

        def loss(*given: object) -> torch.Tensor:
            clock()
            return OMNISEP.loss(*given)  # type: ignore[arg-type]

        t = replace(t, steps=length, decay_steps=length, warmup_steps=1, validate_every=length)
        run = replace(settings, training=t), music, encoder, folder / name
        train_supervised(
            *run, accelerator=device, progress=False, method=replace(OMNISEP, loss=loss)
        )
    else:
        rl = RLConfig(
            policy=PolicyConfig(group_size=group),
            estimator=estimator,
            steps=length,
            batch_size=t.batch_size,
            validate_every=length,
            validation_mixtures=t.validation_mixtures,
            clips_per_class=t.clips_per_class,
            queries_per_class=t.queries_per_class,
            precision=t.precision,
        )
        options = {"accelerator": device, "progress": False, "on_step": clock}
        start, fusion = folder / "start.safetensors", pretrained.load_mlbp()
        train_rl(start, rl, music, encoder, fusion, folder / name, **options)
    peak = torch.cuda.max_memory_allocated() / 1e9 if card else float("nan")
    return t.batch_size / clock.seconds, clock.share, peak


def synthetic(name: str, settings: Config, device: str, steps: int) -> float:
    """Mixtures a second of the same step on a batch that is on the device."""
    t, (estimator, group), times = settings.training, ROWS[name], []
    half = used(t.precision, device) == "bf16-mixed"
    step = Step(settings, estimator, t.batch_size, device, group, half)
    for _ in range(FIRST + steps):
        begun = time.perf_counter()
        step()
        if device != "cpu":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begun)
    return t.batch_size / statistics.median(times[FIRST:])


def loaded(stream: MixtureStream, device: str, workers: int, steps: int) -> float:
    """Mixtures a second of the loader alone, once what the workers had ready is used up."""
    first = PREFETCH * workers + 1
    for step, batch in mixtures(stream, 0, first + steps, torch.device(device), workers=workers):
        if step in (first, first + steps - 1):
            batch.mixture.sum().item()  # waits for the device
        if step == first:
            begun = time.perf_counter()
    return (steps - 1) * len(batch) / (time.perf_counter() - begun)


@contextmanager
def folder_of_runs() -> Iterator[Path]:
    """A temporary folder, in which all pools are too."""
    before = os.environ.get("MARS_CACHE")
    with tempfile.TemporaryDirectory() as name:
        os.environ["MARS_CACHE"] = str(Path(name) / "cache")
        try:
            yield Path(name)
        finally:
            os.environ.pop("MARS_CACHE")
            if before is not None:
                os.environ["MARS_CACHE"] = before


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda", help="cpu or cuda")
    parser.add_argument("--profile", default="gpu", help="smoke, cpu or gpu: network, segment")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=[*ROWS])
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=20, help="that are timed, of each row")
    parser.add_argument("--clips", type=int, default=32, help="of each class in the pool")
    parser.add_argument("--queries", type=int, default=4, help="of each class in the query bank")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8], help="of a loader")
    return parser.parse_args()


def main() -> None:
    options = parse()
    device = choose_device(options.device)
    # A short run says nothing about its learning rate.
    warnings.filterwarnings("ignore", module="torch.optim")
    settings = config.profile(options.profile)
    training = replace(
        settings.training,
        batch_size=options.batch_size,
        clips_per_class=options.clips,
        queries_per_class=options.queries,
        validation_mixtures=2,
    )
    settings = replace(settings, training=training)
    where = torch.cuda.get_device_name() if device != "cpu" else "CPU"
    print(
        f"{where}, {cores()} cores, torch {torch.__version__}: profile {options.profile}, batches "
        f"of {options.batch_size}, {used(training.precision, device)}, {options.steps} steps"
    )
    print(HEADER)
    with folder_of_runs() as folder:
        music = replace(manifests.music(), length=settings.signal.length)
        pooled = PooledMusic(music, progress=False)
        begun = Separator(settings)
        tensors, meta = separator_checkpoint(config.to_dict(settings), begun)
        checkpoint.save(folder / "start.safetensors", tensors, meta)
        for name in options.rows:
            rate, share, peak = trained(name, settings, pooled, folder, device, options.steps)
            alone = synthetic(name, settings, device, options.steps)
            cells = f"{rate:.0f}", f"{alone:.0f}", f"{rate / alone:.2f}"
            more = (f"{100 * share:.0f} %", f"{peak:.1f} GB") if device != "cpu" else ("-", "-")
            print(LINE.format(name, *cells, *more), flush=True)
        stream = MixtureStream(pooled, "train", training)
        for workers in options.workers:
            if workers <= cores():
                rate = loaded(stream, device, workers, options.steps)
                label = f"loader, {workers}"
                print(LINE.format(label, f"{rate:.0f}", "", "", "", "").rstrip(), flush=True)


if __name__ == "__main__":
    with told():
        main()
