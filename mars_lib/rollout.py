"""A rollout: masks from the old policy, what they sound like, and what the reward says of them."""

from dataclasses import dataclass

import torch

from mars_lib import check
from mars_lib.config import PolicyConfig
from mars_lib.loss import DIVERGED
from mars_lib.mask import ideal_binary
from mars_lib.policy import BetaMaskPolicy
from mars_lib.reward import Reward, Target
from mars_lib.separator import Separator, analyse, reconstruct
from mars_lib.stft import stft


@dataclass(frozen=True)
class QueriedBatch:
    """Mixtures and what is asked of them: `mixture` (B, L), `references` (B, N, L), `query` (B, N,
    D), and the `target` of every query, B * N rows in the same order. `kappa` is this step's
    concentration, `share` says (which, of how many) parts of the step's batch this is: several
    processes, or several passes, make one step.
    """

    mixture: torch.Tensor
    references: torch.Tensor
    query: torch.Tensor
    target: Target
    kappa: float = 9.0
    share: tuple[int, int] = (0, 1)

    def parts(self, count: int) -> list["QueriedBatch"]:
        """The same as `count` smaller batches, in order. Raises `InputError` when it cannot be cut
        evenly.
        """
        batch, (which, of) = len(self.mixture), self.share
        if batch % count:
            check.fail(
                "batch",
                f"of {batch} cannot be cut into {count} equal parts",
                "give a divisor of it",
            )
        rows = batch // count
        sources = rows * self.query.shape[1]
        return [
            QueriedBatch(
                *(
                    x[i * rows : (i + 1) * rows]
                    for x in (self.mixture, self.references, self.query)
                ),
                self.target[i * sources : (i + 1) * sources],
                self.kappa,
                (which * count + i, of * count),
            )
            for i in range(count)
        ]


@dataclass(frozen=True)
class Rollout:
    """One pass under the old policy; data, without gradients.

    `action` and `old_log_prob` (G, B, N, h, t), `reward` (G, B, N), `old_policy` with its
    proposals.
    """

    action: torch.Tensor
    old_log_prob: torch.Tensor
    old_policy: BetaMaskPolicy
    reward: torch.Tensor


def ideal_mask(
    separator: Separator, references: torch.Tensor, magnitude: torch.Tensor
) -> torch.Tensor:
    """Ideal binary masks at the separator's resolution: (B, N, L) and the mixture's (B, H, T) ->
    (B, N, H, T).
    """
    return ideal_binary(
        separator.warp.warp(stft(references, separator.config.signal).abs()), magnitude
    )


def ideal_estimate(
    separator: Separator, mixture: torch.Tensor, references: torch.Tensor
) -> torch.Tensor:
    """y* of Section 3.2.1: the references as their ideal masks let them through, (B, N, L).

    "Analogously" to an estimate, so that target and estimate suffer the same masking.
    """
    magnitude, spectrogram = analyse(separator, mixture)
    ideal = ideal_mask(separator, references, magnitude)
    return reconstruct(separator, ideal, spectrogram, mixture.shape[-1])


def score(reward: Reward, estimate: torch.Tensor, target: Target) -> torch.Tensor:
    """(B, N, L) estimates -> (B, N) rewards in float32. Raises `InputError` for a reward of another
    shape or NaN, FloatingPointError for NaN in an estimate.
    """
    batch, sources = estimate.shape[:2]
    with torch.autocast(estimate.device.type, enabled=False):
        value = reward(estimate.flatten(0, 1), target)
    check.shape("reward", value, "B", B=batch * sources)
    if not torch.isfinite(estimate).all():
        raise FloatingPointError(DIVERGED)
    if not torch.isfinite(value).all():
        check.fail("reward", "holds NaN or infinite values", "repair the reward function")
    return value.float().reshape(batch, sources)


@torch.no_grad()
def roll_out(
    old_separator: Separator,
    batch: QueriedBatch,
    reward: Reward,
    generator: torch.Generator,
    config: PolicyConfig,
) -> Rollout:
    """Sample G masks a query from the old policy, listen, and score them.

    The U-Net runs once whatever G and N are; the reward hears one group member at a time, so that
    memory grows with G by the actions and their log-probabilities alone.
    """
    magnitude, spectrogram = analyse(old_separator, batch.mixture)
    old_policy = BetaMaskPolicy(old_separator(magnitude, batch.query), batch.kappa, config.patch)
    action = old_policy.sample(generator, config.group_size, config.antithetic, batch.share)
    rewards = []
    for each in action:
        mask = old_policy.mask(each)
        estimate = reconstruct(old_separator, mask, spectrogram, batch.mixture.shape[-1])
        rewards.append(score(reward, estimate, batch.target))
    # The pass that `rl_loss` makes, so that its rounding cancels: it would add up in a joint ratio.
    old_log_prob, _, _ = old_policy.statistics(action, old_policy)
    return Rollout(action, old_log_prob, old_policy, torch.stack(rewards))
