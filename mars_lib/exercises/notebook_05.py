"""Checks of `05_progressive_alignment`."""

import torch
from torch.nn import functional

from mars_lib.alignment import losses
from mars_lib.exercises.checking import Function, check


def _unit(rows: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(rows, 6, generator=generator), dim=-1)


def check_info_nce(attempt: Function) -> bool:
    """`attempt(audio, text, temperature)`: symmetric InfoNCE (Eq. 7) of (B, D) unit embeddings."""

    def half(a: torch.Tensor, b: torch.Tensor, temperature: float) -> torch.Tensor:
        return functional.cross_entropy(a @ b.T / temperature, torch.arange(len(a)))

    return check(
        "InfoNCE",
        attempt,
        losses.info_nce,
        [(_unit(5, 0), _unit(5, 1), 0.1), (_unit(3, 2), _unit(3, 3), 0.5)],
        {
            (
                "two things are wrong: the smaller the temperature, the flatter the softmax; and "
                "labels need not find their clips"
            ): lambda a, b, t: half(a, b, 1 / t),
            "it is only one of the two directions: labels must find their clips too": half,
            "that is the direction from labels to clips alone": lambda a, b, t: half(b, a, t),
            "the two directions are averaged, not added": lambda a, b, t: (
                half(a, b, t) + half(b, a, t)
            ),
            "divide the similarities by the temperature": lambda a, b, t: losses.info_nce(
                a, b, 1.0
            ),
            "the smaller the temperature, the flatter the softmax: it should be the sharper": (
                lambda a, b, t: losses.info_nce(a, b, 1 / t)
            ),
        },
    )


def check_triplet(attempt: Function) -> bool:
    """`attempt(anchor, positive, negative, margin)`: triplet term of Eq. 8, a mean over rows."""

    def gap(a: torch.Tensor, p: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
        return (a * n).sum(-1) - (a * p).sum(-1)

    return check(
        "triplet",
        attempt,
        losses.triplet,
        [
            (_unit(6, 0), _unit(6, 1), _unit(6, 2), 0.2),
            (_unit(4, 3), _unit(4, 4), _unit(4, 5), 0.5),
        ],
        {
            (
                "nothing is lost below 0: what is far enough apart already costs nothing"
            ): lambda a, p, n, m: (gap(a, p, n) + m).mean(),
            "the margin is missing": lambda a, p, n, m: gap(a, p, n).clamp(min=0).mean(),
            "positive and negative are exchanged": lambda a, p, n, m: (
                (m - gap(a, p, n)).clamp(min=0).mean()
            ),
            "clamp each row before you average, not the average": lambda a, p, n, m: (
                (gap(a, p, n) + m).mean().clamp(min=0)
            ),
        },
    )


def check_batch(attempt: Function) -> bool:
    """`attempt(labels, order)`: (B,) bool, true for the first item of each class in `order`.

    `order` is a permutation of the items.
    """

    def right(labels: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
        kept, seen = torch.zeros(len(labels), dtype=torch.bool), set()
        for place in order.tolist():
            kept[place] = int(labels[place]) not in seen
            seen.add(int(labels[place]))
        return kept

    labels = torch.tensor([0, 0, 1, 2, 1, 2, 3, 0])
    orders = (torch.arange(8), torch.tensor([7, 4, 0, 2, 6, 5, 3, 1]))

    def no_mask() -> str | None:
        if torch.as_tensor(attempt(labels.clone(), orders[0].clone())).dtype == torch.bool:
            return None
        return "0 and 1 would be read as places, not as a mask: return true and false (torch.bool)"

    return check(
        "batch",
        attempt,
        right,
        [(labels, order) for order in orders],
        {
            "every class once: an item whose class is there already is left out": lambda y, o: (
                torch.ones(len(y))
            ),
            "walk in the given order, not from the start": lambda y, o: right(
                y, torch.arange(len(y))
            ),
            "the mask is over places, not over steps of the walk": lambda y, o: right(y, o)[o],
            "the first of a class is kept, not the last": lambda y, o: right(y, o.flip(0)),
        },
        no_mask,
    )
