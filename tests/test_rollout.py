"""Rollouts of a small separator: what they hold, and what a reward may return."""

import copy
from dataclasses import replace

import pytest
import torch

from mars_lib import config, stft
from mars_lib.advantage import MovingBaseline, group_normalise
from mars_lib.check import InputError
from mars_lib.config import PolicyConfig
from mars_lib.loss import rl_loss
from mars_lib.mask import ideal_binary
from mars_lib.policy import BetaMaskPolicy
from mars_lib.reward import Target, signal_fidelity, with_signal
from mars_lib.rollout import (
    QueriedBatch,
    ideal_estimate,
    patch_errors,
    roll_out,
    scene_of,
    score,
)
from mars_lib.separator import Separator, analyse, reconstruct
from mars_lib.training.rl_config import RLConfig
from mars_lib.training.steps import rl_step

LENGTH, BATCH, SOURCES = 4_000, 2, 2
FRAMES = LENGTH // 256 + 1


@pytest.fixture(scope="module")
def separator():
    torch.manual_seed(0)
    return Separator(config.smoke()).eval()


def random_batch(separator, generator, sources=SOURCES):
    references = 0.1 * torch.randn(BATCH, sources, LENGTH, generator=generator)
    query = torch.randn(BATCH, sources, 256, generator=generator)
    scene = scene_of(separator, references.mean(dim=1), references)
    return QueriedBatch(scene, query, Target(references.flatten(0, 1), {}))


@pytest.fixture
def batch(separator, generator):
    return random_batch(separator, generator)


def passes(module):
    """Counts the forward passes of a module."""
    calls = []
    return calls, module.register_forward_hook(lambda *_: calls.append(1))


@pytest.mark.parametrize("patch, size", [(1, (128, FRAMES)), (8, (16, FRAMES // 8))])
def test_shapes_and_no_gradients(separator, batch, generator, patch, size):
    policy_config = PolicyConfig(group_size=3, patch=patch)
    rollout = roll_out(separator, batch, signal_fidelity, generator, policy_config)
    assert FRAMES % 8 == 0
    assert rollout.action.shape == rollout.old_log_prob.shape == (3, BATCH, SOURCES, *size)
    assert rollout.reward.shape == (3, BATCH, SOURCES) and rollout.reward.dtype == torch.float32
    assert rollout.old_policy.proposal.shape == (BATCH, SOURCES, 128, FRAMES)
    assert (rollout.old_policy.kappa, rollout.old_policy.patch) == (batch.kappa, patch)
    for tensor in (
        rollout.action,
        rollout.old_log_prob,
        rollout.reward,
        rollout.old_policy.proposal,
    ):
        assert not tensor.requires_grad and torch.isfinite(tensor).all()


def test_log_probabilities_and_rewards_belong_to_the_actions(separator, batch, generator):
    rollout = roll_out(separator, batch, signal_fidelity, generator, PolicyConfig(group_size=2))
    log_prob = rollout.old_policy.log_prob(rollout.action)
    assert torch.allclose(rollout.old_log_prob, log_prob, atol=1e-4)
    # Bit for bit what the learner computes of the same weights: rounding must not add up in a joint
    # ratio.
    learners, _, _ = rollout.old_policy.statistics(rollout.action, rollout.old_policy)
    assert torch.equal(rollout.old_log_prob, learners)
    estimate = reconstruct(separator, rollout.action[1], batch.scene.spectrogram, LENGTH)
    again = signal_fidelity(estimate.flatten(0, 1), batch.target).reshape(BATCH, SOURCES)
    assert torch.allclose(rollout.reward[1], again, atol=1e-4)
    assert (rollout.reward[0] - rollout.reward[1]).abs().min() > 0


def test_passes_of_parts_are_those_of_the_whole(separator, batch, generator):
    """Pass i of two, in two processes, has the mixtures and the noise of pass i in one."""
    mixture = torch.randn(8, LENGTH, generator=generator)
    scene = scene_of(separator, mixture, mixture[:, None].repeat(1, SOURCES, 1) / SOURCES)
    query = torch.randn(8, SOURCES, 256, generator=generator)
    target = Target(torch.arange(16.0)[:, None], {"text": query.flatten(0, 1)})
    whole = QueriedBatch(scene, query, target).passes(2)
    cut = []
    for rank in range(2):
        own = slice(4 * rank, 4 * rank + 4)
        part = QueriedBatch(scene[own], query[own], target.of(own, SOURCES), share=(rank, 2))
        cut.append(part.passes(2))

    def noise(one):
        policy = BetaMaskPolicy(torch.full((len(one.scene), SOURCES, 4, 4), 0.5))
        generator = torch.Generator().manual_seed(0)
        return policy.sample(generator, 3, share=one.share, turn=one.turn).transpose(0, 1)

    assert whole[1].target.reference.flatten().tolist() == [2, 3, 6, 7, 10, 11, 14, 15]
    for i, one in enumerate(whole):
        for of in (
            noise,
            lambda each: each.scene.mixture,
            lambda each: each.scene.ideal,
            lambda each: each.query,
            lambda each: each.target.reference,
            lambda each: each.target.embeddings["text"],
        ):
            assert torch.equal(torch.cat([of(part[i]) for part in cut]), of(one))
    with pytest.raises(InputError, match="batch: of 8 cannot be cut into 3 equal parts"):
        QueriedBatch(scene, query, target).passes(3)


def test_a_generator_repeats_itself(separator, batch):
    policy_config = PolicyConfig(group_size=2, antithetic=True)
    one, same, other = (
        roll_out(
            separator, batch, signal_fidelity, torch.Generator().manual_seed(seed), policy_config
        )
        for seed in (3, 3, 4)
    )
    assert torch.equal(one.action, same.action) and torch.equal(one.reward, same.reward)
    assert not torch.equal(one.action, other.action)


@pytest.mark.parametrize("group_size", [1, 4])
@pytest.mark.parametrize("sources", [1, 3])
def test_the_unet_runs_once_whatever_g_and_n_are(separator, generator, group_size, sources):
    calls, hook = passes(separator.unet.norm)
    policy_config = PolicyConfig(group_size=group_size)
    batch = random_batch(separator, generator, sources)
    roll_out(separator, batch, signal_fidelity, generator, policy_config)
    hook.remove()
    assert len(calls) == 1


def test_hearing_a_mask_of_ones_gives_the_mixture(separator, batch):
    magnitude, spectrogram = analyse(separator, batch.scene.mixture)
    assert torch.equal(magnitude, batch.scene.magnitude)
    assert torch.equal(spectrogram, batch.scene.spectrogram)
    assert magnitude.shape == (BATCH, 128, FRAMES) and spectrogram.shape == (BATCH, 513, FRAMES)
    estimate = reconstruct(separator, torch.ones(BATCH, SOURCES, 128, FRAMES), spectrogram, LENGTH)
    assert estimate.shape == (BATCH, SOURCES, LENGTH)
    assert (estimate - batch.scene.mixture.unsqueeze(1)).abs().max() < 1e-5


def test_the_ideal_estimate_suffers_the_masks(separator, batch):
    mixture, references = batch.scene.mixture, batch.scene.references
    estimate = ideal_estimate(separator, batch.scene)
    assert estimate.shape == references.shape

    def on_rows(waveform):
        return separator.warp.warp(stft.stft(waveform, separator.config.signal).abs())

    ideal = ideal_binary(on_rows(references), on_rows(mixture))
    assert 0 < ideal.mean() < 1 and torch.equal(ideal, batch.scene.ideal)
    _, spectrogram = analyse(separator, mixture)
    assert torch.allclose(estimate, reconstruct(separator, ideal, spectrogram, LENGTH), atol=1e-6)
    gain = signal_fidelity(estimate.flatten(0, 1), batch.target) - signal_fidelity(
        mixture.repeat_interleave(SOURCES, dim=0), batch.target
    )
    assert (gain > 0).all()


def learn_once(learner, batch, rollout, learning_rate):
    """One step of gradient descent; the statistics are those before it."""
    policy = BetaMaskPolicy(learner(batch.scene.magnitude, batch.query), batch.kappa)
    advantage = group_normalise(rollout.reward)
    loss, stats = rl_loss(policy, rollout, advantage, PolicyConfig(group_size=4))
    parameters = list(learner.parameters())
    with torch.no_grad():
        for parameter, slope in zip(parameters, torch.autograd.grad(loss, parameters)):
            parameter -= learning_rate * slope
    return stats


def test_an_old_policy_one_step_behind_gives_a_ratio_that_is_not_1(separator, batch, generator):
    """theta_{t-1} samples while theta_t learns; with a snapshot too late every ratio is 1."""
    learner, policy_config = copy.deepcopy(separator), PolicyConfig(group_size=4)

    def step(old):
        rollout = roll_out(old, batch, signal_fidelity, generator, policy_config)
        return learn_once(learner, batch, rollout, learning_rate=3.0)

    before = copy.deepcopy(learner)
    first, lagged, late = step(learner), step(before), step(learner)
    for stats in (first, late):
        assert stats["clip_fraction"] == 0 and abs(stats["approx_kl"]) < 1e-6
    assert lagged["clip_fraction"] > 0 and lagged["approx_kl"] > 1e-4 and lagged["ratio"] != 1


def test_any_callable_may_be_the_reward(separator, batch, generator):
    scored = []

    def quietness(estimate, target):
        scored.append((estimate.shape, target))
        return -estimate.abs().mean(dim=-1)

    rollout = roll_out(separator, batch, quietness, generator, PolicyConfig(group_size=2))
    assert (rollout.reward < 0).all()
    assert scored == [((BATCH * SOURCES, LENGTH), batch.target)] * 2


@pytest.mark.parametrize(
    "reward, message",
    [
        (lambda e, t: torch.full((len(e),), float("nan")), "reward: holds"),
        (lambda e, t: torch.full((len(e),), float("inf")), "reward: holds"),
        (lambda e, t: e, "reward: has shape"),
        (lambda e, t: e.mean(), "reward: has shape"),
        (lambda e, t: e.mean(dim=-1)[:-1], "reward: has shape"),
    ],
)
def test_a_reward_that_is_not_one_finite_number_an_estimate(
    separator, batch, generator, reward, message
):
    with pytest.raises(InputError, match=message):
        roll_out(separator, batch, reward, generator, PolicyConfig())


def test_scores_are_float32_also_under_autocast(generator):
    estimate = torch.randn(2, 3, 100, generator=generator)

    def projected(waveform, target):
        return (waveform @ torch.ones(100, 1)).squeeze(-1)

    plain = score(projected, estimate, None)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = score(projected, estimate, None)
    assert plain.shape == (2, 3) and mixed.dtype == torch.float32 and torch.equal(plain, mixed)


@pytest.mark.parametrize("estimator", ["score", "pathwise", "mode", "supervised"])
def test_weights_that_broke_end_a_step_with_the_remedy(separator, batch, generator, estimator):
    """What a learning rate of 1e30 leaves: each part would else stop with words of its own."""
    broken = copy.deepcopy(separator)
    with torch.no_grad():
        next(broken.parameters()).fill_(float("nan"))
    settings = RLConfig(estimator=estimator, anchor=0.3)
    with pytest.raises(FloatingPointError, match="the masks are no longer finite"):
        rl_step(broken, broken, batch, signal_fidelity, MovingBaseline(), settings, generator)


def test_an_estimate_that_broke_is_not_the_rewards_fault(batch):
    estimate = batch.scene.references * float("nan")
    with pytest.raises(FloatingPointError, match="the masks are no longer finite"):
        score(signal_fidelity, estimate, batch.target)


def test_windows_are_rewarded_on_their_own_and_change_nothing_else(separator, batch):
    def reward(estimate, target):
        assert estimate.shape[-1] == target.reference.shape[-1]
        return signal_fidelity(estimate, target)

    config = PolicyConfig(group_size=2, patch=8, reward_windows=3)
    rollout = roll_out(separator, batch, reward, torch.Generator().manual_seed(0), config)
    assert rollout.window_reward.shape == (2, BATCH, SOURCES, 3)
    mask = rollout.old_policy.mask(rollout.action[1])
    estimate = reconstruct(separator, mask, batch.scene.spectrogram, LENGTH)
    third = LENGTH // 3
    part = Target(batch.target.reference[:, third : 2 * third], {})
    by_hand = score(signal_fidelity, estimate[..., third : 2 * third], part)
    torch.testing.assert_close(rollout.window_reward[1, ..., 1], by_hand)
    alone = roll_out(
        separator,
        batch,
        signal_fidelity,
        torch.Generator().manual_seed(0),
        replace(config, reward_windows=1),
    )
    assert alone.window_reward is None
    torch.testing.assert_close(alone.reward, rollout.reward)


def test_windows_of_a_reward_with_a_signal_term_are_scored_by_that_term(separator, batch):
    def whole_clips_alone(estimate, target):
        assert estimate.shape[-1] == LENGTH
        return estimate.square().mean(dim=-1)

    config = PolicyConfig(group_size=2, patch=8, reward_windows=3)
    found = [
        roll_out(separator, batch, reward, torch.Generator().manual_seed(0), config)
        for reward in (with_signal(whole_clips_alone, 0.03), signal_fidelity)
    ]
    torch.testing.assert_close(found[0].window_reward, found[1].window_reward)
    assert not torch.allclose(found[0].reward, found[1].reward)


@pytest.mark.parametrize("patch", [1, 3, 8])
def test_errors_of_patches_are_parts_of_the_whole_and_lie_where_the_error_is(
    separator, batch, patch
):
    reference = batch.scene.references
    estimate = reference.clone()
    estimate[..., : LENGTH // 2] *= 0.5
    error = patch_errors(separator, estimate, reference.flatten(0, 1), patch)
    spectrum = stft.stft(estimate - reference, separator.config.signal).abs().square()
    assert error.shape[:2] == reference.shape[:2]
    # Also where the last patches reach over the edge of the mask.
    torch.testing.assert_close(
        error.sum(dim=(-2, -1)), spectrum.sum(dim=(-2, -1)), rtol=1e-3, atol=1e-6
    )
    frames = error.shape[-1]
    assert error[..., : frames // 2].sum() > 100 * error[..., frames // 2 + 1 :].sum()


def test_a_rollout_with_credit_by_patch_is_the_same_with_errors_beside_it(separator, batch):
    plain = PolicyConfig(group_size=2, patch=8)
    found = [
        roll_out(separator, batch, signal_fidelity, torch.Generator().manual_seed(0), config)
        for config in (plain, replace(plain, credit="patch"))
    ]
    assert found[0].patch_error is None and torch.equal(found[0].reward, found[1].reward)
    assert found[1].patch_error.shape == found[1].action.shape
    mask = found[1].old_policy.mask(found[1].action[1])
    estimate = reconstruct(separator, mask, batch.scene.spectrogram, LENGTH)
    torch.testing.assert_close(
        found[1].patch_error[1], patch_errors(separator, estimate, batch.target.reference, 8)
    )


def test_credit_by_patch_is_by_the_target_that_the_reward_moved(separator, batch):
    class Moved:
        def __call__(self, estimate, target):
            return signal_fidelity(estimate, self.moved(target))

        def moved(self, target):
            return replace(target, reference=target.reference.roll(1, dims=0))

    config = PolicyConfig(group_size=2, patch=8, credit="patch")
    elsewhere = replace(batch, target=Moved().moved(batch.target))
    found, expected = (
        roll_out(separator, given, reward, torch.Generator().manual_seed(0), config)
        for given, reward in ((batch, Moved()), (elsewhere, signal_fidelity))
    )
    torch.testing.assert_close(found.patch_error, expected.patch_error)


@pytest.mark.parametrize("more", [{"reward_windows": 2}, {"credit": "patch"}])
def test_a_step_with_local_credit_learns_from_it(separator, batch, more):
    found = {}
    for count, local in ((1, {}), (2, more)):
        policy = PolicyConfig(group_size=4, patch=8, entropy_coefficient=0.0, **local)
        learner = copy.deepcopy(separator).train()
        loss, _ = rl_step(
            learner,
            separator,
            batch,
            signal_fidelity,
            MovingBaseline(),
            RLConfig(policy=policy),
            torch.Generator().manual_seed(0),
        )
        loss.backward()
        found[count] = learner.gate.channels.weight.grad.clone()
    assert all(slope.isfinite().all() for slope in found.values())
    assert not torch.allclose(found[1], found[2])
