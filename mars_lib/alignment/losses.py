"""The losses of the three stages (Section 3.3.1, Eq. 7-9).

All embeddings are (B, D) of unit norm, one class a row. All losses are scalars.
"""

import torch
from torch.nn import functional


def info_nce(a: torch.Tensor, b: torch.Tensor, temperature: torch.Tensor | float) -> torch.Tensor:
    """Compute symmetric InfoNCE, Eq. 7: row i of `a` belongs to row i of `b` and to no other.

    Rows of one class would count as each other's negatives, so a batch has one row a class
    (`mars_lib.alignment.pairs`).
    """
    logits = a @ b.T / temperature
    target = torch.arange(len(a), device=a.device)
    there, back = (functional.cross_entropy(each, target) for each in (logits, logits.T))
    return (there + back) / 2


def triplet(
    anchor: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor, margin: float
) -> torch.Tensor:
    """Compute max(0, [1 - cos(z1, z2)] - [1 - cos(z1, zn)] + m), the second term of Eq. 8.

    Args:
        anchor: z1.
        positive: z2, of the same class.
        negative: zn, of another class.
        margin: m.

    Returns:
        The mean over the batch.
    """
    near, far = ((anchor * other).sum(dim=-1) for other in (positive, negative))
    return (far - near + margin).clamp(min=0).mean()


def consistency(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Compute |z1 - z2|^2, the third term of Eq. 8, as a mean over the batch: in [0, 4]."""
    return (a - b).square().sum(dim=-1).mean()


def stage_one(
    audio: torch.Tensor, text: torch.Tensor, temperature: torch.Tensor | float
) -> torch.Tensor:
    """Compute L_S1, Eq. 7: clips against their labels."""
    return info_nce(audio, text, temperature)


def stage_two(
    first: torch.Tensor,
    second: torch.Tensor,
    negative: torch.Tensor,
    temperature: torch.Tensor | float,
    weights: tuple[float, float, float],
    margin: float,
) -> torch.Tensor:
    """Compute L_S2, Eq. 8: two clips of a class against one of another.

    Args:
        first: a clip of each class.
        second: another clip of the same class.
        negative: a clip of another class.
        temperature: tau of Eq. 7.
        weights: lambda_1 to lambda_3.
        margin: m.
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
    """Compute L_S3, Eq. 9: clips against pictures, with the losses of the earlier stages.

    Args:
        audio: a clip of each class.
        image: a picture of the same class.
        mismatched: a picture of another class.
        earlier: (L_S1, L_S2) of the same batch.
        temperature: tau of Eq. 7.
        weights: mu_1 to mu_4.
        margin: m.
    """
    return (
        weights[0] * info_nce(audio, image, temperature)
        + weights[1] * triplet(audio, image, mismatched, margin)
        + weights[2] * earlier[0]
        + weights[3] * earlier[1]
    )
