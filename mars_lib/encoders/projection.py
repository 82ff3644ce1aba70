"""Encoders made of a trunk and a linear projection head a modality, with one temperature."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch.nn import functional

from mars_lib import check
from mars_lib.encoders.base import TrainableEncoder, check_words
from mars_lib.io import checkpoint


class ProjectionEncoder(nn.Module):
    """A `mars_lib.encoders.base.TrainableEncoder`: trunks, and heads that project their features.

    The heads are linear layers into one space; they are what alignment trains. The shared
    temperature of Eq. 7 begins at 0.07.

    Args:
        trunks: a network a modality, "audio", "text" and "image".
        heads: the linear layer on top of each, all with the same number of outputs, D.
    """

    def __init__(self, trunks: Mapping[str, nn.Module], heads: Mapping[str, nn.Linear]) -> None:
        super().__init__()
        self.trunks, self.heads = nn.ModuleDict(trunks), nn.ModuleDict(heads)
        self.embedding_size = heads["audio"].out_features
        # As its logarithm, which may take any value.
        self.log_temperature = nn.Parameter(torch.tensor(0.07).log())

    def embed_audio(self, waveform: torch.Tensor) -> torch.Tensor:
        """Embed sounds, differentiably.

        Args:
            waveform: (B, L) at 16 kHz in [-1, 1].

        Returns:
            (B, D) of unit norm.

        Raises:
            InputError: for another shape, for no samples and for whole numbers.
        """
        check.shape("waveform", waveform, "B L")
        if not waveform.is_floating_point() or not waveform.shape[-1]:
            problem = f"has shape {tuple(waveform.shape)} of {waveform.dtype}"
            check.fail("waveform", problem, "give floating-point samples")
        return self.embed_features("audio", self.trunks["audio"](waveform))

    def embed_text(self, texts: Sequence[str]) -> torch.Tensor:
        """Embed B texts: (B, D) of unit norm. Raises `InputError` for text without a word."""
        check_words(texts)
        return self.embed_features("text", self.trunks["text"](texts))

    def embed_image(self, images: torch.Tensor) -> torch.Tensor:
        """Embed pictures (B, 3, 224, 224) in [0, 1]: (B, D) of unit norm."""
        check.shape("images", images, "B C H W", C=3, H=224, W=224)
        check.inside("images", images, 0.0, 1.0)
        return self.embed_features("image", self.trunks["image"](images))

    def embed_features(self, modality: str, features: torch.Tensor) -> torch.Tensor:
        """Project trunk features (B, width) through a modality's head: (B, D) of unit norm."""
        return functional.normalize(self.heads[modality](features), dim=-1)


class VideoProjectionEncoder(ProjectionEncoder):
    """One whose image trunk takes videos, (B, T, 3, 224, 224), as well."""

    def embed_video(self, frames: torch.Tensor) -> torch.Tensor:
        """Embed videos (B, T, 3, 224, 224) in [0, 1]: (B, D) of unit norm."""
        check.shape("frames", frames, "B T C H W", C=3, H=224, W=224)
        check.inside("frames", frames, 0.0, 1.0)
        return self.embed_features("image", self.trunks["image"](frames))


def restore_heads(encoder: TrainableEncoder, saved: checkpoint.Checkpoint, name: str) -> None:
    """Put the heads and the temperature of a checkpoint onto an encoder, in place.

    Args:
        encoder: the encoder that gets them.
        saved: has tensors `heads.*` and `log_temperature`.
        name: what messages call the checkpoint.

    Raises:
        InputError: when names or shapes do not match.
    """
    key = "log_temperature"
    temperature = {k: v for k, v in saved.tensors.items() if k == key}
    checkpoint.compare({key: encoder.log_temperature}, temperature, name)
    checkpoint.restore(encoder.heads, saved.part("heads"), name)
    with torch.no_grad():
        encoder.log_temperature.copy_(saved.tensors[key])
