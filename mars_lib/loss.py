"""What training minimises."""

import torch
from torch.nn import functional


def wbce_weight(mixture_magnitude: torch.Tensor) -> torch.Tensor:
    """Loud bins count more: log(1 + magnitude), clamped to [1e-3, 10]. Same shape in and out.

    The paper says "weighted"; the weight is the one of OmniSep's recipe.
    """
    return torch.log1p(mixture_magnitude).clamp(1e-3, 10.0)


def wbce(
    proposal: torch.Tensor, ideal: torch.Tensor, mixture_magnitude: torch.Tensor
) -> torch.Tensor:
    """Weighted binary cross-entropy on ideal masks (Section 3.1.2), a scalar.

    Args:
        proposal: (B, N, H, T) in [0, 1]; ideal: the same shape; mixture_magnitude: (B, H, T).
    Mean over bins and mixtures. The paper sums over sources, OmniSep's code takes their mean: a factor N
    that the gradient clipping swallows; we take the mean.
    """
    weight = wbce_weight(mixture_magnitude).unsqueeze(1).expand_as(proposal)
    return functional.binary_cross_entropy(proposal.float(), ideal.float(), weight)
