import torch

from mars_lib.config import SignalConfig
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
