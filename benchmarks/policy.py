"""The Beta policy's mathematics beside torch.distributions: time, memory and agreement; medians, on
one thread.

Time is processor time, which other programs on the machine disturb least. Memory is how far one
pass, forward and backward, lifts the peak of a fresh process above its inputs.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch.distributions import Beta, kl_divergence

from mars_lib.check import told
from mars_lib.policy import BetaMaskPolicy

KAPPA = 9.0


def problem(shape: list[int], dtype: torch.dtype) -> list[torch.Tensor]:
    """A proposal that learns, a mask off the edges, and the old proposal."""
    generator = torch.Generator().manual_seed(0)
    proposal, action, old = (
        torch.rand(size, generator=generator, dtype=dtype) for size in (shape, [1, *shape], shape)
    )
    return [proposal.requires_grad_(), action.clamp_(1e-5, 1 - 1e-5), old]


def distribution(proposal: torch.Tensor) -> Beta:
    return Beta(1 + KAPPA * proposal, 1 + KAPPA * (1 - proposal))


def ours(
    proposal: torch.Tensor, action: torch.Tensor, old: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    return BetaMaskPolicy(proposal, KAPPA).statistics(action, BetaMaskPolicy(old, KAPPA))


def theirs(
    proposal: torch.Tensor, action: torch.Tensor, old: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    new, before = distribution(proposal), distribution(old)
    return new.log_prob(action), new.entropy(), kl_divergence(new, before)


def there_and_back(
    compute: Callable[..., tuple[torch.Tensor, ...]],
    proposal: torch.Tensor,
    action: torch.Tensor,
    old: torch.Tensor,
) -> torch.Tensor:
    """Forward and backward through log-probability, entropy and KL; the gradient."""
    log_prob, entropy, kl = compute(proposal, action, old)
    (gradient,) = torch.autograd.grad(log_prob.mean() + entropy.mean() - kl.mean(), proposal)
    return gradient


def peak_mb() -> float:
    # Kilobytes on Linux, bytes on macOS.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def lift_mb(name: str, shape: list[int]) -> float:
    """In this process: what one pass adds to the peak."""
    compute = {"ours": ours, "theirs": theirs}[name]
    there_and_back(compute, *problem([1, 1, 8, 8], torch.float32))
    inputs = problem(shape, torch.float32)
    before = peak_mb()
    there_and_back(compute, *inputs)
    return peak_mb() - before


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def medians(jobs: dict[object, Callable[[], object]], repeats: int) -> list[float]:
    """Median processor seconds of each job, the jobs taking turns, after one pass that does not
    count.
    """
    for work in jobs.values():
        work()
    took = [[seconds(work) for work in jobs.values()] for _ in range(repeats)]
    return [statistics.median(column) for column in zip(*took)]


def report(what: str, mine: float, torchs: float) -> None:
    ratio = torchs / mine
    print(
        f"{what}: ours {1e3 * mine:.0f} ms, torch {1e3 * torchs:.0f} ms, ratio {ratio:.1f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, nargs=4, default=[8, 2, 256, 256], help="B N H T")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--one", choices=["ours", "theirs"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    shape = arguments.shape
    if arguments.one:
        print(lift_mb(arguments.one, shape))
        return
    print(" x ".join(map(str, shape)), "bins, kappa", KAPPA)
    # First: a child inherits the peak of its parent.
    peaks = []
    for name in ("ours", "theirs"):
        command = [sys.executable, __file__, "--one", name, "--shape", *map(str, shape)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(float(done.stdout))
    mine, torchs = peaks
    print(f"peak memory: ours {mine:.0f} MB, torch {torchs:.0f} MB, ratio {mine / torchs:.2f}")

    inputs = problem(shape, torch.float32)
    jobs = {f: lambda f=f: there_and_back(f, *inputs) for f in (ours, theirs)}
    report("log-prob + entropy + KL, forward and backward", *medians(jobs, arguments.repeats))

    exact = problem(shape, torch.float64)
    apart = max((a - b).abs().max().item() for a, b in zip(ours(*exact), theirs(*exact)))
    slopes = [there_and_back(f, *exact) for f in (ours, theirs)]
    relative = (slopes[0] - slopes[1]).abs().max() / slopes[1].abs().max()
    print(f"float64: values at most {apart:.1e} apart, gradients {relative:.1e} of the largest")

    proposal, generator = inputs[0].detach(), torch.Generator().manual_seed(0)
    policy = BetaMaskPolicy(proposal, KAPPA)
    jobs = {
        "ours": lambda: policy.sample(generator),
        "theirs": lambda: distribution(proposal).sample(),
    }
    report("sampling", *medians(jobs, arguments.repeats))


if __name__ == "__main__":
    with told():
        main()
