"""Checks of `02_policy_gradient`."""

import torch

from mars_lib.exercises.checking import Function, check
from mars_lib.loss import clipped_surrogate


def check_reinforce(attempt: Function) -> bool:
    """`attempt(theta, chose_t, reward, baseline)`: the estimate of the slope from one draw."""

    def slope(theta: torch.Tensor, chose_t: float, reward: float, baseline: float) -> torch.Tensor:
        return (reward - baseline) * (chose_t - torch.sigmoid(theta))

    return check(
        "step of REINFORCE",
        attempt,
        slope,
        [
            (torch.tensor(0.4), 1.0, 2.7, 0.0),
            (torch.tensor(0.4), 0.0, 2.7, 0.0),
            (torch.tensor(-1.3), 1.0, 0.5, 1.5),
            (torch.tensor(2.0), 0.0, -0.7, 0.2),
        ],
        {
            "the baseline is subtracted from the reward, not added": lambda t, a, r, b: slope(
                t, a, r, -b
            ),
            "the baseline is not used yet": lambda t, a, r, b: slope(t, a, r, 0.0),
            "this is right for mask T; the score of mask C is -pi(T)": lambda t, a, r, b: slope(
                t, 1.0, r, b
            ),
            "this is the slope of pi; take that of log pi": lambda t, a, r, b: (
                (2 * a - 1) * (r - b) * torch.sigmoid(t) * torch.sigmoid(-t)
            ),
        },
    )


def check_objective(attempt: Function) -> bool:
    """`attempt(ratio, advantage, epsilon)`: the clipped objective of every draw."""
    ratio = torch.tensor([0.5, 0.9, 1.0, 1.1, 1.5])
    good, bad = torch.ones(5), -torch.ones(5)
    return check(
        "clipped objective",
        attempt,
        clipped_surrogate,
        [(ratio, good, 0.2), (ratio, bad, 0.2), (ratio, 2 * good, 0.05)],
        {
            (
                "a mistake has no slope: at r = 0.5 a good mask became less likely, and nothing "
                "brings it back"
            ): lambda r, a, e: r.clamp(1 - e, 1 + e) * a,
            "nothing is clipped": lambda r, a, e: r * a,
            "that is the larger of the two; the objective takes the smaller": lambda r, a, e: (
                torch.maximum(r * a, r.clamp(1 - e, 1 + e) * a)
            ),
        },
    )


def check_step(attempt: Function) -> bool:
    """`attempt(theta, old_theta, chose_t, reward, rate)`: theta after one step of PPO."""
    chose_t = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0, 0.0])
    reward = torch.tensor([2.7, 0.4, -0.3, 1.9, 3.1, 0.0])
    near, far = torch.tensor(0.1), torch.tensor(1.5)
    return check(
        "step of PPO",
        attempt,
        _step,
        [
            (near, near, chose_t, reward, 0.5),
            (near, -near, chose_t, reward, 1.0),
            (far, near, chose_t, reward, 1.0),
            (near, near, chose_t, -reward, 0.5),
            # Nothing is better than usual: theta stays.
            (near, near, chose_t, torch.full((6,), 1.5), 0.5),
        ],
        {
            "equal rewards divide 0 by 0: add 1e-6 to the deviation": lambda t, o, c, r, k: _step(
                t, o, c, r, k, tiny=0.0
            ),
            "the step goes down; J is to grow": lambda t, o, c, r, k: _step(t, o, c, r, -k),
            "it is not clipped yet": lambda t, o, c, r, k: _step(t, o, c, r, k, epsilon=1e9),
            "subtract the mean of the rewards, and divide by their deviation": (
                lambda t, o, c, r, k: _step(t, o, c, r, k, normalise=False)
            ),
            "the ratio is that of the old theta to itself: use both": lambda t, o, c, r, k: _step(
                t, t, c, r, k
            ),
        },
    )


def _step(
    theta: torch.Tensor,
    old_theta: torch.Tensor,
    chose_t: torch.Tensor,
    reward: torch.Tensor,
    rate: float,
    epsilon: float = 0.2,
    normalise: bool = True,
    tiny: float = 1e-6,
) -> torch.Tensor:
    def probability(t: torch.Tensor) -> torch.Tensor:
        return torch.where(chose_t == 1, torch.sigmoid(t), torch.sigmoid(-t))

    centred = (reward - reward.mean()) / (reward.std(correction=0) + tiny)
    leaf = theta.clone().requires_grad_()
    ratio = probability(leaf) / probability(old_theta)
    objective = clipped_surrogate(ratio, centred if normalise else reward, epsilon).mean()
    (slope,) = torch.autograd.grad(objective, leaf)
    return theta + rate * slope
