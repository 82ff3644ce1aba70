"""The paper's step (30.3 million parameters, 65,535 samples): what a card must hold and compute,
and on a card, what it does.

Without CUDA: bytes that a mixture keeps for the backward pass and floating-point operations,
counted on a small batch under bf16 autocast; from these the largest batch and the hours of 200,000
steps of 128 mixtures, for cards by their data sheets, at a utilisation that you may set. With CUDA:
mixtures a second and peak memory of real steps, and the utilisation that this is.

With `--imagebind` the operations of ImageBind as the reward encoder are added, counted on shapes
alone (no weights, but its package).

    python benchmarks/paper_step.py --estimator pathwise
"""

import argparse
import statistics
import time

import torch
from synthetic_step import Step
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from mars_lib import config
from mars_lib.check import told
from mars_lib.training.rl_config import ESTIMATORS

# Memory in GB and dense half-precision tensor throughput in TFLOP/s, by NVIDIA's data sheets.
CARDS = {"T4 16 GB": (16, 65), "A100 40 GB": (40, 312), "H100 80 GB": (80, 989)}
BATCH, STEPS = 128, 200_000


def counted(estimator: str) -> tuple[float, float, float]:
    """(bytes that stay whatever the batch, bytes a mixture, floating-point operations a
    mixture).
    """
    held = []
    for size in (1, 2):
        step = Step(config.paper(), estimator, size, "cpu")
        seen: dict[int, int] = {}

        def keep(tensor: torch.Tensor, seen: dict[int, int] = seen) -> torch.Tensor:
            seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with saved_tensors_hooks(keep, lambda tensor: tensor):
            step.loss()
        held.append(sum(seen.values()))
    with FlopCounterMode(display=False) as flops:
        step()
    weights = sum(p.numel() for p in step.separator.parameters()) * 4
    copies = 5 if estimator == "score" else 4
    return copies * weights, held[1] - held[0], flops.get_total_flops() / 2


def imagebind_flops(estimator: str) -> float:
    """Operations of ImageBind a mixture: y* and one estimate for each of two sources, and for the
    pathwise road its way back.
    """
    from mars_lib.encoders import imagebind

    with torch.device("meta"), FlopCounterMode(display=False) as flops:
        imagebind.ImageBind(imagebind.skeleton()).trunks["audio"].tower(torch.empty(3, 1, 128, 204))
    passes = {"supervised": 0, "score": 2, "mode": 3, "pathwise": 3}[estimator]
    return 2 * passes * flops.get_total_flops()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--estimator", choices=ESTIMATORS, default="score")
    parser.add_argument("--batch-size", type=int, default=32, help="on a card")
    parser.add_argument("--repeats", type=int, default=20, help="on a card")
    parser.add_argument(
        "--utilisation",
        type=float,
        default=0.3,
        help="of the data sheet's throughput, for what is computed",
    )
    parser.add_argument(
        "--imagebind",
        action="store_true",
        help="of rewards by ImageBind, not MiniBind (operations only)",
    )
    return parser.parse_args()


def compute(options: argparse.Namespace) -> float:
    """Print what the cards' data sheets allow; floating-point operations a mixture."""
    fixed, each, flops = counted(options.estimator)
    if options.imagebind:
        flops += imagebind_flops(options.estimator)
    print(
        f"{options.estimator}: {fixed / 1e9:.2f} GB and {each / 1e9:.3f} GB a mixture, "
        f"{flops / 1e9:.0f} GFLOP a mixture (computed)"
    )
    for name, (memory, tera) in CARDS.items():
        largest = int((0.9 * memory * 1e9 - fixed) / each)
        passes = next(p for p in range(1, BATCH + 1) if BATCH % p == 0 and BATCH // p <= largest)
        seconds = BATCH * flops / (options.utilisation * tera * 1e12)
        print(
            f"{name}: up to {largest} mixtures a pass, --accumulate {passes}; "
            f"{1 / seconds:.1f} steps a second, {STEPS * seconds / 3600:.0f} h for {STEPS:,} steps "
            f"at {100 * options.utilisation:.0f} % (computed)"
        )
    return flops


def measure(options: argparse.Namespace, flops: float) -> None:
    """Print what real steps on the card take."""
    step = Step(config.paper(), options.estimator, options.batch_size, "cuda")
    times = []
    for _ in range(options.repeats + 3):
        begun = time.perf_counter()
        step()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - begun)
    rate = options.batch_size / statistics.median(times[3:])
    print(
        f"{torch.cuda.get_device_name()}: {rate:.0f} mixtures a second, "
        f"{rate * flops / 1e12:.0f} TFLOP/s, peak "
        f"{torch.cuda.max_memory_allocated() / 1e9:.1f} GB at batch {options.batch_size} (measured)"
    )


def main() -> None:
    options = parse()
    flops = compute(options)
    if torch.cuda.is_available():
        measure(options, flops)


if __name__ == "__main__":
    with told():
        main()
