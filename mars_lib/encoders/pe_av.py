"""PE-AV (Vyas et al., 2025, arXiv 2512.19687): sound, videos and words in one space, free to use.

It needs the extra `pe-av`.

Code (`transformers`) and weights are under the Apache licence 2.0, commercial use included, so this
is the encoder for those who may not use ImageBind's. The weights are six models of Meta's; nothing
here downloads them:

    hf download facebook/pe-av-small --local-dir data/weights/pe-av-small

    encoder = pe_av.load("data/weights/pe-av-small")
"""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Protocol

import torch
import torchaudio
from torch import nn
from torch.nn import functional

from mars_lib.encoders.base import check_words
from mars_lib.encoders.projection import VideoProjectionEncoder
from mars_lib.io import hf_folder

OUR_RATE, RATE = 16_000, 48_000  # Hz
SHORTEST = 9_600  # samples at RATE: below 0.2 s a sound is filled up with silence
PUBLISHED = hf_folder.Published(
    "PE-AV",
    "pe_audio_video",
    ("PeAudioVideoModel", "AutoTokenizer"),
    extra="pe-av",
    source="facebook/pe-av-small",
)
# Texts and options -> tensors by name.
Tokenizer = Callable[..., Mapping[str, torch.Tensor]]


class _Head(Protocol):
    """A head of the published model: a norm, and a linear layer into the shared space."""

    layer_norm: nn.LayerNorm
    proj: nn.Linear


class _AudioModel(Protocol):
    """Those parts of `transformers.PeAudioModel` that we use."""

    audio_encoder: nn.Module
    text_model: nn.Module
    audio_head: _Head
    text_audio_head: _Head


class _VideoModel(Protocol):
    """Those parts of `transformers.PeVideoModel` that we use."""

    video_encoder: nn.Module
    video_head: _Head


class PublishedPeAv(Protocol):
    """Those parts of `transformers.PeAudioVideoModel` that we use."""

    audio_model: _AudioModel
    video_model: _VideoModel


def load(folder: str | Path) -> "PeAv":
    """Load a published PE-AV, frozen, on the CPU.

    Args:
        folder: holds its config.json, weights and tokeniser.

    Raises:
        InputError: as `mars_lib.io.hf_folder.load` does.
    """
    return PeAv(*hf_folder.load(folder, PUBLISHED)).eval().requires_grad_(False)


class PeAv(VideoProjectionEncoder):
    """The encoder around `transformers.PeAudioVideoModel` and its tokeniser.

    As in `mars_lib.encoders.minibind`, a head is the last linear layer of a modality and a trunk is
    all before it, so that alignment can train the heads. Words have a head for each thing that they
    are compared with; ours is the one for sound, to which pictures were trained as well. A picture
    is a video of one frame, and a video is embedded as a whole, its frames in their order. A sound
    below 0.2 s is padded. PE-AV is trained on inner products; embeddings here have unit norm.

    Args:
        model: the published model.
        tokenizer: its tokeniser.
    """

    def __init__(self, model: PublishedPeAv, tokenizer: Tokenizer) -> None:
        audio, video = model.audio_model, model.video_model
        heads = {
            "audio": audio.audio_head,
            "text": audio.text_audio_head,
            "image": video.video_head,
        }
        trunks: dict[str, nn.Module] = {
            "audio": AudioTrunk(audio.audio_encoder, heads["audio"].layer_norm),
            "text": TextTrunk(audio.text_model, tokenizer, heads["text"].layer_norm),
            "image": ImageTrunk(video.video_encoder, heads["image"].layer_norm),
        }
        super().__init__(trunks, {name: head.proj for name, head in heads.items()})


class AudioTrunk(nn.Module):
    """Sounds (B, L) at 16 kHz -> (B, width).

    They are resampled to 48 kHz and filled up to whole frames of the codec by reflection.
    """

    def __init__(self, encoder: nn.Module, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.hop: int = attrgetter("config.dac_config.hop_length")(encoder)
        encoder.embedder = _Codec(encoder.get_submodule("embedder"))
        self.encoder, self.norm = encoder, norm

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        samples = torchaudio.functional.resample(waveform.float(), OUR_RATE, RATE)
        samples = functional.pad(samples, (0, max(0, SHORTEST - samples.shape[-1])))
        samples = functional.pad(samples, (0, -samples.shape[-1] % self.hop), mode="reflect")
        return self.norm(self.encoder(samples.unsqueeze(1)).pooler_output)


class _Codec(nn.Module):
    """The embedder of PE-AV's audio encoder, with a gradient.

    That of `transformers` runs its codec under `no_grad`.
    """

    def __init__(self, embedder: nn.Module) -> None:
        super().__init__()
        self.dac_encoder = embedder.get_submodule("dac_encoder")
        self.bottleneck = embedder.get_submodule("bottleneck")
        self.data_proj = embedder.get_submodule("data_proj")

    def forward(
        self, input_values: torch.Tensor, padding_mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        codes = self.bottleneck(self.dac_encoder(input_values))
        return self.data_proj(codes.transpose(1, 2)), padding_mask


class TextTrunk(nn.Module):
    """B texts -> (B, width): the first place of the last layer, as in PeAudioModel's forward."""

    def __init__(self, model: nn.Module, tokenizer: Tokenizer, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.model, self.tokenizer, self.norm = model, tokenizer, norm

    def forward(self, texts: Sequence[str]) -> torch.Tensor:
        check_words(texts)
        longest: int = attrgetter("config.max_position_embeddings")(self.model)
        tokens = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=longest, return_tensors="pt"
        )
        device = self.norm.weight.device
        ids, mask = tokens["input_ids"].to(device), tokens["attention_mask"].to(device)
        return self.norm(self.model(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0])


class ImageTrunk(nn.Module):
    """Pictures (B, 3, height, width) or videos (B, T, 3, height, width), in [0, 1] -> (B, width).

    They are brought to the size that the model was trained with.
    """

    def __init__(self, encoder: nn.Module, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.encoder, self.norm = encoder, norm
        size = attrgetter("embedder.vision_model.timm_model.patch_embed.img_size")(encoder)
        self.size: tuple[int, ...] = tuple(size)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        videos = images if images.ndim == 5 else images.unsqueeze(1)
        frames = functional.interpolate(
            videos.flatten(0, 1).float(),
            self.size,
            mode="bilinear",
            antialias=True,
            align_corners=False,
        )
        # PeVideoVideoProcessor's mean and deviation are both 0.5.
        return self.norm(
            self.encoder((2 * frames - 1).unflatten(0, videos.shape[:2])).pooler_output
        )
