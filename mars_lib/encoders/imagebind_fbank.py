"""The inputs of ImageBind, made from tensors: batched, on their device, differentiable for sound.

`imagebind.data` reads files one by one and lets no gradient through. On files that
`mars_lib.waveform.load` (16 kHz, the first channel) and `mars_lib.data.pictures.load_picture` read,
both give the same numbers.
"""

from fractions import Fraction

import torch
from torch import nn
from torch.nn import functional
from torchaudio.compliance import kaldi

from mars_lib import check

# The numbers down to SPREAD are those of `imagebind.data.load_and_transform_audio_data`.
RATE = 16_000  # Hz
CLIPS = 3
CLIP = 2 * RATE
BANDS = 128
FRAMES = 204  # two seconds make 198; the rest is padded
MEAN, SPREAD = -4.268, 9.138  # of log energies in AudioSet
WINDOW, HOP, FOURIER = 400, 160, 512  # 25 ms and 10 ms; a power of two, as Kaldi's transform
PREEMPHASIS = 0.97  # from here on Kaldi's defaults, which `imagebind.data` leaves as they are
LOWEST_HZ = 20.0
EPSILON = torch.finfo(torch.float32).eps
# Of the pictures that CLIP was trained on; `imagebind.data.load_and_transform_vision_data`.
PICTURE_MEAN = (0.48145466, 0.4578275, 0.40821073)
PICTURE_SPREAD = (0.26862954, 0.26130258, 0.27577711)


class FilterBank(nn.Module):
    """Kaldi's log-mel filter bank over three clips of two seconds.

    It computes what torchaudio's `kaldi.fbank` does with a Hann window and no dither.
    """

    bands: torch.Tensor
    window: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        bands, _ = kaldi.get_mel_banks(BANDS, FOURIER, RATE, LOWEST_HZ, 0.0, 100.0, -500.0, 1.0)
        # The Nyquist bin belongs to no band. Rebuilt from its numbers: nothing of it belongs into a
        # checkpoint.
        self.register_buffer(
            "bands", functional.pad(bands, (0, 1)).T.contiguous(), persistent=False
        )
        self.register_buffer("window", torch.hann_window(WINDOW, periodic=False), persistent=False)

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        """Compute normalised log-mel energies, differentiably.

        Of a sound shorter than two seconds all three clips are the whole of it, and the missing
        frames are padded; one below a window of 25 ms is filled up with silence.

        Args:
            waveform: (B, L) at 16 kHz in [-1, 1].

        Returns:
            (B, 3, 1, 128, 204) float32, also under autocast: clips, channels, mel bands, frames.

        Raises:
            InputError: for another shape.
        """
        check.shape("waveform", waveform, "B L")
        padded = functional.pad(waveform.float(), (0, max(0, WINDOW - waveform.shape[-1])))
        with torch.autocast(waveform.device.type, enabled=False):
            frames = _clips(padded).unfold(-1, WINDOW, HOP)  # (B, 3, frames, window)
            frames = frames - frames.mean(dim=-1, keepdim=True)
            before = torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
            spectrum = torch.fft.rfft((frames - PREEMPHASIS * before) * self.window, n=FOURIER)
            power = torch.view_as_real(spectrum).square().sum(dim=-1)
            energy = (power @ self.bands).clamp(min=EPSILON).log().transpose(-1, -2)
            # Padded before it is normalised, as there: a missing frame is 0, which is loud.
            filled = functional.pad(energy, (0, FRAMES - energy.shape[-1]))
            return ((filled - MEAN) / SPREAD).unsqueeze(2)


def clip_starts(length: int) -> list[int]:
    """Compute the first samples of the three clips in `length` samples.

    They are evenly spread, and the last clip ends where the sound does.

    pytorchvideo's ConstantClipsPerVideoSampler at the commit that ImageBind asks for (28fe037); its
    release on PyPI (0.1.5) is older and leaves the last third out.

    >>> clip_starts(160_000), clip_starts(8_000)
    ([0, 64000, 128000], [0, 0, 0])
    """
    # Seconds in floating point, then exact fractions, as there: the last start may be a sample
    # early.
    last = Fraction(max(length / RATE - CLIP / RATE, 0))
    return [int(last / (CLIPS - 1) * i * RATE) for i in range(CLIPS)]


def _clips(waveform: torch.Tensor) -> torch.Tensor:
    """(B, L) -> (B, 3, at most 32,000), each with its mean removed."""
    clips = []
    for start in clip_starts(waveform.shape[-1]):
        clip = waveform[:, start : start + CLIP]
        clip = clip - clip.mean(dim=-1, keepdim=True)
        # There the mean (of all channels) is taken off in place: an overlapping clip begins with
        # what the one before has left.
        waveform = torch.cat([waveform[:, :start], clip, waveform[:, start + CLIP :]], dim=-1)
        clips.append(clip)
    return torch.stack(clips, dim=1)


def normalise_pictures(images: torch.Tensor) -> torch.Tensor:
    """Shift and scale pictures to about zero mean and unit spread, as CLIP does.

    Args:
        images: (..., 3, 224, 224) in [0, 1].

    Returns:
        The same shape, float32.

    Raises:
        InputError: for another shape.
    """
    check.shape("images", images, "... C H W", C=3, H=224, W=224)
    mean, spread = (
        images.new_tensor(x, dtype=torch.float32).view(3, 1, 1)
        for x in (PICTURE_MEAN, PICTURE_SPREAD)
    )
    return (images.float() - mean) / spread
