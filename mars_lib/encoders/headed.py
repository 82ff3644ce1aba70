"""What all encoders here share: a trunk and a linear head a modality, one space, one
temperature.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch.nn import functional

from mars_lib import check


class Headed(nn.Module):
    """Trunks and heads by modality, "audio", "text" and "image" (`mars_lib.encoders.base.Encoder`,
    `mars_lib.alignment.features.Alignable`).

    The heads are linear layers into one space of `embedding_size` numbers: they are what alignment
    trains. The shared temperature of Eq. 7 begins at 0.07.
    """

    def __init__(self, trunks: Mapping[str, nn.Module], heads: Mapping[str, nn.Linear]):
        super().__init__()
        self.trunks, self.heads = nn.ModuleDict(trunks), nn.ModuleDict(heads)
        self.embedding_size = heads["audio"].out_features
        # As its logarithm, which may take any value.
        self.log_temperature = nn.Parameter(torch.tensor(0.07).log())

    def embed_audio(self, waveform: torch.Tensor) -> torch.Tensor:
        """(B, L) at 16 kHz in [-1, 1] -> (B, D), unit norm, differentiable. Raises `InputError` for
        whole numbers.
        """
        check.shape("waveform", waveform, "B L")
        if not waveform.is_floating_point() or not waveform.shape[-1]:
            problem = f"has shape {tuple(waveform.shape)} of {waveform.dtype}"
            check.fail("waveform", problem, "give floating-point samples")
        return self.embed_features("audio", self.trunks["audio"](waveform))

    def embed_text(self, texts: Sequence[str]) -> torch.Tensor:
        """B strings -> (B, D), unit norm. Raises `InputError` for text without a word."""
        check_words(texts)
        return self.embed_features("text", self.trunks["text"](texts))

    def embed_image(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, 224, 224) in [0, 1] -> (B, D), unit norm."""
        check.shape("images", images, "B C H W", C=3, H=224, W=224)
        check.inside("images", images, 0.0, 1.0)
        return self.embed_features("image", self.trunks["image"](images))

    def embed_features(self, modality: str, features: torch.Tensor) -> torch.Tensor:
        """Trunk features (B, F) through the modality's head -> (B, D), unit norm."""
        return functional.normalize(self.heads[modality](features), dim=-1)


class Filmed(Headed):
    """One whose image trunk takes films, (B, T, 3, H, W), as well."""

    def embed_video(self, frames: torch.Tensor) -> torch.Tensor:
        """(B, T, 3, 224, 224) in [0, 1] -> (B, D), unit norm."""
        check.shape("frames", frames, "B T C H W", C=3, H=224, W=224)
        check.inside("frames", frames, 0.0, 1.0)
        return self.embed_features("image", self.trunks["image"](frames))


def check_words(texts: Sequence[str]) -> None:
    """Raise `InputError` for no text, for blank text, and for what is no text."""
    remedy = "name a sound, as in 'violin'"
    if isinstance(texts, str) or not len(texts):
        check.fail("text queries", "are no list of texts", remedy)
    for text in texts:
        if not isinstance(text, str):
            check.fail("text query", f"is a {type(text).__name__}", remedy)
        if not text.strip():
            check.fail("text query", f"{text!r} holds no word", remedy)
