"""Checks of `docs/template.ipynb`."""

import torch

from mars_lib.exercises.checking import Function, check
from mars_lib.waveform import match_level, rms


def _noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _decibels(ratio: torch.Tensor) -> torch.Tensor:
    return 20 * torch.log10(ratio)


def check_crest(attempt: Function) -> bool:
    """`attempt(sound)`: (L,) to its crest factor in dB."""
    return check(
        "crest factor",
        attempt,
        lambda x: _decibels(x.abs().max() / rms(x)[0]),
        # Their peaks are below zero.
        [(torch.cat([_noise(n) + 0.5, torch.tensor([-9.0])]),) for n in (50, 80)],
        {
            "this is the ratio itself; a ratio of amplitudes is 20 log10 in dB": lambda x: (
                x.abs().max() / rms(x)[0]
            ),
            "amplitudes need 20 log10, not 10": lambda x: _decibels(x.abs().max() / rms(x)[0]) / 2,
            "a peak may be below zero: take absolute values first": lambda x: _decibels(
                x.max() / rms(x)[0]
            ),
            "the ratio is upside down": lambda x: -_decibels(x.abs().max() / rms(x)[0]),
        },
    )


def check_levels(attempt: Function) -> bool:
    """`attempt(sounds, level)`: (N, L) to the same sounds, each at the RMS of `level`."""
    return check(
        "levels",
        attempt,
        match_level,
        [(_noise(3, 40), 0.1), (_noise(2, 60, seed=1), 0.5)],
        {
            "one gain for all: the loud ones are still the loud ones": lambda x, level: (
                x * level / x.square().mean().sqrt()
            ),
            "this makes the peaks equal": lambda x, level: (
                x * level / x.abs().amax(dim=-1, keepdim=True)
            ),
        },
    )


def check_gain(attempt: Function) -> bool:
    """`attempt(sounds, peak)`: (N, L) to the gain at which their sum reaches `peak`, no more."""
    return check(
        "gain",
        attempt,
        lambda x, peak: peak / x.sum(dim=0).abs().max(),
        [(_noise(3, 40), 0.9), (_noise(5, 60, seed=1), 0.5)],
        {
            "the peaks are not at one time: add first, then look for the peak": lambda x, peak: (
                peak / x.abs().amax(dim=-1).sum()
            ),
            "this is for the loudest sound alone": lambda x, peak: peak / x.abs().max(),
            "this is for the mean of the sounds": lambda x, peak: peak / x.mean(dim=0).abs().max(),
        },
    )
