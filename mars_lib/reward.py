"""Rewards: similarity in a frozen encoder's embedding space (Section 3.2.2, Eq. 5, 6, 10-12)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn
from torch.nn import functional

from mars_lib import check

MODALITIES = ("audio", "text", "image")
# The frozen reward encoder: (B, L) waveforms -> (B, D) embeddings of unit norm.
EmbedAudio = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Target:
    """What estimates are compared with, one row an estimate.

    Attributes:
        reference: (B, L) waveforms of the queried sources.
        embeddings: (B, D) of unit norm by modality, "audio", "text", "image"; those that are
            missing are left out.
    """

    reference: torch.Tensor
    embeddings: Mapping[str, torch.Tensor]

    def of(self, mixtures: slice, n_sources: int) -> "Target":
        """The target of some of the mixtures, which have `n_sources` rows each."""

        def cut(rows: torch.Tensor) -> torch.Tensor:
            return rows.unflatten(0, (-1, n_sources))[mixtures].flatten(0, 1)

        return Target(cut(self.reference), {name: cut(z) for name, z in self.embeddings.items()})


class Reward(Protocol):
    """Any function that says how good estimates are; higher is better."""

    def __call__(self, estimate: torch.Tensor, target: Target, /) -> torch.Tensor:
        """(B, L) estimates and their target -> (B,) rewards."""


def cosine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Cosine similarity, Eq. 5: sim(a, b) = <a, b> / (|a| |b|).

    (..., D) and (..., D) -> (...) in [-1, 1], always in float32.
    """
    return functional.cosine_similarity(a.float(), b.float(), dim=-1)


def unimodal(embed_audio: EmbedAudio, modality: str) -> Reward:
    """r_aa, r_ta or r_va of Eq. 6: the estimate's embedding against one modality's alone.

    Raises `InputError` for an unknown modality; the reward does, for a target without it.
    """
    if modality not in MODALITIES:
        check.fail("modality", f"is {modality!r}", f"give one of {', '.join(MODALITIES)}")

    def reward(estimate: torch.Tensor, target: Target) -> torch.Tensor:
        if modality not in target.embeddings:
            check.fail("target", f"has no {modality}", "choose a modality that every item has")
        return cosine(embed_audio(estimate), target.embeddings[modality])

    return reward


def mean_of_unimodal(embed_audio: EmbedAudio) -> Reward:
    """The mean of those unimodal rewards (Eq. 6) whose modality the target has."""

    def reward(estimate: torch.Tensor, target: Target) -> torch.Tensor:
        if not target.embeddings:
            check.fail("target", "has no modality", f"give some of {', '.join(MODALITIES)}")
        embedding = embed_audio(estimate)
        similarities = [cosine(embedding, z) for z in target.embeddings.values()]
        return torch.stack(similarities).mean(dim=0)

    return reward


def fused(embed_audio: EmbedAudio, pooling: "MLBP") -> Reward:
    """R = sim(phi_a(estimate), z*), the anchor z* = MLBP of the target's modalities.

    Section 3.2.2, after Eq. 12. Asymmetric, as in the paper: the estimate's embedding is not
    projected.
    """

    def reward(estimate: torch.Tensor, target: Target) -> torch.Tensor:
        with torch.no_grad():
            anchor = pooling(target.embeddings)
        return cosine(embed_audio(estimate), anchor)

    return reward


def with_signal(semantic: Reward, weight: float) -> Reward:
    """semantic + weight * SI-SDR in dB: a reward for fidelity too.

    Not in the paper's equations; its Section 1 asks for fidelity beside semantics. SI-SDR is held
    to [-30, 30] dB, so that one silent item cannot rule a batch.
    """
    return _WithSignal(semantic, weight)


@dataclass(frozen=True)
class _WithSignal:
    semantic: Reward
    weight: float

    def __call__(self, estimate: torch.Tensor, target: Target, /) -> torch.Tensor:
        return self.semantic(estimate, target) + self.weight * signal_fidelity(estimate, target)

    @property
    def in_windows(self) -> Reward:
        """SI-SDR alone: an eighth of a second is enough for it, and too little for an encoder."""
        return signal_fidelity


def in_windows(reward: Reward) -> Reward:
    """What scores short windows of an estimate: the signal term of a reward that has one, else the
    reward itself. Ours, as windows are (`mars_lib.advantage.credit_in_time`).
    """
    return getattr(reward, "in_windows", reward)


def compared_with(reward: Reward, target: Target) -> Target:
    """The target that a reward compares an estimate with: the query's, unless it moves that."""
    return getattr(reward, "moved", lambda same: same)(target)


def signal_fidelity(estimate: torch.Tensor, target: Target) -> torch.Tensor:
    """SI-SDR (Eq. 13) in dB as a reward: (B, L) -> (B,), differentiable.

    Held to [-30, 30]; silence gets -30.
    """
    return held_si_sdr(estimate, target.reference, best=1e3)


def held_si_sdr(estimate: torch.Tensor, reference: torch.Tensor, best: float) -> torch.Tensor:
    """SI-SDR (Eq. 13) in dB, (..., L) and (..., L) -> (...), from -30 to that of a ratio `best`."""
    s = reference - reference.mean(dim=-1, keepdim=True)
    e = estimate - estimate.mean(dim=-1, keepdim=True)
    scale = (e * s).sum(-1, keepdim=True) / s.square().sum(-1, keepdim=True).clamp(min=1e-8)
    kept, rest = (scale * s).square().sum(-1), (e - scale * s).square().sum(-1)
    return 10 * torch.log10((kept / rest.clamp(min=1e-12)).clamp(1e-3, best))


class MLBP(nn.Module):
    """Multimodal low-rank bilinear pooling (Eq. 10-12): all modalities fused into one anchor z*.

    u_k = W_k z_k without a bias (Eq. 10), h = the Hadamard product of the u_k (Eq. 11), z* = W_o h
    + b_o (Eq. 12), here of unit norm. A missing modality leaves its factor out. The paper does not
    say how the weights are trained: see `mars_lib.training.mlbp`.

    Args:
        embedding_size: D.
        rank: d, the size of the u_k and of h. The paper does not say; we default to 256.
    """

    def __init__(self, embedding_size: int, rank: int = 256):
        super().__init__()
        self.project = nn.ModuleDict(
            {name: nn.Linear(embedding_size, rank, bias=False) for name in MODALITIES}
        )
        # Unit embeddings have entries of about 1 / sqrt(D): this keeps the product of three near 1.
        for project in self.project.values():
            nn.init.normal_(project.get_parameter("weight"))
        self.out = nn.Linear(rank, embedding_size)

    def forward(self, embeddings: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """{modality: (B, D)} -> the anchor z*, (B, D) of unit norm.

        Raises `InputError` for no modality and for an unknown one.
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
