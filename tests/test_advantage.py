import math

import pytest
import torch

from mars_lib.advantage import MovingBaseline, credit_by_patch, credit_in_time, group_normalise
from mars_lib.check import InputError
from mars_lib.config import PolicyConfig
from mars_lib.loss import rl_loss
from mars_lib.policy import BetaMaskPolicy
from mars_lib.rollout import Rollout


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


WINDOWS, BEST = 8, torch.zeros(4, 8)
BEST[:2] = 1.0


def gradients(credit, generator, repeats=150, samples=64):
    """Slopes of the objective by grey logits (repeats, 4, 8), where the reward is the sum of those
    of eight windows, one column each: minus the squared distance to `BEST`.

    `credit` is of the "whole", or of each "window" or "patch" alone."""
    config, found = PolicyConfig(entropy_coefficient=0.0, kl_coefficient=0.0), []
    for _ in range(repeats):
        logits = torch.zeros(1, 1, 4, 8, requires_grad=True)
        policy = BetaMaskPolicy(torch.sigmoid(logits))
        old = BetaMaskPolicy(torch.full((1, 1, 4, 8), 0.5))
        action = old.sample(generator, samples)
        error = (action - BEST).square()
        windows = -error.mean(dim=-2)
        advantage = group_normalise(windows.sum(dim=-1))
        if credit == "window":
            advantage = credit_in_time(torch.zeros_like(advantage), windows, 8)
        if credit == "patch":
            advantage = credit_by_patch(torch.zeros_like(advantage), error)
        rollout = Rollout(action, old.log_prob(action), old, windows.sum(dim=-1))
        loss, _ = rl_loss(policy, rollout, advantage, config)
        (slope,) = torch.autograd.grad(-loss, logits)
        found.append(slope[0, 0])
    return torch.stack(found)


# Some noise is a part's own, and the more so the smaller the part: `least` is of its number.
@pytest.mark.parametrize(
    ("credit", "parts", "least"), [("window", WINDOWS, 0.7), ("patch", BEST.numel(), 0.5)]
)
def test_credit_of_parts_points_the_same_way_with_their_share_of_the_noise(
    credit, parts, least, generator
):
    found = [gradients(each, generator) for each in ("whole", credit)]
    means = [each.mean(dim=0).flatten() for each in found]
    towards = (BEST - 0.5).flatten()
    for mean in means:
        assert torch.cosine_similarity(mean, towards, dim=0) > 0.97
    # Of parts alike, the deviation of the sum is that of one times the root of their number.
    assert means[1].norm() / means[0].norm() == pytest.approx(parts**0.5, rel=0.1)
    noise = [(each.var(dim=0).mean() / each.mean(dim=0).square().mean()).item() for each in found]
    assert least * parts <= noise[0] / noise[1] <= 1.3 * parts


def test_credit_by_patch_by_hand():
    whole = torch.tensor([[[1.0]], [[-1.0]]])
    # Two patches: one whose error differs by 6 and one by 2 between the samples, 1 and 3 from each
    # mean, whose mean square is (9 + 1) / 2.
    error = torch.tensor([[1.0, 7.0], [7.0, 5.0]]).reshape(2, 1, 1, 1, 2)
    own = torch.tensor([[3.0, -1.0], [-3.0, 1.0]]) / 5**0.5
    found = credit_by_patch(whole, error)
    torch.testing.assert_close(found[:, 0, 0, 0], own + whole[:, 0])
    for equal in (torch.full((7, 1, 1, 3, 2), 0.1), torch.zeros(7, 1, 1, 3, 2)):
        credit = credit_by_patch(torch.zeros(7, 1, 1), equal)
        assert credit.shape == equal.shape and credit.abs().max() == 0
    # What is nearly silent is compared as what is loud.
    torch.testing.assert_close(credit_by_patch(whole, 1e-30 * error), found)


def test_credit_in_time_by_hand():
    whole = torch.tensor([[[1.0]], [[-1.0]]])
    windows = torch.tensor([[[[0.0, 5.0]]], [[[2.0, 3.0]]]])  # normalised: -1 and 1, 1 and -1
    credit = credit_in_time(whole, windows, frames=4)
    assert credit.shape == (2, 1, 1, 1, 4)
    expected = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, -2.0, -2.0]])
    torch.testing.assert_close(credit[:, 0, 0, 0], expected, atol=1e-4, rtol=0)


def test_windows_without_a_frame_are_refused():
    with pytest.raises(InputError, match="reward windows: are 9, and an action has 8 frames"):
        credit_in_time(torch.zeros(2, 1, 1), torch.zeros(2, 1, 1, 9), frames=8)
    assert credit_in_time(torch.zeros(2, 1, 1), torch.zeros(2, 1, 1, 8), 8).shape[-1] == 8
