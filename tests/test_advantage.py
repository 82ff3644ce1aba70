import math

import pytest
import torch

from mars_lib.advantage import MovingBaseline, group_normalise
from mars_lib.check import InputError
from mars_lib.config import PolicyConfig


def test_group_normalise_by_hand_with_the_batch_as_group():
    # 0, 1, 2, 5: mean 2, variance (4 + 1 + 0 + 9) / 4.
    advantage = torch.tensor([[[0.0, 1.0], [2.0, 5.0]]])
    expected = torch.tensor([[[-2.0, -1.0], [0.0, 3.0]]]) / (math.sqrt(3.5) + 1e-6)
    assert torch.allclose(group_normalise(advantage), expected)


def test_group_normalise_by_hand_with_four_samples_a_mixture():
    easy, hard = torch.tensor([0.0, 1.0, 2.0, 5.0]), torch.tensor([10.0, 10.0, 30.0, 30.0])
    found = group_normalise(torch.stack([easy, hard], dim=1).reshape(4, 2, 1))
    expected = (easy - 2) / (math.sqrt(3.5) + 1e-6)
    assert torch.allclose(found[:, 0, 0], expected)
    assert torch.allclose(found[:, 1, 0], torch.tensor([-1.0, -1.0, 1.0, 1.0]))
    with pytest.raises(InputError, match="advantage: has shape"):
        group_normalise(easy)


@pytest.mark.parametrize("samples", [2, 3, 5, 6, 7])
@pytest.mark.parametrize("value", [0.1, 23.7, -1e4])
def test_equal_rewards_give_exactly_no_advantage(samples, value):
    # 23.7 summed three times and divided by 3 is not 23.7 in float32.
    assert group_normalise(torch.full((samples, 2, 2), value)).abs().max() == 0
    assert group_normalise(torch.full((1, samples, 1), value)).abs().max() == 0


def test_the_moving_baseline_by_hand():
    baseline = MovingBaseline(decay=0.9)
    assert baseline.advantage(torch.tensor([1.0, 3.0])).tolist() == [-1.0, 1.0]
    assert baseline.value == pytest.approx(2.0)
    # It is used before it moves: 4 and 8 against 2, then 0.9 x 2 + 0.1 x 6.
    assert baseline.advantage(torch.tensor([4.0, 8.0])).tolist() == [2.0, 6.0]
    assert baseline.value == pytest.approx(2.4)
    assert MovingBaseline(value=5.0).advantage(torch.tensor([5.0])).item() == 0.0
    assert MovingBaseline().decay == PolicyConfig().baseline_decay == 0.92
    with pytest.raises(InputError, match="baseline decay"):
        MovingBaseline(decay=1.5)
    for value in (float("nan"), float("inf")):
        with pytest.raises(InputError, match="reward: holds 1 values that are NaN"):
            baseline.advantage(torch.tensor([1.0, value]))
    assert baseline.value == pytest.approx(2.4)


@pytest.mark.parametrize("samples", [1, 4])
def test_the_baseline_cancels_under_group_normalisation(samples, generator):
    baseline = MovingBaseline(value=-0.7)
    for _ in range(5):
        reward = torch.randn(samples, 8, 2, generator=generator, dtype=torch.float64)
        subtracted = baseline.advantage(reward)
        assert (subtracted - reward).abs().min() > 0.01
        assert torch.allclose(group_normalise(subtracted), group_normalise(reward), atol=1e-12)
