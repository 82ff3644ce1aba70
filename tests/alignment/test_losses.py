"""Eq. 7-9 against numbers worked out by hand and against PyTorch's own losses, in float64."""

import math

import pytest
import torch
from torch.nn import functional

from mars_lib.alignment import losses


def unit(rows, generator, size=8):
    return functional.normalize(
        torch.randn(rows, size, generator=generator, dtype=torch.float64), dim=-1
    )


def test_info_nce_by_hand():
    # Two orthogonal pairs at temperature 1/2: each row's logits are (2, 0), so the loss is log(1 +
    # e^-2).
    eye = torch.eye(2, dtype=torch.float64)
    assert losses.info_nce(eye, eye, 0.5).item() == pytest.approx(
        math.log(1 + math.exp(-2)), abs=1e-12
    )
    # Pairs exchanged: each row prefers the wrong one by 2.
    assert losses.info_nce(eye, eye.flip(0), 0.5).item() == pytest.approx(
        math.log(1 + math.exp(2)), abs=1e-12
    )


def test_info_nce_to_the_letter_of_eq_7(generator):
    a, t, tau = unit(5, generator), unit(5, generator), 0.07
    total = 0.0
    for i in range(5):
        for x, y in ((a, t), (t, a)):
            scores = [math.exp(float(x[i] @ y[j]) / tau) for j in range(5)]
            total += math.log(scores[i] / sum(scores))
    assert losses.stage_one(a, t, tau).item() == pytest.approx(-total / 10, abs=1e-10)


def test_info_nce_is_symmetric_and_knows_pairs_not_places(generator):
    a, b = unit(6, generator), unit(6, generator)
    order = torch.randperm(6, generator=generator)
    loss = losses.info_nce(a, b, 0.1)
    assert torch.allclose(loss, losses.info_nce(b, a, 0.1))
    assert torch.allclose(loss, losses.info_nce(a[order], b[order], 0.1))


def test_triplet_is_that_of_torch(generator):
    a, p, n = (unit(7, generator) for _ in range(3))
    reference = functional.triplet_margin_with_distance_loss(
        a, p, n, distance_function=lambda x, y: 1 - functional.cosine_similarity(x, y), margin=0.3
    )
    assert losses.triplet(a, p, n, 0.3).item() == pytest.approx(reference.item(), abs=1e-12)
    assert losses.triplet(a, a, -a, 0.3).item() == 0  # further apart than the margin


def test_consistency_is_the_squared_distance(generator):
    a, b = unit(4, generator), unit(4, generator)
    assert losses.consistency(a, b).item() == pytest.approx(
        2 - 2 * (a * b).sum(-1).mean().item(), abs=1e-12
    )
    assert losses.consistency(a, -a).item() == pytest.approx(4)


def test_stages_add_up_as_the_equations_say(generator):
    a, b, n, v, w = (unit(6, generator) for _ in range(5))
    tau, margin = 0.2, 0.1
    two = losses.stage_two(a, b, n, tau, (2.0, 3.0, 5.0), margin)
    parts = (
        2 * losses.info_nce(a, b, tau)
        + 3 * losses.triplet(a, b, n, margin)
        + 5 * losses.consistency(a, b)
    )
    assert torch.allclose(two, parts)
    one = losses.stage_one(a, b, tau)
    three = losses.stage_three(a, v, w, (one, two), tau, (1.0, 2.0, 3.0, 4.0), margin)
    parts = losses.info_nce(a, v, tau) + 2 * losses.triplet(a, v, w, margin) + 3 * one + 4 * two
    assert torch.allclose(three, parts)
