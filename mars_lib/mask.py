"""Masks: what an ideal one is, and how one turns a mixture into an estimate."""

import torch

from mars_lib import check
from mars_lib.config import SignalConfig
from mars_lib.stft import istft

DIVERGED = "the masks are no longer finite"


def ideal_binary(
    reference_magnitude: torch.Tensor, mixture_magnitude: torch.Tensor
) -> torch.Tensor:
    """Ideal binary masks: 1 where a reference holds more than half of the mixture's magnitude.

    The supervised target of Section 3.1.2 (the paper says "ideal masks"; we follow OmniSep's
    recipe). (..., N, X, T) references and (..., X, T) mixture, X linear or log bins ->
    (..., N, X, T), each 0 or 1.

    >>> ideal_binary(torch.tensor([[[0.6]], [[0.5]]]), torch.tensor([[1.0]])).flatten()
    tensor([1., 0.])
    """
    X, T = mixture_magnitude.shape[-2:]
    check.shape("reference magnitude", reference_magnitude, "... N X T", X=X, T=T)
    return (reference_magnitude > 0.5 * mixture_magnitude.unsqueeze(-3)).float()


def ideal_ratio(reference_magnitude: torch.Tensor) -> torch.Tensor:
    """Ideal ratio masks: each reference's share of the summed magnitudes.

    (..., N, X, T) -> the same shape, summing to 1 over N. Bins where all are silent are shared
    equally.
    """
    tiny = torch.finfo(torch.float32).tiny
    magnitude = reference_magnitude + tiny
    return magnitude / magnitude.sum(dim=-3, keepdim=True)


def apply(mask: torch.Tensor, spectrogram: torch.Tensor) -> torch.Tensor:
    """Mask times magnitude with the mixture's phase (Section 3.1.1).

    (..., F, T) mask and complex spectrogram -> (..., F, T) complex.
    """
    check.shape("mask", mask, "... F T", F=spectrogram.shape[-2], T=spectrogram.shape[-1])
    return mask * spectrogram


def to_waveform(
    mask: torch.Tensor, spectrogram: torch.Tensor, signal: SignalConfig, length: int
) -> torch.Tensor:
    """The estimate s(X, M) of Section 3.2.1.

    (..., F, T) mask M over the mixture's (..., F, T) complex spectrogram X -> (..., L) samples,
    L being `length`.
    """
    return istft(apply(mask, spectrogram), signal, length)


def check_masks(masks: torch.Tensor) -> None:
    """Raise FloatingPointError for masks, or their estimates, that hold NaN or an infinity.

    On a card nothing is looked at, which would wait for it: training looks once a step.
    """
    if not check.on_card(masks) and not torch.isfinite(masks).all():
        raise FloatingPointError(DIVERGED)
