"""Checks of `00_hear_a_separation`."""

import torch
from torch.nn import functional

from mars_lib.exercises.checking import Function, check
from mars_lib.query import query_mixup, subtract


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
            "it divides by 2 instead of by the sum of the weights": lambda t, i, a, b: (
                (a * t + b * i) / 2
            ),
            "the weights are exchanged": lambda t, i, a, b: (b * t + a * i) / (a + b),
        },
    )


def check_push_away(attempt: Function) -> bool:
    """`attempt(query, negative, alpha)`: the negative query of Section 3.1.2."""
    query, negative = _randn(6), _randn(6, seed=1)
    cases = [(query, negative, 0.5), (query, negative, 0.0), (query, negative, 1.5)]
    return check(
        "negative query",
        attempt,
        subtract,
        cases,
        {
            "the query itself must grow by alpha too: (1 + alpha) Q": lambda q, n, a: q - a * n,
            "the negative query is added: mind the sign": lambda q, n, a: (1 + a) * q + a * n,
            "query and negative query are exchanged": lambda q, n, a: (1 + a) * n - a * q,
        },
    )
