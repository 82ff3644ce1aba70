"""Checks of `03_beta_mask_policy`."""

import torch

from mars_lib.exercises.checking import Function, check, check_property
from mars_lib.loss import clipped_surrogate


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
            (
                "for P = 0.2 and kappa = 9 the most probable mask is 0.114 and not P, and for P = "
                "0 alpha is 0, which no Beta distribution allows"
            ): lambda p, k: (k * p, k * (1 - p)),
            "alpha and beta are exchanged": lambda p, k: (1 + k * (1 - p), 1 + k * p),
            "beta takes kappa times all of 1 - P: mind the brackets": lambda p, k: (
                1 + k * p,
                1 + k * 1 - p,
            ),
        },
    )


def check_best_of(attempt: Function) -> bool:
    """`attempt(proposal, kappa, reward, k)`: of k masks of the policy that of the largest reward.

    `reward` is a function from one (H, T) mask to a number.
    """
    # Far from the middle, where another alpha and beta would move the mean.
    proposal, goal = torch.tensor([0.1, 0.3, 0.9]).repeat(4, 2), _rand(4, 6)
    tried: list[torch.Tensor] = []
    rewards: list[float] = []

    def reward(mask: torch.Tensor) -> torch.Tensor:
        tried.append(mask.clone())
        rewards.append(-(mask - goal).square().mean().item())
        return torch.tensor(rewards[-1])

    def seeded(proposal: torch.Tensor, kappa: float, k: int) -> object:
        tried.clear()
        rewards.clear()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return attempt(proposal, kappa, reward, k)

    def fault(given: list[torch.Tensor]) -> str | None:
        return _fault_of_best(given[-1], proposal, tried, rewards)

    return check_property("best of k", seeded, fault, [(proposal, 9.0, 500)])


def _fault_of_best(
    answer: torch.Tensor,
    proposal: torch.Tensor,
    tried: list[torch.Tensor],
    rewards: list[float],
) -> str | None:
    """What is wrong with the best of 500 masks of kappa 9, given those that were tried."""
    if any(mask.shape != proposal.shape for mask in tried):
        return f"the reward takes one mask of shape {tuple(proposal.shape)} at a time"
    if answer.shape != proposal.shape:
        return (
            f"the shape is {tuple(answer.shape)}; return the mask itself, not its reward or index"
        )
    count = len(torch.stack(tried).unique(dim=0)) if tried else 0
    if count != 500:
        return f"{count} different masks were given to the reward, for k = 500"
    same = [torch.allclose(answer, mask.double(), atol=1e-6) for mask in tried]
    if not any(same):
        return "the mask that comes back is none of those that the reward has seen: keep them"
    if rewards[same.index(True)] < max(rewards):
        worst = rewards[same.index(True)] == min(rewards)
        return f"a mask with a larger reward was drawn{'; this is the worst of all' * worst}"
    drawn = torch.stack(tried)
    mean = (1 + 9 * proposal) / 11
    if not torch.allclose(drawn.mean(dim=0), mean, atol=0.03):
        return "the masks do not come from the policy: alpha and beta are those of Exercise 1"
    spread = (mean * (1 - mean) / 12).mean()
    if not torch.isclose(drawn.var(dim=0).mean(), spread, atol=0.002):
        return "the masks are spread as for another kappa"
    return None


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
