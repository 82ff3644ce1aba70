"""What training minimises: the supervised loss, and the clipped surrogate with its regularisers."""

from typing import Protocol

import torch
from torch.nn import functional

from mars_lib import check
from mars_lib.config import PolicyConfig
from mars_lib.mask import check_masks
from mars_lib.policy import BetaMaskPolicy


def wbce_weight(mixture_magnitude: torch.Tensor) -> torch.Tensor:
    """The weight of a bin, log(1 + magnitude) clamped to [1e-3, 10]: the same shape in and out.

    Loud bins count more. The paper says "weighted"; the weight is the one of OmniSep's recipe.
    """
    return torch.log1p(mixture_magnitude).clamp(1e-3, 10.0)


def wbce(
    proposal: torch.Tensor, ideal: torch.Tensor, mixture_magnitude: torch.Tensor
) -> torch.Tensor:
    """The supervised loss: weighted binary cross-entropy on ideal masks (Section 3.1.2).

    The mean over bins, sources and mixtures. The paper sums over sources, OmniSep's code takes
    their mean: a factor N that the gradient clipping swallows; we take the mean. Always float32:
    under CUDA's autocast torch refuses a cross-entropy of probabilities.

    Args:
        proposal: (B, N, H, T) P in [0, 1].
        ideal: (B, N, H, T) ideal masks.
        mixture_magnitude: (B, H, T), the weight's.

    Returns:
        A scalar.

    Raises:
        FloatingPointError: on the CPU, for a proposal with NaN.
    """
    check_masks(proposal)
    weight = wbce_weight(mixture_magnitude).unsqueeze(1).expand_as(proposal)
    with torch.autocast(proposal.device.type, enabled=False):
        return cross_entropy(proposal.float(), ideal.float(), weight.float())


def cross_entropy(
    proposal: torch.Tensor, ideal: torch.Tensor, weight: torch.Tensor, reduction: str = "mean"
) -> torch.Tensor:
    """Torch's binary cross-entropy, for which NaN on a card is 0.5 and not the process's end."""
    if check.on_card(proposal):
        proposal = proposal.nan_to_num(0.5)
    return functional.binary_cross_entropy(proposal, ideal, weight, reduction=reduction)


# The axes over which log-ratios are summed.
RATIOS: dict[str, tuple[int, ...]] = {"bin": (), "frame": (-2,), "joint": (-2, -1)}


def policy_ratio(
    log_prob: torch.Tensor, old_log_prob: torch.Tensor, per: str = "bin"
) -> torch.Tensor:
    """The likelihood ratio of Eq. 3, r = exp(log pi(M) - log pi_old(M)).

    The paper's sum over bins reads as joint, its "broadcast A to the mask shape" as per bin: we
    default to bins, because with 10^4 of them the joint ratio leaves the clip range at the first
    step.

    Args:
        log_prob: (G, B, N, h, t) log pi(M) per bin.
        old_log_prob: the same of the old policy.
        per: "bin"; "frame": log-ratios are summed over frequency; "joint": over the whole mask.

    Returns:
        The ratio, axes that were summed kept with size 1. Held to e^-30 ... e^30, so that the loss
        and its gradient stay finite.

    Raises:
        InputError: for an unknown `per`.
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
    """The clipped surrogate of Eq. 4, min(r A, clip(r, 1 - eps, 1 + eps) A), element by element.

    Where the clipped branch is the smaller one the gradient is zero: that sample has moved far
    enough.

    Args:
        ratio: (G, B, N, h, t) r of Eq. 3.
        advantage: A, broadcast to the ratio.
        clip_range: eps, between 0 and 1. The paper uses 0.2.

    Returns:
        The shape of `ratio`.

    Raises:
        InputError: for a clip range out of (0, 1).
    """
    if not 0 < clip_range < 1:
        remedy = "give a number between 0 and 1; the paper uses 0.2"
        check.fail("clip range", f"is {clip_range}", remedy)
    clipped = ratio.clamp(1 - clip_range, 1 + clip_range)
    return torch.minimum(ratio * advantage, clipped * advantage)


class Samples(Protocol):
    """What `rl_loss` reads of a `mars_lib.rollout.Rollout`: all but its rewards."""

    @property
    def action(self) -> torch.Tensor: ...
    @property
    def old_log_prob(self) -> torch.Tensor: ...
    @property
    def old_policy(self) -> BetaMaskPolicy: ...


def rl_loss(
    policy: BetaMaskPolicy, rollout: Samples, advantage: torch.Tensor, config: PolicyConfig
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The loss of PPO, L = -J, J = E[Eq. 4] + lambda_H H(pi) - lambda_KL KL(pi || pi_old).

    Section 3.2.1. Entropy and KL are means over bins or, with `config.reduction` "sum", sums over
    the bins of a mask (the paper does not say; they differ by a factor of 10^4).

    Args:
        policy: pi, of the weights that learn.
        rollout: what pi_old sampled.
        advantage: (G, B, N) or, with credit in time, (G, B, N, 1, t), by patch, (G, B, N, h, t);
            without a gradient.
        config: clip range, kind of ratio, and the coefficients lambda_H and lambda_KL.

    Returns:
        L, a scalar, and the statistics: mean `ratio`, `clip_fraction` (share of samples outside the
        clip range on the side that the advantage pushes to), `approx_kl` (mean of r - 1 - log r),
        `entropy` and `kl` (means over bins), `dead_advantages` (share of advantages below 1e-3):
        numbers on the policy's device.

    Raises:
        InputError: for an advantage of another shape or with a gradient.
    """
    local = advantage.ndim == rollout.action.ndim
    letters = "GBNht" if local else "GBN"
    sizes = dict(zip(letters, rollout.action.shape))
    if local and advantage.shape[-2] == 1:
        sizes["h"] = 1
    check.shape("advantage", advantage, " ".join(letters), **sizes)
    if advantage.requires_grad:
        check.fail("advantage", "carries a gradient", "detach it: rewards are data")
    log_prob, entropy, kl = policy.statistics(rollout.action, rollout.old_policy)
    ratio = policy_ratio(log_prob, rollout.old_log_prob, config.ratio)
    of_mask = advantage if local else advantage[..., None, None]
    surrogate = clipped_surrogate(ratio, of_mask, config.clip_range).mean()
    bins = 1 if config.reduction == "mean" else entropy[0, 0].numel()
    bonus = config.entropy_coefficient * entropy.mean() * bins
    penalty = config.kl_coefficient * kl.mean() * bins
    with torch.no_grad():
        clipped = (ratio - 1) * of_mask.sign() > config.clip_range
        stats = {
            "ratio": ratio.mean(),
            "clip_fraction": clipped.float().mean(),
            "approx_kl": (ratio - 1 - ratio.log()).mean(),
            "entropy": entropy.mean(),
            "kl": kl.mean(),
            "dead_advantages": (advantage.abs() < 1e-3).float().mean(),
        }
    return -(surrogate + bonus - penalty), stats
