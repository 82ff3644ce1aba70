"""PE-AV (Vyas et al., 2025, arXiv 2512.19687): sound, films and words in one space, free to use.
Extra `pe-av`.

Code (`transformers`) and weights are under the Apache licence 2.0, commercial use included, so this
is the encoder for those who may not use ImageBind's. The weights are six models of Meta's; nothing
here downloads them:

    hf download facebook/pe-av-small --local-dir data/weights/pe-av-small

    encoder = pe_av.load("data/weights/pe-av-small")
"""

from collections.abc import Sequence
from pathlib import Path

import torch
import torchaudio
from torch import nn
from torch.nn import functional

from mars_lib.encoders.headed import Filmed, check_words
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


def load(folder: str | Path) -> "PeAv":
    """A published PE-AV, frozen, on the CPU, from the folder that holds its config.json, weights
    and tokeniser; raises as `mars_lib.io.hf_folder.load`.
    """
    return PeAv(*hf_folder.load(folder, PUBLISHED)).eval().requires_grad_(False)


class PeAv(Filmed):
    """The encoder around `transformers.PeAudioVideoModel` and its tokeniser.

    As in `mars_lib.encoders.minibind`, a head is the last linear layer of a modality and a trunk is
    all before it, so that alignment can train the heads. Words have a head for each thing that they
    are compared with; ours is the one for sound, to which pictures were trained as well. A picture
    is a film of one frame, and a film is seen as a whole, its frames in their order. A sound below
    0.2 s is padded. PE-AV is trained on inner products; embeddings here have unit norm.
    """

    def __init__(self, model: nn.Module, tokenizer):
        hearing, seeing = model.audio_model, model.video_model
        heads = {
            "audio": hearing.audio_head,
            "text": hearing.text_audio_head,
            "image": seeing.video_head,
        }
        trunks = {
            "audio": AudioTrunk(hearing.audio_encoder, heads["audio"].layer_norm),
            "text": TextTrunk(hearing.text_model, tokenizer, heads["text"].layer_norm),
            "image": ImageTrunk(seeing.video_encoder, heads["image"].layer_norm),
        }
        super().__init__(trunks, {name: head.proj for name, head in heads.items()})


class AudioTrunk(nn.Module):
    """(B, L) at 16 kHz -> (B, F): resampled to 48 kHz, filled up to whole frames of the codec by
    reflection.
    """

    def __init__(self, encoder: nn.Module, norm: nn.Module):
        super().__init__()
        self.hop = encoder.config.dac_config.hop_length
        encoder.embedder = _Codec(encoder.embedder)
        self.encoder, self.norm = encoder, norm

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        samples = torchaudio.functional.resample(waveform.float(), OUR_RATE, RATE)
        samples = functional.pad(samples, (0, max(0, SHORTEST - samples.shape[-1])))
        samples = functional.pad(samples, (0, -samples.shape[-1] % self.hop), mode="reflect")
        return self.norm(self.encoder(samples.unsqueeze(1)).pooler_output)


class _Codec(nn.Module):
    """The embedder of PE-AV's audio encoder with a gradient: that of `transformers` runs its codec
    under `no_grad`.
    """

    def __init__(self, embedder: nn.Module):
        super().__init__()
        self.dac_encoder, self.bottleneck, self.data_proj = (
            embedder.dac_encoder,
            embedder.bottleneck,
            embedder.data_proj,
        )

    def forward(self, input_values: torch.Tensor, padding_mask: torch.Tensor | None = None):
        codes = self.bottleneck(self.dac_encoder(input_values))
        return self.data_proj(codes.transpose(1, 2)), padding_mask


class TextTrunk(nn.Module):
    """Strings -> (B, F): the first place of the last layer, as in PeAudioModel's forward."""

    def __init__(self, model: nn.Module, tokenizer, norm: nn.Module):
        super().__init__()
        self.model, self.tokenizer, self.norm = model, tokenizer, norm

    def forward(self, texts: Sequence[str]) -> torch.Tensor:
        check_words(texts)
        longest = self.model.config.max_position_embeddings
        tokens = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=longest, return_tensors="pt"
        )
        device = self.norm.weight.device
        ids, mask = tokens["input_ids"].to(device), tokens["attention_mask"].to(device)
        return self.norm(self.model(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0])


class ImageTrunk(nn.Module):
    """(B, 3, H, W) pictures or (B, T, 3, H, W) films in [0, 1] -> (B, F), at the size that the
    model was trained with.
    """

    def __init__(self, encoder: nn.Module, norm: nn.Module):
        super().__init__()
        self.encoder, self.norm = encoder, norm
        self.size = tuple(encoder.embedder.vision_model.timm_model.patch_embed.img_size)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        films = images if images.ndim == 5 else images.unsqueeze(1)
        frames = functional.interpolate(
            films.flatten(0, 1).float(),
            self.size,
            mode="bilinear",
            antialias=True,
            align_corners=False,
        )
        # PeVideoVideoProcessor's mean and deviation are both 0.5.
        return self.norm(self.encoder((2 * frames - 1).unflatten(0, films.shape[:2])).pooler_output)
