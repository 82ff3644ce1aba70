"""How fast the pretrained separator is and how much memory it takes: real-time factor and peak
memory by length.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import torch

from mars_lib.check import told
from mars_lib.inference import system
from mars_lib.inference.files import separate_file


def measure(minutes: float, queries: int, repeats: int, warm_up: bool = True) -> dict:
    """In this process: median times real time over `repeats`, and this process's peak memory."""
    loaded = system.load(device="cpu")
    query = torch.stack([loaded.query(text=t) for t in ("violin", "piano", "harp")[:queries]])
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "mix.wav"
        rng = np.random.default_rng(0)
        with soundfile.SoundFile(source, "w", 16_000, 1) as file:
            for _ in range(max(1, round(6 * minutes))):
                file.write(0.1 * rng.standard_normal(160_000))
        seconds = soundfile.info(source).duration
        targets = [Path(folder) / f"{i}.wav" for i in range(queries)]
        took = []
        for _ in range(repeats + warm_up):
            start = time.perf_counter()
            separate_file(loaded.separator, source, targets, query, progress=False)
            took.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"times_real_time": seconds / statistics.median(took[warm_up:]), "peak_mb": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, nargs="*", default=[1 / 6, 10])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", type=str, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(**json.loads(arguments.one))))
        return
    print(f"{'audio':>8} {'queries':>8} {'times real time':>16} {'peak memory':>12}")
    for minutes in arguments.minutes:
        for queries in (1, 3):
            # A process each, so that each has a peak of its own.
            job = {"minutes": minutes, "queries": queries, "repeats": arguments.repeats}
            command = [sys.executable, __file__, "--one", json.dumps(job)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            row = json.loads(done.stdout.splitlines()[-1])
            print(
                f"{60 * minutes:6.0f} s {queries:8} {row['times_real_time']:16.0f} "
                f"{row['peak_mb']:9.0f} MB",
                flush=True,
            )


if __name__ == "__main__":
    with told():
        main()
