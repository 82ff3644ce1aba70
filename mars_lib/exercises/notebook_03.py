"""Checks of `03_beta_mask_policy`."""

import torch

from mars_lib.exercises.checking import Function, check, check_property


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
    # By case: the masks that were given to the reward, and what it said.
    seen: list[tuple[list[torch.Tensor], list[float]]] = []

    def seeded(proposal: torch.Tensor, kappa: float, k: int) -> object:
        tried: list[torch.Tensor] = []
        rewards: list[float] = []
        seen.append((tried, rewards))

        def reward(mask: torch.Tensor) -> torch.Tensor:
            tried.append(mask.clone())
            rewards.append(-(mask - goal).square().mean().item())
            return torch.tensor(rewards[-1])

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return attempt(proposal, kappa, reward, k)

    cases = [(proposal, 9.0, 500), (proposal, 30.0, 300)]

    def fault(given: list[torch.Tensor]) -> str | None:
        faults = (_fault_of_best(a, *case, *s) for a, case, s in zip(given, cases, seen))
        return next((each for each in faults if each), None)

    return check_property("best of k", seeded, fault, cases)


def _fault_of_best(
    answer: torch.Tensor,
    proposal: torch.Tensor,
    kappa: float,
    k: int,
    tried: list[torch.Tensor],
    rewards: list[float],
) -> str | None:
    """What is wrong with the best of k masks of a kappa, given those that were tried."""
    if any(mask.shape != proposal.shape for mask in tried):
        return f"the reward takes one mask of shape {tuple(proposal.shape)} at a time"
    if answer.shape != proposal.shape:
        return (
            f"the shape is {tuple(answer.shape)}; return the mask itself, not its reward or index"
        )
    count = len(torch.stack(tried).unique(dim=0)) if tried else 0
    if count != k:
        return f"{count} different masks were given to the reward, for k = {k}"
    same = [torch.allclose(answer, mask.double(), atol=1e-6) for mask in tried]
    if not any(same):
        return "the mask that comes back is none of those that the reward has seen: keep them"
    if rewards[same.index(True)] < max(rewards):
        worst = rewards[same.index(True)] == min(rewards)
        return f"a mask with a larger reward was drawn{'; this is the worst of all' * worst}"
    drawn = torch.stack(tried)
    mean = (1 + kappa * proposal) / (kappa + 2)
    if not torch.allclose(drawn.mean(dim=0), mean, atol=0.03):
        return (
            f"for kappa = {kappa:g} the masks do not come from the policy: alpha and beta are "
            "those of Exercise 1"
        )
    spread = (mean * (1 - mean) / (kappa + 3)).mean()
    if not torch.isclose(drawn.var(dim=0).mean(), spread, atol=0.002):
        return f"the masks are spread as for another kappa than {kappa:g}"
    return None


def check_patch(attempt: Function) -> bool:
    """`attempt(proposal, drawn)`: the mask of a patch, its logits shifted by what was drawn."""
    logit, open_one = torch.logit, 0.1 + 0.8 * _rand(8, 8)
    closed = 0.02 + 0.4 * _rand(4, 6, seed=1).square()
    return check(
        "patch",
        attempt,
        lambda p, a: torch.sigmoid(logit(p) + logit(a) - logit(p.mean())),
        [(open_one, torch.tensor(0.8)), (closed, torch.tensor(0.3)), (closed, torch.tensor(0.01))],
        {
            "the logit of the patch's mean is still to be subtracted": lambda p, a: torch.sigmoid(
                logit(p) + logit(a)
            ),
            "the masks themselves are shifted; shift their logits": lambda p, a: p + a - p.mean(),
            "these are logits; take them back to values between 0 and 1": lambda p, a: (
                logit(p) + logit(a) - logit(p.mean())
            ),
            "take the logit of the mean, not the mean of the logits": lambda p, a: torch.sigmoid(
                logit(p) + logit(a) - logit(p).mean()
            ),
        },
    )
