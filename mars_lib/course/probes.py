"""Two problems whose best policy is known, and PPO on them: no sound, no network.

What they show holds before any separator is trained: the objective of Eq. 4 finds the best policy
from rewards alone, and neither a frozen policy nor rewards in a wrong order do.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from mars_lib import check
from mars_lib.advantage import MovingBaseline, group_normalise
from mars_lib.config import PolicyConfig
from mars_lib.loss import rl_loss
from mars_lib.policy import BetaMaskPolicy
from mars_lib.rollout import Rollout

CONFIG = PolicyConfig(entropy_coefficient=0.0, group_size=16)
CONTROLS = ("", "frozen", "shuffled")


@dataclass(frozen=True)
class Probe:
    """A reward of masks (G, B, N, H, T) -> (G, B, N), and the mask (H, T) that is best by it."""

    reward: Callable[[torch.Tensor], torch.Tensor]
    best: torch.Tensor


def _two_bins(mask: torch.Tensor) -> torch.Tensor:
    return mask[..., 0, 0] - mask[..., 0, 1]


_BAND = torch.tensor([[1.0], [1.0], [1.0], [0.0], [0.0], [0.0]]).expand(6, 4)


def _one_band(mask: torch.Tensor) -> torch.Tensor:
    return -(mask - _BAND).square().mean(dim=(-2, -1))


# The first bin open, the second closed; and a band that is open below and closed above.
PROBES = {
    "two bins": Probe(_two_bins, torch.tensor([[1.0, 0.0]])),
    "one band": Probe(_one_band, _BAND),
}


def learn(
    probe: Probe,
    generator: torch.Generator,
    *,
    steps: int = 100,
    learning_rate: float = 0.1,
    control: str = "",
) -> torch.Tensor:
    """PPO on free logits, the old policy a step behind: the proposals (steps + 1, H, T).

    Args:
        probe: the problem.
        generator: of the samples.
        steps: of Adam.
        learning_rate: Adam's.
        control: "frozen" does not move, "shuffled" gets its rewards in a random order.

    Raises `InputError` for another control.
    """
    check.one_of("control", control, CONTROLS)
    logits = torch.zeros(1, 1, *probe.best.shape, requires_grad=True)
    before, baseline = logits.detach().clone(), MovingBaseline()
    optimiser = torch.optim.Adam([logits], lr=0.0 if control == "frozen" else learning_rate)
    seen = [torch.sigmoid(before)[0, 0]]
    for _ in range(steps):
        with torch.no_grad():
            old = BetaMaskPolicy(torch.sigmoid(before))
            action = old.sample(generator, CONFIG.group_size)
            reward = probe.reward(action)
            if control == "shuffled":
                reward = reward[torch.randperm(len(reward), generator=generator)]
            rollout = Rollout(action, old.log_prob(action), old, reward)
        advantage = group_normalise(baseline.advantage(reward))
        loss, _ = rl_loss(BetaMaskPolicy(torch.sigmoid(logits)), rollout, advantage, CONFIG)
        before = logits.detach().clone()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seen.append(torch.sigmoid(logits.detach())[0, 0])
    return torch.stack(seen)
