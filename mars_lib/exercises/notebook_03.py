"""Checks of `03_beta_mask_policy`."""

import torch

from mars_lib.exercises.checking import Function, check
from mars_lib.loss import clipped_surrogate, policy_ratio
from mars_lib.policy import BetaMaskPolicy


def _rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def check_parameters(attempt: Function) -> bool:
    """`attempt(proposal, kappa)`: (alpha, beta) of Eq. 2 for one bin."""
    return check(
        "parameters",
        attempt,
        lambda p, k: (1 + k * p, 1 + k * (1 - p)),
        [(0.0, 9.0), (0.2, 9.0), (0.7, 4.0), (1.0, 99.0)],
        {
            "both start at 1: the 1 is missing": lambda p, k: (k * p, k * (1 - p)),
            "alpha and beta are exchanged": lambda p, k: (1 + k * (1 - p), 1 + k * p),
            "beta takes kappa times all of 1 - P: mind the brackets": lambda p, k: (
                1 + k * p,
                1 + k * 1 - p,
            ),
        },
    )


def check_ratio(attempt: Function) -> bool:
    """`attempt(mask, proposal, old_proposal, kappa)`: the importance ratio of every bin, Eq. 3."""
    mask, proposal = 0.05 + 0.9 * _rand(3, 4), _rand(3, 4, seed=1)
    old_proposal = (proposal + 0.2 * (_rand(3, 4, seed=2) - 0.5)).clamp(0, 1)

    def log_probs(
        m: torch.Tensor, p: torch.Tensor, q: torch.Tensor, k: float
    ) -> list[torch.Tensor]:
        return [BetaMaskPolicy(x[None, None], k).log_prob(m)[0, 0] for x in (p, q)]

    def ratio(m: torch.Tensor, p: torch.Tensor, q: torch.Tensor, k: float) -> torch.Tensor:
        new, old = log_probs(m, p, q, k)
        return policy_ratio(new, old)

    def quotient(m: torch.Tensor, p: torch.Tensor, q: torch.Tensor, k: float) -> torch.Tensor:
        new, old = log_probs(m, p, q, k)
        return new / old

    return check(
        "ratio",
        attempt,
        ratio,
        [(mask, proposal, old_proposal, 9.0), (mask, old_proposal, proposal, 4.0)],
        {
            "the old policy is on top: exchange new and old": lambda m, p, q, k: ratio(m, q, p, k),
            "this is the log-ratio; take the exponential": lambda m, p, q, k: ratio(
                m, p, q, k
            ).log(),
            "logarithms are subtracted, not divided": quotient,
        },
    )


def check_surrogate(attempt: Function) -> bool:
    """`attempt(ratio, advantage, clip_range)`: the first term of Eq. 4, element by element."""
    ratio, advantage = 0.5 + _rand(4, 5), 2 * _rand(4, 5, seed=1) - 1

    def clip(r: torch.Tensor, e: float) -> torch.Tensor:
        return r.clamp(1 - e, 1 + e)

    return check(
        "surrogate",
        attempt,
        clipped_surrogate,
        [(ratio, advantage, 0.2), (ratio, -advantage, 0.1)],
        {
            "the ratio is always clipped; take the smaller of clipped and not": lambda r, a, e: (
                clip(r, e) * a
            ),
            "nothing is clipped yet": lambda r, a, e: r * a,
            "take the smaller product, not the larger": lambda r, a, e: torch.maximum(
                r * a, clip(r, e) * a
            ),
            "multiply by the advantage first, then take the minimum": lambda r, a, e: (
                torch.minimum(r, clip(r, e)) * a
            ),
        },
    )
