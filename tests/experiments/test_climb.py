import pytest
import torch

from mars_lib.check import InputError
from mars_lib.config import PolicyConfig, SignalConfig
from mars_lib.experiments.climb import climb
from mars_lib.reward import Target, signal_fidelity

SIGNAL = SignalConfig(length=8_191, n_bins=64)


def scene():
    """A low and a high tone; the low one is wanted in the first mixture, the high in the second."""
    time = torch.arange(SIGNAL.length) / 16_000
    low, high = torch.sin(2 * torch.pi * 200 * time), torch.sin(2 * torch.pi * 3_000 * time)
    return (low + high).repeat(2, 1), Target(torch.stack([low, high]), {})


def run(reward, **options):
    mixture, target = scene()
    return climb(reward, mixture, target, SIGNAL, (5, 40), progress=False, **options)


def test_a_faithful_reward_separates():
    found = run(signal_fidelity)
    assert (found.improvement[1] > 6).all() and (found.improvement[1] > found.improvement[0]).all()
    assert (found.reward[1] < found.reference).all()


def test_a_deaf_reward_does_not_and_is_climbed_past_the_truth():
    def deaf(estimate, target):  # the softer the better
        return -estimate.square().mean(dim=-1)

    found = run(deaf)
    assert (found.improvement[1].abs() < 3).all()
    assert (found.reward[1] > found.reference).all()


def test_mixtures_climb_alone_and_repeatably():
    whole = run(signal_fidelity)
    assert torch.equal(run(signal_fidelity).improvement, whole.improvement)
    # Twice as large a reward is the same advantage.
    twice = run(lambda estimate, wanted: 2 * signal_fidelity(estimate, wanted))
    assert torch.allclose(twice.improvement, whole.improvement, atol=0.1)


def test_rewards_by_lot_lead_nowhere():
    found = run(signal_fidelity, shuffled=True)
    assert (found.improvement[1].abs() < 3).all()


def test_before_the_first_step_the_mask_is_grey_and_then_it_tells_the_tones_apart():
    mixture, target = scene()
    found = climb(signal_fidelity, mixture, target, SIGNAL, (0, 40), progress=False)
    assert torch.equal(found.mask[0], torch.full_like(found.mask[0], 0.5))
    assert (found.improvement[0].abs() < 1e-4).all()
    assert found.mask.shape == (2, 2, 64, SIGNAL.length // 256 + 1)
    # 200 Hz lies in the lower half of the logarithmic rows, 3 kHz in the upper one.
    low, high = found.mask[1, :, :32].mean(dim=(-2, -1))
    assert low > high


def test_credit_that_a_climb_does_not_have_is_refused():
    policy = PolicyConfig(group_size=2, credit="patch")
    with pytest.raises(InputError, match="credit in a climb: is 'patch'; give one of whole"):
        run(signal_fidelity, policy=policy)
