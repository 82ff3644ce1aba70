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


def check_p_value(attempt: Function) -> bool:
    """`attempt(differences, signs)`: the p value of a sign-flip permutation test.

    The share of draws in which the mean of `differences` (n,), with the signs of `signs` (draws,
    n), is at least as far from 0 as the mean without.
    """
    # Eighths, whose sums are exact: a draw that is just as extreme is exactly so.
    some = (8 * _noise(7) + 4).round() / 8
    every = torch.cartesian_prod(*[torch.tensor([1.0, -1.0], dtype=torch.float64)] * 7)
    drawn = torch.randint(2, (300, 20), generator=torch.Generator().manual_seed(3)) * 2.0 - 1
    # Of negative mean.
    more = (8 * _noise(20, seed=4)).round() / 8 - 0.5
    more = more if more.mean() < 0 else -more

    def share(d: torch.Tensor, signs: torch.Tensor) -> torch.Tensor:
        return ((signs * d).mean(dim=1).abs() >= d.mean().abs()).double().mean()

    return check(
        "p value",
        attempt,
        share,
        [(some, every), (more, drawn.double())],
        {
            "a mean that is as far from 0 on the other side counts too": lambda d, signs: (
                ((signs * d).mean(dim=1) >= d.mean()).double().mean()
            ),
            "a draw that is just as far from 0 counts: >= and not >": lambda d, signs: (
                ((signs * d).mean(dim=1).abs() > d.mean().abs()).double().mean()
            ),
            "this is the share of draws that are less extreme": lambda d, signs: (
                1 - share(d, signs)
            ),
            "this is the number of such draws; return their share": lambda d, signs: (
                share(d, signs) * len(signs)
            ),
            "compare the means of the draws, not single mixtures": lambda d, signs: (
                ((signs * d).abs() >= d.mean().abs()).double().mean()
            ),
            (
                "(count + 1) / (draws + 1), which is never 0, is in use too; here it is the share"
            ): lambda d, signs: (share(d, signs) * len(signs) + 1) / (len(signs) + 1),
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
            (
                "the interval is several times too wide: a draw takes other mixtures for b than "
                "for a, and their difficulty does not cancel"
            ): lambda a, b, picks: (a[picks].mean(dim=1) - b[picks.flip(0)].mean(dim=1)).quantile(
                ends
            ),
            "two intervals apart throw the pairing away: difference first": lambda a, b, picks: (
                a[picks].mean(dim=1).quantile(ends) - b[picks].mean(dim=1).quantile(ends)
            ),
        },
    )
