"""SDR, SIR and SAR: ours against museval on the same pairs, side by side; medians and the largest difference."""

import argparse
import statistics
import time

import numpy as np
import torch

from mars_lib.evaluation.metrics import bss_eval
from mars_lib.evaluation.museval_reference import museval_bss_eval


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=32_767)
    parser.add_argument("--systems", type=int, default=3, help="estimates of the same mixture")
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    ours, theirs, apart = [], [], 0.0
    for _ in range(arguments.repeats):
        reference = rng.standard_normal((2, arguments.samples))
        noise = rng.standard_normal((arguments.systems, 2, arguments.samples))
        estimate = reference + 0.3 * reference[::-1] + 0.1 * noise
        start = time.perf_counter()
        mine = bss_eval(
            estimate=torch.from_numpy(estimate), reference=torch.from_numpy(reference)
        )
        middle = time.perf_counter()
        his = [museval_bss_eval(estimate=e, reference=reference) for e in estimate]
        ours.append(middle - start)
        theirs.append(time.perf_counter() - middle)
        for k, values in enumerate((mine.sdr, mine.sir, mine.sar)):
            apart = max(apart, np.abs(np.stack([row[k] for row in his]) - values.numpy()).max())
    a, b = statistics.median(ours), statistics.median(theirs)
    print(f"{arguments.systems} systems x 2 sources x {arguments.samples} samples")
    print(f"ours {1e3 * a:.0f} ms, museval {1e3 * b:.0f} ms, ratio {b / a:.1f}")
    print(f"largest difference {apart:.1e} dB")


if __name__ == "__main__":
    main()
