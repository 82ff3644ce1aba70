"""Checks of `06_ppo_training`."""

import torch

from mars_lib.advantage import MovingBaseline, group_normalise
from mars_lib.exercises.checking import Function, check
from mars_lib.loss import policy_ratio


def _rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def check_group_advantage(attempt: Function) -> bool:
    """`attempt(reward)`: (G, B, N) advantages; the G samples of a mixture and query are a group."""

    def centred(r: torch.Tensor) -> torch.Tensor:
        return r - r.mean(dim=0)

    return check(
        "group advantage",
        attempt,
        group_normalise,
        [(_rand(4, 3, 2),), (5 * _rand(2, 2, 1, seed=1) - 2,)],
        {
            (
                "this compares with the whole batch; a group is the G samples of one query: dim=0"
            ): lambda r: (r - r.mean()) / (r.std(correction=0) + 1e-6),
            "it is not yet divided by the standard deviation": centred,
            "divide by the standard deviation, not by the variance": lambda r: (
                centred(r) / (r.var(dim=0, correction=0) + 1e-6)
            ),
            "torch divides by G - 1; pass correction=0": lambda r: (
                centred(r) / (r.std(dim=0) + 1e-6)
            ),
        },
    )


def check_baseline(attempt: Function) -> bool:
    """`attempt(baseline, reward, decay)`: the moving baseline after a batch of rewards."""

    def update(b: float, r: torch.Tensor, decay: float) -> float:
        moving = MovingBaseline(decay, value=b)
        moving.advantage(r)
        assert moving.value is not None
        return float(moving.value)

    return check(
        "baseline",
        attempt,
        update,
        [(0.3, _rand(6), 0.92), (-0.1, _rand(3, seed=1), 0.5), (0.7, _rand(4, seed=2), 0.99)],
        {
            "the weights are exchanged: decay belongs to the old baseline": lambda b, r, decay: (
                (1 - decay) * b + decay * r.mean()
            ),
            "the new mean comes in with weight 1 - decay": lambda b, r, decay: decay * b + r.mean(),
            "take the mean of the batch, not the sum": lambda b, r, decay: (
                decay * b + (1 - decay) * r.sum()
            ),
            "this is an advantage, R - b; return the new b": lambda b, r, decay: r.mean() - b,
        },
    )


def check_approx_kl(attempt: Function) -> bool:
    """`attempt(log_prob, old_log_prob)`: the mean of r - 1 - log r, which is never negative."""
    new, old = _rand(4, 5), _rand(4, 5, seed=1)

    def ratio(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return policy_ratio(a, b)

    return check(
        "approx KL",
        attempt,
        lambda a, b: (ratio(a, b) - 1 - ratio(a, b).log()).mean(),
        [(new, old), (old, new), (new, new)],
        {
            "-log r is right on average, but it can be negative: add r - 1": lambda a, b: (
                b - a
            ).mean(),
            "the logarithm is missing: r - 1 alone averages out": lambda a, b: (
                ratio(a, b) - 1
            ).mean(),
            "r is new over old: exchange them": lambda a, b: (
                ratio(b, a) - 1 - ratio(b, a).log()
            ).mean(),
            "the mean over samples is missing": lambda a, b: ratio(a, b) - 1 - ratio(a, b).log(),
            "take the mean over samples, not the sum": lambda a, b: (
                ratio(a, b) - 1 - ratio(a, b).log()
            ).sum(),
        },
    )
