"""From waveform to spectrogram and back, exactly; and the log-frequency view of the U-Net."""

import numpy as np
import torch
from torch import nn

from mars_lib import check
from mars_lib.config import SignalConfig


def stft(waveform: torch.Tensor, signal: SignalConfig) -> torch.Tensor:
    """Complex spectrogram: (..., L) -> (..., F, T), F = n_fft / 2 + 1, T = L // hop + 1.

    Hann window, centred frames, reflected edges (Appendix B; the paper does not name the window).
    Always float32, also under autocast. Raises `InputError` when L is not above n_fft / 2.
    """
    check.shape("waveform", waveform, "... L")
    if waveform.is_complex():
        check.fail("waveform", "is complex", "give samples; a spectrogram goes to `istft`")
    if waveform.shape[-1] <= signal.n_fft // 2:
        problem = f"has {waveform.shape[-1]} samples"
        check.fail("waveform", problem, f"give more than {signal.n_fft // 2}, half an STFT window")
    flat = waveform.reshape(-1, waveform.shape[-1]).float()
    spectrogram = torch.stft(
        flat, signal.n_fft, signal.hop_length, window=_window(flat, signal), return_complex=True
    )
    return spectrogram.reshape(*waveform.shape[:-1], *spectrogram.shape[-2:])


def magnitude_of(spectrogram: torch.Tensor) -> torch.Tensor:
    """|X| of a complex spectrogram, real and of the same shape.

    Several times as fast as torch's own on a CPU, which also guards against squares that leave
    float32; where a gradient is asked for it is torch's own, whose gradient at 0 is 0.
    """
    if spectrogram.requires_grad:
        return spectrogram.abs()
    real, imaginary = torch.view_as_real(spectrogram).unbind(-1)
    return torch.sqrt(real * real + imaginary * imaginary)


def istft(spectrogram: torch.Tensor, signal: SignalConfig, length: int) -> torch.Tensor:
    """Waveform of exactly `length` samples: (..., F, T) -> (..., L). Inverts `stft`."""
    check.shape("spectrogram", spectrogram, "... F T", F=signal.n_fft // 2 + 1)
    if not spectrogram.is_complex():
        remedy = "give the complex one, magnitude and phase, as `stft` makes it"
        check.fail("spectrogram", "is real", remedy)
    flat = spectrogram.reshape(-1, *spectrogram.shape[-2:])
    window = _window(flat.real, signal)
    waveform = torch.istft(flat, signal.n_fft, signal.hop_length, window=window, length=length)
    return waveform.reshape(*spectrogram.shape[:-2], length)


def _window(like: torch.Tensor, signal: SignalConfig) -> torch.Tensor:
    """A Hann window on the device of `like`: (n_fft,)."""
    return torch.hann_window(signal.n_fft, device=like.device)


class LogFrequencyWarp(nn.Module):
    """F linear bins to H log-spaced rows and back, as two fixed matrices.

    Row h looks at linear bin (F - 1)(base^(h / (H - 1)) - 1) / (base - 1), base 21: fine steps at
    the bottom, wide ones at the top. The paper does not say; the curve is the one that OmniSep's
    code uses. Where rows are closer than bins we interpolate, as there; where they are further
    apart we average the bins between them, which point sampling would skip. Always float32, also
    under autocast.

    Attributes:
        to_log: (H, F), each row sums to 1.
        to_linear: (F, H).
    """

    to_log: torch.Tensor
    to_linear: torch.Tensor

    def __init__(self, signal: SignalConfig, base: float = 21.0):
        super().__init__()
        n_linear, n_log = signal.n_fft // 2 + 1, signal.n_bins
        steps = np.linspace(0.0, 1.0, n_log)
        centres = (n_linear - 1) * (base**steps - 1) / (base - 1)
        bins = np.arange(n_linear)
        # Triangles around each centre, at least one bin wide: interpolation or average.
        width = np.maximum(np.gradient(centres), 1.0)
        to_log = np.clip(1 - np.abs(bins - centres[:, None]) / width[:, None], 0, None)
        to_log /= to_log.sum(axis=1, keepdims=True)
        # A linear bin reads the mask between its two neighbouring rows.
        rows = np.interp(bins, centres, np.arange(n_log))
        to_linear = np.clip(1 - np.abs(np.arange(n_log) - rows[:, None]), 0, None)
        self.register_buffer("to_log", torch.tensor(to_log, dtype=torch.float32), False)
        self.register_buffer("to_linear", torch.tensor(to_linear, dtype=torch.float32), False)

    def warp(self, magnitude: torch.Tensor) -> torch.Tensor:
        """(..., F, T) magnitudes or masks -> (..., H, T)."""
        check.shape("magnitude", magnitude, "... F T", F=self.to_log.shape[1])
        with torch.autocast(magnitude.device.type, enabled=False):
            return self.to_log @ magnitude.float()

    def share(self, energy: torch.Tensor) -> torch.Tensor:
        """(..., F, T) energies -> (..., H, T): each bin's, shared among the rows that `unwarp`
        reads there. Their sum stays.
        """
        check.shape("energy", energy, "... F T", F=self.to_linear.shape[0])
        with torch.autocast(energy.device.type, enabled=False):
            return self.to_linear.T @ energy.float()

    def unwarp(self, mask: torch.Tensor) -> torch.Tensor:
        """(..., H, T) mask -> (..., F, T); values in [0, 1] stay there."""
        check.shape("mask", mask, "... H T", H=self.to_log.shape[0])
        with torch.autocast(mask.device.type, enabled=False):
            return (self.to_linear @ mask.float()).clamp(0, 1)
