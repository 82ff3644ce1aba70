"""Queries: points in the shared embedding space, from text, sound, pictures, or a mix of them."""

import torch

from mars_lib import check


def query_mixup(embeddings: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Query-Mixup, Eq. 1: Q = (w_a Q_A + w_v Q_V + w_t Q_T) / (w_a + w_v + w_t).

    Args:
        embeddings: (..., M, D), one row a modality, each of unit norm.
        weights: (..., M), each in [0, 1], not all 0; on the CPU they are checked without waiting
            for the embeddings' device.

    Returns:
        (..., D), norm at most 1. The paper does not say; we do not normalise it again.

    Raises:
        InputError: for weights outside [0, 1] or all 0.

    >>> query_mixup(torch.eye(2), torch.tensor([1.0, 0.5]))
    tensor([0.6667, 0.3333])
    """
    check.shape("weights", weights, "... M", M=embeddings.shape[-2])
    if not ((weights >= 0) & (weights <= 1)).all():
        check.fail("query weights", f"are {weights.tolist()}", "give numbers from 0 to 1")
    total = weights.sum(dim=-1, keepdim=True)
    if not (total > 0).all():
        check.fail("query weights", "are all 0", "give at least one modality a weight above 0")
    weights, total = (x.to(embeddings.device, non_blocking=True) for x in (weights, total))
    return (weights.unsqueeze(-1) * embeddings).sum(dim=-2) / total


def random_weights(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Weights of Eq. 1 for training: `shape`, uniform in (0, 1].

    The paper says w in [0, 1]; as in OmniSep's recipe each source of each mixture draws its own.
    """
    return 1.0 - torch.rand(shape, generator=generator)


def subtract(
    query: torch.Tensor, negative_query: torch.Tensor, strength: float = 0.5
) -> torch.Tensor:
    """The negative query of Section 3.1.2, Q' = (1 + alpha) Q - alpha Q_N.

    Args:
        query: (..., D) Q.
        negative_query: (..., D) Q_N, what is not wanted.
        strength: alpha, from 0 to 10. The paper does not say; 0.5 is OmniSep's value.

    Returns:
        (..., D). The paper does not say; we do not normalise it again.

    Raises:
        InputError: for a strength out of range.
    """
    check.between("negative-query strength", strength, 0.0, 10.0)
    return (1 + strength) * query - strength * negative_query
