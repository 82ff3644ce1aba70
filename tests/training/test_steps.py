"""Ratio, clipped surrogate and rl_loss: by hand, and against what theory says of them."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from mars_lib.advantage import MovingBaseline, group_normalise
from mars_lib.check import InputError
from mars_lib.config import PolicyConfig
from mars_lib.loss import clipped_surrogate, policy_ratio, rl_loss
from mars_lib.policy import BetaMaskPolicy

# The surrogate alone.
PLAIN = PolicyConfig(entropy_coefficient=0.0, kl_coefficient=0.0)


def rolled_out(old_proposal, generator, samples=4, **options):
    old = BetaMaskPolicy(old_proposal, **options)
    action = old.sample(generator, samples)
    old_log_prob, _, _ = old.statistics(action, old)
    return SimpleNamespace(action=action, old_log_prob=old_log_prob, old_policy=old)


@pytest.fixture
def proposal(generator):
    return 0.1 + 0.8 * torch.rand(2, 2, 6, 5, generator=generator)


def test_ratio_by_hand():
    # Two frequency bins and three frames: log ratios 0.1 ... 0.6.
    new = torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]).reshape(1, 1, 1, 2, 3)
    old = torch.zeros_like(new)
    by_bin, by_frame, joint = (
        policy_ratio(new - 1, old - 1, per) for per in ("bin", "frame", "joint")
    )
    assert torch.allclose(by_bin, new.exp())
    assert by_frame.shape == (1, 1, 1, 1, 3) and joint.shape == (1, 1, 1, 1, 1)
    assert torch.allclose(by_frame.flatten().log(), torch.tensor([0.5, 0.7, 0.9]))
    assert joint.item() == pytest.approx(math.exp(2.1), rel=1e-6)
    with pytest.raises(InputError, match="ratio: is per 'pixel'"):
        policy_ratio(new, old, "pixel")


def test_clipped_surrogate_by_hand():
    ratio = torch.tensor([0.5, 0.9, 1.5, 0.5, 0.9, 1.5])
    advantage = torch.tensor([2.0, 2.0, 2.0, -2.0, -2.0, -2.0])
    expected = [1.0, 1.8, 2.4, -1.6, -1.8, -3.0]
    assert clipped_surrogate(ratio, advantage, 0.2).tolist() == pytest.approx(expected)
    for clip_range in (0.0, 1.0, -0.2, float("nan")):
        with pytest.raises(InputError, match="clip range: is"):
            clipped_surrogate(ratio, advantage, clip_range)


@pytest.mark.parametrize(
    "ratio, advantage, slope",
    [
        (1.3, 2.0, 0.0),
        (0.7, -2.0, 0.0),
        (0.7, 2.0, 2.0),
        (1.3, -2.0, -2.0),
        (1.1, 2.0, 2.0),
        (0.9, -2.0, -2.0),
    ],
)
def test_a_clipped_sample_gives_no_gradient_and_any_other_does(ratio, advantage, slope):
    r = torch.tensor(ratio, requires_grad=True)
    clipped_surrogate(r, torch.tensor(advantage), 0.2).backward()
    assert r.grad.item() == slope


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_clipping_stops_the_proposal_on_one_side_only(sign):
    """An old policy at P = 0.5, a mask of 0.9, and a new policy that has moved far towards it, or
    away.
    """
    old = BetaMaskPolicy(torch.full((1, 1, 1, 1), 0.5))
    action = torch.full((1, 1, 1, 1, 1), 0.9)
    rollout = SimpleNamespace(action=action, old_log_prob=old.log_prob(action), old_policy=old)
    advantage = torch.full((1, 1, 1), sign)
    slopes = {}
    for p in (0.8, 0.3):
        proposal = torch.full((1, 1, 1, 1), p, requires_grad=True)
        loss, stats = rl_loss(BetaMaskPolicy(proposal), rollout, advantage, PLAIN)
        loss.backward()
        slopes[p] = proposal.grad.item(), stats["clip_fraction"]
    far, other = (0.8, 0.3) if sign > 0 else (0.3, 0.8)
    assert slopes[far] == (0.0, 1.0)
    # Minimising the loss raises P for a good mask above it, and lowers it for a bad one.
    assert slopes[other][0] * sign < 0 and slopes[other][1] == 0.0


@pytest.mark.parametrize("per", ["bin", "frame", "joint"])
def test_with_ratio_1_the_gradient_is_reinforces(proposal, generator, per):
    rollout = rolled_out(proposal, generator)
    advantage = torch.randn(4, 2, 2, generator=generator)
    learner = proposal.clone().requires_grad_()
    loss, stats = rl_loss(BetaMaskPolicy(learner), rollout, advantage, replace(PLAIN, ratio=per))
    loss.backward()
    assert stats["ratio"] == pytest.approx(1.0, abs=1e-6) and stats["clip_fraction"] == 0.0
    twin = proposal.clone().requires_grad_()
    log_prob = BetaMaskPolicy(twin).log_prob(rollout.action)
    if per != "bin":
        log_prob = log_prob.sum(dim=(-2,) if per == "frame" else (-2, -1), keepdim=True)
    (-(advantage[..., None, None] * log_prob).mean()).backward()
    assert torch.allclose(learner.grad, twin.grad, rtol=1e-4, atol=1e-6)
    assert twin.grad.abs().max() > 1e-3


def test_statistics_of_a_policy_that_has_moved(proposal, generator):
    rollout = rolled_out(proposal, generator)
    advantage = torch.randn(4, 2, 2, generator=generator)
    _, same = rl_loss(BetaMaskPolicy(proposal), rollout, advantage, PLAIN)
    assert same["approx_kl"] == same["kl"] == pytest.approx(0, abs=1e-5)
    far = BetaMaskPolicy((proposal + 0.3).clamp(0, 1))
    _, moved = rl_loss(far, rollout, advantage, PLAIN)
    ratio = policy_ratio(far.log_prob(rollout.action), rollout.old_log_prob)
    up = advantage[..., None, None] > 0
    outside = ((ratio > 1.2) & up) | ((ratio < 0.8) & ~up)
    assert 0 < moved["clip_fraction"] == pytest.approx(outside.float().mean().item())
    assert moved["ratio"] == pytest.approx(ratio.mean().item(), rel=1e-4)
    assert moved["approx_kl"] == pytest.approx((ratio - 1 - ratio.log()).mean().item(), rel=1e-3)
    assert moved["entropy"] == pytest.approx(far.entropy().mean().item(), rel=1e-4)
    assert moved["kl"] == pytest.approx(far.kl(rollout.old_policy).mean().item(), rel=1e-4)
    assert moved["dead_advantages"] == 0.0


def test_no_advantage_no_clipping(proposal, generator):
    """An advantage of 0 pushes nowhere: such samples are dead, not clipped."""
    rollout = rolled_out(proposal, generator)
    far = (proposal + 0.3).clamp(0, 1).requires_grad_()
    loss, stats = rl_loss(BetaMaskPolicy(far), rollout, torch.zeros(4, 2, 2), PLAIN)
    loss.backward()
    assert stats["clip_fraction"] == 0.0 and stats["dead_advantages"] == 1.0
    assert far.grad.abs().max() == 0


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_entropy_and_kl_are_means_or_sums_over_bins(proposal, generator, reduction):
    rollout = rolled_out(proposal, generator)
    policy = BetaMaskPolicy(0.9 * proposal)
    nothing = torch.zeros(4, 2, 2)
    config = PolicyConfig(entropy_coefficient=0.1, kl_coefficient=0.01, reduction=reduction)
    entropy, kl = policy.entropy(), policy.kl(rollout.old_policy)
    if reduction == "sum":
        entropy, kl = entropy.sum(dim=(-2, -1)), kl.sum(dim=(-2, -1))
    expected = -(0.1 * entropy.mean() - 0.01 * kl.mean())
    loss, _ = rl_loss(policy, rollout, nothing, config)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)


def test_the_entropy_bonus_pulls_to_one_half_and_the_kl_penalty_to_the_old_policy(generator):
    old = torch.full((1, 1, 1, 2), 0.4)
    rollout = rolled_out(old, generator)
    for config, target in (
        (replace(PLAIN, entropy_coefficient=0.1), 0.5),
        (replace(PLAIN, kl_coefficient=0.1), 0.4),
    ):
        proposal = torch.tensor([[[[0.1, 0.9]]]], requires_grad=True)
        rl_loss(BetaMaskPolicy(proposal), rollout, torch.zeros(4, 1, 1), config)[0].backward()
        assert ((proposal.grad > 0) == (proposal > target)).all()


def test_the_joint_ratio_leaves_the_clip_range_and_the_ratio_per_bin_stays(generator):
    proposal = 0.1 + 0.8 * torch.rand(1, 1, 256, 256, generator=generator)
    rollout = rolled_out(proposal, generator)
    moved = proposal + 1e-3 * torch.randn(proposal.shape, generator=generator)
    log_prob, _, _ = BetaMaskPolicy(moved).statistics(rollout.action, rollout.old_policy)
    bins, joint = (policy_ratio(log_prob, rollout.old_log_prob, per) for per in ("bin", "joint"))
    assert ((bins > 0.8) & (bins < 1.2)).all()
    assert ((joint < 0.8) | (joint > 1.2)).all()
    # The same weights give exactly 1: rounding must not add up over the bins.
    same, _, _ = BetaMaskPolicy(proposal).statistics(rollout.action, rollout.old_policy)
    assert (policy_ratio(same, rollout.old_log_prob, "joint") == 1).all()


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_a_joint_ratio_far_away_keeps_loss_and_gradient_finite(direction, generator):
    """With 65k bins a log-ratio of hundreds is soon reached; exp overflows float32 at 89."""
    start = torch.full((1, 1, 256, 256), 0.5)
    rollout = rolled_out(start, generator)
    toward = start + direction * 0.2 * (rollout.action.mean(dim=0) - start).sign()
    toward.requires_grad_()
    advantage = torch.tensor([1.0, -1.0, 1.0, -1.0]).reshape(4, 1, 1)
    config = replace(PLAIN, ratio="joint")
    loss, stats = rl_loss(BetaMaskPolicy(toward), rollout, advantage, config)
    loss.backward()
    assert all(math.isfinite(value) for value in (loss.item(), *stats.values()))
    assert torch.isfinite(toward.grad).all()


def test_the_loss_refuses_gradients_and_shapes_that_do_not_fit(proposal, generator):
    rollout = rolled_out(proposal, generator)
    policy = BetaMaskPolicy(proposal)
    with pytest.raises(InputError, match="advantage: carries a gradient"):
        rl_loss(policy, rollout, torch.zeros(4, 2, 2, requires_grad=True), PLAIN)
    for wrong in (torch.zeros(2, 2), torch.zeros(1, 2, 2), torch.zeros(4, 2, 1)):
        with pytest.raises(InputError, match="advantage: has shape"):
            rl_loss(policy, rollout, wrong, PLAIN)


def test_the_papers_five_lines(proposal, generator):
    """The step of the paper with a lag of one: it raises the reward, and the ratio leaves 1."""
    logits = torch.logit(proposal).requires_grad_()
    old_logits = logits.detach().clone()
    optimiser = torch.optim.AdamW([logits], lr=0.05, weight_decay=0.0)
    baseline, config, ratios, clipped, rewards = (
        MovingBaseline(),
        replace(PLAIN, group_size=8),
        [],
        [],
        [],
    )
    target = (torch.arange(6) < 3).float().reshape(6, 1)
    for _ in range(60):
        with torch.no_grad():
            rollout = rolled_out(torch.sigmoid(old_logits), generator, config.group_size)
            rollout.reward = -(rollout.action - target).square().mean(dim=(-2, -1))
        advantage = group_normalise(baseline.advantage(rollout.reward))
        policy = BetaMaskPolicy(torch.sigmoid(logits), config.kappa)
        loss, stats = rl_loss(policy, rollout, advantage, config)
        # The weights that sample are those before this step, theta_{t-1}.
        old_logits = logits.detach().clone()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        ratios.append(stats["approx_kl"])
        clipped.append(stats["clip_fraction"])
        rewards.append(rollout.reward.mean().item())
    # The first step has the same weights on both sides.
    assert ratios[0] == pytest.approx(0, abs=1e-6) and clipped[0] == 0.0
    assert min(ratios[1:]) > 1e-5 and max(clipped) > 0
    assert sum(rewards[-10:]) / 10 > sum(rewards[:10]) / 10 + 0.03


def test_the_score_estimate_agrees_with_the_pathwise_gradient_in_expectation(generator):
    """d/dP E[R(M)] on 2 x 2 bins, R smooth in the mask: two estimators of one number."""
    samples = 200_000
    proposal = torch.tensor([[0.2, 0.5], [0.7, 0.9]]).reshape(1, 1, 2, 2)
    weights = torch.tensor([[1.0, -2.0], [0.5, 3.0]])

    def reward(mask):
        return torch.sin((weights * mask).sum(dim=(-2, -1))) + mask.prod(dim=-1).sum(dim=-1)

    many = proposal.expand(samples, 1, 2, 2)
    rollout = rolled_out(many, generator, samples=1)
    value = reward(rollout.action)
    learner = many.clone().requires_grad_()
    advantage = value - value.mean()
    rl_loss(BetaMaskPolicy(learner), rollout, advantage, PLAIN)[0].backward()
    # rl_loss takes a mean over samples and bins, and minimises.
    score = -learner.grad.flatten(1) * samples * 4
    twin = many.clone().requires_grad_()
    reward(BetaMaskPolicy(twin).sample(generator)).sum().backward()
    pathwise = twin.grad.flatten(1)
    error = (score.var(dim=0) / samples + pathwise.var(dim=0) / samples).sqrt()
    assert (error < 0.05 * pathwise.mean(dim=0).abs().max()).all()
    assert ((score.mean(dim=0) - pathwise.mean(dim=0)).abs() < 4 * error).all()
