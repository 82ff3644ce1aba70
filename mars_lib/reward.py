"""Rewards: what a frozen encoder hears in an estimate (Section 3.2.2, Eq. 5, 6, 10-12)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from mars_lib import check

MODALITIES = ("audio", "text", "image")


@dataclass(frozen=True)
class Target:
    """What an estimate is compared with, one row an estimate.

    `reference` (B, L): the waveform that was asked for. `embeddings`: (B, D) of unit norm by
    modality, "audio", "text", "image"; those that are missing are left out.
    """

    reference: torch.Tensor
    embeddings: Mapping[str, torch.Tensor]

    def __getitem__(self, rows: slice) -> "Target":
        """Some of the rows."""
        return Target(self.reference[rows], {name: z[rows] for name, z in self.embeddings.items()})


# Any function of an estimate (B, L) and a `Target` that gives (B,) rewards, higher is better.
Reward = Callable[[torch.Tensor, Target], torch.Tensor]


def cosine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """sim(a, b) = <a, b> / (|a| |b|), Eq. 5: (..., D) -> (...) in [-1, 1]. Always in float32."""
    return functional.cosine_similarity(a.float(), b.float(), dim=-1)


def unimodal(embed_audio: Callable, modality: str) -> Reward:
    """r_aa, r_ta or r_va of Eq. 6: the estimate's embedding against one modality's alone."""
    if modality not in MODALITIES:
        check.fail("modality", f"is {modality!r}", f"give one of {', '.join(MODALITIES)}")

    def reward(estimate: torch.Tensor, target: Target) -> torch.Tensor:
        if modality not in target.embeddings:
            check.fail("target", f"has no {modality}", "choose a modality that every item has")
        return cosine(embed_audio(estimate), target.embeddings[modality])

    return reward


def mean_of_unimodal(embed_audio: Callable) -> Reward:
    """The mean of those unimodal rewards (Eq. 6) whose modality the target has."""

    def reward(estimate: torch.Tensor, target: Target) -> torch.Tensor:
        if not target.embeddings:
            check.fail("target", "has no modality", f"give some of {', '.join(MODALITIES)}")
        heard = embed_audio(estimate)
        return torch.stack([cosine(heard, z) for z in target.embeddings.values()]).mean(dim=0)

    return reward


def fused(embed_audio: Callable, pooling: "MLBP") -> Reward:
    """R = sim(phi_a(estimate), z*), z* = MLBP of the target's modalities (Section 3.2.2, after Eq.
    12).

    Asymmetric, as in the paper: the estimate's embedding is not projected.
    """

    def reward(estimate: torch.Tensor, target: Target) -> torch.Tensor:
        with torch.no_grad():
            anchor = pooling(target.embeddings)
        return cosine(embed_audio(estimate), anchor)

    return reward


def with_signal(semantic: Reward, weight: float) -> Reward:
    """semantic + weight * SI-SDR in dB: a reward that also hears fidelity.

    Not in the paper's equations; its Section 1 asks for fidelity beside semantics. SI-SDR is held
    to [-30, 30] dB, so that one silent item cannot rule a batch.
    """

    def reward(estimate: torch.Tensor, target: Target) -> torch.Tensor:
        return semantic(estimate, target) + weight * signal_fidelity(estimate, target)

    return reward


def signal_fidelity(estimate: torch.Tensor, target: Target) -> torch.Tensor:
    """SI-SDR (Eq. 13) in dB as a reward, differentiable, held to [-30, 30]: (B, L) -> (B,). Silence
    gets -30.
    """
    s = target.reference - target.reference.mean(dim=-1, keepdim=True)
    e = estimate - estimate.mean(dim=-1, keepdim=True)
    scale = (e * s).sum(-1, keepdim=True) / s.square().sum(-1, keepdim=True).clamp(min=1e-8)
    kept, rest = (scale * s).square().sum(-1), (e - scale * s).square().sum(-1)
    return 10 * torch.log10((kept / rest.clamp(min=1e-12)).clamp(1e-3, 1e3))


class MLBP(nn.Module):
    """Multimodal low-rank bilinear pooling (Eq. 10-12): audio, text and image fused into one anchor
    z*.

    u_k = W_k z_k without a bias (Eq. 10), h = the Hadamard product of the u_k (Eq. 11), z* = W_o h
    + b_o (Eq. 12), here of unit norm. A missing modality leaves its factor out. `rank` is d, which
    the paper does not name; nor does it say how the weights are trained: see
    `mars_lib.training.mlbp`.
    """

    def __init__(self, embedding_size: int, rank: int = 256):
        super().__init__()
        self.project = nn.ModuleDict(
            {name: nn.Linear(embedding_size, rank, bias=False) for name in MODALITIES}
        )
        # Unit embeddings have entries of about 1 / sqrt(D): this keeps the product of three near 1.
        for layer in self.project.values():
            nn.init.normal_(layer.weight)
        self.out = nn.Linear(rank, embedding_size)

    def forward(self, embeddings: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """{modality: (B, D)} -> (B, D), unit norm. Raises `InputError` for an empty or unknown
        modality.
        """
        unknown = [name for name in embeddings if name not in self.project]
        if unknown or not embeddings:
            given = ", ".join(embeddings) or "nothing"
            check.fail("modalities", f"are {given}", f"give some of {', '.join(MODALITIES)}")
        hadamard = None
        for name, z in embeddings.items():
            u = self.project[name](z.float())
            hadamard = u if hadamard is None else hadamard * u
        return functional.normalize(self.out(hadamard), dim=-1)
