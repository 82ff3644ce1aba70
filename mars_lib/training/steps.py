"""One step of training, flat enough to read beside the paper."""

import torch

from mars_lib.advantage import MovingBaseline, group_normalise
from mars_lib.config import PolicyConfig
from mars_lib.data.mixtures import MixtureBatch
from mars_lib.loss import check_masks, rl_loss, wbce
from mars_lib.mask import ideal_binary
from mars_lib.policy import BetaMaskPolicy
from mars_lib.reward import (
    Reward,
)
from mars_lib.rollout import QueriedBatch, ideal_mask, roll_out, score
from mars_lib.separator import Separator, analyse, reconstruct
from mars_lib.stft import stft
from mars_lib.training import distributed
from mars_lib.training.rl_config import RLConfig


def ideal_binary_of(separator: Separator, batch: MixtureBatch) -> tuple[torch.Tensor, torch.Tensor]:
    """What a mask is learned from, without gradients: ((B, H, T) mixture magnitudes, (B, N, H, T)
    ideal binary masks), float32.
    """
    warp, signal = separator.warp, separator.config.signal
    with torch.no_grad(), torch.autocast(batch.mixture.device.type, enabled=False):
        mixture_magnitude = warp.warp(stft(batch.mixture, signal).abs())
        reference_magnitude = warp.warp(stft(batch.references, signal).abs())
        return mixture_magnitude, ideal_binary(reference_magnitude, mixture_magnitude)


def supervised_loss(separator: Separator, batch: MixtureBatch, query: torch.Tensor) -> torch.Tensor:
    """WBCE of the proposals against ideal binary masks (Section 3.1.2), a scalar.

    `query` is (B, N, D), one a source. The U-Net runs once a mixture.
    """
    mixture_magnitude, ideal = ideal_binary_of(separator, batch)
    proposal = separator(mixture_magnitude, query)
    return wbce(proposal, ideal, mixture_magnitude)


def score_loss(
    proposal: torch.Tensor,
    old_separator: Separator,
    batch: QueriedBatch,
    reward: Reward,
    baseline: MovingBaseline,
    config: PolicyConfig,
    generator: torch.Generator,
) -> tuple[torch.Tensor, dict[str, float]]:
    """The paper's step (Eq. 2-4): sample from the old policy, listen, compare, move the new one.

    With G = 1 the group is the batch of all processes, but of one pass where a step is made in
    several.
    """
    rollout = roll_out(old_separator, batch, reward, generator, config)
    rewards = distributed.gather(rollout.reward, dim=1)
    advantage = group_normalise(baseline.advantage(rewards))
    policy = BetaMaskPolicy(proposal, batch.kappa, config.patch)
    loss, stats = rl_loss(policy, rollout, distributed.part(advantage, dim=1), config)
    within = rewards.std(dim=0, correction=0) if len(rewards) > 1 else rewards.std()
    return loss, {"reward": float(rewards.mean()), "reward_spread": float(within.mean()), **stats}


def pathwise_loss(
    separator: Separator,
    proposal: torch.Tensor,
    spectrogram: torch.Tensor,
    batch: QueriedBatch,
    reward: Reward,
    config: PolicyConfig,
    generator: torch.Generator | None,
) -> tuple[torch.Tensor, dict[str, float]]:
    """-R of one sampled mask a query, or without a generator of the mode, its gradient through the
    reward.

    The reparameterised sample of Section 3.2.1: M is a differentiable function of P and of noise.
    """
    policy = BetaMaskPolicy(proposal, batch.kappa, config.patch)
    action = policy.mode[None] if generator is None else policy.sample(generator, share=batch.share)
    estimate = reconstruct(separator, policy.mask(action[0]), spectrogram, batch.mixture.shape[-1])
    value = score(reward, estimate, batch.target)
    return -value.mean(), {"reward": float(value.detach().mean())}


def rl_step(
    separator: Separator,
    old_separator: Separator | None,
    batch: QueriedBatch,
    reward: Reward,
    baseline: MovingBaseline,
    config: RLConfig,
    generator: torch.Generator,
) -> tuple[torch.Tensor, dict[str, float]]:
    """Loss and statistics of one step: the chosen estimator's loss plus `anchor` times WBCE.

    The U-Net runs once for the new policy and, for "score", once for the old one, whatever N and G
    are.
    """
    magnitude, spectrogram = analyse(separator, batch.mixture)
    proposal = separator(magnitude, batch.query)
    check_masks(proposal)
    loss, stats, anchor = proposal.new_zeros(()), {}, config.anchor
    if config.estimator == "score":
        loss, stats = score_loss(
            proposal, old_separator, batch, reward, baseline, config.policy, generator
        )
    elif config.estimator == "supervised":
        anchor = config.anchor or 1.0
    else:
        noise = generator if config.estimator == "pathwise" else None
        loss, stats = pathwise_loss(
            separator, proposal, spectrogram, batch, reward, config.policy, noise
        )
    if anchor:
        with torch.no_grad():
            ideal = ideal_mask(separator, batch.references, magnitude)
        supervised = wbce(proposal, ideal, magnitude)
        loss, stats = loss + anchor * supervised, {**stats, "wbce": float(supervised.detach())}
    # How far masks are from a constant: the first thing to go when a policy collapses.
    stats["mask_spread"] = float(proposal.detach().std(dim=(-2, -1)).mean())
    return loss, stats
