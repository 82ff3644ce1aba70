"""An audio trunk: a residual log-mel CNN that keeps where in frequency a sound lies."""

from contextlib import nullcontext

import torch
import torchaudio
from torch import nn
from torch.nn import functional

FEATURES = 256
BANDS = 96
SHORTEST = 4_096  # samples; shorter sounds are padded: the poolings need sixteen frames


class SoundTrunk(nn.Module):
    """Sounds (B, L) at 16 kHz -> (B, 256), whatever their level: a clip's loudest band is 0 dB."""

    # Half precision on a card where no gradient is asked for: see `mars_lib.encoders.frozen`.
    half_precision = False

    def __init__(self) -> None:
        super().__init__()
        with torch.device("cpu"):  # it looks at its own numbers, which shapes alone do not have
            self.mel = torchaudio.transforms.MelSpectrogram(
                16_000, n_fft=1024, hop_length=256, f_min=40.0, n_mels=BANDS, power=2.0
            )
        # The filter bank is rebuilt from its numbers: nothing of it belongs into a checkpoint.
        for name, buffer in list(self.mel.named_buffers()):
            module = self.mel.get_submodule(name.rpartition(".")[0])
            module.register_buffer(name.rpartition(".")[2], buffer, persistent=False)
        self.layers = nn.Sequential(
            *_convolution(1, 32, 3, 2),
            nn.ReLU(),
            *_convolution(32, 32, 3),
            nn.ReLU(),
            nn.AvgPool2d(2),
            Residual(32, 64),
            nn.AvgPool2d(2),
            Residual(64, 128),
            Residual(128, 128),
            nn.AvgPool2d(2),
            Residual(128, 256),
            Residual(256, 256),
        )
        # A filter a band, not one for all: a trumpet is no tuba that is played faster.
        self.across = nn.Sequential(*_convolution(256, 512, (BANDS // 16, 1), 1, 0))
        self.out = nn.Linear(2 * 512, FEATURES)

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        padded = functional.pad(waveform.float(), (0, max(0, SHORTEST - waveform.shape[-1])))
        with torch.autocast(waveform.device.type, enabled=False):
            mel = self.mel(padded)
            peak = mel.amax(dim=(-2, -1), keepdim=True).clamp(min=1e-12)
            # 80 dB below the peak is silence, whatever the recording's own floor is.
            decibels = 10 * torch.log10(mel / peak + 1e-8)
        half = self.half_precision and waveform.device.type == "cuda" and not waveform.requires_grad
        with torch.autocast("cuda", torch.float16) if half else nullcontext():
            maps = self.layers(((decibels.unsqueeze(1) + 40) / 20).contiguous())
            maps = functional.relu(self.across(maps)).squeeze(-2)  # (B, 512, frames)
        maps = maps.float() if half else maps
        return self.out(torch.cat([maps.mean(dim=-1), maps.amax(dim=-1)], dim=-1))


class Residual(nn.Module):
    """Two convolutions beside a shortcut, a 1 x 1 convolution where the width changes."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            *_convolution(inputs, outputs, 3), nn.ReLU(), *_convolution(outputs, outputs, 3)
        )
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs:
            self.shortcut = nn.Sequential(*_convolution(inputs, outputs, 1))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.inner(maps) + self.shortcut(maps))


def _convolution(
    inputs: int, outputs: int, size: int | tuple[int, int], stride: int = 1, pad: int | None = None
) -> list[nn.Module]:
    """A convolution and its batch norm."""
    padding = size // 2 if pad is None and isinstance(size, int) else pad or 0
    layer = nn.Conv2d(inputs, outputs, size, stride=stride, padding=padding, bias=False)
    return [layer, nn.BatchNorm2d(outputs)]
