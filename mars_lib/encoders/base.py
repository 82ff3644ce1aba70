"""Encoders that put text, sound and pictures into one space."""

from collections.abc import Sequence
from typing import Protocol

import torch

# Seconds of the beginning of a sound that are embedded: hours of it would take all memory.
LONGEST = 300.0


class Encoder(Protocol):
    """What the course needs of a multimodal encoder (phi_a, phi_t, phi_v of Section 3.2.2).

    Every method returns (B, D) embeddings of unit norm; `embed_audio` is differentiable.
    """

    embedding_size: int

    def embed_audio(self, waveform: torch.Tensor) -> torch.Tensor:
        """(B, L) at 16 kHz in [-1, 1]."""

    def embed_text(self, texts: Sequence[str]) -> torch.Tensor:
        """B strings."""

    def embed_image(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, 224, 224) in [0, 1]."""
