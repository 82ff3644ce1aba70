"""Problems whose best policy is known: the objective finds it, from true rewards alone."""

from types import SimpleNamespace

import pytest
import torch

from mars_lib.advantage import MovingBaseline, group_normalise
from mars_lib.config import PolicyConfig
from mars_lib.loss import rl_loss
from mars_lib.policy import BetaMaskPolicy

CONFIG = PolicyConfig(entropy_coefficient=0.0, group_size=16)


def learn(reward, shape, generator, steps=100, learning_rate=0.1, shuffled=False, frozen=False):
    """The last P of free logits under Adam and `rl_loss`, the old policy a step behind."""
    logits = torch.zeros(1, 1, *shape, requires_grad=True)
    before, baseline = logits.detach().clone(), MovingBaseline()
    optimiser = torch.optim.Adam([logits], lr=0.0 if frozen else learning_rate)
    for _ in range(steps):
        with torch.no_grad():
            old = BetaMaskPolicy(torch.sigmoid(before))
            action = old.sample(generator, CONFIG.group_size)
            value = reward(action)
            if shuffled:
                value = value[torch.randperm(len(value), generator=generator)]
        old_log_prob, _, _ = old.statistics(action, old)
        rollout = SimpleNamespace(action=action, old_log_prob=old_log_prob, old_policy=old)
        advantage = group_normalise(baseline.advantage(value))
        loss, _ = rl_loss(BetaMaskPolicy(torch.sigmoid(logits)), rollout, advantage, CONFIG)
        before = logits.detach().clone()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return torch.sigmoid(logits.detach())[0, 0]


def two_bins(action):
    """m0 - m1: the best mask is (1, 0)."""
    return action[..., 0, 0] - action[..., 0, 1]


BAND = torch.zeros(6, 4)
BAND[:3] = 1.0


def one_band(action):
    """Minus the mean squared distance to a mask whose lower band is on and upper band off."""
    return -(action - BAND).square().mean(dim=(-2, -1))


PROBES = {
    "two bins": (two_bins, (1, 2), torch.tensor([[1.0, 0.0]])),
    "one band": (one_band, (6, 4), BAND),
}


def distance(proposal, best):
    return (proposal - best).abs().max().item()


@pytest.mark.parametrize("probe", PROBES)
def test_the_policy_reaches_the_known_best(probe, generator):
    reward, shape, best = PROBES[probe]
    assert distance(learn(reward, shape, generator), best) < 0.1


@pytest.mark.parametrize("probe", PROBES)
def test_a_reward_with_the_sign_turned_moves_it_the_other_way(probe, generator):
    reward, shape, best = PROBES[probe]
    proposal = learn(lambda action: -reward(action), shape, generator)
    assert distance(proposal, 1 - best) < 0.1


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("control", ["frozen", "shuffled"])
def test_a_frozen_policy_and_a_shuffled_reward_do_not_get_there(probe, control, generator):
    reward, shape, best = PROBES[probe]
    proposal = learn(reward, shape, generator, **{control: True})
    assert distance(proposal, best) > 0.3
    if control == "frozen":
        assert (proposal == 0.5).all()
