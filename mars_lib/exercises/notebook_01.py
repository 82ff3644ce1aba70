"""Checks of `01_stft_masking`."""

from dataclasses import replace

import torch

from mars_lib.config import SignalConfig, small
from mars_lib.exercises.checking import Function, check
from mars_lib.loss import wbce
from mars_lib.mask import to_waveform
from mars_lib.stft import istft, stft


def _rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def check_frames(attempt: Function) -> bool:
    """`attempt(n_samples, hop)`: how many centred frames an STFT has."""
    return check(
        "frames",
        attempt,
        lambda n, hop: n // hop + 1,
        [(65_535, 256), (32_767, 256), (16_000, 160), (256, 256)],
        {
            "the frame centred on sample 0 is missing: one more": lambda n, hop: n // hop,
            "centred frames need no room for a whole window": lambda n, hop: (n - 1024) // hop + 1,
            "a part of a hop makes no frame: round down": lambda n, hop: -(-n // hop) + 1,
        },
    )


def check_masked(attempt: Function) -> bool:
    """`attempt(waveform, mask, signal)`: (L,) samples through an (F, T) mask, (L,) again."""
    coarse = small().signal
    fine = replace(coarse, n_fft=256, hop_length=64)
    # Lengths that are no multiple of the hop.
    cases = [
        (2 * _rand(2_999) - 1, _rand(513, 12, seed=1), coarse),
        (2 * _rand(1_001, seed=2) - 1, _rand(129, 16, seed=3), fine),
    ]

    def masked(x: torch.Tensor, m: torch.Tensor, signal: SignalConfig) -> torch.Tensor:
        return to_waveform(m, stft(x, signal), signal, len(x))

    def without_phase(x: torch.Tensor, m: torch.Tensor, signal: SignalConfig) -> torch.Tensor:
        return istft(m * stft(x, signal).abs() + 0j, signal, len(x))

    return check(
        "masked",
        attempt,
        masked,
        cases,
        {
            "the phase is lost: multiply the complex spectrogram, not its magnitude": without_phase,
            "this keeps what the mask shuts, and shuts what it keeps": lambda x, m, signal: (
                x - masked(x, m, signal)
            ),
            "the mask is not used yet": lambda x, m, signal: x,
            "the mask is used twice": lambda x, m, signal: masked(x, m.square(), signal),
        },
    )


def check_wbce(attempt: Function) -> bool:
    """`attempt(proposal, ideal, weight)`: the mean weighted binary cross-entropy."""
    proposal, weight = 0.05 + 0.9 * _rand(3, 4), 0.1 + _rand(3, 4, seed=1)
    ideal = (_rand(3, 4, seed=2) > 0.5).float()

    def entropy(p: torch.Tensor, m: torch.Tensor) -> torch.Tensor:
        return -(m * p.log() + (1 - m) * (1 - p).log())

    def reference(p: torch.Tensor, m: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        # Against the library's own loss, with the magnitude whose weight is w.
        return wbce(p[None, None], m[None, None], torch.expm1(w)[None])

    return check(
        "WBCE",
        attempt,
        reference,
        [(proposal, ideal, weight), (proposal, 1 - ideal, weight)],
        {
            "the weight is missing": lambda p, m, w: entropy(p, m).mean(),
            "cross-entropy has a minus sign in front": lambda p, m, w: -(w * entropy(p, m)).mean(),
            "take the mean over bins, not the sum": lambda p, m, w: (w * entropy(p, m)).sum(),
            (
                "a proposal of 1 in every bin would cost nothing: no term punishes a mask that is "
                "open where M is 0"
            ): lambda p, m, w: -(w * m * p.log()).mean(),
            (
                "a proposal of 0 in every bin would cost nothing: no term punishes a mask that is "
                "shut where M is 1"
            ): lambda p, m, w: -(w * (1 - m) * (1 - p).log()).mean(),
        },
    )
