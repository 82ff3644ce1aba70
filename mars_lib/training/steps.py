"""One step of training, flat enough to read beside the paper."""

import torch

from mars_lib.data.mixtures import MixtureBatch
from mars_lib.loss import wbce
from mars_lib.mask import ideal_binary
from mars_lib.separator import Separator
from mars_lib.stft import stft


def ideal_binary_of(separator: Separator, batch: MixtureBatch) -> tuple[torch.Tensor, torch.Tensor]:
    """What a mask is learned from, without gradients: ((B, H, T) mixture magnitudes, (B, N, H, T) ideal binary masks), float32."""
    warp, signal = separator.warp, separator.config.signal
    with torch.no_grad(), torch.autocast(batch.mixture.device.type, enabled=False):
        mixture_magnitude = warp.warp(stft(batch.mixture, signal).abs())
        reference_magnitude = warp.warp(stft(batch.references, signal).abs())
        return mixture_magnitude, ideal_binary(reference_magnitude, mixture_magnitude)


def supervised_loss(separator: Separator, batch: MixtureBatch, query: torch.Tensor) -> torch.Tensor:
    """WBCE of the proposals against ideal binary masks (Section 3.1.2), a scalar.

    `query` is (B, N, D), one a source. The U-Net runs once a mixture.
    """
    mixture_magnitude, ideal = ideal_binary_of(separator, batch)
    proposal = separator(mixture_magnitude, query)
    return wbce(proposal, ideal, mixture_magnitude)


def learning_rate(step: int, peak: float, warmup_steps: int, decay_steps: int) -> float:
    """Linear warm-up from 0 to `peak`, then linear fall to a tenth of it at `decay_steps`.

    >>> [round(learning_rate(s, 1.0, 10, 110), 2) for s in (0, 5, 10, 60, 110, 500)]
    [0.0, 0.5, 1.0, 0.55, 0.1, 0.1]
    """
    if step < warmup_steps:
        return peak * step / warmup_steps
    progress = min(1.0, (step - warmup_steps) / max(1, decay_steps - warmup_steps))
    return peak * (1 - 0.9 * progress)
