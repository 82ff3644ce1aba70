"""Checks of `00_hear_a_separation`."""

import torch
from torch.nn import functional

from mars_lib.exercises.checking import Function, check
from mars_lib.query import query_mixup


def _randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def check_mixture(attempt: Function) -> bool:
    """`attempt(first, second)`: the mixture of two waveforms, each at gain 1, divided by N = 2."""
    cases = [(_randn(8), _randn(8, seed=1)), (_randn(5, seed=2), _randn(5, seed=3))]
    return check(
        "mixture",
        attempt,
        lambda a, b: (a + b) / 2,
        cases,
        {
            "the sum is not yet divided by the number of sources": lambda a, b: a + b,
            "the sources are subtracted, not added": lambda a, b: (a - b) / 2,
            "only the second source is divided by 2: mind the brackets": lambda a, b: a + b / 2,
        },
    )


def check_blend(attempt: Function) -> bool:
    """`attempt(text, image, w_text, w_image)`: Eq. 1 for two modalities."""
    text = functional.normalize(_randn(6), dim=0)
    image = functional.normalize(_randn(6, seed=1), dim=0)
    cases = [(text, image, 1.0, 1.0), (text, image, 0.9, 0.3), (text, image, 0.0, 0.7)]

    def reference(
        text: torch.Tensor, image: torch.Tensor, w_text: float, w_image: float
    ) -> torch.Tensor:
        return query_mixup(torch.stack([text, image]), torch.tensor([w_text, w_image]))

    return check(
        "blend",
        attempt,
        reference,
        cases,
        {
            "the sum is not yet divided by the sum of the weights": lambda t, i, a, b: (
                a * t + b * i
            ),
            (
                "weights of (1, 1) and of (2, 2) must give the same query, and here the second is "
                "twice as long"
            ): lambda t, i, a, b: (a * t + b * i) / 2,
            "the weights are exchanged": lambda t, i, a, b: (b * t + a * i) / (a + b),
        },
    )


def check_consistent(attempt: Function) -> bool:
    """`attempt(estimates, mixture)`: (N, L) estimates of which each got its share of the residual.

    The residual is what the estimates leave of the (L,) mixture; afterwards they sum to it.
    """

    def shared(e: torch.Tensor, x: torch.Tensor, factor: float = 1.0) -> torch.Tensor:
        return e + factor * (x - e.sum(dim=0)) / len(e)

    return check(
        "consistent",
        attempt,
        shared,
        [(_randn(2, 6), _randn(6, seed=1)), (_randn(4, 5, seed=2), _randn(5, seed=3))],
        {
            "each gets the whole residual: now their sum misses the mixture by N - 1 residuals": (
                lambda e, x: e + x - e.sum(dim=0)
            ),
            "the sum is further from the mixture than before: mind the sign": (
                lambda e, x: shared(e, x, -1.0)
            ),
            "the residual is the mixture minus the sum of the estimates, not minus their mean": (
                lambda e, x: e + (x - e.mean(dim=0)) / len(e)
            ),
            "add the residual; a factor explodes where the estimates nearly sum to 0": (
                lambda e, x: e * x / e.sum(dim=0)
            ),
            "this is the residual alone; add it to the estimates": (lambda e, x: shared(e, x) - e),
        },
    )
