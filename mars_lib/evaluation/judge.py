"""The judge: a held-out classifier that names the class of a sound, for evaluation alone.

It stands where the paper has the CLAP score and is not called so. It shares soundfonts with
MiniBind, but neither clips, nor architecture, nor weights, and no reward ever uses it: a gain that
it confirms is no artefact of the reward encoder that was trained against.
"""

from collections.abc import Sequence

import torch
import torchaudio
from torch import nn

from mars_lib import check

BANDS = 80
DILATIONS = (1, 2, 4, 8, 1)


class Judge(nn.Module):
    """Sound to class, through a network in time.

    80 mel bands in frames of 80 ms every 16 ms; three convolutions find what sounds, wherever on
    the frequency axis, and its mean and maximum over frequency become the channels of a 1-D network
    with dilated residual convolutions (a field of about a second); attention over time keeps a mean
    and a deviation of each channel. `names` are the classes, in the order of the logits.
    """

    def __init__(self, names: Sequence[str], width: int = 192) -> None:
        super().__init__()
        self.names = tuple(names)
        with torch.device("cpu"):  # it looks at its own numbers, which shapes alone do not have
            self.mel = torchaudio.transforms.MelSpectrogram(
                16_000, n_fft=1280, hop_length=256, f_min=50.0, n_mels=BANDS, power=2.0
            )
        # The filter bank is rebuilt from its numbers: nothing of it belongs into a checkpoint.
        for name, buffer in list(self.mel.named_buffers()):
            module = self.mel.get_submodule(name.rpartition(".")[0])
            module.register_buffer(name.rpartition(".")[2], buffer, persistent=False)
        # Whole bands are lost in training, as masks and loudspeakers lose them.
        self.bands = nn.Dropout1d(0.1)
        self.front = nn.Sequential(
            *_front(1, width // 8, (2, 2)),
            *_front(width // 8, width // 4, (2, 1)),
            *_front(width // 4, width // 2, (2, 1)),
        )
        self.blocks = nn.ModuleList(_block(width, dilation) for dilation in DILATIONS)
        self.attention = nn.Sequential(nn.BatchNorm1d(width), nn.Tanh(), nn.Conv1d(width, width, 1))
        self.out = nn.Sequential(nn.Dropout(0.2), nn.Linear(2 * width, len(self.names)))

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        """(B, L) at 16 kHz -> (B, classes) logits, whatever the level.

        Sounds below 80 ms are padded. Raises `InputError` for another shape and for NaN.
        """
        check.shape("waveform", waveform, "B L")
        check.finite("waveform", waveform)
        maps = self.front(self.bands(self._decibels(waveform)).unsqueeze(1))
        maps = torch.cat([maps.mean(dim=-2), maps.amax(dim=-2)], dim=1)
        for block in self.blocks:
            maps = maps + block(maps)
        weights = self.attention(maps).float().softmax(dim=-1)
        maps = maps.float()
        mean = (weights * maps).sum(dim=-1)
        spread = (weights * maps.square()).sum(dim=-1) - mean.square()
        return self.out(torch.cat([mean, spread.clamp(min=1e-6).sqrt()], dim=-1))

    def _decibels(self, waveform: torch.Tensor) -> torch.Tensor:
        """(B, L) -> (B, bands, frames) from 0, 60 dB below the loudest, to 3, in twenties of dB."""
        wave = nn.functional.pad(waveform.float(), (0, max(0, 1_280 - waveform.shape[-1])))
        with torch.autocast(waveform.device.type, enabled=False):
            wave = wave / wave.abs().amax(dim=-1, keepdim=True).clamp(min=1e-12)
            mel = self.mel(wave)
            peak = mel.amax(dim=(-2, -1), keepdim=True).clamp(min=1e-12)
            return torch.log10(mel / peak + 1e-6) / 2 + 3


def _front(inputs: int, outputs: int, stride: tuple[int, int]) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, (5, 3), stride=stride, padding=(2, 1), bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]


def _block(width: int, dilation: int) -> nn.Sequential:
    convolution = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
    return nn.Sequential(nn.BatchNorm1d(width), nn.ReLU(), convolution)


def right(judge: Judge, estimate: torch.Tensor, class_names: Sequence[str]) -> torch.Tensor:
    """Whether the classifier, free to name any of its classes, names the queried one.

    (B, L) estimates at 16 kHz and B class names -> (B,) bool, on the device of the estimates,
    wherever the classifier is. Raises `InputError` for a class that it does not know.
    """
    wanted = _labels(judge, estimate, class_names)
    return _logits(judge, estimate).argmax(dim=-1) == wanted


def probability(judge: Judge, estimate: torch.Tensor, class_names: Sequence[str]) -> torch.Tensor:
    """Probability in [0, 1] that the classifier gives to the queried class: (B, L), B names ->
    (B,).
    """
    wanted = _labels(judge, estimate, class_names)
    return _logits(judge, estimate).softmax(dim=-1).gather(1, wanted[:, None])[:, 0]


@torch.no_grad()
def _logits(judge: Judge, estimate: torch.Tensor) -> torch.Tensor:
    device = next(judge.parameters()).device
    return judge(estimate.to(device)).to(estimate.device)


def _labels(judge: Judge, estimate: torch.Tensor, class_names: Sequence[str]) -> torch.Tensor:
    unknown = [name for name in class_names if name not in judge.names]
    if unknown:
        check.fail(
            f"class {unknown[0]!r}",
            "is unknown to the held-out classifier",
            f"give one of {', '.join(judge.names)}",
        )
    check.shape("estimate", estimate, "B L", B=len(class_names))
    return torch.tensor([judge.names.index(name) for name in class_names], device=estimate.device)
