"""How long recording chains take, in ms a clip: all clips at once, and one at a time by the NumPy
reference of the tests. Run it as `python -m benchmarks.variation`.

Rounds take turns, the table holds medians. On a card the clips lie there already, and its queue is
empty at both ends.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from mars_lib.check import told
from mars_lib.data.variation import Chains, vary
from mars_lib.io.devices import choose_device
from tests.data import reference_variation


def milliseconds(work: Callable[[], object], device: torch.device) -> float:
    wait = torch.accelerator.synchronize if device.type != "cpu" else lambda: None
    wait()
    start = time.perf_counter()
    work()
    wait()
    return 1_000 * (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--clips", type=int, default=256)
    parser.add_argument("--length", type=int, default=32_767, help="samples of a clip")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device, rng = torch.device(choose_device(options.device)), np.random.default_rng(0)
    noise = 0.1 * rng.standard_normal((options.clips, options.length), dtype=np.float32)
    waves = torch.from_numpy(noise).to(device)
    # Of the reference a few: each clip takes as long beside many others.
    few, host = noise[:32], torch.device("cpu")
    draw = partial(Chains.draw, rng, options.clips)
    vary(waves, draw())
    rounds = []
    for _ in range(options.rounds):
        drawing = milliseconds(draw, host)
        batch = milliseconds(partial(vary, waves, draw()), device)
        single = milliseconds(lambda: [reference_variation.vary(wave, rng) for wave in few], host)
        rounds.append((drawing / len(waves), batch / len(waves), single / len(few)))
    drawing, batch, single = (statistics.median(column) for column in zip(*rounds))
    print(f"{options.clips} clips of {options.length} samples, {options.threads} threads")
    print(f"{'drawing the chains':22} {drawing:8.4f} ms a clip")
    print(f"{'at once, on ' + str(device):22} {batch:8.3f} ms a clip")
    print(f"{'one at a time':22} {single:8.3f} ms a clip {single / batch:7.1f} x")


if __name__ == "__main__":
    with told():
        main()
