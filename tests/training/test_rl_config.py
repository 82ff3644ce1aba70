"""What a run of reinforcement learning may be, and the reward that it names."""

from dataclasses import replace

import pytest
import torch

from mars_lib.check import InputError
from mars_lib.config import PolicyConfig
from mars_lib.reward import MLBP, Target
from mars_lib.training.rl_config import RLConfig, make_reward

QUICK = RLConfig(steps=6)


def test_rewards_by_name(minibind):
    torch.manual_seed(0)
    pooling = MLBP(256, 16)
    generator = torch.Generator().manual_seed(0)
    reference = torch.randn(2, 8_191, generator=generator)
    z = torch.nn.functional.normalize(torch.randn(2, 256, generator=generator), dim=-1)
    target = reinforce_target(reference, z)
    estimate = reference + 0.1 * torch.randn(reference.shape, generator=generator)
    semantic = make_reward(QUICK, minibind.embed_audio, pooling)(estimate, target)
    both = make_reward(replace(QUICK, signal_weight=0.03), minibind.embed_audio, pooling)
    signal = make_reward(
        replace(QUICK, reward="signal", signal_weight=0.03), minibind.embed_audio, pooling
    )
    assert torch.allclose(both(estimate, target), semantic + signal(estimate, target), atol=1e-6)


def reinforce_target(reference, z):
    return Target(reference, {"audio": z, "text": z, "image": z})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"estimator": "magic"}, "estimator: is 'magic'"),
        ({"reward": "applause"}, "reward: is 'applause'"),
        ({"steps": 0}, "steps: is 0"),
        ({"anchor": -1.0}, "anchor: is -1.0"),
        ({"learning_rate": 0.0}, "learning rate: is 0.0"),
        ({"learning_rate": float("nan")}, "learning rate: is nan"),
    ],
)
def test_bad_settings_are_named_before_the_first_step(change, says):
    with pytest.raises(InputError, match=says):
        replace(QUICK, **change)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kappa": 0.0}, "kappa: is 0.0"),
        ({"clip_range": 1.0}, "clip range: is 1.0"),
        ({"clip_range": 0.0}, "clip range: is 0.0"),
        ({"group_size": 0}, "group size: is 0"),
        ({"reward_windows": 0}, "reward windows: is 0"),
        ({"credit": "bin"}, "credit: is 'bin'"),
        ({"credit": "patch"}, "group size, with credit by patch: is 1; give 2 or more"),
        (
            {"credit": "patch", "group_size": 2, "reward_windows": 4},
            "reward windows: are 4, with credit by patch; give 1, or credit whole",
        ),
        (
            {"credit": "patch", "group_size": 2, "ratio": "frame"},
            "ratio: is frame, with credit by patch; give bin, or credit whole",
        ),
        (
            {"reward_windows": 2, "ratio": "joint"},
            "ratio: is joint, with credit in windows; give bin or frame, or 1 window",
        ),
        ({"lag": -1}, "lag: is -1"),
        ({"antithetic": True, "group_size": 3}, "group size: is 3"),
        ({"ratio": "octave"}, "ratio: is 'octave'"),
        ({"kappa_schedule": "sudden"}, "kappa schedule: is 'sudden'"),
    ],
)
def test_bad_policies_are_named_before_the_first_step(change, says):
    with pytest.raises(InputError, match=says):
        PolicyConfig(**change)
