"""Checks of `04_multimodal_rewards`."""

import torch
from torch.nn import functional

from mars_lib.exercises.checking import Function, check
from mars_lib.reward import MLBP, Target, cosine, with_signal

_NAMES = ("audio", "text", "image")
# Tensors by modality.
Tensors = dict[str, torch.Tensor]


def _randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def check_cosine(attempt: Function) -> bool:
    """`attempt(estimate, anchor)`: Eq. 5 for (B, D) embeddings of any length, a reward a row."""
    estimate, anchor = 3 * _randn(4, 6), _randn(4, 6, seed=1)
    return check(
        "cosine",
        attempt,
        cosine,
        [(estimate, anchor), (anchor, -2 * anchor)],
        {
            "divide by the lengths of both": lambda a, b: (a * b).sum(-1),
            "it is divided by one length only": lambda a, b: (a * b).sum(-1) / a.norm(dim=-1),
            "divide by the product of the lengths, not by their squares": lambda a, b: (
                (a * b).sum(-1) / (a.square().sum(-1) * b.square().sum(-1))
            ),
            "one reward a row: sum over the last axis only": lambda a, b: (
                (a * b).sum() / (a.norm() * b.norm())
            ),
        },
    )


def check_fusion(attempt: Function) -> bool:
    """`attempt(embeddings, weights, out_weight, out_bias)`: z* of Eq. 10-12, of unit norm.

    `embeddings` {modality: (B, D)} may lack modalities; `weights` {modality: (d, D)} has all three;
    `out_weight` (D, d), `out_bias` (D,).
    """
    size, rank = 6, 4
    z = {
        name: functional.normalize(_randn(3, size, seed=i), dim=-1) for i, name in enumerate(_NAMES)
    }
    weights = {name: _randn(rank, size, seed=10 + i) for i, name in enumerate(_NAMES)}
    parts = (weights, _randn(size, rank, seed=20), _randn(size, seed=21))
    given = [{k: z[k] for k in names} for names in (_NAMES, _NAMES[:2], _NAMES[1:], _NAMES[2:])]

    def factors(embeddings: Tensors, weights: Tensors) -> torch.Tensor:
        return torch.stack([embeddings[name] @ weights[name].T for name in embeddings])

    def close(
        hadamard: torch.Tensor, out_weight: torch.Tensor, out_bias: torch.Tensor | float
    ) -> torch.Tensor:
        return functional.normalize(hadamard @ out_weight.T + out_bias, dim=-1)

    def with_zeros(
        embeddings: Tensors, weights: Tensors, out_weight: torch.Tensor, out_bias: torch.Tensor
    ) -> torch.Tensor:
        whole = {name: embeddings.get(name, torch.zeros(3, size)) for name in _NAMES}
        return close(factors(whole, weights).prod(0), out_weight, out_bias)

    return check(
        "fusion",
        attempt,
        _mlbp,
        [(each, *parts) for each in given],
        {
            "the factors are multiplied, not added": lambda z, w, o, b: close(
                factors(z, w).sum(0), o, b
            ),
            "a missing modality is left out: a factor of zeros wipes out the others": with_zeros,
            "the bias of the output projection is missing": lambda z, w, o, b: close(
                factors(z, w).prod(0), o, 0
            ),
            "the anchor is not yet of length 1": lambda z, w, o, b: factors(z, w).prod(0) @ o.T + b,
        },
    )


def _mlbp(
    embeddings: Tensors, weights: Tensors, out_weight: torch.Tensor, out_bias: torch.Tensor
) -> torch.Tensor:
    """The library's own fusion with given weights."""
    pooling = MLBP(out_weight.shape[0], out_weight.shape[1])
    state = {f"project.{name}.weight": weights[name] for name in _NAMES}
    pooling.load_state_dict(state | {"out.weight": out_weight, "out.bias": out_bias})
    return pooling(embeddings).detach()


def check_composite(attempt: Function) -> bool:
    """`attempt(similarity, decibels, weight)`: similarity + weight * SI-SDR within [-30, 30] dB."""
    reference = _randn(1, 64)
    noise = _randn(1, 64, seed=1)
    # From nearly perfect to nearly all noise, so that both limits are met.
    estimates = torch.cat([reference + gain * noise for gain in (1e-6, 0.3, 1.0, 30.0, 1e6)])
    target = Target(reference.expand_as(estimates), {})
    similarity = torch.linspace(0.9, -0.1, len(estimates))
    s, e = reference - reference.mean(), estimates - estimates.mean(-1, keepdim=True)
    kept = (e @ s[0])[:, None] / s.square().sum() * s
    decibels = 10 * torch.log10(kept.square().sum(-1) / (e - kept).square().sum(-1))

    def right(similarity: torch.Tensor, decibels: torch.Tensor, weight: float) -> torch.Tensor:
        return with_signal(lambda estimate, target: similarity, weight)(estimates, target)

    return check(
        "composite",
        attempt,
        right,
        [(similarity, decibels, 0.03), (similarity, decibels, 0.5)],
        {
            "hold the SI-SDR to [-30, 30] dB first": lambda r, d, w: r + w * d,
            (
                "at a weight of 0.03 the limits never act: an SI-SDR of 120 dB adds 3.6, and no "
                "similarity is above 1"
            ): lambda r, d, w: r + (w * d).clamp(-30, 30),
            "the similarity keeps its full weight": lambda r, d, w: (
                (1 - w) * r + w * d.clamp(-30, 30)
            ),
            "decibels that rise are good: mind the sign": lambda r, d, w: r - w * d.clamp(-30, 30),
        },
    )
