"""How fast mini-MUSIC is rendered, in times real time, one thread: `benchmarks/variation.py` times
what augments it.
"""

import argparse
import statistics
import time

import torch

from mars_lib.check import told
from mars_lib.data import manifests


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=20, help="clips a class")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    music, rates = manifests.music(), {}
    for sound in music.classes("train"):
        music.clip("train", sound, 0)
        start = time.perf_counter()
        for index in range(arguments.clips):
            music.clip("train", sound, index)
        each = (time.perf_counter() - start) / arguments.clips
        rates[sound.name] = music.length / music.sample_rate / each
    slow = min(rates, key=rates.get)
    print(f"median of the classes {statistics.median(rates.values()):.0f} x real time, ", end="")
    print(f"slowest {slow} {rates[slow]:.0f} x")


if __name__ == "__main__":
    with told():
        main()
