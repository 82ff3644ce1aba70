"""What training minimises: the supervised loss, and the clipped surrogate with its regularisers."""

from typing import Protocol

import torch
from torch.nn import functional

from mars_lib import check
from mars_lib.config import PolicyConfig
from mars_lib.policy import BetaMaskPolicy

DIVERGED = "the masks are no longer finite"


def wbce_weight(mixture_magnitude: torch.Tensor) -> torch.Tensor:
    """Loud bins count more: log(1 + magnitude), clamped to [1e-3, 10]. Same shape in and out.

    The paper says "weighted"; the weight is the one of OmniSep's recipe.
    """
    return torch.log1p(mixture_magnitude).clamp(1e-3, 10.0)


def check_masks(masks: torch.Tensor) -> None:
    """Raise FloatingPointError for masks that hold NaN, before torch or the sampler stops at them
    with words of their own, on a card with an error that ends the process.
    """
    if not torch.isfinite(masks).all():
        raise FloatingPointError(DIVERGED)


def wbce(
    proposal: torch.Tensor, ideal: torch.Tensor, mixture_magnitude: torch.Tensor
) -> torch.Tensor:
    """Weighted binary cross-entropy on ideal masks (Section 3.1.2), a scalar.

    Args:
        proposal: (B, N, H, T) in [0, 1]; ideal: the same shape; mixture_magnitude: (B, H, T).
    Mean over bins and mixtures. The paper sums over sources, OmniSep's code takes their mean: a factor N
    that the gradient clipping swallows; we take the mean. Always float32: under CUDA's autocast torch refuses a cross-entropy of probabilities.
    Raises FloatingPointError for a proposal with NaN.
    """
    check_masks(proposal)
    weight = wbce_weight(mixture_magnitude).unsqueeze(1).expand_as(proposal)
    with torch.autocast(proposal.device.type, enabled=False):
        return functional.binary_cross_entropy(proposal.float(), ideal.float(), weight.float())


RATIOS = {"bin": (), "frame": (-2,), "joint": (-2, -1)}


def policy_ratio(
    log_prob: torch.Tensor, old_log_prob: torch.Tensor, per: str = "bin"
) -> torch.Tensor:
    """r = exp(log pi(M) - log pi_old(M)), Eq. 3.

    (G, B, N, h, t) log-probabilities -> a ratio `per` "bin", of the same shape; "frame", summed
    over frequency first; or "joint", summed over the whole mask (the summed axes are kept with size
    1). The paper's sum over bins reads as joint, its "broadcast A to the mask shape" as per bin: we
    default to bins, because with 10^4 of them the joint ratio leaves the clip range at the first
    step. Held to e^-30 ... e^30, so that the loss and its gradient stay finite.
    """
    if per not in RATIOS:
        check.fail("ratio", f"is per {per!r}", f"give one of {', '.join(RATIOS)}")
    log_ratio = log_prob - old_log_prob
    if RATIOS[per]:
        log_ratio = log_ratio.sum(dim=RATIOS[per], keepdim=True)
    return log_ratio.clamp(-30, 30).exp()


def clipped_surrogate(
    ratio: torch.Tensor, advantage: torch.Tensor, clip_range: float = 0.2
) -> torch.Tensor:
    """min(r A, clip(r, 1 - eps, 1 + eps) A), Eq. 4, element by element; `advantage` broadcasts.

    Where the clipped branch is the smaller one the gradient is zero: that sample has moved far
    enough.
    """
    if not 0 < clip_range < 1:
        check.fail(
            "clip range", f"is {clip_range}", "give a number between 0 and 1; the paper uses 0.2"
        )
    return torch.minimum(ratio * advantage, ratio.clamp(1 - clip_range, 1 + clip_range) * advantage)


class Rollout(Protocol):
    """What `rl_loss` reads of a rollout: see `mars_lib.rollout.Rollout`."""

    action: torch.Tensor
    old_log_prob: torch.Tensor
    old_policy: BetaMaskPolicy


def rl_loss(
    policy: BetaMaskPolicy, rollout: Rollout, advantage: torch.Tensor, config: PolicyConfig
) -> tuple[torch.Tensor, dict[str, float]]:
    """L = -J, J = E[clipped surrogate] + lambda_H H - lambda_KL KL(pi || pi_old): (scalar,
    statistics).

    `advantage` is (G, B, N). Entropy and KL are means over bins or, with `config.reduction` "sum",
    sums over the bins of a mask (the paper does not say; they differ by a factor of 10^4). The
    statistics: mean `ratio`, `clip_fraction` (share of samples outside the clip range on the side
    that the advantage pushes to), `approx_kl` (mean of r - 1 - log r), `entropy` and `kl` (means
    over bins), `dead_advantages` (share of advantages below 1e-3).
    """
    check.shape("advantage", advantage, "G B N", **dict(zip("GBN", rollout.action.shape)))
    if advantage.requires_grad:
        check.fail("advantage", "carries a gradient", "detach it: rewards are data")
    log_prob, entropy, kl = policy.statistics(rollout.action, rollout.old_policy)
    ratio = policy_ratio(log_prob, rollout.old_log_prob, config.ratio)
    spread = advantage[..., None, None]
    surrogate = clipped_surrogate(ratio, spread, config.clip_range).mean()
    bins = 1 if config.reduction == "mean" else entropy[0, 0].numel()
    bonus = config.entropy_coefficient * entropy.mean() * bins
    penalty = config.kl_coefficient * kl.mean() * bins
    with torch.no_grad():
        outside = (ratio - 1) * spread.sign() > config.clip_range
        stats = {
            "ratio": ratio.mean(),
            "clip_fraction": outside.float().mean(),
            "approx_kl": (ratio - 1 - ratio.log()).mean(),
            "entropy": entropy.mean(),
            "kl": kl.mean(),
            "dead_advantages": (advantage.abs() < 1e-3).float().mean(),
        }
    return -(surrogate + bonus - penalty), {k: float(v) for k, v in stats.items()}
