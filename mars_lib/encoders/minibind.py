"""MiniBind: a small multimodal encoder of our own, so that the course needs no download.

As in ImageBind, each modality has a trunk (frozen once it is trained) and a linear head into the
shared space. The trunks know sounds, pictures and words each on their own; the pretrained heads
were brought together only coarsely, by instrument family, and leave the rest to the alignment.
"""

import zlib
from collections.abc import Sequence
from contextlib import nullcontext

import torch
import torchaudio
from torch import nn
from torch.nn import functional

from mars_lib import check
from mars_lib.encoders.projection import ProjectionEncoder

FEATURES = 256
MODALITIES = ("audio", "text", "image")


class MiniBind(ProjectionEncoder):
    """Three small trunks of our own under projection heads.

    The level of a sound does not matter, nor do case and punctuation of a text; a sound below 0.2 s
    is padded.

    Args:
        embedding_size: D, the numbers in one embedding.
    """

    def __init__(self, embedding_size: int = 256) -> None:
        trunks: dict[str, nn.Module] = {
            "audio": AudioTrunk(),
            "text": TextTrunk(),
            "image": ImageTrunk(),
        }
        heads = {name: nn.Linear(FEATURES, embedding_size, bias=False) for name in MODALITIES}
        for head in heads.values():
            nn.init.orthogonal_(head.weight)
        super().__init__(trunks, heads)


class AudioTrunk(nn.Module):
    """Log-mel CNN: sounds (B, L) at 16 kHz -> (B, 256).

    Level-independent: the loudest mel bin of a clip counts 0 dB.
    """

    # Half precision on a card where no gradient is asked for: see `mars_lib.encoders.frozen`.
    half_precision = False

    def __init__(self) -> None:
        super().__init__()
        with torch.device("cpu"):  # it looks at its own numbers, which shapes alone do not have
            self.mel = torchaudio.transforms.MelSpectrogram(
                16_000, n_fft=1024, hop_length=320, f_min=40.0, n_mels=64, power=2.0
            )
        # The filter bank is rebuilt from its numbers: nothing of it belongs into a checkpoint.
        for name, buffer in list(self.mel.named_buffers()):
            module = self.mel.get_submodule(name.rpartition(".")[0])
            module.register_buffer(name.rpartition(".")[2], buffer, persistent=False)
        self.layers = nn.Sequential(
            *_block(1, 32, stride=2),
            *_block(32, 64),
            nn.AvgPool2d(2),
            *_block(64, 128),
            nn.AvgPool2d(2),
            *_block(128, 256),
        )
        self.out = nn.Linear(2 * 256, FEATURES)

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        # The poolings need ten frames.
        padded = functional.pad(waveform.float(), (0, max(0, 3_200 - waveform.shape[-1])))
        with torch.autocast(waveform.device.type, enabled=False):
            mel = self.mel(padded)
            peak = mel.amax(dim=(-2, -1), keepdim=True).clamp(min=1e-12)
            # 80 dB below the peak is silence, whatever the recording's own floor is.
            decibels = 10 * torch.log10(mel / peak + 1e-8)
        half = self.half_precision and waveform.device.type == "cuda" and not waveform.requires_grad
        with torch.autocast("cuda", torch.float16) if half else nullcontext():
            maps = self.layers((decibels.unsqueeze(1) + 40) / 20).mean(dim=-2)  # (B, 256, frames)
        maps = maps.float() if half else maps
        return self.out(torch.cat([maps.mean(dim=-1), maps.amax(dim=-1)], dim=-1))


class ImageTrunk(nn.Module):
    """Picture CNN: (B, 3, 224, 224) in [0, 1] -> (B, 256)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_block(3, 24, stride=2),
            *_block(24, 48, stride=2),
            *_block(48, 96, stride=2),
            *_block(96, 192, stride=2),
            *_block(192, 256),
        )
        self.out = nn.Linear(2 * 256, FEATURES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        half = functional.avg_pool2d(images.float(), 2)
        maps = self.layers(2 * half - 1).flatten(2)
        return self.out(torch.cat([maps.mean(dim=-1), maps.amax(dim=-1)], dim=-1))


class TextTrunk(nn.Module):
    """Hashed words and character 3- and 4-grams: strings -> (B, 256).

    No vocabulary: any text has an embedding, near that of words that are spelled alike.
    """

    BUCKETS = 4096

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.EmbeddingBag(self.BUCKETS, 128, mode="mean")
        self.out = nn.Sequential(nn.Linear(128, FEATURES), nn.GELU(), nn.Linear(FEATURES, FEATURES))

    def forward(self, texts: Sequence[str]) -> torch.Tensor:
        bags = [ngrams(text) for text in texts]
        offsets = torch.tensor([0, *(len(bag) for bag in bags[:-1])]).cumsum(0)
        flat = torch.tensor([bucket for bag in bags for bucket in bag])
        device = self.table.weight.device
        return self.out(self.table(flat.to(device), offsets.to(device)))


def ngrams(text: str) -> list[int]:
    """Compute the hash buckets of the words of a text and of their character 3- and 4-grams.

    Raises `InputError` for a text without a letter or digit.

    >>> ngrams("A violin") == ngrams("a VIOLIN!")
    True
    """
    words = "".join(c if c.isalnum() else " " for c in text.lower()).split()
    if not words:
        check.fail("text query", f"{text!r} holds no word", "name a sound, as in 'violin'")
    grams = list(words)
    for word in (f"<{word}>" for word in words):
        grams += [word[i : i + n] for n in (3, 4) for i in range(max(1, len(word) - n + 1))]
    return [zlib.crc32(gram.encode()) % TextTrunk.BUCKETS for gram in grams]


def _block(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]
