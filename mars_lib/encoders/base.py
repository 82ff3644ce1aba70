"""What the package needs of a multimodal encoder: text, sound and pictures in one space."""

from collections.abc import Sequence
from typing import Protocol, Self

import torch
from torch import nn

from mars_lib import check

# Seconds of the beginning of a sound that are embedded: hours of it would take all memory.
LONGEST = 300.0


class Encoder(Protocol):
    """A multimodal encoder: phi_a, phi_t and phi_v of Section 3.2.2.

    Every method returns embeddings (B, D) of unit norm. `embed_audio` is differentiable.

    Attributes:
        embedding_size: D, the numbers in one embedding.
    """

    embedding_size: int

    def embed_audio(self, waveform: torch.Tensor) -> torch.Tensor:
        """Embed sounds, (B, L) at 16 kHz in [-1, 1]."""

    def embed_text(self, texts: Sequence[str]) -> torch.Tensor:
        """Embed B texts."""

    def embed_image(self, images: torch.Tensor) -> torch.Tensor:
        """Embed pictures, (B, 3, 224, 224) in [0, 1]."""

    def to(self, device: torch.device | str) -> Self:
        """Move the encoder to a device, in place, as `torch.nn.Module.to` does."""

    def eval(self) -> Self:
        """Switch to evaluation mode, in place, as `torch.nn.Module.eval` does."""


class TrainableEncoder(Encoder, Protocol):
    """An encoder whose projection heads can be trained while its trunks stay frozen.

    It is what progressive alignment needs (Section 3.3).

    Attributes:
        trunks: a network a modality, "audio", "text" and "image", from examples to trunk features.
        heads: a linear layer a modality, from trunk features into the shared space.
        log_temperature: logarithm of the temperature of Eq. 7, one for all modalities.
    """

    trunks: nn.ModuleDict
    heads: nn.ModuleDict
    log_temperature: nn.Parameter

    def embed_features(self, modality: str, features: torch.Tensor) -> torch.Tensor:
        """Project trunk features (B, width) through a modality's head: (B, D) of unit norm."""


def check_words(texts: Sequence[str]) -> None:
    """Raise `InputError` for no text, for blank text, and for what is not text."""
    remedy = "name a sound, as in 'violin'"
    if isinstance(texts, str) or not len(texts):
        check.fail("text queries", "are no list of texts", remedy)
    for text in texts:
        if not isinstance(text, str):
            check.fail("text query", f"is a {type(text).__name__}", remedy)
        if not text.strip():
            check.fail("text query", f"{text!r} holds no word", remedy)
