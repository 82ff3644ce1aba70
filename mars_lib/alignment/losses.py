"""The losses of the three stages (Section 3.3.1, Eq. 7-9). All embeddings are (B, D) of unit norm,
one class a row.
"""

import torch
from torch.nn import functional


def info_nce(a: torch.Tensor, b: torch.Tensor, temperature: torch.Tensor | float) -> torch.Tensor:
    """Symmetric InfoNCE, Eq. 7: row i of `a` belongs to row i of `b` and to no other.

    Rows of one class would count as each other's negatives, so a batch has one row a class
    (`mars_lib.alignment.pairs`).
    """
    logits = a @ b.T / temperature
    target = torch.arange(len(a), device=a.device)
    return (
        functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)
    ) / 2


def triplet(
    anchor: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor, margin: float
) -> torch.Tensor:
    """max(0, [1 - cos(z1, z2)] - [1 - cos(z1, zn)] + m), the second term of Eq. 8, as a mean."""
    near, far = ((anchor * other).sum(dim=-1) for other in (positive, negative))
    return (far - near + margin).clamp(min=0).mean()


def consistency(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """|z1 - z2|^2, the third term of Eq. 8, as a mean: between 0 and 4."""
    return (a - b).square().sum(dim=-1).mean()


def stage_one(
    audio: torch.Tensor, text: torch.Tensor, temperature: torch.Tensor | float
) -> torch.Tensor:
    """L_S1, Eq. 7: clips against their labels."""
    return info_nce(audio, text, temperature)


def stage_two(
    first: torch.Tensor,
    second: torch.Tensor,
    negative: torch.Tensor,
    temperature: torch.Tensor | float,
    weights: tuple[float, float, float],
    margin: float,
) -> torch.Tensor:
    """L_S2, Eq. 8: two clips of a class against one of another; `weights` are lambda_1 to
    lambda_3.
    """
    return (
        weights[0] * info_nce(first, second, temperature)
        + weights[1] * triplet(first, second, negative, margin)
        + weights[2] * consistency(first, second)
    )


def stage_three(
    audio: torch.Tensor,
    image: torch.Tensor,
    mismatched: torch.Tensor,
    earlier: tuple[torch.Tensor, torch.Tensor],
    temperature: torch.Tensor | float,
    weights: tuple[float, float, float, float],
    margin: float,
) -> torch.Tensor:
    """L_S3, Eq. 9: clips against pictures, with `earlier` = (L_S1, L_S2); `weights` are mu_1 to
    mu_4.
    """
    return (
        weights[0] * info_nce(audio, image, temperature)
        + weights[1] * triplet(audio, image, mismatched, margin)
        + weights[2] * earlier[0]
        + weights[3] * earlier[1]
    )
