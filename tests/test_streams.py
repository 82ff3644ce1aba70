"""Random streams: no purpose runs into another one, whatever the seed."""

from itertools import product

import pytest
import torch

from mars_lib import streams
from mars_lib.streams import PURPOSES, Stream, generator, rng

# Where the old numbers ran into each other, ends of machine integers, and a hundred more.
SEEDS = (*range(110), 1_000_003, 10**7, 10**9, 2**31, 2**32, 2**32 + 1, 2**64, -1)
PLACES = ((), (0,), (1,), (1, 0), (0, 1), (10,), ("1",), ("train", 1), (10**7,), (2**32,))


def test_purposes_seeds_and_places_are_disjoint():
    keys = [Stream(*each).key(*place) for each in product(PURPOSES, SEEDS) for place in PLACES]
    assert len(set(keys)) == len(keys) == len(PURPOSES) * len(SEEDS) * len(PLACES)


@pytest.mark.parametrize("seed", [0, 1, 100, 2**32])
def test_what_is_drawn_differs_by_purpose_seed_and_step(seed):
    asked = [(p, s, i) for p in PURPOSES for s in (seed, seed + 1) for i in range(3)]
    by_numpy = {rng(*each).bytes(8) for each in asked}
    by_torch = {torch.rand(4, generator=generator(*each)).numpy().tobytes() for each in asked}
    assert len(by_numpy) == len(by_torch) == len(asked)


def test_the_same_place_draws_the_same():
    assert rng("queries", 3, 5).bytes(8) == Stream("queries", 3).rng(5).bytes(8)
    first, again = (torch.rand(4, generator=generator("queries", 3, "a", 5)) for _ in range(2))
    assert torch.equal(first, again)


def test_the_purposes_are_a_closed_list():
    assert len(set(PURPOSES)) == len(PURPOSES)
    for ask in (Stream, lambda name: rng(name, 0), lambda name: generator(name, 0)):
        with pytest.raises(ValueError, match="'mixture clips' is no purpose"):
            ask("mixture clips")
