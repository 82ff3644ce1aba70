"""How fast mini-MUSIC is rendered, in times real time: plain and augmented clips, one thread."""

import argparse
import statistics
import time
from dataclasses import replace

import torch

from mars_lib.data import manifests


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=20, help="clips a class")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    plain = manifests.music()
    classes = plain.classes("train")
    print(f"{'':9} {'median':>10} {'slowest class':>30}")
    for name, music in (("plain", plain), ("augmented", replace(plain, augment=1.0))):
        rates = {}
        for sound in classes:
            music.clip("train", sound, 0)
            start = time.perf_counter()
            for index in range(arguments.clips):
                music.clip("train", sound, index)
            each = (time.perf_counter() - start) / arguments.clips
            rates[sound.name] = music.length / music.sample_rate / each
        slow = min(rates, key=rates.get)
        middle = statistics.median(rates.values())
        print(f"{name:9} {middle:8.0f} x {slow:>20} {rates[slow]:7.0f} x")


if __name__ == "__main__":
    main()
