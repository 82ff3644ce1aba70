"""Checks of `07_evaluation`."""

import torch

from mars_lib.evaluation.metrics import si_sdr
from mars_lib.exercises.checking import Function, check


def _noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _ratio(target: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    return 10 * torch.log10(target.square().sum() / noise.square().sum())


def check_si_sdr(attempt: Function) -> bool:
    """`attempt(estimate, reference)`: (L,) and (L,) to SI-SDR in dB (Eq. 13)."""
    reference = _noise(400) + 0.5
    estimate = 3 * reference + _noise(400, seed=1) + 1

    def scaled(e: torch.Tensor, r: torch.Tensor) -> torch.Tensor:
        return (e @ r) / (r @ r) * r

    return check(
        "SI-SDR",
        attempt,
        lambda e, r: si_sdr(estimate=e, reference=r),
        [(estimate, reference), (reference + 0.1 * _noise(400, seed=2), reference)],
        {
            "take the means off first": lambda e, r: _ratio(scaled(e, r), e - scaled(e, r)),
            "this is the plain SNR: the reference must be scaled to the estimate": lambda e, r: (
                _ratio(r - r.mean(), (e - e.mean()) - (r - r.mean()))
            ),
            "energies need 10 log10, not 20": lambda e, r: 2 * si_sdr(estimate=e, reference=r),
            "the ratio is upside down": lambda e, r: -si_sdr(estimate=e, reference=r),
        },
    )


def check_standard_error(attempt: Function) -> bool:
    """`attempt(values)`: (n,) values to the standard error of their mean."""
    return check(
        "standard error",
        attempt,
        lambda v: v.std() / len(v) ** 0.5,
        [(_noise(12),), (2 * _noise(5, seed=1) + 7,)],
        {
            "this is the spread of single mixtures; divide by the root of their number": lambda v: (
                v.std()
            ),
            "divide by the root of n, not by n": lambda v: v.std() / len(v),
            "the deviation of a sample divides by n - 1": lambda v: (
                v.std(correction=0) / len(v) ** 0.5
            ),
        },
    )


def check_paired_interval(attempt: Function) -> bool:
    """`attempt(a, b, picks)`: the 0.025 and 0.975 quantiles of the mean of a - b over draws.

    `a` and `b` are (n,) values, `picks` (draws, n) indices.
    """
    a = _noise(20)
    b = a + 0.2 * _noise(20, seed=1)
    picks = torch.randint(20, (500, 20), generator=torch.Generator().manual_seed(2))
    ends = torch.tensor([0.025, 0.975], dtype=torch.float64)
    return check(
        "paired interval",
        attempt,
        lambda a, b, picks: (a - b)[picks].mean(dim=1).quantile(ends),
        [(a, b, picks), (b, a, picks[:200])],
        {
            "the sign is turned: it is a - b": lambda a, b, picks: (
                (b - a)[picks].mean(dim=1).quantile(ends)
            ),
            (
                "these are quantiles of single mixtures; take the mean of each draw first"
            ): lambda a, b, picks: (a - b)[picks].flatten().quantile(ends),
            "two intervals apart throw the pairing away: difference first": lambda a, b, picks: (
                a[picks].mean(dim=1).quantile(ends) - b[picks].mean(dim=1).quantile(ends)
            ),
        },
    )
