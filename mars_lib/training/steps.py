"""One step of training, flat enough to read beside the paper."""

import torch

from mars_lib.advantage import MovingBaseline, credit_by_patch, credit_in_time, group_normalise
from mars_lib.config import PolicyConfig
from mars_lib.data.mixtures import MixtureBatch
from mars_lib.loss import rl_loss, wbce
from mars_lib.mask import check_masks
from mars_lib.policy import BetaMaskPolicy
from mars_lib.reward import Reward
from mars_lib.rollout import QueriedBatch, roll_out, scene_of, score
from mars_lib.separator import Separator, reconstruct
from mars_lib.training import distributed
from mars_lib.training.rl_config import RLConfig

# Numbers of a step, on its device: they are read once, with all others.
Stats = dict[str, torch.Tensor]


def supervised_loss(separator: Separator, batch: MixtureBatch, query: torch.Tensor) -> torch.Tensor:
    """WBCE of the proposals against ideal binary masks (Section 3.1.2), a scalar.

    `query` is (B, N, D), one a source. The U-Net runs once a mixture.
    """
    scene = scene_of(separator, batch.mixture, batch.references)
    return wbce(separator(scene.magnitude, query), scene.ideal, scene.magnitude)


def rl_step(
    separator: Separator,
    old_separator: Separator,
    batch: QueriedBatch,
    reward: Reward,
    baseline: MovingBaseline,
    config: RLConfig,
    generator: torch.Generator,
) -> tuple[torch.Tensor, Stats]:
    """One step of the chosen estimator, plus `config.anchor` times WBCE: (loss, statistics).

    The U-Net runs once for the new policy and, for "score", once for the old one, whatever N and G
    are.

    Args:
        separator: whose gradients the loss has.
        old_separator: theta_{t-1}, which "score" samples from; the others leave it alone.
        batch: mixtures, queries and targets.
        reward: of (B * N, L) estimates and their targets.
        baseline: is subtracted from the rewards of "score", and moves.
        config: estimator, anchor and policy.
        generator: the noise of the sampled masks.

    Returns:
        A scalar, and the columns of the log that the estimator has; `mask_spread`, the mean
        standard deviation of a mask over its bins, is the first to go when a policy collapses.

    Raises:
        FloatingPointError: for masks or estimates that are not finite.
    """
    if config.estimator == "score":
        proposal, loss, stats = ppo_step(
            separator, old_separator, batch, reward, baseline, config.policy, generator
        )
    elif config.estimator == "supervised":
        proposal = propose(separator, batch)
        loss, stats = proposal.new_zeros(()), {}
    else:
        noise = generator if config.estimator == "pathwise" else None
        proposal = propose(separator, batch)
        loss, stats = pathwise_loss(separator, proposal, batch, reward, config.policy, noise)
    anchor = config.anchor or (1.0 if config.estimator == "supervised" else 0.0)
    if anchor:
        supervised = wbce(proposal, batch.scene.ideal, batch.scene.magnitude)
        loss, stats = loss + anchor * supervised, {**stats, "wbce": supervised.detach()}
    return loss, {**stats, "mask_spread": proposal.detach().std(dim=(-2, -1)).mean()}


def ppo_step(
    separator: Separator,
    old_separator: Separator,
    batch: QueriedBatch,
    reward: Reward,
    baseline: MovingBaseline,
    config: PolicyConfig,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor, Stats]:
    """The paper's step (Eq. 2-4): (proposal, loss, statistics).

    Masks are sampled from the old policy, their estimates rewarded and compared, and the new policy
    moves towards the better ones. Rewards of all processes are compared with each other. With G = 1
    the group is the whole batch; if a step is made in several passes, the group is one pass.
    """
    proposal = propose(separator, batch)
    with torch.no_grad():
        rollout = roll_out(old_separator, batch, reward, generator, config)
    rewards = distributed.gather(rollout.reward, dim=1)
    advantage = group_normalise(baseline.advantage(rewards))
    if rollout.window_reward is not None:
        windows = distributed.gather(rollout.window_reward, dim=1)
        advantage = credit_in_time(advantage, windows, rollout.action.shape[-1])
    advantage = distributed.part(advantage, dim=1)
    if rollout.patch_error is not None:
        advantage = credit_by_patch(advantage, rollout.patch_error)
    policy = BetaMaskPolicy(proposal, batch.kappa, config.patch)
    loss, stats = rl_loss(policy, rollout, advantage, config)
    return proposal, loss, reward_statistics(rewards) | stats


def propose(separator: Separator, batch: QueriedBatch) -> torch.Tensor:
    """(B, N, H, T) proposals P, finite: one U-Net pass a mixture."""
    proposal = separator(batch.scene.magnitude, batch.query)
    check_masks(proposal)
    return proposal


def reward_statistics(rewards: torch.Tensor) -> Stats:
    """Of (G, B, N) rewards their mean, and their spread: within the groups, for G = 1 over all."""
    spread = rewards.std(dim=0, correction=0) if len(rewards) > 1 else rewards.std()
    return {"reward": rewards.mean(), "reward_spread": spread.mean()}


def pathwise_loss(
    separator: Separator,
    proposal: torch.Tensor,
    batch: QueriedBatch,
    reward: Reward,
    config: PolicyConfig,
    generator: torch.Generator | None,
) -> tuple[torch.Tensor, Stats]:
    """-R of one mask a query, whose gradient goes through the reward: (loss, statistics).

    With a generator the mask is the reparameterised sample of Section 3.2.1: M is a differentiable
    function of P and of noise. Without one it is the mode.
    """
    policy = BetaMaskPolicy(proposal, batch.kappa, config.patch)
    action = policy.mode[None]
    if generator is not None:
        action = policy.sample(generator, share=batch.share, turn=batch.turn)
    scene, mask = batch.scene, policy.mask(action[0])
    estimate = reconstruct(separator, mask, scene.spectrogram, scene.mixture.shape[-1])
    value = score(reward, estimate, batch.target)
    return -value.mean(), {"reward": value.detach().mean()}
