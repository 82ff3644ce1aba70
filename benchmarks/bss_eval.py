"""SDR, SIR and SAR: ours against museval on the same pairs, side by side; medians and the largest
difference.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from mars_lib.check import told
from mars_lib.evaluation.metrics import bss_eval
from mars_lib.evaluation.museval_reference import museval_bss_eval


def compared(systems: int, samples: int, repeats: int) -> str:
    """One line of the table. All pairs by ours first, then by museval: the threads of their two
    libraries of linear algebra do not share cores well.
    """
    rng = np.random.default_rng(0)
    pairs, apart = [], 0.0
    for _ in range(repeats):
        reference = rng.standard_normal((2, samples))
        noise = rng.standard_normal((systems, 2, samples))
        pairs.append((reference + 0.3 * reference[::-1] + 0.1 * noise, reference))
    mine, ours = timed(
        lambda e, r: bss_eval(estimate=torch.from_numpy(e), reference=torch.from_numpy(r)), pairs
    )
    reference_scores, theirs = timed(
        lambda e, r: [museval_bss_eval(estimate=each, reference=r) for each in e], pairs
    )
    for a, b in zip(mine, reference_scores):
        for k, values in enumerate((a.sdr, a.sir, a.sar)):
            apart = max(apart, np.abs(np.stack([row[k] for row in b]) - values.numpy()).max())
    return f"{systems:9} {1e3 * ours:9.0f} {1e3 * theirs:11.0f} {theirs / ours:6.1f} {apart:14.1e}"


def timed(function: Callable, pairs: list) -> tuple[list, float]:
    """What `function` finds for each pair, and the median of its seconds."""
    found, seconds = [], []
    for pair in pairs:
        start = time.perf_counter()
        found.append(function(*pair))
        seconds.append(time.perf_counter() - start)
    return found, statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=32_767)
    parser.add_argument(
        "--systems",
        type=int,
        nargs="+",
        default=[1, 4, 16, 60],
        help="estimates of the same mixture; `mars benchmark` has 60",
    )
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    print(f"2 sources x {arguments.samples} samples, medians of {arguments.repeats}")
    print("estimates   ours ms  museval ms  ratio  difference dB")
    for systems in arguments.systems:
        print(compared(systems, arguments.samples, arguments.repeats), flush=True)


if __name__ == "__main__":
    with told():
        main()
