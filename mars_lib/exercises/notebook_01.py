"""Checks of `01_stft_masking`."""

import torch

from mars_lib.exercises.checking import Function, check
from mars_lib.loss import wbce
from mars_lib.mask import ideal_binary


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


def check_binary_mask(attempt: Function) -> bool:
    """`attempt(reference_magnitude, mixture_magnitude)`: the ideal binary mask, 0.0 and 1.0."""
    reference, mixture = _rand(4, 5), _rand(4, 5, seed=1)
    return check(
        "binary mask",
        attempt,
        lambda r, x: ideal_binary(r[None], x)[0],
        [(reference, mixture), (2 * reference, mixture), (mixture / 2, mixture)],
        {
            "more than half of the mixture is enough, not all of it": lambda r, x: (r > x).float(),
            "it is the other way round: 1 where the reference dominates": lambda r, x: (
                r <= 0.5 * x
            ).float(),
            "this is a ratio; compare it with one half": lambda r, x: r / x,
            "a bin with exactly half goes to neither: use > and not >=": lambda r, x: (
                r >= 0.5 * x
            ).float(),
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
            "the bins that should be 0 count too: add (1 - M) log(1 - P)": lambda p, m, w: (
                -(w * m * p.log()).mean()
            ),
        },
    )
